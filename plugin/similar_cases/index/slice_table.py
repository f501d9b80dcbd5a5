"""The slices of all Volumes of one space in memory, so that slices can vote, and pooled Volumes be compared.

Exact: every slice is looked at. 100 000 slices of 1280 numbers take 0.5 GB. Rows lie in blocks; what a change of the
catalogue brings is a block of its own, and many small ones are merged.

Concurrency. One lock: whoever asks first after a change reads what is new, and the others wait for it.
"""

import threading
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select

from similar_cases.index import encoding
from similar_cases.index.case_indexes import generation_of, removed_since
from similar_cases.index.database import reading
from similar_cases.index.schema import slice_vectors, vectors

Rows = NDArray[np.float32]
#: Volumes that are read at a time
_BATCH = 200
#: more blocks than this are merged
_MAX_BLOCKS = 16
#: rows in one product
_PRODUCT = 16_384
#: similarities that agree to so many decimals are equal, alike on every processor
_DECIMALS = 5


@dataclass(frozen=True, eq=False)
class _Block:
    rows: Rows  # (n, size), unit length
    owners: NDArray[np.int64]  # (n,) number of the Case
    places: NDArray[np.int64]  # (n,) position among its slices


@dataclass(frozen=True)
class Hit:
    """One slice that was found: its Case, its position among the Case's slices, and its cosine."""

    case_uid: str
    place: int
    similarity: float


class SliceTable:
    """Every slice vector of the Volumes in one slice space."""

    def __init__(self, engine: Engine, space_id: str, size: int) -> None:
        self._engine = reading(engine)
        self._space_id = space_id
        self._size = size
        self._generation = 0
        self._lock = threading.Lock()
        self._blocks: list[_Block] = []
        self._uids: list[str] = []
        self._came: list[int] = []
        self._number_of: dict[str, int] = {}

    def nearest(
        self, query: Rows, count: int, among: Collection[str] | None = None, without: Collection[str] = ()
    ) -> list[list[Hit]]:
        """Return, for each of (q, size) unit vectors, the `count` nearest slices, ties by the Case's UID and place.

        Args:
            query: unit vectors.
            count: how many slices each finds at the most.
            among: Cases whose slices may be found; None for all.
            without: Cases whose slices are not found.
        """
        with self._lock:
            self._refresh()
            allowed = self._allowed(among)
            allowed[[number for uid in without if (number := self._number_of.get(uid)) is not None]] = False
            found: list[tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]] = []
            for block in self._blocks:
                found += _nearest_in(query, block, count, allowed)
            return self._hits(found, len(query), count)

    def sets(self, after: int = 0) -> dict[str, Rows]:
        """Return Case UID → its (n, size) slices, of the Cases that came after the catalogue's generation `after`."""
        with self._lock:
            self._refresh()
            parts: dict[int, list[Rows]] = {}
            for block in self._blocks:
                starts = np.flatnonzero(np.diff(block.owners, prepend=-1))
                for start, end in zip(starts, [*starts[1:], len(block.owners)], strict=True):
                    owner = int(block.owners[start])
                    if self._came[owner] > after and self._number_of.get(self._uids[owner]) == owner:
                        parts.setdefault(owner, []).append(block.rows[start:end])
            return {self._uids[owner]: np.concatenate(rows) for owner, rows in parts.items()}

    def case_uids(self) -> frozenset[str]:
        """Return the Cases that have slices."""
        with self._lock:
            self._refresh()
            return frozenset(self._number_of)

    def refreshed(self) -> int:
        """Read what is new, and return the catalogue's generation."""
        with self._lock:
            self._refresh()
            return self._generation

    def _allowed(self, among: Collection[str] | None) -> NDArray[np.bool_]:
        allowed = np.zeros(len(self._uids), dtype=bool)
        numbers = self._number_of.values() if among is None else map(self._number_of.get, among)
        allowed[[number for number in numbers if number is not None]] = True
        return allowed

    def _hits(
        self, found: list[tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]], queries: int, count: int
    ) -> list[list[Hit]]:
        if not found:
            return [[] for _ in range(queries)]
        similarities, owners, places = (np.concatenate(part, axis=1) for part in zip(*found, strict=True))
        hits = []
        for row in range(queries):
            known = np.flatnonzero(np.isfinite(similarities[row]))
            rounded = np.round(similarities[row, known].astype(np.float64), _DECIMALS)
            uids = np.array([self._uids[owner] for owner in owners[row, known]], dtype=np.str_)
            order = np.lexsort((places[row, known], uids, -rounded))[:count]
            hits.append(
                [Hit(str(uids[at]), int(places[row, known[at]]), float(np.clip(rounded[at], -1, 1))) for at in order]
            )
        return hits

    def _refresh(self) -> None:
        with self._engine.begin() as connection:
            generation = generation_of(connection)
            if generation == self._generation:
                return
            for uid in removed_since(connection, self._generation):
                self._number_of.pop(uid, None)
            query = (
                select(slice_vectors.c.case_uid, slice_vectors.c.vectors)
                .join(vectors, vectors.c.case_uid == slice_vectors.c.case_uid)
                .where(slice_vectors.c.space_id == self._space_id, vectors.c.generation > self._generation)
                .distinct()
                .order_by(slice_vectors.c.case_uid)
            )
            for part in connection.execution_options(yield_per=_BATCH).execute(query).partitions(_BATCH):
                self._blocks.append(self._block([(row[0], encoding.from_half(row[1], self._size)) for row in part]))
            self._came += [generation] * (len(self._uids) - len(self._came))
            self._generation = generation
        if len(self._blocks) > _MAX_BLOCKS:
            self._merge()

    def _block(self, sets: list[tuple[str, Rows]]) -> _Block:
        owners = []
        for uid, rows in sets:
            self._number_of[uid] = len(self._uids)
            owners.append(np.full(len(rows), len(self._uids), dtype=np.int64))
            self._uids.append(uid)
        places = np.concatenate([np.arange(len(rows)) for _, rows in sets])
        rows = np.concatenate([rows for _, rows in sets])
        lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return _Block(rows / lengths, np.concatenate(owners), places)

    def _merge(self) -> None:
        """Make one block of all, and leave out what is gone."""
        live = self._allowed(None)
        kept = [live[block.owners] for block in self._blocks]
        self._blocks = [
            _Block(
                np.concatenate([block.rows[keep] for block, keep in zip(self._blocks, kept, strict=True)]),
                np.concatenate([block.owners[keep] for block, keep in zip(self._blocks, kept, strict=True)]),
                np.concatenate([block.places[keep] for block, keep in zip(self._blocks, kept, strict=True)]),
            )
        ]


def _nearest_in(
    query: Rows, block: _Block, count: int, allowed: NDArray[np.bool_]
) -> list[tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]]:
    """Return (q, at most count and ties) similarities, owners and places of the nearest, some rows at a time."""
    found = []
    for start in range(0, len(block.rows), _PRODUCT):
        owners = block.owners[start : start + _PRODUCT]
        similarities = query @ block.rows[start : start + _PRODUCT].T
        similarities[:, ~allowed[owners]] = -np.inf
        # a few more than asked for, so that ties at the edge are broken by UID
        most = min(2 * count, similarities.shape[1])
        best = np.argpartition(-similarities, most - 1, axis=1)[:, :most]
        places = block.places[start : start + _PRODUCT]
        found.append((np.take_along_axis(similarities, best, axis=1), owners[best], places[best]))
    return found
