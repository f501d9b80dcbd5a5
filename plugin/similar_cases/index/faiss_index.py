"""Search by FAISS: exact by its flat index, approximate by the others, for archives beyond memory or patience."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import faiss as faiss_library
import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.description import EmbeddingSpace
from similar_cases.index.case_index import TIE, Mask, Rows
from similar_cases.index.scanned_index import ScannedIndex
from similar_cases.index.vector_store import VectorStore

#: its wrappers are generated, and their stubs do not know what they take
faiss: Any = faiss_library

#: how far a cosine in single precision can be off
_SLACK = 1e-5
#: vectors that go in at a time
_BATCH = 20_000
#: vectors that an index is trained on at the most
_TRAINED_ON = 200_000


class FaissKind(StrEnum):
    """Which of FAISS's indexes."""

    #: every vector in single precision; exact
    FLAT = "faiss-flat"
    #: 8-bit codes of every vector, the best of them computed in full
    SQ8 = "faiss-sq8"
    #: a graph of neighbours (Malkov and Yashunin); the quickest, and the largest in memory
    HNSW = "faiss-hnsw"
    #: an inverted file over product codes (Jegou et al.); the smallest in memory
    IVFPQ = "faiss-ivfpq"
    #: random hyperplanes, as the papers on retrieval of volumes use them
    LSH = "faiss-lsh"


@dataclass(frozen=True)
class _Recipe:
    """How an index is made and asked.

    Attributes:
        make: an empty index for so many numbers a vector and so many vectors.
        asked: parameters of a search, given the selector of what passes.
        deeper: so many times what was asked for is fetched, and computed in full.
        selects: whether it takes a selector; where not, more is fetched, and what does not pass is left out.
        in_memory: whether the vectors themselves stay in memory beside the index.
    """

    make: Callable[[int, int], Any]
    asked: Callable[..., Any]
    deeper: int = 1
    selects: bool = True
    in_memory: bool = True


def _hnsw(size: int, _count: int) -> Any:
    index = faiss.IndexHNSWFlat(size, 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 80
    return index


def _ivfpq(size: int, count: int) -> Any:
    lists = int(np.clip(4 * np.sqrt(count), 1, count // 39 or 1))
    # 4 numbers a byte: the codes of a million vectors of 384 take 96 MB
    parts = size // 4 if size % 4 == 0 else size
    quantiser = faiss.IndexFlatIP(size)
    index = faiss.IndexIVFPQ(quantiser, size, lists, parts, 8, faiss.METRIC_INNER_PRODUCT)
    index.own_fields = True
    index.cp.niter = index.pq.cp.niter = 10
    quantiser.this.disown()
    return index


_RECIPES: Mapping[FaissKind, _Recipe] = MappingProxyType(
    {
        FaissKind.FLAT: _Recipe(lambda size, _count: faiss.IndexFlatIP(size), faiss.SearchParameters),
        FaissKind.SQ8: _Recipe(
            lambda size, _count: faiss.IndexScalarQuantizer(
                size, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
            ),
            faiss.SearchParameters,
            deeper=4,
        ),
        FaissKind.HNSW: _Recipe(_hnsw, lambda sel: faiss.SearchParametersHNSW(efSearch=512, sel=sel), deeper=2),
        FaissKind.IVFPQ: _Recipe(
            _ivfpq, lambda sel: faiss.SearchParametersIVF(nprobe=64, sel=sel), deeper=10, in_memory=False
        ),
        FaissKind.LSH: _Recipe(
            lambda size, _count: faiss.IndexLSH(size, 8 * size),
            faiss.SearchParameters,
            deeper=40,
            selects=False,
            in_memory=False,
        ),
    }
)


class FaissIndex(ScannedIndex):
    """A CaseIndex over one of FAISS's indexes; what is approximate of it is who is found, never a similarity."""

    def __init__(
        self, space: EmbeddingSpace, kind: FaissKind = FaissKind.FLAT, gather_below: int | None = None
    ) -> None:
        super().__init__(space, lambda store: FaissScan(store, kind, gather_below), in_memory=_RECIPES[kind].in_memory)


class FaissScan:
    """Implements VectorScan; exactly for FLAT.

    FAISS numbers what it is given; a row whose vector changes gets a new number, and the old one is passed over. The
    index is made at the first question, trained on what there is, and made anew when half of it is passed over or four
    times as much has come.
    """

    def __init__(self, store: VectorStore, kind: FaissKind, gather_below: int | None = None) -> None:
        exact = kind is FaissKind.FLAT
        self.gather_below = gather_below if gather_below is not None else (4096 if exact else 20_000)
        self._store = store
        self._recipe, self._exact = _RECIPES[kind], exact
        self._index: Any = None
        self._made_for = 0
        self._row_of = np.zeros(0, np.int64)
        self._number_of: dict[int, int] = {}

    def put(self, rows: Rows) -> None:
        """Add rows whose vectors are new in the store."""
        self.drop(rows)
        if self._index is None:
            return
        first = len(self._row_of)
        for start in range(0, len(rows), _BATCH):
            self._index.add(self._store.units(rows[start : start + _BATCH]))
        self._row_of = np.concatenate([self._row_of, rows])
        self._number_of |= zip(rows.tolist(), range(first, len(self._row_of)), strict=True)

    def drop(self, rows: Rows) -> None:
        """Pass over rows that hold nothing any more, or something else."""
        numbers = [self._number_of.pop(row) for row in rows.tolist() if row in self._number_of]
        self._row_of[numbers] = -1

    def propose(self, unit: NDArray[np.float64], count: int, passing: Mask) -> Rows:
        """Return rows among which the `count` nearest are, for FLAT all of them."""
        self._make_where_due()
        passes = np.append(passing, False)[self._row_of]
        held = int(np.count_nonzero(passes))
        query = unit.astype(np.float32)[np.newaxis]
        if not self._recipe.selects:
            share = held / len(passes)
            _, numbers = self._index.search(query, min(len(passes), int(count * self._recipe.deeper / share) + 1))
        else:
            bits = np.packbits(passes, bitorder="little")
            asked = self._recipe.asked(sel=faiss.IDSelectorBitmap(bits))
            cosines, numbers = self._index.search(query, min(held, count * self._recipe.deeper), params=asked)
            if self._exact:
                # who ties with the last one is among the nearest too
                least = float(cosines[0, -1]) - 2 * _SLACK - TIE
                _, _, numbers = self._index.range_search(query, least, params=asked)
        found = numbers.ravel()
        found = found[found >= 0]
        rows: Rows = np.sort(self._row_of[found[passes[found]]])
        return rows

    def _make_where_due(self) -> None:
        held = len(self._number_of)
        if self._index is not None and len(self._row_of) <= 2 * held and held <= 4 * self._made_for:
            return
        rows = np.flatnonzero(self._store.live)
        index = self._recipe.make(self._store.size, len(rows))
        if not index.is_trained:
            # evenly over the archive, not at random: the same archive makes the same index
            index.train(self._store.units(rows[:: len(rows) // _TRAINED_ON + 1]))
        self._index, self._made_for = index, len(rows)
        self._row_of, self._number_of = np.zeros(0, np.int64), {}
        self.put(rows)
