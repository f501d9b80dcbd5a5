"""Ingestion on a folder with the real parts: what is indexed, described and stored."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from tests.phantoms import echoes
from tests.small_archive import SmallArchive, contours_of, images_of, phantom, segments_of
from tests.unit.pipeline.ingesting import regions, work

from similar_cases.demo.phantoms import LesionKind, lesion_mask
from similar_cases.domain.case import SeriesState
from similar_cases.domain.description import BodyCoordinate, Level
from similar_cases.pipeline.content import pipeline_of
from similar_cases.pipeline.steps import STEPS


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


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


def test_several_volumes_in_one_series_are_several_cases(archive):
    series = archive.put(echoes())
    work(archive)
    cases = archive.tools.lookups.cases_of(series.series_uid)
    assert [case.volume_number for case in cases] == list(range(len(cases)))
    assert len(cases) > 1
    assert len({case.uid for case in cases}) == len(cases)


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
