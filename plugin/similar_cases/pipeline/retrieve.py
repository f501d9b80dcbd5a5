"""Who comes into question: the ways of retrieval that a Ranking can name, each giving Cases and their appearance."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.description import Level
from similar_cases.domain.errors import InvalidRequest
from similar_cases.index.case_indexes import CaseSet
from similar_cases.index.slice_table import Hit, SliceTable
from similar_cases.pipeline.question import Question, Slices
from similar_cases.pipeline.tools import Tools
from similar_cases.rank.pooling import Pooling, pool
from similar_cases.rank.ranking import Ranking, Retrieval
from similar_cases.rank.voting import Vote, vote

#: cosines that agree to so many decimals are equal
_DECIMALS = 6


@dataclass(frozen=True)
class Allowed:
    """Who may be an answer.

    Attributes:
        chosen: the Cases that passed the filters, the excluded left out; an index reads them without their names.
        excluded: Cases that never are.
        is_filtered: whether there are filters at all.
    """

    chosen: CaseSet
    excluded: frozenset[str]
    is_filtered: bool

    @cached_property
    def among(self) -> frozenset[str] | None:
        """The UIDs of those that passed the filters; None where there are none."""
        return frozenset(self.chosen) if self.is_filtered else None

    def holds(self, case_uid: str) -> bool:
        """Tell whether a Case may be an answer."""
        return case_uid not in self.excluded and (self.among is None or case_uid in self.among)


def level_of(ranking: Ranking, question: Question) -> Level:
    """Return the level of the answers that a way of retrieval gives."""
    if ranking.retrieval in (Retrieval.VOLUME, Retrieval.SLICES, Retrieval.LOCALIZED):
        return Level.SERIES
    return Level.REGION if ranking.retrieval is Retrieval.REGION else question.level


@dataclass(frozen=True, eq=False)
class _Pooled:
    """The Volumes' pooled vectors at a generation of the catalogue: Case UID → (size,), and (n, size) in its order.

    A vector that says nothing, as where the slices cancel out, is all zeros in `units`.
    """

    generation: int
    vectors: dict[str, NDArray[np.float32]]
    units: NDArray[np.float32]


class Retriever:
    """Finds candidates. May be shared by threads."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._slices = SliceTable(
            tools.worklist.catalogue.engine, tools.embedder.slice_space.id, tools.embedder.slice_space.size
        )
        self._pooled: dict[Pooling, _Pooled] = {}

    def appearances(self, question: Question, ranking: Ranking, allowed: Allowed) -> dict[str, float]:
        """Return the candidates that look like what is asked about: Case UID → appearance, 0 to 1.

        Raises:
            InvalidRequest: when the ranking needs what the question does not show.
        """
        match ranking.retrieval:
            case Retrieval.TEXT:
                return {}
            case Retrieval.VOLUME if ranking.pooling is not None:
                return self._by_pooled(self._shown(question, ranking), ranking, allowed)
            case Retrieval.SLICES | Retrieval.LOCALIZED:
                return self._by_votes(self._shown(question, ranking), ranking, allowed)
            case _:
                return self._by_vectors(question, ranking.pool, allowed)

    def more(self, question: Question, case_uids: Collection[str]) -> dict[str, float]:
        """Return the appearance of further Cases, found by something else; those without a vector are absent."""
        found: dict[str, float] = {}
        for probe in question.probes if case_uids else ():
            for near in self._tools.indexes.nearest(question.space, probe, None, frozenset(case_uids)):
                found[near.case_uid] = max(near.similarity, found.get(near.case_uid, 0.0))
        return found

    def _shown(self, question: Question, ranking: Ranking) -> Slices:
        shown = question.slices.all(localized=ranking.retrieval is Retrieval.LOCALIZED)
        if shown is None or not len(shown.vectors):
            raise InvalidRequest(f"ranking {ranking.name} compares slices, and the query shows none")
        return shown

    def _by_vectors(self, question: Question, depth: int, allowed: Allowed) -> dict[str, float]:
        found: dict[str, float] = {}
        for probe in question.probes:
            for near in self._tools.indexes.nearest(question.space, probe, depth, allowed.chosen):
                found[near.case_uid] = max(near.similarity, found.get(near.case_uid, -1.0))
        return _best(found, depth)

    def _by_votes(self, shown: Slices, ranking: Ranking, allowed: Allowed) -> dict[str, float]:
        step = np.linspace(0, len(shown.vectors) - 1, min(ranking.query_slices, len(shown.vectors))).round().astype(int)
        asking = _unit(shown.vectors[np.unique(step)])
        hits = self._slices.nearest(asking, ranking.slice_neighbours, allowed.among, allowed.excluded)
        most = len(asking) * ranking.slice_neighbours
        return _best(dict(_votes(hits, ranking.voting, most)), ranking.pool)

    def _by_pooled(self, shown: Slices, ranking: Ranking, allowed: Allowed) -> dict[str, float]:
        assert ranking.pooling is not None
        asked = pool(shown.vectors, ranking.pooling)
        if not np.linalg.norm(asked):
            raise InvalidRequest(f"the slices shown have no {ranking.pooling} that compares")
        held = self._pooled_volumes(ranking.pooling)
        cosines = np.round((held.units @ _unit(asked[None])[0]).astype(np.float64), _DECIMALS)
        cosines[~held.units.any(axis=1)] = np.nan
        kept = {
            uid: float(cosine)
            for uid, cosine in zip(held.vectors, cosines, strict=True)
            if np.isfinite(cosine) and allowed.holds(uid)
        }
        return _best(kept, ranking.pool)

    def _pooled_volumes(self, how: Pooling) -> _Pooled:
        """Return the Volumes and their pooled vectors; those that came since the last question are pooled now."""
        generation, held = self._slices.refreshed(), self._pooled.get(how)
        if held is None or held.generation != generation:
            came = self._slices.sets(held.generation if held else 0)
            vectors = {**(held.vectors if held else {}), **{uid: pool(rows, how) for uid, rows in came.items()}}
            uids = sorted(self._slices.case_uids() & vectors.keys())
            matrix = np.array([vectors[uid] for uid in uids], dtype=np.float32)
            matrix = matrix.reshape(len(uids), self._tools.embedder.slice_space.size)
            held = self._pooled[how] = _Pooled(generation, dict(zip(uids, matrix, strict=True)), _unit(matrix))
        return held


def _votes(hits: list[list[Hit]], how: Vote, most: int) -> list[tuple[str, float]]:
    """Return (Volume, score in 0 to 1): the share of all that were found, or the largest similarity."""
    told = [[(hit.case_uid, max(hit.similarity, 0.0)) for hit in of_slice] for of_slice in hits]
    scale = 1.0 if how is Vote.MAX else 1.0 / max(1, most)
    return [(uid, min(score * scale, 1.0)) for uid, score in vote(told, how)]


def _best(found: Mapping[str, float], count: int | None) -> dict[str, float]:
    ordered = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:count]
    return {uid: min(max(value, 0.0), 1.0) for uid, value in ordered}


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = rows / np.maximum(
        np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny
    )
    return unit
