import pytest
from pydicom import Dataset
from pydicom.sr.codedict import codes
from tests.unit.segment.annotations import contour, rtstruct, source, square, volume_of

from similar_cases.domain.errors import MalformedDicom
from similar_cases.segment.prompts import findings as table
from similar_cases.segment.prompts import (
    is_annotation,
    is_ours,
    read_prompts,
    referenced_frames_of_reference,
    referenced_instances,
    referenced_series,
)
from similar_cases.segment.prompts.attributes import code, items


@pytest.fixture
def volume():
    return volume_of(source())


@pytest.fixture
def structures(volume):
    return rtstruct(volume, {"GTV": ("GTV", [contour(square(volume.geometry, 3, 5, 9))])})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("RTSTRUCT", True),
        ("PR", True),
        ("1.2.840.10008.5.1.4.1.1.88.34", True),
        ("1.2.840.10008.5.1.4.1.1.66.7", True),
        ("1.2.840.10008.5.1.4.1.1.11.1", True),
        ("CT", False),
        ("RTDOSE", False),
        ("1.2.840.10008.5.1.4.1.1.88.67", False),  # dose report: no findings in it
        ("", False),
    ],
)
def test_annotations_are_told_by_class_or_modality(name, expected):
    assert is_annotation(name) is expected


def test_ours_are_told_by_the_model_name():
    ours, others = Dataset(), Dataset()
    ours.ManufacturerModelName = "Similar Cases"
    others.ManufacturerModelName = "Similar Cases Viewer"
    assert is_ours(ours)
    assert not is_ours(others)
    assert not is_ours(Dataset())


def test_a_structure_set_names_series_images_and_space(structures, volume):
    assert referenced_series(structures) == [volume.series]
    assert referenced_instances(structures) == sorted(frame.sop_instance_uid for frame in volume.frames)
    assert referenced_frames_of_reference(structures) == [volume.geometry.frame_of_reference_uid]


def test_a_study_that_is_not_named_is_the_annotations_own(structures, volume):
    study = structures.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    del study.ReferencedSOPInstanceUID
    assert referenced_series(structures) == [volume.series]
    del structures.StudyInstanceUID
    assert referenced_series(structures) == []


def test_images_of_single_contours_stand_in_where_no_series_is_named(structures, volume):
    image = Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4"
    structures.ROIContourSequence[0].ContourSequence[0].ContourImageSequence = [image]
    del structures.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
    assert referenced_series(structures) == []
    assert referenced_instances(structures) == ["1.2.3.4"]


def test_images_decide_where_neither_series_nor_space_is_named(structures, volume):
    del structures.ReferencedFrameOfReferenceSequence
    del structures.StructureSetROISequence[0].ReferencedFrameOfReferenceUID
    assert read_prompts(structures, volume) == []
    image = Dataset()
    image.ReferencedSOPClassUID = volume.frames[3].sop_class_uid
    image.ReferencedSOPInstanceUID = volume.frames[3].sop_instance_uid
    structures.ROIContourSequence[0].ContourSequence[0].ContourImageSequence = [image]
    assert len(read_prompts(structures, volume)) == 1


def test_an_uid_that_is_none_is_passed_over(structures):
    study = structures.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    study.RTReferencedSeriesSequence[0]._dict.clear()
    study.RTReferencedSeriesSequence[0].SeriesDescription = "no UID"
    assert referenced_series(structures) == []


def test_what_is_no_annotation_holds_nothing(volume):
    assert read_prompts(source()[0], volume) == []


def test_a_sequence_of_too_many_items_is_refused():
    dataset = Dataset()
    dataset.ReferencedSeriesSequence = [Dataset() for _ in range(5)]
    with pytest.raises(MalformedDicom, match="5 items"):
        items(dataset, "ReferencedSeriesSequence", 4)


def test_a_code_without_a_value_is_none():
    dataset = Dataset()
    dataset.AnatomicRegionSequence = [Dataset()]
    assert code(dataset, "AnatomicRegionSequence") is None
    assert code(Dataset(), "AnatomicRegionSequence") is None


def test_every_code_of_the_table_is_in_the_standard():
    attributes = (getattr(codes.SCT, name) for name in codes.SCT.dir())
    known = {(found.value, found.meaning) for found in attributes}
    findings = {finding for _, finding in (*table._LESIONS, *table._ANATOMY)}
    assert {(finding.value, finding.meaning) for finding in findings} <= known


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("GTV_Mass_PET", "GTV", "Neoplasm"),
        ("1,SUV_primair", "ORGAN", "Neoplasm"),
        ("Liver_mets", "", "Neoplasm"),
        ("LungLeft", "", "Lung"),
        ("Lung R", "ORGAN", "Lung"),
        ("Spinal cord", "ORGAN", "Spinal cord"),
        ("SpinalCanal", "ORGAN", "Spinal cord"),
        ("Oesophagus", "ORGAN", "Esophagus"),
        ("Esophagus", "", "Esophagus"),
        ("BrainStem", "", "Brain Stem"),
        ("Patient", "EXTERNAL", "Anatomical Structure"),
        ("PTV-1", "PTV", "Anatomical Structure"),
        ("nodule 3", "", "Nodule"),
        ("Struct7", "AVOIDANCE", "Anatomical Structure"),
        ("腫瘍", "", "Lesion"),
        ("", "", "Lesion"),
    ],
)
def test_names_tell_findings(name, kind, expected):
    assert table.finding_of_structure(name, kind).meaning == expected
