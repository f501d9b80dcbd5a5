"""What finds the nearest vectors; derived from the catalogue, never the truth.

Two ports. A `CaseIndex` is what the rest of the program sees: Cases in, the nearest Cases out. A `VectorScan` is what a
library does well: it says which rows of a `VectorStore` can be among the nearest. ``scanned_index`` makes the first of
the second, and computes every similarity itself, so that the answer does not depend on the library.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.description import EmbeddingSpace
from similar_cases.domain.similarity import Candidate

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: cosines that agree to so many decimals are equal, and their order is that of the UIDs, alike on every processor
DECIMALS = 6
#: what two cosines that are equal then can differ by
TIE = 2 * 10.0**-DECIMALS


class CaseIndex(Protocol):
    """Nearest neighbours by cosine in one EmbeddingSpace, exact under any filter.

    Opened for one space; a vector of another size is refused with WrongEmbeddingSpace. Vectors are kept in half
    precision, as the catalogue has them. Every Case has a row, a small number that stays its own while it is there.
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

    def nearest(
        self, vector: NDArray[np.float32], count: int, among: Collection[str] | Mask | None = None
    ) -> list[Candidate]:
        """Return the `count` nearest to (size,) `vector`, most similar first, ties by UID ascending.

        Args:
            vector: need not be of unit length.
            count: how many at the most.
            among: UIDs that passed the filters, or True for the rows of those that did, all of them live; None for all.
                UIDs that are not in the index are passed over.
        """
        ...

    def rows_of(self, case_uids: Sequence[str]) -> Rows:
        """Return the row of each UID, -1 for one that is not there."""
        ...

    def uids_of(self, rows: Rows) -> list[str]:
        """Return the UID in each row, empty for a row that holds none."""
        ...

    @property
    def live(self) -> Mask:
        """Which rows hold a Case; read-only, and as long as there are rows."""
        ...

    def __len__(self) -> int:
        """Return the number of vectors."""
        ...


class VectorScan(Protocol):
    """Says which rows of a `VectorStore` can be among the nearest; for one thread at a time.

    Attributes:
        gather_below: where so few rows pass the filters, the index looks at each of them and asks no scan: an
            approximate scan is exact there too.
    """

    gather_below: int

    def put(self, rows: Rows) -> None:
        """Take note of rows whose vectors are new in the store."""
        ...

    def drop(self, rows: Rows) -> None:
        """Take note of rows that hold nothing any more."""
        ...

    def propose(self, unit: NDArray[np.float64], count: int, passing: Mask) -> Rows:
        """Return rows among which the `count` nearest are, with all that tie with the last of them within `TIE`.

        Args:
            unit: (size,) of unit length.
            count: at least 1, and less than there are rows that pass.
            passing: which rows may be proposed; none that holds nothing.
        """
        ...
