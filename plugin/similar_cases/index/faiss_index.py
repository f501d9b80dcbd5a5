"""Search by FAISS: the same exact answers from its flat index, and the door to its approximate ones."""

from collections.abc import Collection, Sequence
from typing import Any

import faiss as faiss_library
import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.description import EmbeddingSpace
from similar_cases.domain.similarity import Candidate
from similar_cases.index.vector_checks import require_vector, require_vectors

#: its wrappers are generated, and their stubs do not know what they take
faiss: Any = faiss_library

#: as in ``exact``: cosines that agree to so many decimals are equal, and their order is that of the UIDs
DECIMALS = 6
_SLACK = 1e-5


class FaissIndex:
    """Implements CaseIndex over ``IndexIDMap2(IndexFlatIP)`` of unit vectors. For one thread at a time."""

    def __init__(self, space: EmbeddingSpace) -> None:
        self._space = space
        self._index = faiss.IndexIDMap2(faiss.IndexFlatIP(space.size))
        self._uid_of: dict[int, str] = {}
        self._number_of: dict[str, int] = {}
        self._next = 0

    @property
    def space(self) -> EmbeddingSpace:
        """The one space of every vector in it."""
        return self._space

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self._number_of)

    def add(self, case_uids: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Add (n, size) vectors under n UIDs; a UID that is there already gets the new vector.

        Raises:
            WrongEmbeddingSpace: for vectors of another size, or without a direction.
        """
        require_vectors(self._space, case_uids, vectors)
        last_of = {uid: position for position, uid in enumerate(case_uids)}
        if not last_of:
            return
        self.remove(last_of)
        numbers = np.arange(self._next, self._next + len(last_of), dtype=np.int64)
        self._next += len(last_of)
        chosen = vectors[list(last_of.values())].astype(np.float64)
        units = chosen / np.linalg.norm(chosen, axis=1, keepdims=True)
        self._index.add_with_ids(units.astype(np.float32), numbers)
        for uid, number in zip(last_of, numbers.tolist(), strict=True):
            self._number_of[uid], self._uid_of[number] = number, uid

    def remove(self, case_uids: Collection[str]) -> None:
        """Forget UIDs; unknown ones are passed over."""
        gone = set(case_uids) & self._number_of.keys()
        if gone:
            numbers = [self._number_of.pop(uid) for uid in gone]
            self._index.remove_ids(np.array(numbers, dtype=np.int64))
            for number in numbers:
                del self._uid_of[number]

    def nearest(self, vector: NDArray[np.float32], count: int, among: Collection[str] | None = None) -> list[Candidate]:
        """Return the `count` nearest to (size,) `vector`, most similar first, ties by UID ascending.

        Raises:
            WrongEmbeddingSpace: for a vector of another size, or without a direction.
        """
        unit = require_vector(self._space, vector)
        numbers = self._numbers(among)
        if count <= 0 or len(numbers) == 0:
            return []
        found = self._contenders(unit.astype(np.float32)[np.newaxis], numbers, count)
        vectors = np.stack([self._index.reconstruct(int(number)) for number in found]).astype(np.float64)
        cosines = vectors @ unit / np.linalg.norm(vectors, axis=1)
        similarities = np.clip(np.round(cosines, DECIMALS), -1.0, 1.0) + 0.0
        uids = np.array([self._uid_of[int(number)] for number in found])
        order = np.lexsort((uids, -similarities))[:count]
        return [Candidate(float(similarities[at]), str(uids[at])) for at in order]

    def _numbers(self, among: Collection[str] | None) -> NDArray[np.int64]:
        wanted = self._number_of.keys() if among is None else set(among) & self._number_of.keys()
        return np.array(sorted(self._number_of[uid] for uid in wanted), dtype=np.int64)

    def _contenders(self, query: NDArray[np.float32], numbers: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """Return who can be among the `count` nearest: those of the last one's cosine, all of them, are in it."""
        if count >= len(numbers):
            return numbers
        chosen = faiss.SearchParameters(sel=faiss.IDSelectorBatch(numbers))
        cosines, _ = self._index.search(query, count, params=chosen)
        _, _, found = self._index.range_search(query, float(cosines[0, -1]) - 2 * _SLACK, params=chosen)
        return np.asarray(found, dtype=np.int64)
