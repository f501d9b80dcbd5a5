"""Ingestion on a folder with the real parts: what is indexed, what is left out, what is stored."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from tests.phantoms import echoes, localizer
from tests.small_archive import SmallArchive, contours_of, images_of, phantom, segments_of

from similar_cases.demo.phantoms import LesionKind, lesion_mask
from similar_cases.domain.case import SeriesState
from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.description import BodyCoordinate, Level
from similar_cases.domain.errors import DescriptionFailed, StoreFailed
from similar_cases.domain.region import AlgorithmIdentity
from similar_cases.jobs.queue import Policy
from similar_cases.pipeline.content import pipeline_of
from similar_cases.pipeline.reindex import reindex
from similar_cases.pipeline.shelf import Shelf
from similar_cases.pipeline.steps import STEPS
from similar_cases.pipeline.tools import AutoRecord, Rules
from similar_cases.pipeline.volume_cache import VolumeCache
from similar_cases.segment.everything import EverythingRecipe
from similar_cases.worker.loop import JobLoop


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


def work(archive: SmallArchive) -> int:
    archive.seen()
    return JobLoop(archive.tools, "test").run_until_empty()


def states(archive: SmallArchive) -> dict[str, str]:
    return {row.series.series_uid: row.state.value for row in archive.tools.lookups.series_rows()}


def regions(archive: SmallArchive, series) -> list:
    return [case for case in archive.tools.lookups.cases_of(series.series_uid) if case.level is Level.REGION]


def test_a_series_without_annotation_becomes_one_case(archive):
    series = archive.put(images_of(phantom("1")))
    work(archive)
    [case] = archive.tools.lookups.cases_of(series.series_uid)
    assert (case.level, case.series, case.facts.patient_id) == (Level.SERIES, series, "1")
    assert archive.tools.lookups.slice_vectors(case.uid).shape == (10, 24)
    assert archive.pacs.stored == []
    row = archive.tools.lookups.series_row(series.series_uid)
    assert row.state is SeriesState.INDEXED
    assert {"retrieve", "build", "describe", "index"} <= row.timings.keys() <= set(STEPS)


@pytest.mark.parametrize("make", [contours_of, segments_of], ids=["RTSTRUCT", "SEG"])
def test_an_experts_mask_is_kept_described_and_recorded(archive, make):
    one = phantom("1")
    series = archive.put(images_of(one))
    archive.put([make(one)])
    work(archive)
    [case] = regions(archive, series)
    assert case.region.authorship == "MANUAL"
    truth = lesion_mask(one).sum() * one.geometry.voxel_volume_mm3 / 1000
    assert case.region.volume_ml == pytest.approx(truth, rel=0.05)
    assert case.description.radiomics.values["shape_VoxelVolume"] / 1000 == pytest.approx(case.region.volume_ml)
    assert sorted(archive.pacs.stored) == sorted([case.region.seg_sop_instance_uid, case.region.sr_sop_instance_uid])
    stored = {one.series.series_uid: one.modality for one in archive.pacs.search_series()}
    assert sorted(stored.values()).count("SR") == 1


class _Standing:
    """A body whose coordinates are LPS."""

    space = "standing 1"

    def coordinates(self, volume, points_lps):
        return [BodyCoordinate(tuple(point.tolist()), self.space) for point in points_lps]


def test_the_place_in_the_body_is_kept_and_a_new_model_of_it_is_a_new_pipeline(archive):
    one = phantom("1")
    series = archive.put(images_of(one))
    archive.put([contours_of(one)])
    without = pipeline_of(archive.tools)
    archive.tools = replace(archive.tools, body_position=_Standing())
    assert pipeline_of(archive.tools) != without
    work(archive)
    [case] = regions(archive, series)
    assert case.description.location.body == BodyCoordinate(case.region.centroid_lps, "standing 1")


def test_an_annotation_that_comes_later_is_linked_when_it_comes(archive):
    one = phantom("1")
    series = archive.put(images_of(one))
    work(archive)
    assert regions(archive, series) == []
    archive.put([contours_of(one)])
    work(archive)
    assert len(regions(archive, series)) == 1


def test_what_is_recorded_anew_takes_the_place_of_what_was_recorded_before(archive):
    one = phantom("1")
    images = images_of(one)
    archive.put(images[:6])
    archive.put([contours_of(one)])
    work(archive)
    archive.put(images[6:])
    work(archive)
    [case] = regions(archive, archive.put(images))
    ours = [archive.tools.recorder.result_series(case.series)]
    assert [archive.pacs.search_instances(series) for pair in ours for series in pair] == [
        [case.region.seg_sop_instance_uid],
        [case.region.sr_sop_instance_uid],
    ]
    assert len(set(archive.pacs.stored)) == 4


def test_results_go_with_their_region(archive):
    one = phantom("1")
    series, contours = archive.put(images_of(one)), archive.put([contours_of(one)])
    work(archive)
    archive.take_away(contours)
    work(archive)
    assert regions(archive, series) == []
    assert [archive.pacs.search_instances(ours) for ours in archive.tools.recorder.result_series(series)] == [[], []]


def test_an_annotation_that_comes_first_waits_for_its_images(archive):
    one = phantom("1")
    archive.put([contours_of(one)])
    work(archive)
    series = archive.put(images_of(one))
    work(archive)
    assert len(regions(archive, series)) == 1


def test_what_is_written_back_starts_nothing(archive):
    one = phantom("1")
    archive.put(images_of(one))
    archive.put([contours_of(one)])
    work(archive)
    stored = list(archive.pacs.stored)
    assert work(archive) == 0
    assert archive.pacs.stored == stored


def test_asking_again_without_news_does_nothing_again(archive):
    one = phantom("1")
    series = archive.put(images_of(one))
    archive.put([contours_of(one)])
    work(archive)
    before, stored = archive.tools.lookups.series_row(series.series_uid), list(archive.pacs.stored)
    archive.tools.worklist.ask_again([series.series_uid])
    work(archive)
    after = archive.tools.lookups.series_row(series.series_uid)
    assert (after.indexed_at, after.state) == (before.indexed_at, SeriesState.INDEXED)
    assert archive.pacs.stored == stored


def test_retrying_does_everything_again_and_gives_the_same(archive):
    one = phantom("1")
    series = archive.put(images_of(one))
    archive.put([contours_of(one)])
    work(archive)
    before, [stored] = regions(archive, series), [set(archive.pacs.stored)]
    archive.tools.worklist.retry(series.series_uid)
    work(archive)
    after = regions(archive, series)
    assert set(archive.pacs.stored) == stored
    assert len(archive.pacs.stored) == 2 * len(stored)
    assert [case.uid for case in after] == [case.uid for case in before]
    np.testing.assert_array_equal(after[0].description.embedding.vector, before[0].description.embedding.vector)
    assert after[0].description.radiomics == before[0].description.radiomics


def test_an_instance_that_comes_or_goes_later_makes_it_new(archive):
    images = images_of(phantom("1"))
    series = archive.put(images[:-1])
    work(archive)
    key = archive.tools.lookups.series_row(series.series_uid).content_key
    archive.put(images)
    work(archive)
    row = archive.tools.lookups.series_row(series.series_uid)
    assert row.content_key != key
    [case] = archive.tools.lookups.cases_of(series.series_uid)
    assert archive.tools.lookups.slice_vectors(case.uid).shape[0] == 10
    for image in images[5:]:
        (archive.dicom / series.series_uid / f"{image.SOPInstanceUID}.dcm").unlink()
    work(archive)
    [case] = archive.tools.lookups.cases_of(series.series_uid)
    assert archive.tools.lookups.slice_vectors(case.uid).shape[0] == 5


def test_a_deleted_annotation_takes_its_region_along(archive):
    one = phantom("1")
    series = archive.put(images_of(one))
    annotation = archive.put([contours_of(one)])
    work(archive)
    archive.take_away(annotation)
    work(archive)
    assert regions(archive, series) == []
    assert len(archive.tools.lookups.cases_of(series.series_uid)) == 1


def test_one_bad_annotation_does_not_lose_the_others(archive):
    one = phantom("1")
    series = archive.put(images_of(one))
    archive.put([contours_of(one)])
    bad = contours_of(one, "bad")
    bad.SeriesInstanceUID, bad.SOPInstanceUID = "1.2.3.4", "1.2.3.5"
    bad.file_meta.MediaStorageSOPInstanceUID = "1.2.3.5"
    for structure in bad.ROIContourSequence:
        for contour in structure.ContourSequence:
            contour.ContourData = [0.0, 1.0]
    archive.put([bad])
    work(archive)
    assert len(regions(archive, series)) == 1
    assert "1.2.3.5" in " ".join(archive.tools.lookups.series_row(series.series_uid).notes)


def test_one_region_that_breaks_a_library_does_not_lose_the_others(archive, monkeypatch):
    one = phantom("1")
    series = archive.put(images_of(one))
    archive.put([contours_of(one)])
    archive.put([segments_of(one)])
    calls = []

    def measure(volume, region, honest=archive.tools.radiomics.extract):
        calls.append(region.origin)
        if region.origin == "SEG":
            raise IndexError("Doe^John broke it")
        return honest(volume, region)

    monkeypatch.setattr(archive.tools.radiomics, "extract", measure)
    work(archive)
    assert sorted(calls) == ["RTSTRUCT", "SEG"]
    assert len(regions(archive, series)) == 1
    notes = " ".join(archive.tools.lookups.series_row(series.series_uid).notes)
    assert "unexpected IndexError" in notes
    assert "Doe" not in notes


def test_several_volumes_in_one_series_are_several_cases(archive):
    series = archive.put(echoes())
    work(archive)
    cases = archive.tools.lookups.cases_of(series.series_uid)
    assert [case.volume_number for case in cases] == list(range(len(cases)))
    assert len(cases) > 1
    assert len({case.uid for case in cases}) == len(cases)


def test_what_makes_no_volume_is_refused_with_its_reason(archive, caplog):
    series = archive.put(localizer())
    work(archive)
    row = archive.tools.lookups.series_row(series.series_uid)
    assert row.state is SeriesState.REFUSED
    assert row.reason
    assert "Traceback" not in caplog.text
    assert archive.tools.lookups.cases_of(series.series_uid) == []


def test_regions_over_the_bound_are_left_out_and_told(archive):
    one = phantom("1")
    series = archive.put(images_of(one))
    archive.put([contours_of(one)])
    archive.put([segments_of(one)])
    archive.tools = archive.open_tools(max_regions=1)
    work(archive)
    assert len(regions(archive, series)) == 1
    assert "over the bound of 1" in " ".join(archive.tools.lookups.series_row(series.series_uid).notes)


def test_an_archive_that_is_away_uses_up_no_attempt(archive):
    series = archive.put(images_of(phantom("1")))
    archive.seen()
    archive.pacs.is_away = True
    loop = JobLoop(archive.tools, "test")
    for _ in range(8):
        job = archive.tools.worklist.claim("test", series.series_uid)
        assert job.attempts == 1
        assert loop.work(job) is False
    assert states(archive) == {series.series_uid: "waiting"}
    archive.pacs.is_away = False
    loop.work(archive.tools.worklist.claim("test", series.series_uid))
    assert states(archive) == {series.series_uid: "indexed"}


def test_an_archive_that_keeps_nothing_fails_the_series_in_the_end(tmp_path, monkeypatch):
    archive = SmallArchive(tmp_path, Policy(attempts=3, first_delay_seconds=0.0))
    one = phantom("1")
    series = archive.put(images_of(one))
    archive.put([contours_of(one)])

    def refuse(_instances: list[Dataset]) -> None:
        raise StoreFailed("the archive answered 507")

    monkeypatch.setattr(archive.pacs, "store_instances", refuse)
    work(archive)
    row = archive.tools.lookups.series_row(series.series_uid)
    assert (row.state, row.reason, row.attempts) == (SeriesState.FAILED, "the archive answered 507", 3)
    assert archive.tools.lookups.cases_of(series.series_uid) == []
    monkeypatch.undo()
    archive.tools.worklist.retry(series.series_uid)
    work(archive)
    assert states(archive)[series.series_uid] == "indexed"


def test_a_failure_that_cannot_heal_is_given_up_at_once_and_keeps_what_was_findable(archive, monkeypatch):
    series = archive.put(images_of(phantom("1")))
    work(archive)

    def fail(_volume):
        raise DescriptionFailed("nothing to see")

    monkeypatch.setattr(archive.tools.embedder, "embed_volume", fail)
    archive.tools.worklist.retry(series.series_uid)
    work(archive)
    row = archive.tools.lookups.series_row(series.series_uid)
    assert (row.state, row.attempts) == (SeriesState.FAILED, 1)
    assert "nothing to see" in row.reason
    assert len(archive.tools.lookups.cases_of(series.series_uid)) == 1


def test_a_defect_is_tried_again_and_told_by_its_kind_alone(archive, monkeypatch, caplog):
    series = archive.put(images_of(phantom("1")))

    def fail(_volume):
        raise ZeroDivisionError("Doe^John")

    monkeypatch.setattr(archive.tools.embedder, "embed_volume", fail)
    work(archive)
    row = archive.tools.lookups.series_row(series.series_uid)
    assert (row.state, row.attempts) == (SeriesState.FAILED, 5)
    assert row.reason.endswith("unexpected ZeroDivisionError")
    assert "Doe" not in caplog.text + row.reason
    assert "Traceback" not in caplog.text


def test_a_series_that_the_archive_lost_is_forgotten(archive):
    series = archive.put(images_of(phantom("1")))
    archive.seen()
    archive.take_away(series)
    JobLoop(archive.tools, "test").run_until_empty()
    assert states(archive) == {}


def test_a_new_model_fills_its_space_beside_the_old(archive):
    kept = [archive.put(images_of(phantom(key))) for key in "12"]
    work(archive)
    assert reindex(archive.tools) == 0
    renewed = SmallArchive(archive.folder, embedder_version="2")
    assert reindex(renewed.tools) == 2
    assert reindex(renewed.tools) == 0, "asking twice asks once"
    job = renewed.tools.worklist.claim("test", kept[0].series_uid)
    JobLoop(renewed.tools, "test").work(job)
    held = {held.space.version: held.vectors for held in renewed.tools.lookups.stats().spaces}
    assert held == {"1": 1, "2": 1}
    work(renewed)
    held = {held.space.version: held.vectors for held in renewed.tools.lookups.stats().spaces}
    assert held == {"2": 2}
    assert reindex(renewed.tools, everything=True) == 2
    work(renewed)


def test_lesions_that_an_algorithm_has_to_find_are_said_to_be_so(archive):
    """A presentation state's point is a hint: the mask is an algorithm's."""
    one = phantom("1", LesionKind.SOLID)
    images = images_of(one)
    series = archive.put(images)
    archive.put([_pointing_at_the_lesion(one, images)])
    work(archive)
    notes = archive.tools.lookups.series_row(series.series_uid).notes
    [case] = regions(archive, series) or pytest.fail(str(notes))
    assert case.region.authorship == "SEMIAUTOMATIC"
    assert case.region.algorithm
    assert one.geometry.contains_lps(case.region.centroid_lps)
    assert case.region.seg_sop_instance_uid in archive.pacs.stored


def _pointing_at_the_lesion(one, images) -> Dataset:
    k, j, i = one.geometry.lps_to_index(one.lesion_lps)[0]
    image = next(
        im
        for im in images
        if np.allclose(
            one.geometry.index_to_lps([round(k), 0, 0])[0], [float(v) for v in im.ImagePositionPatient], atol=1e-3
        )
    )
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    point = Dataset()
    point.GraphicAnnotationUnits, point.GraphicDimensions, point.NumberOfGraphicPoints = "PIXEL", 2, 1
    point.GraphicData, point.GraphicType, point.GraphicFilled = [float(i) + 1, float(j) + 1], "POINT", "N"
    note = Dataset()
    note.GraphicLayer, note.ReferencedImageSequence, note.GraphicObjectSequence = "NOTES", [reference], [point]
    about = Dataset()
    about.SeriesInstanceUID, about.ReferencedImageSequence = image.SeriesInstanceUID, [reference]
    state = Dataset()
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID"):
        state[keyword] = image[keyword]
    state.SOPClassUID, state.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.11.1", "1.2.3.77"
    state.SeriesInstanceUID, state.Modality = "1.2.3.7", "PR"
    state.ReferencedSeriesSequence, state.GraphicAnnotationSequence = [about], [note]
    state.file_meta = type(image.file_meta)(image.file_meta)
    state.file_meta.MediaStorageSOPClassUID = state.SOPClassUID
    state.file_meta.MediaStorageSOPInstanceUID = state.SOPInstanceUID
    return state


def test_volumes_are_fetched_once_and_the_oldest_is_let_go():
    cache, fetched = VolumeCache(2), []

    def fetch(key: str):
        return cache.get((key, ""), lambda: fetched.append(key) or [key])

    for key in "aababca":
        assert fetch(key) == [key]
    assert fetched == ["a", "b", "c", "a"]
    with pytest.raises(ZeroDivisionError):
        cache.get(("x", ""), lambda: 1 // 0)
    assert fetch("x") == ["x"], "a fetch that failed is tried again"


def everything(archive: SmallArchive, auto: AutoRecord) -> None:
    recipe = EverythingRecipe(points=8, regions=3, quality=0.0, stability=0.3)
    archive.tools = replace(archive.tools, rules=Rules(everything=recipe, auto=auto))


@pytest.mark.parametrize(("auto", "writes"), [("off", False), ("annotations", False), ("everything", True)])
def test_a_series_without_annotation_is_searched_and_only_written_where_the_site_wants(archive, auto, writes):
    everything(archive, AutoRecord(auto))
    series = archive.put(images_of(phantom("1", shape=(12, 48, 48))))
    work(archive)
    found = regions(archive, series)
    assert found
    assert {case.region.authorship for case in found} == {"AUTOMATIC"}
    assert bool(archive.pacs.stored) is writes
    assert all(bool(case.region.seg_sop_instance_uid) is writes for case in found)
    assert archive.tools.lookups.series_row(series.series_uid).timings["everything"] > 0
    _, shown = Shelf(archive.tools).region_known(series, found[0].region.tracking_uid)
    assert shown.volume_ml == pytest.approx(found[0].region.volume_ml)


def test_another_segmenter_may_search_than_the_one_that_answers_clicks(archive):
    everything(archive, AutoRecord.ANNOTATIONS)
    before = pipeline_of(archive.tools)
    archive.tools = replace(archive.tools, segmenter=Unasked(), proposer=archive.tools.segmenter)
    assert pipeline_of(archive.tools) != before
    series = archive.put(images_of(phantom("1", shape=(12, 48, 48))))
    work(archive)
    found = regions(archive, series)
    assert found
    assert Shelf(archive.tools).region_known(series, found[0].region.tracking_uid)


class Unasked:
    """A segmenter that nobody may ask."""

    identity = AlgorithmIdentity("Unasked", "1")

    def segment(self, volume, prompts):
        raise AssertionError("asked all the same")


def test_annotations_take_the_place_of_what_was_found_without_a_hint(archive):
    everything(archive, AutoRecord.ANNOTATIONS)
    one = phantom("1", shape=(12, 48, 48))
    series = archive.put(images_of(one))
    work(archive)
    assert regions(archive, series)
    archive.put([contours_of(one)])
    work(archive)
    assert [case.region.authorship for case in regions(archive, series)] == ["MANUAL"]


def test_off_writes_nothing_of_an_expert_either(archive):
    archive.tools = replace(archive.tools, rules=Rules(auto=AutoRecord.OFF))
    one = phantom("1")
    series = archive.put(images_of(one))
    archive.put([contours_of(one)])
    work(archive)
    assert len(regions(archive, series)) == 1
    assert archive.pacs.stored == []


def test_classes_of_the_site_are_asked_for_in_every_series(archive):
    liver = CodedConcept("10200004", "SCT", "Liver")
    archive.tools = replace(archive.tools, rules=Rules(auto=AutoRecord.CLASSES, classes=(liver,)))
    series = archive.put(images_of(phantom("1")))
    work(archive)
    # the reference segmenter knows points, not names: it says so, and the series is indexed without
    assert regions(archive, series) == []
    assert any("ALGORITHM region" in note for note in archive.tools.lookups.series_row(series.series_uid).notes)


def test_what_is_searched_for_and_written_is_a_part_of_the_pipeline(archive):
    before = pipeline_of(archive.tools)
    keys = {before}
    for rules in (Rules(auto=AutoRecord.OFF), Rules(everything=EverythingRecipe(points=3))):
        archive.tools = replace(archive.tools, rules=rules)
        keys.add(pipeline_of(archive.tools))
    assert len(keys) == 3
