"""Ingestion of what cannot be read, described or kept: what is left out, tried again, given up, and told of it."""

from pathlib import Path

import pytest
from pydicom import Dataset
from tests.phantoms import localizer
from tests.small_archive import SmallArchive, contours_of, images_of, phantom, segments_of
from tests.unit.pipeline.ingesting import regions, states, work

from similar_cases.domain.case import SeriesState
from similar_cases.domain.errors import DescriptionFailed, StoreFailed
from similar_cases.jobs.queue import Policy
from similar_cases.worker.loop import JobLoop


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


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
