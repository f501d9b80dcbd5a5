"""A question and a Ranking become an order of Cases, each with its parts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.similarity import Similarity
from similar_cases.pipeline.parts import PartScores
from similar_cases.pipeline.question import Question
from similar_cases.pipeline.retrieve import Allowed, Retriever
from similar_cases.rank.fuse import Parts, by_place, fuse, ordered, ranks_of, reciprocal_rank, weighted
from similar_cases.rank.interleave import interleave
from similar_cases.rank.ranking import APPEARANCE, Fusion, Ranking

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ordered:
    """Cases in their order, best first, with their scores (n,), and the parts (n,) that made them."""

    case_uids: tuple[str, ...]
    scores: Values
    parts: Parts
    weights: dict[str, float]

    def similarity(self, at: int) -> Similarity:
        """Return the score of the Case at position `at`, in named parts."""
        told = fuse({name: float(values[at]) for name, values in self.parts.items()}, self.weights)
        return Similarity(float(self.scores[at]), told.parts)

    def kept(self, positions: Sequence[int]) -> "Ordered":
        """Return the same with the Cases at some positions alone, in that order."""
        chosen = np.asarray(positions, dtype=np.intp)
        parts = {name: values[chosen] for name, values in self.parts.items()}
        return Ordered(tuple(self.case_uids[at] for at in positions), self.scores[chosen], parts, self.weights)


class Orderer:
    """Puts candidates in order by one Ranking. May be shared by threads."""

    def __init__(self, retriever: Retriever, parts: PartScores) -> None:
        self._retriever = retriever
        self._parts = parts

    def order(self, question: Question, ranking: Ranking, allowed: Allowed) -> Ordered:
        """Return the candidates of `question`, best first, equal scores by UID.

        Candidates are those of the ranking's way of retrieval, and the best by each part that the query names itself:
        who asks by a region and by text finds what fits the text, too.

        Raises:
            InvalidRequest: when the ranking does not fit the question.
        """
        weights = ranking.weights_for(self._parts.named(question))
        found = self._retriever.appearances(question, ranking, allowed) if weights.get(APPEARANCE) else {}
        pool = self._pool(question, ranking.pool, allowed, (weights, found))
        found |= self._retriever.more(question, pool - found.keys()) if weights.get(APPEARANCE) else {}
        uids = sorted(pool)
        parts: dict[str, Values] = {
            name: self._parts.of(name, question, uids) for name in sorted(weights) if name != APPEARANCE
        }
        if weights.get(APPEARANCE):
            parts[APPEARANCE] = np.array([found.get(uid, np.nan) for uid in uids], dtype=np.float64)
        scores = self._scores(parts, weights, ranking, uids)
        return Ordered(tuple(uids), scores, parts, weights).kept(ordered(scores, uids))

    def _pool(
        self, question: Question, count: int, allowed: Allowed, so_far: tuple[dict[str, float], dict[str, float]]
    ) -> set[str]:
        weights, found = so_far
        pool = set(found)
        named = self._parts.named(question)
        # where nothing is found by its looks, every part finds by itself
        for name in sorted(weights if not found else named):
            everyone = self._parts.everyone(name, question)
            if everyone is not None:
                pool |= _best_of(*everyone, count, allowed)
        return pool

    def _scores(self, parts: Parts, weights: dict[str, float], ranking: Ranking, uids: Sequence[str]) -> Values:
        match ranking.fusion:
            case Fusion.RECIPROCAL:
                return reciprocal_rank({name: ranks_of(values, uids) for name, values in parts.items()}, weights)
            case Fusion.ROUND_ROBIN:
                return _woven(parts, uids)
            case _:
                return weighted(parts, weights)


def _woven(parts: Parts, uids: Sequence[str]) -> Values:
    """Return scores that fall evenly along the round-robin of the parts' own orders, the first by name begins."""
    lists = [[uids[at] for at in ordered(parts[name], uids) if np.isfinite(parts[name][at])] for name in sorted(parts)]
    woven = interleave(lists)
    place = dict(zip(woven, by_place(len(woven)), strict=True))
    return np.array([place.get(uid, 0.0) for uid in uids], dtype=np.float64)


def _best_of(uids: Sequence[str], values: Values, count: int, allowed: Allowed) -> set[str]:
    """Return the `count` best that may be answers; equal ones by UID."""
    at = np.array(
        [place for place in np.flatnonzero(np.isfinite(values)).tolist() if allowed.holds(uids[place])], dtype=np.intp
    )
    if len(at) > count:
        least = np.partition(values[at], len(at) - count)[len(at) - count]
        at = at[values[at] >= least]
    return {uid for _, uid in sorted((-float(values[place]), uids[place]) for place in at)[:count]}
