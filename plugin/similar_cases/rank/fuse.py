"""One score of named parts, and the order that it gives."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.similarity import ScorePart, Similarity

#: the part that compares embeddings
APPEARANCE = "appearance"
#: the part that compares radiomics
RADIOMICS = "radiomics"


@dataclass(frozen=True, kw_only=True)
class RankingRule:
    """How parts make a score.

    Attributes:
        weights: (part, weight) pairs, none negative; a weight of 0 leaves its part out of the score.
        pool: how many nearest neighbours by embedding the other parts are computed for.
    """

    weights: tuple[tuple[str, float], ...] = ((APPEARANCE, 0.6), (RADIOMICS, 0.4))
    pool: int = 1000

    def __post_init__(self) -> None:
        """Refuse weights that make no score."""
        if any(not math.isfinite(weight) or weight < 0 for _, weight in self.weights):
            raise InvalidRequest("a weight is a number, 0 or more")
        if not any(weight for _, weight in self.weights):
            raise InvalidRequest("at least one weight must be over 0")

    def weighted(self, weights: Iterable[tuple[str, float]]) -> "RankingRule":
        """Return the rule with some weights changed.

        Raises:
            InvalidRequest: for a part that there is not, or weights that make no score.

        >>> RankingRule().weighted([("radiomics", 0)]).weights
        (('appearance', 0.6), ('radiomics', 0))
        """
        known, changed = dict(self.weights), dict(weights)
        if unknown := sorted(changed.keys() - known.keys()):
            raise InvalidRequest(f"no part of the score is called {unknown[0][:80]!r}; there are {', '.join(known)}")
        return replace(self, weights=tuple((known | changed).items()))


def appearance_of(cosine: float) -> float:
    """Return the part of the score that a cosine stands for: opposite and unrelated vectors are both 0.

    >>> appearance_of(0.9), appearance_of(-0.2)
    (0.9, 0.0)
    """
    return min(max(cosine, 0.0), 1.0)


def fuse(parts: Mapping[str, float | None], weights: Mapping[str, float]) -> Similarity:
    """Return the weighted mean of the `parts` that there are; a missing one (None, NaN) leaves its weight to others.

    The weights in the answer are those that counted: they sum to 1. Without any part the score is 0.

    >>> fuse({"appearance": 0.9, "radiomics": None}, {"appearance": 0.6, "radiomics": 0.4}).score
    0.9
    """
    present = {
        name: min(max(float(value), 0.0), 1.0)
        for name in sorted(weights)
        if weights[name] > 0 and (value := parts.get(name)) is not None and math.isfinite(value)
    }
    total = math.fsum(weights[name] for name in present)
    scored = tuple(ScorePart(name, value, weights[name] / total) for name, value in present.items())
    score = math.fsum(part.value * part.weight for part in scored)
    return Similarity(min(score, 1.0), scored)


def in_order(scored: Iterable[tuple[str, Similarity]]) -> list[tuple[str, Similarity]]:
    """Sort (Case UID, Similarity) pairs, best first; equal scores by UID ascending, so that pages never overlap."""
    return sorted(scored, key=lambda pair: (-pair[1].score, pair[0]))
