"""Exact search on a CPU: 8-bit codes find who can be among the nearest, and a bound on their error proves it.

A unit vector x is kept as s·c, c of 8-bit integers, with the length e of what was lost, x − s·c. For a unit query q,
kept in 16 bits as q', |q·x − q'·s·c| ≤ e + |q − q'|·(1 + e) by Cauchy and Schwarz. So every cosine has a lower and an
upper bound; a row whose upper bound is below the count-th largest lower bound is not among the nearest, whatever the
data are. One byte a number is read instead of four, and processors multiply bytes faster; where the bound closes
little, as in an archive of near copies, more rows are computed in full, and none is missed.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from similar_cases.index.case_index import TIE, Mask, Rows
from similar_cases.index.vector_store import VectorStore, capacity_for, roomy

#: what single precision adds to the error of a bound
_ROUNDING = 4e-6
#: below this share of rows they are gathered; above, all are multiplied
_GATHERED = 0.35
#: gathered rows in one product: their codes stay in the processor's cache
_CHUNK = 16_384
#: rows that are coded at a time
_CODED = 65_536
_LEVELS = 127
_FINE = 254


class CodeScan:
    """Implements VectorScan, exactly."""

    def __init__(self, store: VectorStore, gather_below: int = 4096) -> None:
        self.gather_below = gather_below
        self._store = store
        self._codes: NDArray[np.int8] = np.zeros((0, store.size), np.int8)
        self._scales: NDArray[np.float32] = np.zeros(0, np.float32)
        self._errors: NDArray[np.float32] = np.zeros(0, np.float32)

    def put(self, rows: Rows) -> None:
        """Code rows whose vectors are new in the store."""
        self._grow(len(self._store))
        for start in range(0, len(rows), _CODED):
            some = rows[start : start + _CODED]
            units = self._store.units(some)
            scales = np.abs(units).max(axis=1) / _LEVELS
            codes = np.rint(units / scales[:, None])
            self._errors[some] = np.linalg.norm(units - codes * scales[:, None], axis=1)
            self._codes[some], self._scales[some] = codes.astype(np.int8), scales

    def drop(self, rows: Rows) -> None:
        """Nothing to do: what does not pass is not proposed."""

    def propose(self, unit: NDArray[np.float64], count: int, passing: Mask) -> Rows:
        """Return rows among which the `count` nearest are, with all that tie with the last of them."""
        query, scale, error = _coded_query(unit)
        held = len(passing)
        if np.count_nonzero(passing) < _GATHERED * held:
            rows = np.flatnonzero(passing)
            products = self._gathered(rows, query)
            scales, errors = torch.from_numpy(self._scales[rows]), torch.from_numpy(self._errors[rows])
        else:
            rows = None
            products = _products(torch.from_numpy(self._codes[:held]), query)
            scales, errors = torch.from_numpy(self._scales[:held]), torch.from_numpy(self._errors[:held])
        # in place where it can be: a pass over a million rows is a millisecond
        cosines = products[0].float().add_(products[1].float(), alpha=1 / _FINE).mul_(scales).mul_(scale)
        if rows is None:
            cosines.masked_fill_(torch.from_numpy(~passing), -torch.inf)
        slack = (errors * (1 + error)).add_(error + _ROUNDING)
        least = _kth_largest_or_less(cosines - slack, count) - TIE
        near = torch.nonzero(cosines.add_(slack) >= least)[:, 0].numpy()
        return near if rows is None else rows[near]

    def _gathered(self, rows: Rows, query: torch.Tensor) -> torch.Tensor:
        """Return (2, n) products of `query` (2, size) with the codes of n rows."""
        # whole rows as single items: numpy copies them one by one, without an index for every byte
        items = self._codes.view(f"V{self._store.size}")[:, 0]
        found = torch.empty((2, len(rows)), dtype=torch.int32)
        room = np.empty(min(_CHUNK, len(rows)), items.dtype)
        for start in range(0, len(rows), _CHUNK):
            some = rows[start : start + _CHUNK]
            np.take(items, some, out=room[: len(some)], mode="clip")
            codes = torch.from_numpy(room[: len(some)].view(np.int8).reshape(len(some), -1))
            found[:, start : start + len(some)] = _products(codes, query)
        return found

    def _grow(self, needed: int) -> None:
        held = len(self._codes)
        capacity = capacity_for(needed, held)
        if capacity > held:
            codes = roomy((capacity, self._store.size), np.int8)
            codes[:held] = self._codes
            self._codes = codes
            more = np.zeros(capacity - held, np.float32)
            self._scales, self._errors = np.concatenate([self._scales, more]), np.concatenate([self._errors, more])


def _coded_query(unit: NDArray[np.float64]) -> tuple[torch.Tensor, float, float]:
    """Return (2, size) integers of coarse and fine, their scale, and the length of what 16 bits lose of `unit`.

    >>> codes, scale, error = _coded_query(np.array([0.6, 0.8]))
    >>> np.round((codes[0].numpy() + codes[1].numpy() / 254) * scale, 4), error < 2e-5
    (array([0.6, 0.8]), True)
    """
    scale = float(np.abs(unit).max()) / _LEVELS
    coarse = np.rint(unit / scale)
    fine = np.rint((unit / scale - coarse) * _FINE)
    error = float(np.linalg.norm(unit - (coarse + fine / _FINE) * scale))
    return torch.from_numpy(np.stack([coarse, fine]).astype(np.int8)), scale, error


def _products(codes: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """Return (2, n) products of (n, size) `codes` with (2, size) `query`, all 8-bit integers."""
    multiply = getattr(torch, "_int_mm", None)
    if multiply is not None:
        found: torch.Tensor = multiply(query, codes.T)
        return found
    parts = [query.float() @ part.float().T for part in torch.split(codes, _CHUNK)]
    return torch.cat(parts, dim=1).to(torch.int32)


def _kth_largest_or_less(values: torch.Tensor, count: int) -> torch.Tensor:
    """Return a number that at least `count` of `values` reach, close to the largest such.

    The count-th largest of the maxima of groups is one: as many values reach it as groups do.
    """
    group = max(1, len(values) // (16 * count))
    maxima = values[: len(values) // group * group].view(-1, group).amax(dim=1)
    return torch.topk(maxima, count).values[-1]
