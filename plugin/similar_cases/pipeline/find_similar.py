"""From a question to its answer: the steps in their order."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from similar_cases.domain.case import Case
from similar_cases.domain.description import EmbeddingSpace, Level
from similar_cases.domain.errors import NotAllowed
from similar_cases.domain.readable import Readable, everything
from similar_cases.domain.references import SeriesRef
from similar_cases.domain.similarity import (
    Certainty,
    MatchedFrames,
    Per,
    SimilarCase,
    SimilarityAnswer,
    SimilarityQuery,
)
from similar_cases.index.case_indexes import generation_of
from similar_cases.index.database import reading
from similar_cases.index.homes import homes_of
from similar_cases.pipeline.asked import AskedFor
from similar_cases.pipeline.chance import Chance
from similar_cases.pipeline.frozen import FrozenList, FrozenLists
from similar_cases.pipeline.learned import LearnedWeights
from similar_cases.pipeline.matching import Matching
from similar_cases.pipeline.order import Measures, Ordered, Orderer
from similar_cases.pipeline.parts import PartScores
from similar_cases.pipeline.populations import Populations
from similar_cases.pipeline.question import Question
from similar_cases.pipeline.retrieve import Allowed, Retriever, level_of
from similar_cases.pipeline.shelf import Shelf
from similar_cases.pipeline.tools import Tools
from similar_cases.rank.explain import Described, Percentile, agreeing_features, certainty_in_words, reasons
from similar_cases.rank.filters import conditions_of
from similar_cases.rank.ranking import Ranking, Rerank, Retrieval


def find_similar(query: SimilarityQuery, tools: Tools) -> SimilarityAnswer:
    """Answer one query; who has several keeps a `SimilarityFinder`, which remembers what they share."""
    return SimilarityFinder(tools).find(query)


class SimilarityFinder:
    """Answers queries; keeps volumes and populations in memory for the next one. May be shared by threads."""

    def __init__(self, tools: Tools, shelf: Shelf | None = None) -> None:
        self._tools = tools
        self._asked_for = AskedFor(tools, shelf or Shelf(tools))
        self._populations = Populations(tools.worklist.catalogue.engine)
        self._chance = Chance(tools, self._populations)
        self._matching = Matching(tools)
        self._learned = LearnedWeights(tools, self._populations)
        measures = Measures(self._chance, self._learned)
        self._orderer = Orderer(Retriever(tools), PartScores(tools, self._populations), self._matching, measures)
        self._frozen = FrozenLists()

    def find(self, query: SimilarityQuery, readable: Readable = everything) -> SimilarityAnswer:
        """Return the page of similar cases that `query` asks for.

        The order is that of the Ranking's score over the candidates that its way of retrieval finds and those that the
        query's own parts find, `Ranking.pool` each; equal scores by UID. A page is a stretch of it; the order is kept
        for a while, so that the next page continues it whatever is ingested meanwhile; reasons are told for the page.

        Args:
            query: with its page.
            readable: what the caller may read; the rest of the archive is left out of the list, though it counts in
                `candidates`.

        Raises:
            NotAllowed: when the query shows, or names, what the caller may not read.
            InvalidRequest: for a query that asks about nothing, an unknown ranking, or what does not go together.
            NotFound: when the Study, Series, Volume, Region, example or list is not known.
            NotReady: when the Series is still to be indexed.
            NotAVolume: when it was refused.
            SegmentationFailed: when the prompts give no Region.
        """
        frozen = self._frozen.get(query, self._state(), lambda name, key: self._list(query, name, key))
        if readable is not everything:
            frozen = self._readable(frozen, readable)
        whole, asked = frozen.whole, frozen.question.case
        end = query.offset + query.limit
        shown = asked.region if asked and (query.prompts or query.sent) else None
        return SimilarityAnswer(
            cases=self._page(frozen, query.offset, end),
            candidates=frozen.candidates,
            remaining=max(0, len(whole.case_uids) - end),
            segmented=(shown.volume_ml, shown.centroid_lps) if shown else None,
            asked=asked,
            ranking=frozen.ranking.name,
            weights=tuple(sorted(whole.weights.items())),
            frozen=frozen.name,
        )

    def _state(self) -> str:
        """Return what changes whenever vectors come or go, or somebody says something of an answer."""
        with reading(self._tools.worklist.catalogue.engine).begin() as connection:
            return f"{generation_of(connection)} {self._learned.state()}"

    def _list(self, query: SimilarityQuery, name: str, key: str) -> FrozenList:
        ranking = self._ranking(query)
        # the embedder's own vectors of volumes are asked by one: that of the volume in which a region lies
        by_volume = ranking.retrieval is Retrieval.VOLUME and ranking.pooling is None
        question = self._asked_for.question(
            replace(query, level=Level.SERIES) if by_volume else query, wants_slices=self._wants_slices(ranking)
        )
        allowed, total = self._allowed(question, query, ranking)
        every = self._orderer.order(question, ranking, allowed, self._tools)
        per = query.one_per
        whole = every if per is Per.CASE else _best_of_each(per, every, self._homes(every.case_uids))
        return FrozenList(name, key, question, ranking, whole, every, per, total)

    def _readable(self, frozen: FrozenList, readable: Readable) -> FrozenList:
        """Return the list with what the caller may read alone."""
        # what the archive does not have was sent by the caller
        shown = {case.series.series_uid for case in frozen.question.shown}
        shown = {uid for uid in shown if self._tools.lookups.cases_of(uid)}
        uids = frozen.every.case_uids
        homes = self._homes([*uids, *frozen.question.left_out])
        named = shown | {homes[uid].series_uid for uid in frozen.question.left_out if uid in homes}
        may = set(readable(named | {home.series_uid for home in homes.values()}))
        if not named <= may:
            raise NotAllowed("the archive does not let you read what you ask about")
        kept = [at for at, uid in enumerate(uids) if uid in homes and homes[uid].series_uid in may]
        return replace(frozen, whole=_best_of_each(frozen.one_per, frozen.every.kept(kept), homes))

    def _homes(self, case_uids: Sequence[str]) -> Mapping[str, SeriesRef]:
        return homes_of(self._tools.worklist.catalogue.engine, case_uids)

    def warm(self) -> int:
        """Read the vectors of the model in use, and what chance is worth, and return the number of vectors.

        So the first question need not wait.
        """
        embedder = self._tools.embedder
        spaces = (embedder.region_space, embedder.series_space)
        count = sum(self._tools.indexes.warm(space) for space in spaces)
        for space in spaces:
            self._chance.pairs(space)
        return count

    def _ranking(self, query: SimilarityQuery) -> Ranking:
        ranking = self._tools.rules.rankings.of(query.rank_by)
        return ranking.weighted(query.weights)

    def _wants_slices(self, ranking: Ranking) -> bool:
        by_slices = (Retrieval.VOLUME, Retrieval.SLICES, Retrieval.LOCALIZED)
        every = [ranking, *(self._tools.rules.rankings.of(name) for name in ranking.members)]
        return any(one.retrieval in by_slices or one.rerank is Rerank.SLICES for one in every)

    def _allowed(self, question: Question, query: SimilarityQuery, ranking: Ranking) -> tuple[Allowed, int]:
        """Return who may be an answer, and how many they are."""
        # rankings that are fused give answers of one level, that of the first
        first = self._tools.rules.rankings.of(ranking.members[0]) if ranking.members else ranking
        level = level_of(first, question)
        space = question.space if level is question.level else self._space(level)
        excluded = self._excluded(question, query, space)
        conditions = conditions_of(query.filters)
        chosen = self._tools.indexes.select(space, conditions, excluded)
        return Allowed(chosen, excluded, bool(conditions)), self._tools.indexes.count(chosen)

    def _space(self, level: Level) -> EmbeddingSpace:
        embedder = self._tools.embedder
        return embedder.region_space if level is Level.REGION else embedder.series_space

    def _excluded(self, question: Question, query: SimilarityQuery, space: EmbeddingSpace) -> frozenset[str]:
        excluded = set() if query.prompts else set(question.left_out)
        if query.filters.exclude_same_patient:
            for case in question.shown:
                excluded |= self._tools.lookups.same_patient(case.series, case.facts.patient_id, space.id)
        return frozenset(excluded)

    def _page(self, frozen: FrozenList, start: int, end: int) -> tuple[SimilarCase, ...]:
        uids = frozen.whole.case_uids[start:end]
        # what was deleted since the index was read is left out, and leaves its rank empty
        there = {case.uid: case for case in self._tools.lookups.cases(uids)}
        matches = self._matching.matched(frozen.question, list(there.values()))
        shares = self._shares(frozen, start, end)
        return tuple(
            self._answer(frozen, there[uid], at, (matches.get(uid, ()), shares[at - start] if shares else None))
            for at, uid in enumerate(uids, start)
            if uid in there
        )

    def _shares(self, frozen: FrozenList, start: int, end: int) -> list[Certainty] | None:
        """Return how far the answers of a page lie from chance; None where chance is not known."""
        question, ranking, whole = frozen.question, frozen.ranking, frozen.whole
        by_looks = ranking.retrieval in (Retrieval.OWN, Retrieval.REGION) and ranking.rerank is Rerank.NONE
        if not by_looks or question.features or not question.probes or not whole.case_uids[start:end]:
            return None
        pairs = self._chance.pairs(question.space)
        shares = pairs.share_at_least(whole.scores[start:end], whole.weights, ranking.fusion)
        if shares is None:
            return None
        return [Certainty(float(share), pairs.count, frozen.candidates) for share in shares]

    def _answer(
        self, frozen: FrozenList, case: Case, at: int, told: tuple[tuple[MatchedFrames, ...], Certainty | None]
    ) -> SimilarCase:
        similarity = frozen.whole.similarity(at)
        asked = self._described(frozen.question.case) if frozen.question.case else None
        found = self._described(case)
        return SimilarCase(
            case=case,
            rank=at + 1,
            similarity=similarity,
            reasons=(*reasons(asked, found, similarity), *certainty_in_words(told[1])),
            features=agreeing_features(asked, found),
            matches=told[0],
            certainty=told[1],
        )

    def _described(self, case: Case) -> Described:
        return Described.of_case(case, self._percentile(case))

    def _percentile(self, case: Case) -> Percentile:
        measured = case.description.radiomics
        if measured is None:
            return lambda _name, _value: None
        return self._populations.of(measured.recipe.fingerprint, case.facts.modality).percentile


def _best_of_each(per: Per, every: Ordered, homes: Mapping[str, SeriesRef]) -> Ordered:
    """Leave the most similar Case of each Series or Study; those without a home are gone by now, and are left out."""
    if per is Per.CASE:
        return every
    best: dict[str, int] = {}
    for at, uid in enumerate(every.case_uids):
        if uid in homes:
            best.setdefault(homes[uid].series_uid if per is Per.SERIES else homes[uid].study_uid, at)
    return every.kept(list(best.values()))
