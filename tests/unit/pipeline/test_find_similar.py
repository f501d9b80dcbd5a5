"""Questions: who is among the answers, in which order, and what is said when there is none."""

from dataclasses import replace

import numpy as np
import pytest
from tests.case_samples import sample
from tests.case_samples import series as ref
from tests.small_archive import SmallArchive, contours_of, images_of, phantom

from similar_cases.demo.phantoms import LesionKind
from similar_cases.domain.case import SeriesState
from similar_cases.domain.description import Level
from similar_cases.domain.errors import InvalidRequest, NotAVolume, NotFound, NotReady, SegmentationFailed
from similar_cases.domain.prompts import PointPrompt, Polarity
from similar_cases.domain.references import SeriesRef
from similar_cases.domain.similarity import Filters, Per, SimilarityQuery
from similar_cases.index.rows import IndexedSeries, SeriesKind, SeriesSighting
from similar_cases.pipeline.find_similar import SimilarityFinder, find_similar
from similar_cases.worker.loop import JobLoop


def test_the_lesion_of_the_same_kind_comes_first_with_its_reasons(hospital):
    for number in range(6):
        tracking = hospital.region(number).region.tracking_uid
        answer = hospital.finder.find(SimilarityQuery(tracking_uid=tracking))
        assert hospital.numbers(answer)[0] // 2 == number // 2
        first = answer.cases[0]
        assert (first.rank, first.case.level) == (1, Level.REGION)
        assert {part.name for part in first.similarity.parts} == {"appearance", "radiomics"}
        assert 0 < first.similarity.score <= 1
        assert first.reasons
        assert answer.candidates == 5


def test_a_series_is_compared_with_series(hospital):
    answer = hospital.finder.find(SimilarityQuery(series=hospital.series[0]))
    assert {found.case.level for found in answer.cases} == {Level.SERIES}
    assert {part.name for found in answer.cases for part in found.similarity.parts} == {"appearance"}
    assert sorted(hospital.numbers(answer)) == [1, 2, 3, 4, 5]


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A patient who is asked about; another whose study holds two series, the second with two regions; a third."""
    archive = SmallArchive(tmp_path_factory.mktemp("crowded"))
    asked = phantom("asked", LesionKind.SOLID, seed=1)
    first = phantom("other", LesionKind.SOLID, seed=2)
    second = replace(first, series_key="second", series_number=2, seed=3)
    third = phantom("third", LesionKind.NECROTIC, seed=4)
    refs = {}
    for name, one in (("asked", asked), ("first", first), ("second", second), ("third", third)):
        refs[name] = archive.put(images_of(one))
        archive.put([contours_of(one)])
    archive.put([contours_of(second, "again")])
    archive.seen()
    JobLoop(archive.tools, "test").run_until_empty()
    [case] = [c for c in archive.tools.lookups.cases_of(refs["asked"].series_uid) if c.region]
    query = SimilarityQuery(tracking_uid=case.region.tracking_uid, limit=100)
    return SimilarityFinder(archive.tools), query, refs


def test_an_answer_may_hold_one_case_a_series_or_a_study(crowded):
    finder, query, refs = crowded
    every = finder.find(query)
    uids = [found.case.series.series_uid for found in every.cases]
    assert sorted(uids) == sorted([refs[name].series_uid for name in ("first", "second", "second", "third")])
    for per, names in ((Per.SERIES, {"first", "second", "third"}), (Per.STUDY, {"first", "third"})):
        level = "study_uid" if per is Per.STUDY else "series_uid"
        answer = finder.find(replace(query, one_per=per))
        homes = [getattr(found.case.series, level) for found in answer.cases]
        assert sorted(homes) == sorted({getattr(refs[name], level) for name in names})
        # each is the most similar of its home, in the order of all
        first_of = {}
        for found in every.cases:
            first_of.setdefault(getattr(found.case.series, level), found.case.uid)
        assert [found.case.uid for found in answer.cases] == list(first_of.values())
        assert [found.rank for found in answer.cases] == list(range(1, len(names) + 1))


def test_where_the_best_of_a_study_may_not_be_read_the_next_of_it_is_the_answer(crowded):
    finder, query, refs = crowded
    of_study = replace(query, one_per=Per.STUDY)
    best = next(one.case for one in finder.find(of_study).cases if one.case.series.study_uid == refs["first"].study_uid)
    [other] = {refs["first"], refs["second"]} - {best.series}

    def all_but_the_best(series_uids):
        return {uid for uid in series_uids if uid != best.series.series_uid}

    answer = finder.find(of_study, all_but_the_best)
    assert {found.case.series for found in answer.cases} == {other, refs["third"]}
    assert [found.rank for found in answer.cases] == [1, 2]
    # the same by the list's name alone, page by page
    pages = [
        finder.find(SimilarityQuery(frozen=answer.frozen, limit=1, offset=offset), all_but_the_best)
        for offset in range(3)
    ]
    assert [[found.case.uid for found in page.cases] for page in pages] == [
        *([found.case.uid] for found in answer.cases),
        [],
    ]
    assert [page.remaining for page in pages] == [1, 0, 0]
    assert finder.find(of_study, lambda uids: {refs["asked"].series_uid} & set(uids)).cases == ()


def test_pages_of_series_follow_each_other(crowded):
    finder, query, _ = crowded
    whole = finder.find(replace(query, one_per=Per.SERIES))
    pages = [finder.find(replace(query, one_per=Per.SERIES, limit=1, offset=offset)) for offset in range(4)]
    assert [page.remaining for page in pages] == [2, 1, 0, 0]
    assert [found.case.uid for page in pages for found in page.cases] == [found.case.uid for found in whole.cases]


def test_pages_are_stretches_of_one_order(hospital):
    query = SimilarityQuery(tracking_uid=hospital.region(0).region.tracking_uid, limit=100)
    whole = hospital.finder.find(query)
    assert whole.remaining == 0
    scores = [found.similarity.score for found in whole.cases]
    assert scores == sorted(scores, reverse=True)
    pages = [hospital.finder.find(replace(query, limit=2, offset=offset)) for offset in (0, 2, 4, 6)]
    assert [found.case.uid for page in pages for found in page.cases] == [found.case.uid for found in whole.cases]
    assert [found.rank for page in pages for found in page.cases] == [1, 2, 3, 4, 5]
    assert [page.remaining for page in pages] == [3, 1, 0, 0]


def test_the_same_question_gives_the_same_answer_in_another_process(hospital):
    query = SimilarityQuery(tracking_uid=hospital.region(2).region.tracking_uid)
    again = find_similar(query, hospital.archive.open_tools())
    assert [(f.case.uid, f.similarity, f.reasons) for f in again.cases] == [
        (f.case.uid, f.similarity, f.reasons) for f in hospital.finder.find(query).cases
    ]


def test_a_point_is_segmented_there_and_then_and_nothing_is_stored(hospital):
    stored = list(hospital.archive.pacs.stored)
    before = hospital.archive.tools.lookups.stats()
    prompts = (PointPrompt(hospital.region(0).region.centroid_lps),)
    answer = hospital.finder.find(SimilarityQuery(series=hospital.series[0], prompts=prompts))
    volume_ml, centroid = answer.segmented
    assert volume_ml > 0
    assert np.linalg.norm(np.subtract(centroid, prompts[0].point_lps)) < 40
    assert 0 not in hospital.numbers(answer)
    assert hospital.archive.tools.lookups.stats() == before
    assert hospital.archive.pacs.stored == stored


def test_a_second_click_needs_no_archive(hospital):
    finder = SimilarityFinder(hospital.archive.tools)
    query = SimilarityQuery(series=hospital.series[1], prompts=(PointPrompt(hospital.region(1).region.centroid_lps),))
    first = finder.find(query)
    hospital.archive.pacs.is_away = True
    try:
        assert [found.case.uid for found in finder.find(query).cases] == [found.case.uid for found in first.cases]
    finally:
        hospital.archive.pacs.is_away = False


class CountedRadiomics:
    """The real ones, and how often they were asked for."""

    def __init__(self, radiomics):
        self._radiomics, self.recipe, self.count = radiomics, radiomics.recipe, 0

    def extract(self, volume, region):
        self.count += 1
        return self._radiomics.extract(volume, region)


def test_what_was_clicked_is_described_once_whatever_is_asked_of_it(hospital):
    counted = CountedRadiomics(hospital.archive.tools.radiomics)
    finder = SimilarityFinder(replace(hospital.archive.tools, radiomics=counted))
    point = hospital.region(0).region.centroid_lps
    query = SimilarityQuery(series=hospital.series[0], prompts=(PointPrompt(point),))
    men = replace(query, filters=Filters(attributes=(("PatientSex", "M"),)))
    answers = [finder.find(one) for one in (query, men, replace(query, weights=(("radiomics", 0.0),)))]
    assert counted.count == 1
    assert len({answer.asked.uid for answer in answers}) == 1
    assert sorted(hospital.numbers(answers[1])) == [1, 3, 5]
    elsewhere = PointPrompt((point[0] + 3.0, point[1], point[2]))
    finder.find(replace(query, prompts=(elsewhere,)))
    assert counted.count == 2


def test_filters_leave_only_what_satisfies_them(hospital):
    tracking = hospital.region(0).region.tracking_uid
    men = hospital.finder.find(
        SimilarityQuery(tracking_uid=tracking, filters=Filters(attributes=(("PatientSex", "M"),)))
    )
    assert sorted(hospital.numbers(men)) == [1, 3, 5]
    assert men.candidates == 3
    nobody = hospital.finder.find(
        SimilarityQuery(tracking_uid=tracking, filters=Filters(attributes=(("Modality", "PT"),)))
    )
    assert (nobody.cases, nobody.candidates, nobody.remaining) == ((), 0, 0)


def test_the_own_patient_is_an_answer_only_where_it_is_asked_for(hospital):
    tracking = hospital.region(0).region.tracking_uid
    sharing = Filters(exclude_same_patient=False)
    answer = hospital.finder.find(SimilarityQuery(tracking_uid=tracking, filters=sharing))
    assert hospital.region(0).uid not in {found.case.uid for found in answer.cases}, "never the very same"
    prompts = (PointPrompt(hospital.region(0).region.centroid_lps),)
    answer = hospital.finder.find(SimilarityQuery(series=hospital.series[0], prompts=prompts, filters=sharing))
    assert 0 in hospital.numbers(answer)


def test_weights_change_the_parts_that_count(hospital):
    tracking = hospital.region(0).region.tracking_uid
    for weights, parts in (
        ((("radiomics", 0.0),), {"appearance"}),
        ((("appearance", 0.0),), {"radiomics"}),
    ):
        answer = hospital.finder.find(SimilarityQuery(tracking_uid=tracking, weights=weights))
        assert {part.name for found in answer.cases for part in found.similarity.parts} == parts
        assert len(answer.cases) == 5
    with pytest.raises(InvalidRequest):
        hospital.finder.find(SimilarityQuery(tracking_uid=tracking, weights=(("luck", 1.0),)))


UNKNOWN = SeriesRef("1.2.3", "1.2.3.4")


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (SimilarityQuery(), InvalidRequest),
        (SimilarityQuery(prompts=(PointPrompt((0, 0, 0)),)), InvalidRequest),
        (SimilarityQuery(series=UNKNOWN, tracking_uid="1.2", prompts=(PointPrompt((0, 0, 0)),)), InvalidRequest),
        (SimilarityQuery(series=UNKNOWN), NotFound),
        (SimilarityQuery(series=UNKNOWN, prompts=(PointPrompt((0, 0, 0)),)), NotFound),
        (SimilarityQuery(tracking_uid="1.2.3.4.5"), NotFound),
    ],
)
def test_questions_about_nothing_are_refused(hospital, query, error):
    with pytest.raises(error):
        hospital.finder.find(query)


def test_questions_about_what_a_series_has_not_are_refused(hospital):
    own = hospital.series[0]
    point = hospital.region(0).region.centroid_lps
    for query in (
        SimilarityQuery(series=own, volume_number=7),
        SimilarityQuery(series=own, volume_number=7, prompts=(PointPrompt(point),)),
        SimilarityQuery(series=SeriesRef("1.2.3", own.series_uid)),
        SimilarityQuery(series=own, tracking_uid=hospital.region(1).region.tracking_uid),
    ):
        with pytest.raises(NotFound):
            hospital.finder.find(query)
    for prompts in ((PointPrompt((1e4, 0, 0)),), (PointPrompt(point, Polarity.NEGATIVE),)):
        with pytest.raises(SegmentationFailed):
            hospital.finder.find(SimilarityQuery(series=own, prompts=prompts))
    with pytest.raises(InvalidRequest):
        hospital.finder.find(SimilarityQuery(series=own, filters=Filters(attributes=(("PixelData", "1"),))))


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (SeriesState.WAITING, NotReady),
        (SeriesState.WORKING, NotReady),
        (SeriesState.REFUSED, NotAVolume),
        (SeriesState.FAILED, NotFound),
        (SeriesState.INDEXED, NotReady),
    ],
)
def test_a_series_without_cases_says_why(tmp_path, state, error):
    archive = SmallArchive(tmp_path)
    worklist = archive.tools.worklist
    sighting = SeriesSighting(series=UNKNOWN, kind=SeriesKind.IMAGE, modality="CT", instance_count=1)
    worklist.take_in([sighting])
    with worklist.catalogue.writing() as connection:
        worklist.catalogue.set_state(connection, UNKNOWN.series_uid, state, reason="one slice")
    with pytest.raises(error, match="one slice" if error is not NotReady else "."):
        find_similar(SimilarityQuery(series=UNKNOWN), archive.tools)


def test_equal_scores_come_in_the_order_of_their_uids_and_a_deleted_case_in_no_answer(tmp_path):
    archive = SmallArchive(tmp_path)
    worklist = archive.tools.worklist
    vector = np.ones(24)
    numbers = range(1, 9)
    with worklist.catalogue.writing() as connection:
        for number in numbers:
            sighting = SeriesSighting(series=ref(number), kind=SeriesKind.IMAGE, modality="CT", instance_count=1)
            worklist.catalogue.see(connection, sighting)
            case = sample(ref(number), "a", vector=vector)
            indexed = IndexedSeries(series=ref(number), content_key="", pipeline="", cases=(case,))
            worklist.catalogue.commit(connection, indexed)
    finder = SimilarityFinder(archive.tools)
    query = SimilarityQuery(tracking_uid=sample(ref(1), "a").region.tracking_uid)
    expected = sorted(sample(ref(number), "a").uid for number in numbers if number != 1)
    assert [found.case.uid for found in finder.find(query).cases] == expected
    worklist.forget([ref(3).series_uid])
    expected.remove(sample(ref(3), "a").uid)
    assert [found.case.uid for found in finder.find(query).cases] == expected
