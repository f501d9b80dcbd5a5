"""The embedders that are compared: each by its name, and beside it what its architecture is worth untrained."""

from collections.abc import Callable, Iterable

from similar_cases.describe.embedder import Embedder

#: the general 2-D network that every other embedder is held against
BASELINE = "efficientnet-lite0"


def open_compared(
    names: Iterable[str], open_one: Callable[[str], Embedder], *, untrained: bool = True
) -> dict[str, Embedder]:
    """Return name → embedder for `names` and the baseline; where wanted, also for each with random weights.

    Args:
        names: of embedders.
        open_one: opens an embedder by name; it is called twice for each that is also wanted untrained.
        untrained: whether the same architectures with random weights are wanted.
    """
    from similar_cases.describe.backends.untrained import UntrainedEmbedder  # torch is loaded where it is used

    compared: dict[str, Embedder] = {}
    for name in dict.fromkeys((*names, BASELINE)):
        compared[name] = open_one(name)
        if untrained:
            compared[f"{name}, untrained"] = UntrainedEmbedder(open_one(name))
    return compared
