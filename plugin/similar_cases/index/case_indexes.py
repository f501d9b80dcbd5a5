"""The similarity indexes of a process: one a space, brought to the catalogue's generation before every query.

Concurrency. One lock a space: whoever asks first after a change reads what is new, and the others wait for it. The
catalogue is the truth; an index that is behind can only miss a Case for the moment between two queries, and a Case
that is gone is left out again when the answer is read from the catalogue.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, select

from similar_cases.domain.conditions import Condition
from similar_cases.domain.description import EmbeddingSpace
from similar_cases.domain.similarity import Candidate
from similar_cases.index import encoding
from similar_cases.index.attribute_columns import READ, AttributeColumns
from similar_cases.index.case_index import CaseIndex, Mask
from similar_cases.index.database import reading
from similar_cases.index.matching import clause_of
from similar_cases.index.schema import cases, meta, removed, vectors

#: rows that are read into memory at a time
BATCH = 20_000
#: answers of the catalogue to conditions that are kept until it changes
_KEPT = 64
#: asked before every query, so that it is not put together anew
_GENERATION = select(meta.c.value).where(meta.c.name == "generation")


@dataclass
class _Held:
    index: CaseIndex
    columns: AttributeColumns = field(default_factory=AttributeColumns)
    generation: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    told: dict[Condition, Mask] = field(default_factory=dict)


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
        """Return the `count` nearest Cases of `space` (None for all), as ``CaseIndex.nearest`` does.

        Args:
            space: that of `vector`.
            vector: (size,).
            count: how many at the most.
            among: UIDs, of which those of `select` cost nothing; None for all.
        """
        held = self._of(space)
        with held.lock:
            self._refresh(held)
            most = len(held.index) if count is None else count
            if isinstance(among, CaseSet) and among.space == space:
                return held.index.nearest(vector, most, self._passing(held, among))
            return held.index.nearest(vector, most, among)

    def select(
        self, space: EmbeddingSpace, conditions: Iterable[Condition] = (), without: Iterable[str] = ()
    ) -> "CaseSet":
        """Return the Cases of `space` that satisfy all `conditions`, those named in `without` left out.

        Raises:
            InvalidRequest: for an attribute that has no column.
        """
        return CaseSet(self, space, tuple(conditions), frozenset(without))

    def count(self, chosen: "CaseSet") -> int:
        """Return how many Cases are in a set now."""
        held = self._of(chosen.space)
        with held.lock:
            self._refresh(held)
            return int(np.count_nonzero(self._passing(held, chosen)))

    def uids(self, chosen: "CaseSet") -> frozenset[str]:
        """Return the UIDs of the Cases that are in a set now."""
        held = self._of(chosen.space)
        with held.lock:
            self._refresh(held)
            return frozenset(held.index.uids_of(np.flatnonzero(self._passing(held, chosen))))

    def warm(self, space: EmbeddingSpace) -> int:
        """Read all vectors of `space`, so that the first query need not wait, and return their number."""
        held = self._of(space)
        with held.lock:
            self._refresh(held)
            return len(held.index)

    def _passing(self, held: _Held, chosen: "CaseSet") -> Mask:
        if chosen.told is None or chosen.told[0] != held.generation:
            chosen.told = held.generation, self._evaluated(held, chosen)
        return chosen.told[1]

    def _evaluated(self, held: _Held, chosen: "CaseSet") -> Mask:
        passing = held.index.live.copy()
        for condition in chosen.conditions:
            passing &= self._satisfying(held, condition)
        rows = held.index.rows_of(list(chosen.without))
        passing[rows[rows >= 0]] = False
        return passing

    def _satisfying(self, held: _Held, condition: Condition) -> Mask:
        quick = held.columns.passing(condition, len(held.index.live))
        if quick is not None:
            return quick
        if condition not in held.told:
            while len(held.told) >= _KEPT:
                del held.told[next(iter(held.told))]
            held.told[condition] = self._asked(held, condition)
        return held.told[condition]

    def _asked(self, held: _Held, condition: Condition) -> Mask:
        """Ask the catalogue; what came into it a moment ago is left for the next question."""
        query = select(cases.c.uid).where(cases.c.space_id == held.index.space.id, clause_of(condition))
        with self._engine.begin() as connection:
            rows = held.index.rows_of(list(connection.execute(query).scalars()))
        passing = np.zeros(len(held.index.live), bool)
        passing[rows[rows >= 0]] = True
        return passing

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
            held.index.remove(removed_since(connection, held.generation, held.index.space.id))
            self._add_since(connection, held)
            held.generation = generation
            held.told.clear()

    def _add_since(self, connection: Connection, held: _Held) -> None:
        space = held.index.space
        joined = select(vectors.c.case_uid, vectors.c.vector, *READ).join(cases, cases.c.uid == vectors.c.case_uid)
        new = joined.where(vectors.c.space_id == space.id, vectors.c.generation > held.generation)
        rows = connection.execution_options(yield_per=BATCH).execute(new)
        for part in rows.partitions(BATCH):
            uids, blobs, *values = zip(*part, strict=True)
            held.index.add(uids, encoding.from_half(b"".join(blobs), space.size))
            held.columns.put(held.index.rows_of(uids), values)


class CaseSet(Collection[str]):
    """The UIDs of the Cases that satisfy conditions.

    `CaseIndexes.nearest` and `len` ask the indexes, and never make the UIDs; who looks at UIDs makes all of them, once.

    Attributes:
        told: the catalogue's generation, and which rows were in the set then; the indexes', under their space's lock.
    """

    def __init__(
        self, indexes: CaseIndexes, space: EmbeddingSpace, conditions: tuple[Condition, ...], without: frozenset[str]
    ) -> None:
        self._indexes = indexes
        self.space = space
        self.conditions = conditions
        self.without = without
        self.told: tuple[int, Mask] | None = None

    def __len__(self) -> int:
        """Return how many they are."""
        return self._indexes.count(self)

    def __iter__(self) -> Iterator[str]:
        """Yield them, in no order."""
        return iter(self._uids)

    def __contains__(self, uid: object) -> bool:
        """Tell whether a Case is one of them."""
        return uid in self._uids

    @cached_property
    def _uids(self) -> frozenset[str]:
        return self._indexes.uids(self)


def generation_of(connection: Connection) -> int:
    """Return the catalogue's generation, which grows with every change of vectors."""
    return int(connection.execute(_GENERATION).scalar_one())


def removed_since(connection: Connection, generation: int, space_id: str = "") -> list[str]:
    """Return the Cases that went after `generation`, of one space or of all; none at 0, where nothing was read yet."""
    if generation == 0:
        return []
    query = select(removed.c.case_uid).where(removed.c.generation > generation)
    if space_id:
        query = query.where(removed.c.space_id == space_id)
    return list(connection.execute(query).scalars())
