"""Ingestion of series that nobody annotated: what is searched for, and what is written where the site wants it."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.small_archive import SmallArchive, contours_of, images_of, phantom
from tests.unit.pipeline.ingesting import regions, work

from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.region import AlgorithmIdentity
from similar_cases.pipeline.content import pipeline_of
from similar_cases.pipeline.shelf import Shelf
from similar_cases.pipeline.tools import AutoRecord, Rules
from similar_cases.segment.everything import EverythingRecipe


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


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
