"""Exact search: every vector is looked at, on the GPU where there is one."""

import numpy as np
import torch
from numpy.typing import NDArray

from similar_cases.domain.description import EmbeddingSpace
from similar_cases.index.case_index import TIE, Mask, Rows
from similar_cases.index.code_scan import CodeScan
from similar_cases.index.scanned_index import ScannedIndex
from similar_cases.index.vector_store import VectorStore, capacity_for

#: how far a cosine of the fast product can be off
_SLACK = {torch.float32: 1e-5, torch.float16: 4e-3}
#: rows that are computed again in single precision at a time
_CHUNK = 65_536


class ExactIndex(ScannedIndex):
    """The exact index of a machine: a product in half precision on its GPU, or 8-bit codes with a bound on its CPU."""

    def __init__(self, space: EmbeddingSpace, device: str = "auto") -> None:
        chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        super().__init__(space, CodeScan if chosen == "cpu" else lambda store: MatrixScan(store, chosen))


class MatrixScan:
    """Implements VectorScan, exactly: all vectors in one matrix on a device, a query is one product with it."""

    def __init__(
        self, store: VectorStore, device: str, dtype: torch.dtype = torch.float16, gather_below: int = 4096
    ) -> None:
        self.gather_below = gather_below
        self._store = store
        self._device = torch.device(device)
        self._dtype = dtype
        self._matrix = torch.zeros((0, store.size), dtype=dtype, device=self._device)

    def put(self, rows: Rows) -> None:
        """Copy rows whose vectors are new in the store."""
        held = len(self._matrix)
        capacity = capacity_for(len(self._store), held)
        if capacity > held:
            matrix = torch.zeros((capacity, self._store.size), dtype=self._dtype, device=self._device)
            matrix[:held] = self._matrix
            self._matrix = matrix
        for start in range(0, len(rows), _CHUNK):
            some = rows[start : start + _CHUNK]
            units = torch.from_numpy(self._store.units(some)).to(self._device, self._dtype)
            self._matrix[torch.from_numpy(some).to(self._device)] = units

    def drop(self, rows: Rows) -> None:
        """Nothing to do: what does not pass is not proposed."""

    def propose(self, unit: NDArray[np.float64], count: int, passing: Mask) -> Rows:
        """Return rows among which the `count` nearest are, with all that tie with the last of them."""
        query = torch.from_numpy(unit).to(self._device, self._dtype)
        quick = (self._matrix[: len(passing)] @ query).float()
        quick.masked_fill_(~torch.from_numpy(passing.copy()).to(self._device), -torch.inf)
        least = torch.topk(quick, count).values[-1] - 2 * _SLACK[self._dtype] - TIE
        rows: Rows = torch.nonzero(quick >= least)[:, 0].cpu().numpy()
        return rows
