"""What chance is worth: the parts of the score between random Cases of the archive, of other patients each.

Concurrency. One lock: whoever asks first measures, and the others wait for it.
"""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.case import Case
from similar_cases.domain.description import EmbeddingSpace
from similar_cases.pipeline.populations import Populations
from similar_cases.pipeline.question import ResolvedPlace
from similar_cases.pipeline.tools import Tools
from similar_cases.rank.fuse import Parts, calibrated, weighted
from similar_cases.rank.near import location_agreement
from similar_cases.rank.ranking import APPEARANCE, LOCATION, RADIOMICS, Fusion

Values = NDArray[np.float64]
#: Cases drawn, and how many others each is compared with
SAMPLE, PARTNERS = 384, 8
#: fewer pairs tell nothing
LEAST_PAIRS = 30
#: it is measured again when this share of the Cases has come or gone
_DRIFT = 0.05


@dataclass(frozen=True, eq=False)
class Pairs:
    """The parts of the score of p random pairs, each (p,), NaN where a part cannot be computed."""

    parts: Parts
    count: int

    def sorted_parts(self) -> Parts:
        """Return every part's values ascending, the missing left out."""
        return {name: np.sort(values[np.isfinite(values)]) for name, values in self.parts.items()}

    def share_at_least(self, scores: Values, weights: dict[str, float], fusion: Fusion) -> Values | None:
        """Return which share of the pairs has at least each of (n,) scores; None where chance is not known.

        Unknown for too few pairs, for parts that pairs do not have, and for scores that are ranks.
        """
        parts = {name: self.parts[name] for name in weights if name in self.parts}
        if self.count < LEAST_PAIRS or len(parts) < len(weights):
            return None
        if fusion in (Fusion.RECIPROCAL, Fusion.ROUND_ROBIN, Fusion.LEARNED):
            return None
        told = calibrated(parts, self.sorted_parts()) if fusion is Fusion.CALIBRATED else parts
        known = np.any([np.isfinite(values) for values in told.values()], axis=0)
        by_chance = np.sort(weighted(told, weights)[known])
        if len(by_chance) < LEAST_PAIRS:
            return None
        return np.asarray(1.0 - np.searchsorted(by_chance, scores - 1e-9, "left") / len(by_chance))


class Chance:
    """Measures random pairs of each space; nothing is random about which: UIDs are, and the first of them are taken."""

    def __init__(self, tools: Tools, populations: Populations) -> None:
        self._tools = tools
        self._populations = populations
        self._held: dict[str, tuple[int, Pairs]] = {}
        self._lock = threading.Lock()

    def pairs(self, space: EmbeddingSpace) -> Pairs:
        """Return the random pairs of the Cases of `space`."""
        with self._lock:
            count = self._tools.indexes.warm(space)
            held = self._held.get(space.id)
            if held is None or abs(held[0] - count) > _DRIFT * held[0]:
                held = self._held[space.id] = (count, self._measured(space))
            return held[1]

    def _measured(self, space: EmbeddingSpace) -> Pairs:
        cases = self._tools.lookups.cases(self._tools.lookups.case_uids(space.id, (), most=SAMPLE))
        found: dict[str, list[Values]] = {APPEARANCE: [], RADIOMICS: [], LOCATION: []}
        for at, case in enumerate(cases):
            partners = [cases[(at + step) % len(cases)] for step in range(1, min(PARTNERS, len(cases) - 1) + 1)]
            others = [partner for partner in partners if not _same_patient(case, partner)]
            if others:
                found[APPEARANCE].append(appearances(case, others))
                found[RADIOMICS].append(self._radiomics(case, others))
                found[LOCATION].append(locations(case, others))
        parts = {name: np.concatenate(values) if values else np.empty(0) for name, values in found.items()}
        return Pairs(parts, len(parts[APPEARANCE]))

    def _radiomics(self, case: Case, others: list[Case]) -> Values:
        measured = case.description.radiomics
        if measured is None:
            return np.full(len(others), np.nan)
        return self._populations.agreements(measured, case.facts.modality, [other.uid for other in others])


def _same_patient(one: Case, other: Case) -> bool:
    a, b = one.facts.patient_id.strip(), other.facts.patient_id.strip()
    return one.series.study_uid == other.series.study_uid or bool(a and a == b)


def appearances(case: Case, others: list[Case]) -> Values:
    """Return the appearance of n Cases beside one, 0 to 1."""
    vectors = np.stack([other.description.embedding.vector for other in others])
    return np.clip((vectors @ case.description.embedding.vector).astype(np.float64), 0.0, 1.0)


def locations(case: Case, others: list[Case]) -> Values:
    """Return how near n Cases lie to where one lies, 0 to 1; NaN where that is unknown."""
    own = case.description.location
    if own is None:
        return np.full(len(others), np.nan)
    place = ResolvedPlace(own.relative, own.body)
    nowhere = (np.nan,) * 3
    there = [other.description.location for other in others]
    relative = np.array([one.relative if one else nowhere for one in there], dtype=np.float64)
    same = [
        one.body if one and one.body and place.body and one.body.space == place.body.space else None for one in there
    ]
    body = np.array([one.at_mm if one else nowhere for one in same], dtype=np.float64)
    return location_agreement((place.relative, relative), (place.body.at_mm if place.body else None, body))
