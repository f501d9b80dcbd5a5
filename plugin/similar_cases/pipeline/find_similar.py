"""From a question to its answer: the steps in their order."""

from collections.abc import Sequence

from similar_cases.domain.case import Case
from similar_cases.domain.similarity import (
    Candidate,
    Per,
    SimilarCase,
    Similarity,
    SimilarityAnswer,
    SimilarityQuery,
)
from similar_cases.index.homes import homes_of
from similar_cases.pipeline.asked import AskedFor
from similar_cases.pipeline.populations import Populations
from similar_cases.pipeline.shelf import Shelf
from similar_cases.pipeline.tools import Tools
from similar_cases.rank.explain import Described, Percentile, reasons
from similar_cases.rank.filters import conditions_of
from similar_cases.rank.fuse import APPEARANCE, RADIOMICS, RankingRule, appearance_of, fuse, in_order

Ordered = list[tuple[str, Similarity]]


def find_similar(query: SimilarityQuery, tools: Tools) -> SimilarityAnswer:
    """Answer one query; who has several keeps a `SimilarityFinder`, which remembers what they share."""
    return SimilarityFinder(tools).find(query)


class SimilarityFinder:
    """Answers queries; keeps volumes and populations in memory for the next one. May be shared by threads."""

    def __init__(self, tools: Tools, shelf: Shelf | None = None) -> None:
        self._tools = tools
        self._rule = RankingRule().weighted(tools.rules.weights)
        self._asked_for = AskedFor(tools, shelf or Shelf(tools))
        self._populations = Populations(tools.worklist.catalogue.engine)

    def find(self, query: SimilarityQuery) -> SimilarityAnswer:
        """Return the page of similar cases that `query` asks for.

        The order is that of the fused score over the nearest by appearance (`RankingRule.pool` of them; over all where
        appearance has no weight), equal scores by UID. A page is a stretch of it; reasons are told for it alone.

        Raises:
            InvalidRequest: for a query that asks about nothing, or an attribute that cannot be filtered by.
            NotFound: when the Series, Volume or Region is not known.
            NotReady: when the Series is still to be indexed.
            NotAVolume: when it was refused.
            SegmentationFailed: when the prompts give no Region.
        """
        rule = self._rule.weighted(query.weights)
        asked = self._asked_for.case_of(query)
        pool, total = self._pool(asked, query, rule)
        ordered = self._one_per(query.one_per, in_order(self._scored(asked, pool, rule)))
        end = query.offset + query.limit
        return SimilarityAnswer(
            cases=self._page(asked, ordered[query.offset : end], first_rank=query.offset + 1),
            candidates=total,
            remaining=max(0, len(ordered) - end),
            segmented=(asked.region.volume_ml, asked.region.centroid_lps) if query.prompts and asked.region else None,
            asked=asked,
        )

    def warm(self) -> int:
        """Read the vectors of the model in use, so that the first question need not wait, and return their number."""
        embedder = self._tools.embedder
        return sum(self._tools.indexes.warm(space) for space in (embedder.region_space, embedder.series_space))

    def _pool(self, asked: Case, query: SimilarityQuery, rule: RankingRule) -> tuple[list[Candidate], int]:
        """Return the nearest that pass the filters, and how many pass them in all."""
        space, vector = asked.description.embedding.space, asked.description.embedding.vector
        excluded = self._excluded(asked, query)
        conditions = conditions_of(query.filters)
        if conditions:
            among = set(self._tools.lookups.case_uids(space.id, conditions)) - excluded
            return self._tools.indexes.nearest(space, vector, _depth(rule), among), len(among)
        # without filters all but a few are sought: it is quicker to ask for more than to name them
        depth = _depth(rule)
        deeper = None if depth is None else depth + len(excluded)
        nearest = self._tools.indexes.nearest(space, vector, deeper)
        kept = [candidate for candidate in nearest if candidate.case_uid not in excluded]
        return kept[:depth], max(len(kept), self._tools.indexes.warm(space) - len(excluded))

    def _excluded(self, asked: Case, query: SimilarityQuery) -> set[str]:
        if not query.filters.exclude_same_patient:
            return set() if query.prompts else {asked.uid}
        space = asked.description.embedding.space
        return self._tools.lookups.same_patient(asked.series, asked.facts.patient_id, space.id)

    def _scored(self, asked: Case, pool: Sequence[Candidate], rule: RankingRule) -> Ordered:
        weights = dict(rule.weights)
        measured = asked.description.radiomics
        uids = [candidate.case_uid for candidate in pool]
        agreed: Sequence[float | None] = [None] * len(pool)
        if measured is not None and weights.get(RADIOMICS, 0.0) > 0 and pool:
            agreed = self._populations.agreements(measured, asked.facts.modality, uids).tolist()
        return [
            (near.case_uid, fuse({APPEARANCE: appearance_of(near.similarity), RADIOMICS: agreement}, weights))
            for near, agreement in zip(pool, agreed, strict=True)
        ]

    def _one_per(self, per: Per, ordered: Ordered) -> Ordered:
        """Leave the most similar Case of each Series or Study; Cases that are gone by now are left out."""
        if per is Per.CASE:
            return ordered
        homes = homes_of(self._tools.worklist.catalogue.engine, [uid for uid, _ in ordered])
        first: dict[str, tuple[str, Similarity]] = {}
        for uid, similarity in ordered:
            if uid in homes:
                home = homes[uid].series_uid if per is Per.SERIES else homes[uid].study_uid
                first.setdefault(home, (uid, similarity))
        return list(first.values())

    def _page(self, asked: Case, ordered: Ordered, first_rank: int) -> tuple[SimilarCase, ...]:
        # what was deleted since the index was read is left out, and leaves its rank empty
        there = {case.uid: case for case in self._tools.lookups.cases([uid for uid, _ in ordered])}
        return tuple(
            self._answer(asked, there[uid], rank, similarity)
            for rank, (uid, similarity) in enumerate(ordered, first_rank)
            if uid in there
        )

    def _answer(self, asked: Case, case: Case, rank: int, similarity: Similarity) -> SimilarCase:
        words = reasons(self._described(asked), self._described(case), similarity)
        return SimilarCase(case=case, rank=rank, similarity=similarity, reasons=words)

    def _described(self, case: Case) -> Described:
        return Described.of_case(case, self._percentile(case))

    def _percentile(self, case: Case) -> Percentile:
        measured = case.description.radiomics
        if measured is None:
            return lambda _name, _value: None
        return self._populations.of(measured.recipe.fingerprint, case.facts.modality).percentile


def _depth(rule: RankingRule) -> int | None:
    return rule.pool if dict(rule.weights).get(APPEARANCE, 0.0) > 0 else None
