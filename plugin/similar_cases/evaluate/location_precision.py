"""Is what is found where the query lies: precision@5 by region of the body, and the same organ in another patient.

RadiomicsRetrieval (arXiv 2507.08546) counts an answer as right where its location label is the query's. Its labels,
lobes of the lung and of the brain, are for its own data (`place_labels`); here it is the region of the body, and the
organ. Data sets differ in more than the region that they show, so that the region is an easy target: chance and the
untrained network tell how easy. The organ in another patient, of another modality mostly, is the hard one.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from similar_cases.evaluate.describe_samples import DescribedRegion
from similar_cases.evaluate.row import Heading, Outcome, Row, rows_of
from similar_cases.evaluate.scores import chance_of_reciprocal_rank, precision_at, reciprocal_rank
from similar_cases.evaluate.ways import Way
from similar_cases.rank.near import location_agreement

DEPTH = 5
#: data set → where in the body its Regions lie
_REGION_OF_DATASET: Mapping[str, str] = MappingProxyType(
    {"sarcoma": "extremity", "hippocampus": "head", "ms_lesions": "head", "nsclc": "chest", "ibsi_lung": "chest"}
)
#: organs that lie in the chest; those along the whole trunk have no region, all others lie in the abdomen
_CHEST = frozenset({"lung left", "lung right"})
_ALONG = frozenset({"aorta", "spinal cord", "back muscle left", "back muscle right", "inferior vena cava"})


def body_region(one: DescribedRegion) -> str:
    """Return head, chest, abdomen or extremity; empty where that is not known."""
    if one.dataset != "organs":
        return _REGION_OF_DATASET.get(one.dataset, "")
    if one.label in _CHEST:
        return "chest"
    return "" if one.label in _ALONG else "abdomen"


def by_place(title: str, *, body: bool) -> Way:
    """Return the ranking by where Regions lie: in the body, as a model has it, or relative to their volumes."""

    def scores(query: DescribedRegion, candidates: Sequence[DescribedRegion]) -> NDArray[np.float64]:
        nowhere = np.full((len(candidates), 3), np.nan)
        places = np.array([_place(one, body=body) for one in candidates]).reshape(-1, 3)
        asked = _place(query, body=body)
        if np.isnan(asked).any():
            return np.full(len(candidates), np.nan)
        return location_agreement(*(((None, nowhere), (asked, places)) if body else ((asked, places), (None, nowhere))))

    return Way(title, scores)


def region_precision(
    queries: Sequence[DescribedRegion], archive: Sequence[DescribedRegion], ways: Sequence[Way]
) -> list[Row]:
    """Return P@5 by region of the body; the query's own patient is left out of the `archive`."""

    def outcomes(way: Way) -> Iterator[tuple[Heading, Outcome]]:
        for query in queries:
            region = body_region(query)
            others = [one for one in archive if one.patient != query.patient and body_region(one)]
            if region and others:
                right = [body_region(one) == region for one in way.ranking(query, others)]
                chance = sum(right) / len(right)
                heading = Heading(data="all data sets", task=region, way=way.name, metric=f"P@{DEPTH}")
                yield heading, Outcome(patient=query.patient, score=precision_at(right, DEPTH), chance=chance)

    return rows_of(pair for way in ways for pair in outcomes(way))


def organ_in_another(organs: Sequence[DescribedRegion], ways: Sequence[Way]) -> list[Row]:
    """Return top-1 and MRR of the same organ in other patients, for organs that another patient has."""

    def outcomes(way: Way) -> Iterator[tuple[Heading, Outcome]]:
        for query in organs:
            others = [one for one in organs if one.patient != query.patient]
            right = sum(one.label == query.label for one in others)
            if right:
                hits = [one.label == query.label for one in way.ranking(query, others)]
                chance = chance_of_reciprocal_rank(right, len(others))
                for metric, score, by_chance in (
                    ("top-1", float(hits[0]), right / len(others)),
                    ("MRR", reciprocal_rank(hits), chance),
                ):
                    heading = Heading(data="organs", task="same organ, another patient", way=way.name, metric=metric)
                    yield heading, Outcome(patient=query.patient, score=score, chance=by_chance)

    return rows_of(pair for way in ways for pair in outcomes(way))


def landmark_distance(organs: Sequence[DescribedRegion]) -> list[Row]:
    """Return how far apart the same organ lies in two patients, in the body as a model has it; mm, less is better.

    Chance is the mean distance to any organ of other patients.
    """

    def outcomes() -> Iterator[tuple[Heading, Outcome]]:
        placed = [one for one in organs if one.location is not None and one.location.body is not None]
        for query in placed:
            others = [one for one in placed if one.patient != query.patient]
            apart = [_apart(query, one) for one in others]
            same = [distance for one, distance in zip(others, apart, strict=True) if one.label == query.label]
            if same:
                outcome = Outcome(patient=query.patient, score=float(np.mean(same)), chance=float(np.mean(apart)))
                yield _LANDMARK, outcome

    return rows_of(outcomes())


_LANDMARK = Heading(
    data="organs", task="same organ, another patient", way="place in the body", metric="mm apart", less_is_better=True
)


def _apart(one: DescribedRegion, other: DescribedRegion) -> float:
    return float(np.linalg.norm(np.subtract(_place(one, body=True), _place(other, body=True))))


def _place(one: DescribedRegion, *, body: bool) -> tuple[float, float, float]:
    if one.location is None or (body and one.location.body is None):
        return (np.nan, np.nan, np.nan)
    return one.location.body.at_mm if body and one.location.body else one.location.relative
