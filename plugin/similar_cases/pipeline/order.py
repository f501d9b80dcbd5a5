"""A question and a Ranking become an order of Cases, each with its parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.similarity import Similarity
from similar_cases.pipeline.chance import Chance
from similar_cases.pipeline.learned import LearnedWeights
from similar_cases.pipeline.matching import Matching
from similar_cases.pipeline.parts import PartScores
from similar_cases.pipeline.question import Question
from similar_cases.pipeline.retrieve import Allowed, Retriever, level_of
from similar_cases.pipeline.tools import Tools
from similar_cases.rank.fuse import Parts, by_place, calibrated, fuse, ordered, ranks_of, reciprocal_rank, weighted
from similar_cases.rank.interleave import interleave
from similar_cases.rank.ranking import (
    APPEARANCE,
    LOCATION,
    MATCHING,
    RADIOMICS,
    RADIOMICS_LEARNED,
    WORDS,
    Fusion,
    Ranking,
    Rerank,
    Retrieval,
)

Values = NDArray[np.float64]
#: so many times what is wanted is looked at first, and as many times more where too few may be answers
_DEEPER = 4


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


@dataclass(frozen=True)
class Measures:
    """What the archive itself teaches: what chance is worth, and what people said."""

    chance: Chance
    learned: LearnedWeights


class Orderer:
    """Puts candidates in order by one Ranking. May be shared by threads."""

    def __init__(self, retriever: Retriever, parts: PartScores, matching: Matching, measures: Measures) -> None:
        self._retriever = retriever
        self._parts = parts
        self._matching = matching
        self._chance = measures.chance
        self._learned = measures.learned

    def order(self, question: Question, ranking: Ranking, allowed: Allowed, tools: Tools) -> Ordered:
        """Return the candidates of `question`, best first, equal scores by UID.

        Candidates are those of the ranking's way of retrieval, and the best by each part that the query names itself:
        who asks by a region and by text finds what fits the text, too.

        Raises:
            InvalidRequest: when the ranking does not fit the question.
        """
        if ranking.members:
            members = [(name, tools.rules.rankings.of(name)) for name in ranking.members]
            level = level_of(members[0][1], question)
            told = replace(question, level=level)
            self._require_weighed(question, ranking, [member for _, member in members])
            lists = {name: self.order(_weighed(told, member), member, allowed, tools) for name, member in members}
            return _fused(lists, ranking.fusion)
        if ranking.rerank is not Rerank.NONE:
            return self._reranked(question, ranking, allowed, tools)
        return self._ordered(question, ranking, ranking.weights_for(self._parts.named(question)), allowed)

    def _require_weighed(self, question: Question, ranking: Ranking, members: Sequence[Ranking]) -> None:
        weighed = {part for member in members for part, weight in (*member.weights, *member.named_weights) if weight}
        for part in self._parts.named(question):
            if part not in weighed:
                raise InvalidRequest(
                    f"no member of ranking {ranking.name} gives {part} a weight, and the query asks by it"
                )

    def _reranked(self, question: Question, ranking: Ranking, allowed: Allowed, tools: Tools) -> Ordered:
        """Compare the first once more; only those are answers."""
        weights = ranking.weights_for(self._parts.named(question))
        before = {name: weight for name, weight in weights.items() if name != MATCHING} or {APPEARANCE: 1.0}
        first = self._ordered(question, ranking, before, allowed)
        first = first.kept(range(min(ranking.rerank_count, len(first.case_uids))))
        there = {case.uid: case for case in tools.lookups.cases(first.case_uids)}
        first = first.kept([at for at, uid in enumerate(first.case_uids) if uid in there])
        cases = [there[uid] for uid in first.case_uids]
        parts = {**first.parts, MATCHING: self._matching.scores(question, cases, (ranking.rerank, ranking.retrieval))}
        scores = weighted(parts, weights)
        again = Ordered(first.case_uids, scores, parts, weights)
        return again.kept(ordered(scores, again.case_uids))

    def _ordered(self, question: Question, ranking: Ranking, weights: dict[str, float], allowed: Allowed) -> Ordered:
        found = self._retriever.appearances(question, ranking, allowed) if weights.get(APPEARANCE) else {}
        pool = self._pool(question, ranking.pool, allowed, (weights, found))
        if weights.get(APPEARANCE) and ranking.retrieval in (Retrieval.OWN, Retrieval.REGION):
            found |= self._retriever.more(question, pool - found.keys())
        uids = sorted(pool)
        parts: dict[str, Values] = {
            name: self._parts.of(name, question, uids) for name in sorted(weights) if name != APPEARANCE
        }
        if weights.get(APPEARANCE):
            parts[APPEARANCE] = np.array([found.get(uid, np.nan) for uid in uids], dtype=np.float64)
        if ranking.fusion is Fusion.LEARNED:
            learnt = self._learned.of(weights)
            scores = learnt.probabilities(parts) if uids else np.empty(0)
            return Ordered(tuple(uids), scores, parts, dict(learnt.weights)).kept(ordered(scores, uids))
        scores = self._scores(parts, weights, ranking, (question, uids))
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

    def _scores(
        self, parts: Parts, weights: dict[str, float], ranking: Ranking, of: tuple[Question, Sequence[str]]
    ) -> Values:
        question, uids = of
        match ranking.fusion:
            case Fusion.RECIPROCAL:
                return reciprocal_rank({name: ranks_of(values, uids) for name, values in parts.items()}, weights)
            case Fusion.ROUND_ROBIN:
                return _woven(parts, uids)
            case Fusion.CALIBRATED:
                chance = self._chance.pairs(question.space).sorted_parts()
                return weighted(calibrated(parts, chance), weights)
            case _:
                return weighted(parts, weights)


def _weighed(question: Question, ranking: Ranking) -> Question:
    """Return the question without what this ranking, one of several that are fused, gives no weight."""
    weighed = {part for part, weight in (*ranking.weights, *ranking.named_weights) if weight}
    return replace(
        question,
        text=question.text if WORDS in weighed else "",
        place=question.place if LOCATION in weighed else None,
        features=question.features if weighed & {RADIOMICS, RADIOMICS_LEARNED} else (),
    )


def _fused(lists: Mapping[str, Ordered], fusion: Fusion) -> Ordered:
    """Return the lists of several rankings as one; each is a part, under the ranking's name, with the score it gave."""
    uids = sorted({uid for one in lists.values() for uid in one.case_uids})
    parts, ranks = ({name: np.full(len(uids), np.nan) for name in lists} for _ in range(2))
    place = {uid: at for at, uid in enumerate(uids)}
    for name, one in lists.items():
        where = [place[uid] for uid in one.case_uids]
        parts[name][where], ranks[name][where] = one.scores, np.arange(1, len(where) + 1)
    weights = dict.fromkeys(lists, 1.0)
    if fusion is Fusion.RECIPROCAL:
        scores = reciprocal_rank(ranks, weights)
    else:
        woven = interleave([one.case_uids for one in lists.values()])
        scores = np.zeros(len(uids))
        scores[[place[uid] for uid in woven]] = by_place(len(woven))
    return Ordered(tuple(uids), scores, parts, weights).kept(ordered(scores, uids))


def _woven(parts: Parts, uids: Sequence[str]) -> Values:
    """Return scores that fall evenly along the round-robin of the parts' own orders, the first by name begins."""
    lists = [[uids[at] for at in ordered(parts[name], uids) if np.isfinite(parts[name][at])] for name in sorted(parts)]
    woven = interleave(lists)
    place = dict(zip(woven, by_place(len(woven)), strict=True))
    return np.array([place.get(uid, 0.0) for uid in uids], dtype=np.float64)


def _best_of(uids: Sequence[str], values: Values, count: int, allowed: Allowed) -> set[str]:
    """Return the `count` best that may be answers; equal ones by UID.

    Whether a Case may be one is asked of the best alone, and of more of them only while too few may.
    """
    known = np.flatnonzero(np.isfinite(values))
    near, depth = known[:0], count
    may: list[int] = []
    while len(may) < count and len(near) < len(known):
        depth *= _DEEPER
        near = known
        if depth < len(known):
            least = np.partition(values[known], len(known) - depth)[len(known) - depth]
            near = known[values[known] >= least]
        may = [place for place in near.tolist() if allowed.holds(uids[place])]
    return {uid for _, uid in sorted((-float(values[place]), uids[place]) for place in may)[:count]}
