"""Ingestion of what comes later, comes again, or goes: what is done anew, and what is left as it is."""

from pathlib import Path

import numpy as np
import pytest
from tests.small_archive import SmallArchive, contours_of, images_of, phantom
from tests.unit.pipeline.ingesting import regions, states, work

from similar_cases.domain.case import SeriesState
from similar_cases.pipeline.reindex import reindex
from similar_cases.worker.loop import JobLoop


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


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
