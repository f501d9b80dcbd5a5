"""Why a case is similar, in plain words, with the numbers that the words stand on."""

from collections.abc import Callable
from dataclasses import dataclass

from similar_cases.domain.case import Case
from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.description import Description
from similar_cases.domain.similarity import AgreeingFeature, Certainty, Similarity
from similar_cases.domain.volume import SeriesFacts
from similar_cases.rank.feature_words import VOLUME, WORDS, FeatureWords, written

#: (feature, value) → where the value stands among the archive's Regions of that modality, 0 to 1; None where unknown
Percentile = Callable[[str, float], float | None]

#: features told that agree, and that differ
MOST_AGREEING, MOST_DIFFERING = 3, 2
#: features told with their numbers
FEATURES = 5
#: an answer that so many random pairs equal is told to be no more than chance
BY_CHANCE = 0.2
#: percentiles this close agree, this far apart differ
AGREE, DIFFER = 0.10, 0.40
#: volumes whose ratio is under this are similar, over the other differ
SIMILAR_RATIO, OTHER_RATIO = 1.5, 3.0


@dataclass(frozen=True, kw_only=True)
class Described:
    """One side of a comparison: what was asked about, or a Case that was found."""

    description: Description
    facts: SeriesFacts
    percentile: Percentile
    finding: CodedConcept | None = None
    finding_site: CodedConcept | None = None

    @classmethod
    def of_case(cls, case: Case, percentile: Percentile) -> "Described":
        """Return the side that `case` makes; `percentile` is of the population of its modality."""
        return cls(
            description=case.description,
            facts=case.facts,
            percentile=percentile,
            finding=case.region.finding if case.region else None,
            finding_site=case.region.finding_site if case.region else None,
        )


@dataclass(frozen=True)
class _Pair:
    """One feature that both sides have."""

    name: str
    values: tuple[float, float]
    percentiles: tuple[float, float]

    @property
    def apart(self) -> float:
        return abs(self.percentiles[0] - self.percentiles[1])

    @property
    def telling(self) -> float:
        """Smaller for a better reason: near to each other, and far from what every Region has."""
        return self.apart - 0.2 * abs(sum(self.percentiles) / 2 - 0.5)


def reasons(query: Described | None, candidate: Described, similarity: Similarity) -> tuple[str, ...]:
    """Say in words why `candidate` is an answer to `query`: the parts of the score, what agrees, what differs.

    Args:
        query: what was asked about; None where the query shows nothing, as text and features alone do.
        candidate: the Case that was found.
        similarity: its score.
    """
    if query is None:
        return tuple(_parts(similarity))
    pairs = _pairs(query, candidate)
    units = (query.facts.modality, candidate.facts.modality)
    return (
        *_parts(similarity),
        *_in_common(query, candidate),
        *_volumes(query, candidate),
        *(f"Similar {_told(pair, units)}" for pair in _agreeing(pairs)),
        *(f"Differs in {_told(pair, units)}" for pair in _differing(pairs)),
    )


def agreeing_features(query: Described | None, candidate: Described) -> tuple[AgreeingFeature, ...]:
    """Return the features of which the percentiles agree most, one of each aspect, best first; none without a query."""
    if query is None:
        return ()
    agreeing = _one_an_aspect(sorted(_pairs(query, candidate), key=lambda pair: (pair.telling, pair.name)))
    return tuple(
        AgreeingFeature(pair.name, *pair.values, *pair.percentiles)
        for pair in agreeing[:FEATURES]
        if pair.apart <= AGREE
    )


def certainty_in_words(certainty: Certainty | None) -> tuple[str, ...]:
    """Say how far an answer lies from chance; nothing where that is not known.

    >>> certainty_in_words(Certainty(0.004, 2000, 120))
    ('More similar than 99.6% of 2000 random pairs of the archive; 120 candidates',)
    """
    if certainty is None:
        return ()
    if certainty.chance > BY_CHANCE:
        return (
            f"No more similar than chance: {certainty.chance:.0%} of {certainty.pairs} random pairs are as similar",
        )
    more = f"{1 - certainty.chance:.1%}" if certainty.chance else "all"
    return (
        f"More similar than {more} of {certainty.pairs} random pairs of the archive; {certainty.candidates} candidates",
    )


def _parts(similarity: Similarity) -> list[str]:
    verbs = {"words": "agree"}
    return [
        f"{part.name.capitalize()} {verbs.get(part.name, 'agrees')} to {part.value:.0%}" for part in similarity.parts
    ]


def _in_common(query: Described, candidate: Described) -> list[str]:
    asked, found = query.facts, candidate.facts
    told = []
    if query.finding and query.finding == candidate.finding:
        told.append(f"Same finding: {query.finding.meaning}")
    if query.finding_site and query.finding_site == candidate.finding_site:
        told.append(f"Same site: {query.finding_site.meaning}")
    if asked.body_part_examined and asked.body_part_examined == found.body_part_examined:
        told.append(f"Same body part: {asked.body_part_examined}")
    if asked.modality != found.modality:
        told.append(f"Another modality: {found.modality}, asked with {asked.modality}")
    return told


def _volumes(query: Described, candidate: Described) -> list[str]:
    sides = (query.description.radiomics, candidate.description.radiomics)
    volumes = [side.values.get(VOLUME, 0.0) for side in sides if side]
    if len(volumes) < 2 or min(volumes) <= 0:
        return []
    ratio = max(volumes) / min(volumes)
    told = " and ".join(written(VOLUME, volume, "") for volume in volumes)
    if ratio < SIMILAR_RATIO:
        return [f"Similar volume: {told}"]
    return [f"Differs in volume: {told}"] if ratio > OTHER_RATIO else []


def _pairs(query: Described, candidate: Described) -> list[_Pair]:
    """Return the features with words, but the volume, that both sides have, under one recipe, with percentiles."""
    asked, found = query.description.radiomics, candidate.description.radiomics
    if asked is None or found is None or asked.recipe.fingerprint != found.recipe.fingerprint:
        return []
    pairs = []
    for name in WORDS:
        if name == VOLUME or name not in asked.values or name not in found.values:
            continue
        a, b = asked.values[name], found.values[name]
        at_a, at_b = query.percentile(name, a), candidate.percentile(name, b)
        if at_a is not None and at_b is not None:
            pairs.append(_Pair(name, (a, b), (at_a, at_b)))
    return pairs


def _agreeing(pairs: list[_Pair]) -> list[_Pair]:
    close = sorted((pair for pair in pairs if pair.apart <= AGREE), key=lambda pair: (pair.telling, pair.name))
    return _one_an_aspect(close)[:MOST_AGREEING]


def _differing(pairs: list[_Pair]) -> list[_Pair]:
    far = sorted((pair for pair in pairs if pair.apart >= DIFFER), key=lambda pair: (-pair.apart, pair.name))
    return _one_an_aspect(far)[:MOST_DIFFERING]


def _one_an_aspect(pairs: list[_Pair]) -> list[_Pair]:
    """Keep the first of each aspect: three names for one thing are one reason."""
    first: dict[str, _Pair] = {}
    for pair in pairs:
        first.setdefault(WORDS[pair.name].aspect, pair)
    return list(first.values())


def _told(pair: _Pair, modalities: tuple[str, str]) -> str:
    words: FeatureWords = WORDS[pair.name]
    a, b = (written(pair.name, value, unit) for value, unit in zip(pair.values, modalities, strict=True))
    at_a, at_b = (_ordinal(round(at * 100)) for at in pair.percentiles)
    return f"{words.words}: {a} and {b} ({at_a} and {at_b} percentile)"


def _ordinal(number: int) -> str:
    """Write a number as people count.

    >>> [_ordinal(number) for number in (1, 2, 11, 83, 100)]
    ['1st', '2nd', '11th', '83rd', '100th']
    """
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
