import numpy as np
import pytest
from tests.phantoms import SAGITTAL, Grid
from tests.unit.segment.annotations import contour, reread, rtstruct, source, square, volume_of

from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.errors import MalformedDicom, SegmentationFailed
from similar_cases.domain.prompts import PointPrompt, PromptOrigin
from similar_cases.domain.references import SeriesRef
from similar_cases.domain.region import Authorship
from similar_cases.segment.prompts import is_anatomy, read_prompts, referenced_series, region_of_expert
from similar_cases.segment.prompts import rtstruct as module


@pytest.fixture
def volume():
    return volume_of(source())


def contours_of(volume, low=5.5, high=15.5, slices=(3, 4, 5)):
    return [contour(square(volume.geometry, k, low, high)) for k in slices]


@pytest.mark.parametrize("as_read", [reread, lambda dataset: dataset], ids=["from bytes", "in memory"])
def test_contours_become_the_experts_region(volume, as_read):
    [prompts] = read_prompts(as_read(rtstruct(volume, {"GTV-1": ("GTV", contours_of(volume))})), volume)
    region = region_of_expert(volume, prompts)
    expected = np.zeros(volume.geometry.shape, bool)
    expected[3:6, 6:16, 6:16] = True
    np.testing.assert_array_equal(region.full_mask(volume.geometry.shape), expected)
    assert prompts.is_expert_mask
    assert (region.authorship, region.origin, region.algorithm) == (Authorship.MANUAL, PromptOrigin.RTSTRUCT, None)
    assert (region.label, region.finding.meaning) == ("GTV-1", "Neoplasm")
    assert region.geometry.is_aligned_with(volume.geometry.crop((3, 6, 6), (3, 10, 10)))


def test_the_same_object_gives_the_same_tracking_uid_and_two_structures_two(volume):
    both = {"A": ("GTV", contours_of(volume)), "B": ("GTV", contours_of(volume))}
    a, b = read_prompts(rtstruct(volume, both), volume)
    assert [a.tracking_uid, b.tracking_uid] == [p.tracking_uid for p in read_prompts(rtstruct(volume, both), volume)]
    assert a.tracking_uid != b.tracking_uid
    assert a.source_sop_instance_uid == rtstruct(volume, both).SOPInstanceUID


def test_a_sagittal_series_works_as_an_axial_one():
    grid = Grid(orientation=SAGITTAL)
    volume = volume_of(source(grid=grid), grid)
    [prompts] = read_prompts(reread(rtstruct(volume, {"GTV": ("GTV", contours_of(volume))})), volume)
    assert region_of_expert(volume, prompts).mask.shape == (3, 10, 10)


def test_organs_are_kept_and_said_to_be_anatomy(volume):
    structures = {
        name: (kind, contours_of(volume))
        for name, kind in (("Lung_L", "ORGAN"), ("BODY", "EXTERNAL"), ("GTV_Mass", "ORGAN"), ("x", "GTV"))
    }
    assert [is_anatomy(p.finding) for p in read_prompts(rtstruct(volume, structures), volume)] == [
        True,
        True,
        False,
        False,
    ]


def test_a_code_of_the_object_wins_over_the_name(volume):
    dataset = rtstruct(volume, {"Lung": ("ORGAN", contours_of(volume))})
    item = type(dataset)()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "M-80003", "SRT", "Neoplasm, Malignant"
    dataset.RTROIObservationsSequence[0].RTROIIdentificationCodeSequence = [item]
    [prompts] = read_prompts(reread(dataset), volume)
    assert prompts.finding == CodedConcept("86049000", "SCT", "Neoplasm, Malignant")


def test_points_are_prompts_and_marks_of_the_plan_are_none(volume):
    centre = volume.geometry.index_to_lps((5, 10, 10))
    structures = {"seed": ("", [contour(centre, "POINT")]), "iso": ("ISOCENTER", [contour(centre, "POINT")])}
    [prompts] = read_prompts(rtstruct(volume, structures), volume)
    assert prompts.label == "seed"
    assert not prompts.is_expert_mask
    [point] = prompts.prompts
    assert isinstance(point, PointPrompt)
    np.testing.assert_allclose(point.point_lps, centre[0], atol=1e-3)


def test_open_contours_give_nothing(volume):
    drawn = [contour(square(volume.geometry, 3, 5, 15), "OPEN_PLANAR")]
    assert read_prompts(rtstruct(volume, {"line": ("", drawn)}), volume) == []


def test_interpolated_slices_are_noted(volume):
    [prompts] = read_prompts(rtstruct(volume, {"GTV": ("GTV", contours_of(volume, slices=(2, 4, 6, 8)))}), volume)
    assert prompts.notes == ("3 slices between contours interpolated by shape",)


def test_another_frame_of_reference_is_another_patient_space(volume):
    dataset = rtstruct(volume, {"GTV": ("GTV", contours_of(volume)), "other": ("GTV", contours_of(volume))})
    dataset.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = "1.2.3.4"
    assert [p.label for p in read_prompts(dataset, volume)] == ["GTV"]
    dataset.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = "1.2.3.4"
    dataset.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID = "1.2.3.4"
    assert read_prompts(dataset, volume) == []


def test_contours_of_another_series_in_the_same_frame_of_reference_are_not_this_ones(volume):
    dataset = rtstruct(volume, {"GTV": ("GTV", contours_of(volume))})
    study = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    study.RTReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.3.5"
    assert referenced_series(dataset) == [SeriesRef(volume.series.study_uid, "1.2.3.5")]
    assert read_prompts(dataset, volume) == []
    del dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
    assert len(read_prompts(dataset, volume)) == 1


def test_contours_outside_the_volume_are_told(volume):
    [prompts] = read_prompts(rtstruct(volume, {"GTV": ("GTV", contours_of(volume, slices=(40, 41)))}), volume)
    with pytest.raises(SegmentationFailed, match="outside the volume"):
        region_of_expert(volume, prompts)


def test_contours_thinner_than_a_voxel_are_told(volume):
    [prompts] = read_prompts(rtstruct(volume, {"GTV": ("GTV", contours_of(volume, 5.2, 5.4))}), volume)
    with pytest.raises(SegmentationFailed, match="thinner than a voxel"):
        region_of_expert(volume, prompts)


def test_prompts_without_a_mask_are_for_a_segmenter(volume):
    points = {"seed": ("", [contour(volume.geometry.index_to_lps((5, 10, 10)), "POINT")])}
    [prompts] = read_prompts(rtstruct(volume, points), volume)
    with pytest.raises(SegmentationFailed, match="segmenter"):
        region_of_expert(volume, prompts)


def broken(change):
    def make(volume):
        dataset = rtstruct(volume, {"GTV": ("GTV", contours_of(volume))})
        change(dataset)
        return dataset

    return make


def _not_a_multiple(dataset):
    dataset.ROIContourSequence[0].ContourSequence[0].ContourData = [1.0, 2.0, 3.0, 4.0]


def _far_away(dataset):
    dataset.ROIContourSequence[0].ContourSequence[0].ContourData = [1e300, 0, 0, 0, 1e300, 0, 0, 0, 1e300]


def _no_number(dataset):
    del dataset.ROIContourSequence[0].ReferencedROINumber


def _no_uid(dataset):
    del dataset.SOPInstanceUID


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_not_a_multiple, "no points of 3"),
        (_far_away, "not finite, or beyond"),
        (_no_number, "ReferencedROINumber is missing"),
        (_no_uid, "no SOP Instance UID"),
    ],
)
def test_a_broken_object_is_refused_with_its_reason(volume, change, said):
    with pytest.raises(MalformedDicom, match=said):
        read_prompts(broken(change)(volume), volume)


def test_letters_for_numbers_are_refused_without_being_quoted(volume):
    dataset = reread(rtstruct(volume, {"GTV": ("GTV", contours_of(volume))}))
    item = dataset.ROIContourSequence[0].ContourSequence[0]
    raw = item.get_item("ContourData")
    item._dict[raw.tag] = raw._replace(value=b"1\\2\\Smith^John ")
    with pytest.raises(MalformedDicom, match="ContourData cannot be read") as refused:
        read_prompts(dataset, volume)
    assert "Smith" not in str(refused.value)


@pytest.mark.parametrize(
    ("bound", "value", "said"),
    [("MAX_STRUCTURES", 0, "items"), ("MAX_CONTOURS", 2, "items"), ("MAX_POINTS", 11, "points")],
)
def test_bounds_hold(volume, monkeypatch, bound, value, said):
    dataset = rtstruct(volume, {"GTV": ("GTV", contours_of(volume))})
    monkeypatch.setattr(module, bound, value)
    with pytest.raises(MalformedDicom, match=said):
        read_prompts(dataset, volume)


def test_empty_sequences_give_nothing(volume):
    dataset = rtstruct(volume, {})
    assert read_prompts(dataset, volume) == []
    del dataset.ROIContourSequence, dataset.RTROIObservationsSequence
    assert read_prompts(dataset, volume) == []
