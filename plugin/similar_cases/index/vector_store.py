"""Vectors in rows, in half precision as the catalogue has them, in memory or, for large archives, in a mapped file."""

import mmap
import tempfile
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from similar_cases.index.case_index import Mask, Rows

_FIRST_ROWS = 1024
#: rows that are widened at a time
_CHUNK = 4096
#: smaller arrays gain nothing from large pages
_LARGE = 8 * 2**20


def roomy(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return an array of zeros on large pages where the system has them: reading scattered rows is twice as quick."""
    size = prod(shape) * np.dtype(dtype).itemsize
    if size < _LARGE:
        return np.zeros(shape, dtype)
    memory = mmap.mmap(-1, size)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, dtype=dtype).reshape(shape)


def capacity_for(needed: int, held: int) -> int:
    """Return how many rows to have room for, so that growing row by row stays cheap."""
    return held if needed <= held else max(needed, _FIRST_ROWS, held + held // 2)


class VectorStore:
    """(rows, size) vectors, of which some rows hold nothing. For one thread at a time.

    Attributes:
        size: of a vector.
        live: which rows hold a vector; as long as the store has rows.
    """

    def __init__(self, size: int, *, in_memory: bool = True) -> None:
        self.size = size
        self._in_memory = in_memory
        self._halves: NDArray[np.float16] = np.zeros((0, size), np.float16)
        self._scales: NDArray[np.float32] = np.zeros(0, np.float32)
        self._live: Mask = np.zeros(0, bool)
        self._count = 0

    def __len__(self) -> int:
        """Return the number of rows, those that hold nothing included."""
        return self._count

    @property
    def live(self) -> Mask:
        """Which rows hold a vector."""
        view = self._live[: self._count]
        view.flags.writeable = False
        return view

    def write(self, rows: Rows, vectors: NDArray[np.float32]) -> None:
        """Put (n, size) finite vectors that have a direction into n rows; the store grows as needed."""
        self._grow(int(rows.max(initial=-1)) + 1)
        with np.errstate(over="ignore"):
            halves = vectors.astype(np.float16)
        lengths = np.linalg.norm(halves.astype(np.float32), axis=1)
        lost = ~(np.isfinite(lengths) & (lengths > 1e-4))
        if lost.any():
            # half precision ends at 65504 and 6e-8; the direction is what counts
            wide = vectors[lost].astype(np.float64)
            halves[lost] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
            lengths[lost] = np.linalg.norm(halves[lost].astype(np.float32), axis=1)
        self._halves[rows], self._scales[rows], self._live[rows] = halves, 1.0 / lengths, True

    def wipe(self, rows: Rows) -> None:
        """Let rows hold nothing."""
        self._live[rows] = False

    def units(self, rows: Rows) -> NDArray[np.float32]:
        """Return the (n, size) vectors of rows with unit length."""
        found: NDArray[np.float32] = self._halves[rows].astype(np.float32) * self._scales[rows, None]
        return found

    def quick_cosines(self, unit: NDArray[np.float64], rows: Rows) -> NDArray[np.float32]:
        """Return (n,) cosines in single precision, which can be off by 1e-5."""
        asked, halves = torch.from_numpy(unit).float(), torch.from_numpy(self._halves)
        parts = [torch.index_select(halves, 0, torch.from_numpy(some)).float() @ asked for some in _parts(rows)]
        found: NDArray[np.float32] = torch.cat(parts).numpy() * self._scales[rows]
        return found

    def cosines(self, unit: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
        """Return (n,) cosines in double precision: what every answer's similarity is.

        A row's value does not depend on which others are asked for: each is summed up by itself.
        """
        found = [np.empty(0)]
        for some in _parts(rows):
            wide = self._halves[some].astype(np.float64)
            found.append((wide * unit).sum(axis=1) / np.sqrt((wide * wide).sum(axis=1)))
        return np.concatenate(found)

    def _grow(self, needed: int) -> None:
        held = len(self._halves)
        capacity = capacity_for(needed, held)
        self._count = max(self._count, needed)
        if capacity == held:
            return
        halves = roomy((capacity, self.size), np.float16) if self._in_memory else _mapped((capacity, self.size))
        halves[:held] = self._halves
        self._halves = halves
        self._scales = np.concatenate([self._scales, np.zeros(capacity - held, np.float32)])
        self._live = np.concatenate([self._live, np.zeros(capacity - held, bool)])


def _mapped(shape: tuple[int, int]) -> NDArray[np.float16]:
    """Return zeros in a file that has no name any more, and goes when nobody holds the array."""
    with tempfile.TemporaryFile(prefix="similar-cases-") as file:
        return np.memmap(file, dtype=np.float16, mode="w+", shape=shape)


def _parts(rows: Rows) -> Iterator[Rows]:
    return (rows[start : start + _CHUNK] for start in range(0, max(1, len(rows)), _CHUNK))
