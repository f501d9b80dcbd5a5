"""Every way to ask, alone and together: who is found, what counts, and what is refused with which words."""

from dataclasses import replace

import numpy as np
import pytest

from similar_cases.domain.description import Level
from similar_cases.domain.errors import InvalidRequest, NotFound
from similar_cases.domain.prompts import PointPrompt
from similar_cases.domain.similarity import FeatureWish, Filters, Place, SimilarityQuery

VOLUME = "shape_VoxelVolume"
EVERYBODY = Filters(exclude_same_patient=False)


def parts(answer) -> set[str]:
    return {part.name for found in answer.cases for part in found.similarity.parts}


def value_of(case, name: str) -> float:
    return case.description.radiomics.values[name]


def test_a_value_in_its_own_unit_finds_the_nearest_by_rank_in_the_population(hospital):
    regions = [hospital.region(number) for number in range(6)]
    wanted = value_of(regions[2], "firstorder_Mean")
    query = SimilarityQuery(features=(FeatureWish("firstorder_Mean", wanted),))
    answer = hospital.finder.find(query)
    assert parts(answer) == {"radiomics"}
    assert answer.cases[0].case.uid == regions[2].uid
    assert answer.cases[0].similarity.score == pytest.approx(1.0)
    # by hand: six values, percentiles (rank - 0.5) / 6, score one less the difference
    values = np.array([value_of(case, "firstorder_Mean") for case in regions])
    percentiles = {case.uid: (np.sum(values < value) + 0.5) / 6 for case, value in zip(regions, values, strict=True)}
    for found in answer.cases:
        expected = 1 - abs(percentiles[found.case.uid] - percentiles[regions[2].uid])
        assert found.similarity.score == pytest.approx(expected)
    assert answer.candidates == 6


def test_a_percentile_and_a_weight_count_as_they_are_told(hospital):
    largest = hospital.finder.find(SimilarityQuery(features=(FeatureWish(VOLUME, 100.0, is_percentile=True),)))
    values = [value_of(found.case, VOLUME) for found in largest.cases]
    assert values == sorted(values, reverse=True)
    regions = [hospital.region(number) for number in range(6)]
    bright = max(regions, key=lambda case: value_of(case, "firstorder_Mean"))
    wishes = (
        FeatureWish(VOLUME, 0.0, is_percentile=True, weight=0.001),
        FeatureWish("firstorder_Mean", 100.0, is_percentile=True, weight=10.0),
    )
    assert hospital.finder.find(SimilarityQuery(features=wishes)).cases[0].case.uid == bright.uid


def test_features_without_a_value_are_those_of_the_region_asked_about(hospital):
    asked = hospital.region(0)
    query = SimilarityQuery(
        tracking_uid=asked.region.tracking_uid, features=(FeatureWish(VOLUME),), rank_by="radiomics", filters=EVERYBODY
    )
    answer = hospital.finder.find(query)
    assert asked.uid not in {found.case.uid for found in answer.cases}
    apart = [abs(value_of(found.case, VOLUME) - value_of(asked, VOLUME)) for found in answer.cases]
    assert len(apart) == 5
    assert answer.cases[0].similarity.score >= answer.cases[-1].similarity.score


def test_a_place_finds_what_lies_there(hospital):
    relative = hospital.region(4).description.location.relative
    answer = hospital.finder.find(SimilarityQuery(place=Place(relative=relative)))
    assert parts(answer) == {"location"}
    assert answer.cases[0].similarity.score == pytest.approx(1.0)
    scores = [found.similarity.score for found in answer.cases]
    assert scores == sorted(scores, reverse=True)


def test_a_place_in_a_series_is_the_same_place_relative_to_its_volume(hospital):
    region = hospital.region(1)
    query = SimilarityQuery(series=hospital.series[1], place=Place(point_lps=region.region.centroid_lps))
    by_point = hospital.finder.find(query)
    by_relative = hospital.finder.find(SimilarityQuery(place=Place(relative=region.description.location.relative)))
    assert [found.case.uid for found in by_point.cases] == [found.case.uid for found in by_relative.cases]
    with pytest.raises(InvalidRequest, match="does not lie"):
        hospital.finder.find(replace(query, place=Place(point_lps=(1e4, 0.0, 0.0))))


def test_parts_that_are_asked_together_count_together(hospital):
    query = SimilarityQuery(
        tracking_uid=hospital.region(0).region.tracking_uid,
        place=Place(relative=(0.5, 0.5, 0.5)),
        features=(FeatureWish(VOLUME, 50.0, is_percentile=True),),
    )
    answer = hospital.finder.find(query)
    assert parts(answer) == {"appearance", "location", "radiomics"}
    assert answer.ranking == "default"
    assert dict(answer.weights) == {"appearance": 0.6, "location": 0.3, "radiomics": 0.4}
    for found in answer.cases:
        assert sum(part.weight for part in found.similarity.parts) == pytest.approx(1.0)
        assert found.similarity.score == pytest.approx(sum(part.weight * part.value for part in found.similarity.parts))


def test_a_study_is_asked_about_by_all_of_its_volumes(hospital):
    answer = hospital.finder.find(SimilarityQuery(study=hospital.series[0].study_uid))
    alone = hospital.finder.find(SimilarityQuery(series=hospital.series[0]))
    assert {found.case.level for found in answer.cases} == {Level.SERIES}
    assert [found.case.uid for found in answer.cases] == [found.case.uid for found in alone.cases]
    with pytest.raises(NotFound, match="no volume of study"):
        hospital.finder.find(SimilarityQuery(study="1.2.3.4"))


def test_examples_draw_the_answer_towards_them_and_away(hospital):
    solid, necrotic = hospital.region(0), hospital.region(2)
    like = hospital.finder.find(SimilarityQuery(like=(necrotic.uid,)))
    assert hospital.numbers(like)[0] == 3, "the other of the same kind"
    assert necrotic.uid not in {found.case.uid for found in like.cases}
    by_tracking = hospital.finder.find(SimilarityQuery(like=(necrotic.region.tracking_uid,)))
    assert by_tracking.cases[0].case.uid == like.cases[0].case.uid
    asked = SimilarityQuery(tracking_uid=solid.region.tracking_uid, rank_by="appearance")
    plain = {found.case.uid: found.similarity.score for found in hospital.finder.find(asked).cases}
    other = hospital.region(3).uid
    steered = hospital.finder.find(replace(asked, like=(necrotic.uid,)))
    away = hospital.finder.find(replace(asked, unlike=(necrotic.uid,)))
    assert {found.case.uid: found.similarity.score for found in steered.cases}[other] > plain[other]
    assert {found.case.uid: found.similarity.score for found in away.cases}[other] < plain[other]


def test_a_region_can_be_asked_about_among_series(hospital):
    query = SimilarityQuery(tracking_uid=hospital.region(0).region.tracking_uid, level=Level.SERIES)
    answer = hospital.finder.find(query)
    assert {found.case.level for found in answer.cases} == {Level.SERIES}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "none of them"),
        ({"text": "  "}, "none of them"),
        ({"unlike": ("1.2.3",)}, "need something that is"),
        ({"study": "1.2.3", "tracking_uid": "1.2.4"}, "not about both"),
        ({"prompts": (PointPrompt((0, 0, 0)),)}, "prompts need the series"),
        ({"place": Place(point_lps=(0, 0, 0))}, "needs the series"),
        ({"text": "a", "volume_number": 2}, "needs the series"),
        ({"like": ("1.2.3",), "unlike": ("1.2.3",)}, "both of what is alike"),
        ({"like": tuple(f"1.2.{n}" for n in range(65))}, "more than 64"),
        ({"features": (FeatureWish("a", 1.0), FeatureWish("a", 2.0))}, "twice"),
        ({"features": (FeatureWish("shape_VoxelVolum", 1.0),)}, "did you mean shape_VoxelVolume"),
        ({"features": (FeatureWish(VOLUME),)}, "is given no value"),
        ({"place": Place(body=(0, 0, 0))}, "no model here"),
        ({"features": (FeatureWish(VOLUME, 1.0),), "rank_by": "appearance"}, "gives radiomics no weight"),
        ({"place": Place(relative=(0, 0, 0)), "rank_by": "luck"}, "there are appearance, .*radiomics"),
        ({"features": (FeatureWish(VOLUME, 1.0),), "rank_by": "radiomics-learned"}, "needs an embedder"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_reason(hospital, changes, words):
    with pytest.raises(InvalidRequest, match=words):
        hospital.finder.find(SimilarityQuery(**changes))


def test_examples_of_another_level_and_unknown_ones_are_refused(hospital):
    tracking = hospital.region(0).region.tracking_uid
    with pytest.raises(InvalidRequest, match="is a series"):
        hospital.finder.find(SimilarityQuery(tracking_uid=tracking, like=(hospital.series[1].series_uid,)))
    with pytest.raises(InvalidRequest, match="shows no region"):
        hospital.finder.find(SimilarityQuery(series=hospital.series[1], level=Level.REGION))
    with pytest.raises(NotFound, match="cannot be an example"):
        hospital.finder.find(SimilarityQuery(like=("1.2.3.4",)))


@pytest.mark.parametrize(
    "broken",
    [
        lambda: Place(),
        lambda: Place(point_lps=(0, 0, float("nan"))),
        lambda: Place(relative=(0, 0, 2)),
        lambda: Place(point_lps=(0, 0, 0), body=(0, 0, 0)),
        lambda: FeatureWish("a", float("inf")),
        lambda: FeatureWish("a", 101.0, is_percentile=True),
        lambda: FeatureWish("a", None, is_percentile=True),
        lambda: FeatureWish("a", 1.0, weight=0.0),
    ],
)
def test_wishes_that_nothing_can_be_near_to_are_refused(broken):
    with pytest.raises(InvalidRequest):
        broken()
