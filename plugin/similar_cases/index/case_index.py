"""What finds the nearest vectors; derived from the catalogue, never the truth."""

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.description import EmbeddingSpace
from similar_cases.domain.similarity import Candidate


class CaseIndex(Protocol):
    """Nearest neighbours by cosine in one EmbeddingSpace, exact under any filter.

    Opened for one space; a vector of another size is refused with WrongEmbeddingSpace.
    """

    @property
    def space(self) -> EmbeddingSpace:
        """The one space of every vector in it."""
        ...

    def add(self, case_uids: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Add (n, size) vectors under n UIDs; a UID that is there already gets the new vector."""
        ...

    def remove(self, case_uids: Collection[str]) -> None:
        """Forget UIDs; unknown ones are passed over."""
        ...

    def nearest(self, vector: NDArray[np.float32], count: int, among: Collection[str] | None = None) -> list[Candidate]:
        """Return the `count` nearest to (size,) `vector`, most similar first, ties by UID ascending.

        Args:
            vector: need not be of unit length.
            count: how many at the most.
            among: UIDs that passed the filters; None for all. UIDs that are not in the index are passed over.
        """
        ...

    def __len__(self) -> int:
        """Return the number of vectors."""
        ...
