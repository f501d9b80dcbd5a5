"""Exact search: every vector is looked at, on the GPU where there is one."""

from collections.abc import Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from similar_cases.domain.description import EmbeddingSpace
from similar_cases.domain.similarity import Candidate
from similar_cases.index.vector_checks import require_vector, require_vectors

#: cosines that agree to so many decimals are equal, and their order is that of the UIDs, alike on every processor
DECIMALS = 6
#: how far a cosine of the fast product can be off
_SLACK = {torch.float32: 1e-5, torch.float16: 4e-3}
_FIRST_ROWS = 1024
#: rows that are computed again at a time, in double precision
_CHUNK = 4096


class ExactIndex:
    """All vectors in one growing matrix; a query is one product with it. For one thread at a time.

    The product finds who can be among the nearest; those few are computed again in double precision, so the order is
    the same on CPU and GPU, in single and half precision, in whatever order the vectors came. Half precision (what a
    GPU gets) loses nothing of vectors from the catalogue, which keeps them so.
    """

    def __init__(self, space: EmbeddingSpace, device: str = "auto", dtype: torch.dtype | None = None) -> None:
        chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self._space = space
        self._device = torch.device(chosen)
        # products in half precision are slower than in single on most CPUs
        self._dtype = dtype or (torch.float16 if self._device.type == "cuda" else torch.float32)
        self._matrix = torch.empty((0, space.size), dtype=self._dtype, device=self._device)
        self._scales = torch.empty(0, dtype=torch.float64, device=self._device)
        self._uids: list[str] = []
        self._row_of: dict[str, int] = {}

    @property
    def space(self) -> EmbeddingSpace:
        """The one space of every vector in it."""
        return self._space

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self._uids)

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
                self._row_of[uid] = len(self._uids)
                self._uids.append(uid)
        self._grow(len(self._uids))
        rows = torch.tensor([self._row_of[uid] for uid in last_of], device=self._device)
        chosen = np.ascontiguousarray(vectors[list(last_of.values())], dtype=np.float32)
        values = torch.from_numpy(chosen).to(self._device, self._dtype)
        self._matrix[rows] = values
        self._scales[rows] = 1.0 / torch.linalg.vector_norm(values.double(), dim=1)

    def remove(self, case_uids: Collection[str]) -> None:
        """Forget UIDs; unknown ones are passed over."""
        for uid in set(case_uids) & self._row_of.keys():
            # the last row takes the place, so that the matrix has no holes
            row, last = self._row_of.pop(uid), len(self._uids) - 1
            moved = self._uids.pop()
            if row != last:
                self._matrix[row], self._scales[row] = self._matrix[last], self._scales[last]
                self._uids[row], self._row_of[moved] = moved, row

    def nearest(self, vector: NDArray[np.float32], count: int, among: Collection[str] | None = None) -> list[Candidate]:
        """Return the `count` nearest to (size,) `vector`, most similar first, ties by UID ascending.

        Raises:
            WrongEmbeddingSpace: for a vector of another size, or without a direction.
        """
        query = torch.from_numpy(require_vector(self._space, vector)).to(self._device)
        rows = self._rows(among)
        if count <= 0 or len(rows) == 0:
            return []
        rows = self._contenders(query, rows, count)
        exact = torch.cat([self._cosines(query, part) for part in torch.split(rows, _CHUNK)]).cpu().numpy()
        similarities = np.clip(np.round(exact, DECIMALS), -1.0, 1.0) + 0.0
        uids = np.array([self._uids[row] for row in rows.tolist()])
        order = np.lexsort((uids, -similarities))[:count]
        return [Candidate(float(similarities[at]), str(uids[at])) for at in order]

    def _rows(self, among: Collection[str] | None) -> torch.Tensor:
        if among is None:
            return torch.arange(len(self._uids), device=self._device)
        rows = [row for row in map(self._row_of.get, set(among)) if row is not None]
        return torch.tensor(rows, dtype=torch.int64, device=self._device)

    def _contenders(self, query: torch.Tensor, rows: torch.Tensor, count: int) -> torch.Tensor:
        """Return the rows whose cosine can be among the `count` largest, whatever the fast product's error."""
        if count >= len(rows):
            return rows
        few = len(rows) * 8 < len(self._uids)
        matrix = self._matrix[rows] if few else self._matrix[: len(self._uids)]
        quick = (matrix @ query.to(self._dtype)).float()
        quick = (quick if few else quick[rows]) * self._scales[rows].float()
        least = torch.topk(quick, count).values[-1] - 2 * _SLACK[self._dtype]
        return rows[quick >= least]

    def _cosines(self, query: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return (self._matrix[rows].double() @ query) * self._scales[rows]

    def _grow(self, needed: int) -> None:
        held = len(self._matrix)
        if needed <= held:
            return
        capacity = max(needed, _FIRST_ROWS, held + held // 2)
        matrix = torch.empty((capacity, self._space.size), dtype=self._dtype, device=self._device)
        scales = torch.empty(capacity, dtype=torch.float64, device=self._device)
        matrix[:held], scales[:held] = self._matrix, self._scales
        self._matrix, self._scales = matrix, scales
