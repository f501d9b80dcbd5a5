"""A query whose references are resolved: vectors, measurements and places instead of UIDs."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.case import Case
from similar_cases.domain.description import BodyCoordinate, EmbeddingSpace, Level
from similar_cases.domain.references import FrameRef
from similar_cases.domain.similarity import FeatureWish

Vector = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Slices:
    """The slices that ask: (n, size) vectors, the Frame of each where it is known, and their space."""

    vectors: Vector
    frames: tuple[FrameRef | None, ...]
    space: EmbeddingSpace


class SlicesAsked(Protocol):
    """Gives the slices of what is asked about, when they are wanted and not before."""

    def known(self, *, localized: bool) -> Slices | None:
        """Return those that the catalogue holds: all, or those alone that hold the Region; None where it has none."""
        ...

    def all(self, *, localized: bool) -> Slices | None:
        """Return the same, embedded there and then where the catalogue has none; None where nothing is shown."""
        ...


@dataclass(frozen=True)
class ResolvedPlace:
    """Where answers should lie: relative to their Volume (k, j, i), in the body, or both."""

    relative: tuple[float, float, float] | None = None
    body: BodyCoordinate | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """What is asked.

    Attributes:
        case: the Case asked about; None where the query shows none.
        level: what is sought.
        space: of the vectors of that level.
        probes: unit vectors in `space`; what is nearest to any of them is sought. Empty where nothing is shown.
        shown: the Cases that the query shows: what is asked about, and the examples that are alike.
        left_out: the Cases that are never answers: what is asked about, and the examples.
        features: what the query wishes of features by name.
        place: where answers should lie, as the query says.
        text: words that the query gives.
        slices: the slices of what is asked about.
    """

    case: Case | None = None
    level: Level
    space: EmbeddingSpace
    probes: tuple[Vector, ...] = ()
    shown: tuple[Case, ...] = ()
    left_out: frozenset[str] = frozenset()
    features: tuple[FeatureWish, ...] = ()
    place: ResolvedPlace | None = None
    text: str = field(default="", repr=False)
    slices: SlicesAsked

    @property
    def measured(self) -> tuple[Case, ...]:
        """The Cases shown that have radiomics."""
        return tuple(case for case in self.shown if case.description.radiomics is not None)
