"""The parts of a score, of many Cases at once; each (n,), 0 to 1, NaN where it cannot be computed."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from similar_cases.describe.embedder import RadiomicsEmbedder
from similar_cases.describe.text import caption_of
from similar_cases.domain.case import Case
from similar_cases.domain.description import BodyCoordinate
from similar_cases.domain.errors import InvalidRequest, WrongEmbeddingSpace
from similar_cases.domain.similarity import FeatureWish
from similar_cases.index.bm25 import words_of
from similar_cases.index.location_table import LocationTable
from similar_cases.index.word_table import WordTable
from similar_cases.pipeline.populations import Populations, Wished
from similar_cases.pipeline.question import Question, ResolvedPlace
from similar_cases.pipeline.tools import Tools
from similar_cases.rank.near import location_agreement
from similar_cases.rank.ranking import LOCATION, RADIOMICS, RADIOMICS_LEARNED, WORDS

Values = NDArray[np.float64]
#: Cases that a sentence model finds by itself
_WORDED = 1000
_NO_WORDS = "the ranking asks by words, and the query has no text and shows no case"


class PartScores:
    """Computes the parts that stand in the catalogue's tables. May be shared by threads."""

    def __init__(self, tools: Tools, populations: Populations) -> None:
        self._tools = tools
        self._populations = populations
        self._locations = LocationTable(tools.worklist.catalogue.engine)
        self._words = WordTable(tools.worklist.catalogue.engine)
        self._scorers: Mapping[str, Callable[[Question, Sequence[str]], Values]] = MappingProxyType(
            {
                RADIOMICS: self._radiomics,
                LOCATION: self._location,
                RADIOMICS_LEARNED: self._learned,
                WORDS: self._words_agreement,
            }
        )

    def named(self, question: Question) -> list[str]:
        """Return the parts that the query itself names: they count, or the query is refused."""
        given = {RADIOMICS: question.features, LOCATION: question.place, WORDS: question.text}
        return [name for name, wish in given.items() if wish]

    def of(self, name: str, question: Question, case_uids: Sequence[str]) -> Values:
        """Return the part `name` of n Cases."""
        scorer = self._scorers.get(name)
        return scorer(question, case_uids) if scorer and case_uids else np.full(len(case_uids), np.nan)

    def everyone(self, name: str, question: Question) -> tuple[Sequence[str], Values] | None:
        """Return all Cases with their part `name`; None where that part does not find Cases by itself."""
        if name == RADIOMICS and question.features:
            return self._populations.wished(self._recipe, self._wishes(question))
        if name == RADIOMICS and question.measured:
            first, *others = question.measured
            uids, values = self._all_agreements(first)
            return uids, np.mean([values, *(self._agreement(case, uids) for case in others)], axis=0)
        if name == RADIOMICS_LEARNED and (question.measured or question.features):
            uids = self._populations.case_uids(self._recipe)
            return uids, self._learned(question, uids)  # which refuses what cannot be asked even where nothing is found
        if name == LOCATION and (place := self._place(question)):
            uids, relative, body = self._locations.everything(place.body.space if place.body else "")
            return uids, _near(place, relative, body)
        if name == WORDS:
            return self._worded(question)
        return None

    @property
    def _recipe(self) -> str:
        return self._tools.radiomics.recipe.fingerprint

    def _radiomics(self, question: Question, case_uids: Sequence[str]) -> Values:
        if question.features:
            return self._populations.wished(self._recipe, self._wishes(question), case_uids)[1]
        agreed = [self._agreement(case, case_uids) for case in question.measured]
        return np.mean(agreed, axis=0) if agreed else np.full(len(case_uids), np.nan)

    def _agreement(self, case: Case, case_uids: Sequence[str]) -> Values:
        assert case.description.radiomics is not None
        return self._populations.agreements(case.description.radiomics, case.facts.modality, case_uids)

    def _all_agreements(self, case: Case) -> tuple[Sequence[str], Values]:
        assert case.description.radiomics is not None
        return self._populations.all_agreements(case.description.radiomics, case.facts.modality)

    def _wishes(self, question: Question) -> list[Wished]:
        return [self._wished(wish, question) for wish in question.features]

    def _wished(self, wish: FeatureWish, question: Question) -> Wished:
        if wish.value is not None:
            at = (wish.value / 100.0, None) if wish.is_percentile else (None, wish.value)
            return Wished(wish.name, wish.weight, *at)
        for case in question.measured:
            measured = case.description.radiomics
            assert measured is not None
            value = measured.values.get(wish.name)
            population = self._populations.of(measured.recipe.fingerprint, case.facts.modality)
            at_own = None if value is None else population.percentile(wish.name, value)
            if at_own is not None:
                return Wished(wish.name, wish.weight, at_own)
        raise InvalidRequest(f"the feature {wish.name[:80]} is given no value, and what is asked about has none of it")

    def _location(self, question: Question, case_uids: Sequence[str]) -> Values:
        place = self._place(question)
        if place is None:
            return np.full(len(case_uids), np.nan)
        return _near(place, *self._locations.of(case_uids, place.body.space if place.body else ""))

    def _place(self, question: Question) -> ResolvedPlace | None:
        """Return where answers should lie: as the query says, or where the Region lies that it shows."""
        if question.place or not question.shown:
            return question.place
        location = question.shown[0].description.location
        return ResolvedPlace(location.relative, location.body) if location else None

    def _worded(self, question: Question) -> tuple[Sequence[str], Values]:
        """Return the Cases that fit the text by a word, and the nearest by a sentence model, where there is one."""
        text = self._text(question)
        uids = set(self._words.everything(words_of(text), question.level)[0])
        if model := self._tools.text_embedder:
            near = self._tools.indexes.nearest(model.space, model.embed(text).vector, _WORDED)
            wanted = self._words.of_level([candidate.case_uid for candidate in near], question.level)
            uids |= set(wanted)
        known = sorted(uids)
        return known, self._words_agreement(question, known)

    def _words_agreement(self, question: Question, case_uids: Sequence[str]) -> Values:
        """Return how well captions and reports fit: BM25, in the mean with a sentence model where there is one."""
        text = self._text(question)
        lexical = self._words.of(words_of(text), case_uids)
        model = self._tools.text_embedder
        if model is None or not len(case_uids):
            return lexical
        near = self._tools.indexes.nearest(model.space, model.embed(text).vector, None, frozenset(case_uids))
        found = {candidate.case_uid: max(candidate.similarity, 0.0) for candidate in near}
        meant = np.array([found.get(uid, np.nan) for uid in case_uids])
        return np.where(np.isfinite(meant), (lexical + meant) / 2, lexical)

    def _text(self, question: Question) -> str:
        """Return the words of the query; where it has none, the caption of what it shows (3D-MIR asks so)."""
        text = question.text or (self._caption(question.shown[0]) if question.shown else "")
        if not words_of(text):
            raise InvalidRequest("the text holds no word to search by" if question.text else _NO_WORDS)
        return text

    def _caption(self, case: Case) -> str:
        return self._words.caption(case.uid) or caption_of(case)

    def _learned(self, question: Question, case_uids: Sequence[str]) -> Values:
        """Compare Region vectors with what a trained encoder makes of the features asked for (arXiv 2507.08546)."""
        embedder = self._tools.embedder
        if not isinstance(embedder, RadiomicsEmbedder):
            raise InvalidRequest("radiomics-learned needs an embedder that embeds radiomics; this site's does not")
        place = self._place(question)
        body: BodyCoordinate | None = place.body if place else None
        own = question.measured[0].description.radiomics if question.measured else None
        recipe = own.recipe if own else self._tools.radiomics.recipe
        try:
            asked = embedder.embed_radiomics(self._raw_values(question), recipe, body)
        except WrongEmbeddingSpace as error:
            raise InvalidRequest(f"radiomics-learned cannot be asked here: {error}") from error
        near = self._tools.indexes.nearest(embedder.region_space, asked.vector, None, frozenset(case_uids))
        found = {candidate.case_uid: max(candidate.similarity, 0.0) for candidate in near}
        return np.array([found.get(uid, np.nan) for uid in case_uids])

    def _raw_values(self, question: Question) -> dict[str, float]:
        own = question.measured[0].description.radiomics if question.measured else None
        if not question.features:
            if own is None:
                raise InvalidRequest("radiomics-learned needs features, or a region that was measured")
            return dict(own.values)
        values: dict[str, float] = {}
        for wish in question.features:
            if wish.is_percentile:
                raise InvalidRequest("radiomics-learned takes values in the features' own units, no percentiles")
            value = wish.value if wish.value is not None else (own.values.get(wish.name) if own else None)
            if value is None:
                raise InvalidRequest(
                    f"the feature {wish.name[:80]} is given no value, and the region asked about has none"
                )
            values[wish.name] = value
        return values


def _near(place: ResolvedPlace, relative: Values, body: Values) -> Values:
    return location_agreement((place.relative, relative), (place.body.at_mm if place.body else None, body))
