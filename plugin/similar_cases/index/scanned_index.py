"""A CaseIndex made of a scan: the scan proposes rows, and what is answered is computed here, alike for every scan."""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.description import EmbeddingSpace
from similar_cases.domain.similarity import Candidate
from similar_cases.index.case_index import DECIMALS, TIE, Mask, Rows, VectorScan
from similar_cases.index.vector_checks import require_vector, require_vectors
from similar_cases.index.vector_store import VectorStore

#: how far a cosine in single precision can be off
_SINGLE = 1e-5
#: so many rows are computed in double precision without narrowing them first
_FEW = 256


class ScannedIndex:
    """Implements CaseIndex. For one thread at a time.

    Who can be among the nearest is found by the scan, in whatever precision it works; what it proposes is narrowed in
    single precision to those that can be, and these are computed in double precision. So the order is the same for
    every scan that is exact, on CPU and GPU, in whatever order the vectors came.
    """

    def __init__(
        self, space: EmbeddingSpace, open_scan: Callable[[VectorStore], VectorScan], *, in_memory: bool = True
    ) -> None:
        self._space = space
        self._store = VectorStore(space.size, in_memory=in_memory)
        self._scan = open_scan(self._store)
        self._uids: list[str] = []
        self._row_of: dict[str, int] = {}
        self._free: list[int] = []

    @property
    def space(self) -> EmbeddingSpace:
        """The one space of every vector in it."""
        return self._space

    @property
    def live(self) -> Mask:
        """Which rows hold a Case."""
        return self._store.live

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self._row_of)

    def rows_of(self, case_uids: Sequence[str]) -> Rows:
        """Return the row of each UID, -1 for one that is not there."""
        return np.array([self._row_of.get(uid, -1) for uid in case_uids], dtype=np.int64)

    def uids_of(self, rows: Rows) -> list[str]:
        """Return the UID in each row, empty for a row that holds none."""
        return [self._uids[row] for row in rows.tolist()]

    def add(self, case_uids: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Add (n, size) vectors under n UIDs; a UID that is there already gets the new vector.

        Raises:
            WrongEmbeddingSpace: for vectors of another size, or without a direction.
        """
        require_vectors(self._space, case_uids, vectors)
        last_of = {uid: position for position, uid in enumerate(case_uids)}
        if not last_of:
            return
        for uid in last_of:
            if uid not in self._row_of:
                self._enter(uid)
        rows = self.rows_of(list(last_of))
        self._store.write(rows, vectors[list(last_of.values())])
        self._scan.put(rows)

    def remove(self, case_uids: Collection[str]) -> None:
        """Forget UIDs; unknown ones are passed over."""
        gone = [self._row_of.pop(uid) for uid in set(case_uids) & self._row_of.keys()]
        if gone:
            for row in gone:
                self._uids[row] = ""
            rows = np.array(sorted(gone), dtype=np.int64)
            self._free += rows[::-1].tolist()
            self._store.wipe(rows)
            self._scan.drop(rows)

    def nearest(
        self, vector: NDArray[np.float32], count: int, among: Collection[str] | Mask | None = None
    ) -> list[Candidate]:
        """Return the `count` nearest to (size,) `vector`, most similar first, ties by UID ascending.

        Raises:
            WrongEmbeddingSpace: for a vector of another size, or without a direction.
        """
        unit = require_vector(self._space, vector)
        passing = self._passing(among)
        held = int(np.count_nonzero(passing))
        if count <= 0 or held == 0:
            return []
        if count >= held or held <= self._scan.gather_below:
            rows = np.flatnonzero(passing)
        else:
            rows = self._scan.propose(unit, count, passing)
        rows = self._narrowed(rows, unit, count)
        similarities = np.clip(np.round(self._store.cosines(unit, rows), DECIMALS), -1.0, 1.0) + 0.0
        uids = np.array(self.uids_of(rows), dtype=np.str_)
        order = np.lexsort((uids, -similarities))[:count]
        return [Candidate(float(similarities[at]), str(uids[at])) for at in order]

    def _enter(self, uid: str) -> None:
        if self._free:
            row = self._free.pop()
            self._uids[row] = uid
        else:
            row = len(self._uids)
            self._uids.append(uid)
        self._row_of[uid] = row

    def _passing(self, among: Collection[str] | Mask | None) -> Mask:
        if among is None:
            return self.live
        if isinstance(among, np.ndarray):
            return among
        rows = self.rows_of(list(among))
        passing = np.zeros(len(self.live), bool)
        passing[rows[rows >= 0]] = True
        return passing

    def _narrowed(self, rows: Rows, unit: NDArray[np.float64], count: int) -> Rows:
        """Return those of `rows` whose cosine can be among the `count` largest, whatever the error of a quick one."""
        if len(rows) <= max(_FEW, count):
            return rows
        quick = self._store.quick_cosines(unit, rows)
        last = np.partition(quick, len(quick) - count)[len(quick) - count]
        near: Rows = rows[quick >= last - 2 * _SINGLE - TIE]
        return near
