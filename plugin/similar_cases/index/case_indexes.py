"""The similarity indexes of a process: one a space, brought to the catalogue's generation before every query.

Concurrency. One lock a space: whoever asks first after a change reads what is new, and the others wait for it. The
catalogue is the truth; an index that is behind can only miss a Case for the moment between two queries, and a Case
that is gone is left out again when the answer is read from the catalogue.
"""

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, select

from similar_cases.domain.description import EmbeddingSpace
from similar_cases.domain.similarity import Candidate
from similar_cases.index import encoding
from similar_cases.index.case_index import CaseIndex
from similar_cases.index.database import reading
from similar_cases.index.schema import meta, removed, vectors

#: rows that are read into memory at a time
BATCH = 20_000


@dataclass
class _Held:
    index: CaseIndex
    generation: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class CaseIndexes:
    """Nearest Cases in any EmbeddingSpace.

    Attributes:
        open_index: makes the empty index of a space; ``exact.ExactIndex`` or another backend.
    """

    def __init__(self, engine: Engine, open_index: Callable[[EmbeddingSpace], CaseIndex]) -> None:
        self._engine = reading(engine)
        self._open_index = open_index
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()

    def nearest(
        self,
        space: EmbeddingSpace,
        vector: NDArray[np.float32],
        count: int | None = None,
        among: Collection[str] | None = None,
    ) -> list[Candidate]:
        """Return the `count` nearest Cases of `space` (None for all), as ``CaseIndex.nearest`` does."""
        held = self._of(space)
        with held.lock:
            self._refresh(held)
            return held.index.nearest(vector, len(held.index) if count is None else count, among)

    def warm(self, space: EmbeddingSpace) -> int:
        """Read all vectors of `space`, so that the first query need not wait, and return their number."""
        held = self._of(space)
        with held.lock:
            self._refresh(held)
            return len(held.index)

    def _of(self, space: EmbeddingSpace) -> _Held:
        with self._lock:
            if space.id not in self._held:
                self._held[space.id] = _Held(self._open_index(space))
            return self._held[space.id]

    def _refresh(self, held: _Held) -> None:
        with self._engine.begin() as connection:
            generation = generation_of(connection)
            if generation == held.generation:
                return
            held.index.remove(_removed_since(connection, held))
            self._add_since(connection, held)
            held.generation = generation

    def _add_since(self, connection: Connection, held: _Held) -> None:
        space = held.index.space
        query = select(vectors.c.case_uid, vectors.c.vector)
        new = query.where(vectors.c.space_id == space.id, vectors.c.generation > held.generation)
        rows = connection.execution_options(yield_per=BATCH).execute(new)
        for part in rows.partitions(BATCH):
            blob = b"".join(row.vector for row in part)
            held.index.add([row.case_uid for row in part], encoding.from_half(blob, space.size))


def generation_of(connection: Connection) -> int:
    """Return the catalogue's generation, which grows with every change of vectors."""
    return int(connection.execute(select(meta.c.value).where(meta.c.name == "generation")).scalar_one())


def _removed_since(connection: Connection, held: _Held) -> list[str]:
    if held.generation == 0:
        return []
    gone = removed.c.space_id == held.index.space.id
    query = select(removed.c.case_uid).where(gone, removed.c.generation > held.generation)
    return list(connection.execute(query).scalars())
