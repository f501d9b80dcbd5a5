"""What every protocol prints: a value beside chance, with how many it stands on and how sure it is."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from similar_cases.evaluate.bootstrap_interval import bootstrap_interval


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one query scored, what a random ranking of the same archive would score, and whose query it was."""

    patient: str
    score: float
    chance: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table.

    Attributes:
        data: whose images, and which archive they were sought in.
        task: what was sought: a pair of modalities, an organ, a subset of features.
        way: what ranked: an embedding, radiomics, a fusion.
        metric: what `value` counts, such as ``top-1`` or ``P@5``.
        chance: what a random ranking of the same archives scores in expectation.
        n: queries; `patients` of so many.
        ci: 95 % interval over patients, None where there are fewer than two.
        paper: the published figure of the same protocol on the paper's data, in words, where there is one.
        std: standard deviation over classes, where `value` is a mean over classes.
        less_is_better: whether `value` is a distance or an error.
    """

    data: str
    task: str
    way: str
    metric: str
    value: float
    chance: float
    n: int
    patients: int
    ci: tuple[float, float] | None
    paper: str = ""
    std: float | None = None
    less_is_better: bool = False

    @property
    def beats_chance(self) -> bool:
        """Whether the whole interval lies on the better side of chance."""
        if self.ci is None:
            return False
        return self.ci[1] < self.chance if self.less_is_better else self.ci[0] > self.chance

    def as_json(self) -> dict[str, object]:
        """Return the row's fields, rounded to what they mean."""
        rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(self).items()}
        interval = [round(end, 4) for end in self.ci] if self.ci else None
        return rounded | {"ci": interval, "beats_chance": self.beats_chance}


@dataclass(frozen=True, kw_only=True)
class Heading:
    """What a row is about: the words of `Row`."""

    data: str
    task: str
    way: str
    metric: str
    paper: str = ""
    less_is_better: bool = False


def row_of(about: Heading, outcomes: Sequence[Outcome]) -> Row | None:
    """Return the mean of `outcomes` as a row; None where there is none."""
    if not outcomes:
        return None
    patients = [one.patient for one in outcomes]
    scores = [one.score for one in outcomes]
    return Row(
        **asdict(about),
        value=float(np.mean(scores)),
        chance=float(np.mean([one.chance for one in outcomes])),
        n=len(outcomes),
        patients=len(set(patients)),
        ci=bootstrap_interval(scores, patients),
    )


def rows_of(pairs: Iterable[tuple[Heading, Outcome]]) -> list[Row]:
    """Return one row a heading, in the order in which they come.

    >>> about = Heading(data="d", task="t", way="w", metric="top-1")
    >>> [row] = rows_of((about, Outcome(patient=p, score=s, chance=0.1)) for p, s in (("a", 1.0), ("b", 0.0)))
    >>> row.value, row.n, row.ci
    (0.5, 2, (0.0, 1.0))
    """
    groups: dict[Heading, list[Outcome]] = {}
    for about, outcome in pairs:
        groups.setdefault(about, []).append(outcome)
    return [row for about, group in groups.items() if (row := row_of(about, group))]
