"""The SEG holds the mask, where the mask is, with what drew it."""

from dataclasses import replace

import numpy as np
import pytest
from pydicom import Dataset
from tests.unit.record.samples import description, enhanced_case, mask_in_lps, phantom_case, region_in

from similar_cases.demo.phantoms import Phantom, phantom_series
from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.errors import MalformedDicom
from similar_cases.domain.prompts import PromptOrigin
from similar_cases.domain.references import FrameRef
from similar_cases.domain.region import AlgorithmIdentity, Authorship, Region
from similar_cases.domain.volume import Volume
from similar_cases.record import Recorder, RecorderSettings
from similar_cases.volume.build import build_volumes

SMALL = {"shape": (12, 40, 32), "lesion_radius_mm": 8.0, "lesion_lps": (6.0, 0.0, 0.0)}
OBLIQUE = (0.8, 0.6, 0.0, 0.0, 0.0, -1.0)


def seg_of(source: list[Dataset], volume: Volume, region: Region) -> Dataset:
    return Recorder(RecorderSettings()).record(source, volume, region, description(3)).seg


def sources_of(seg: Dataset) -> list[Dataset]:
    """The source of each frame, by rising z (highdicom writes them from the other end)."""
    frames = sorted(
        seg.PerFrameFunctionalGroupsSequence, key=lambda g: g.PlanePositionSequence[0].ImagePositionPatient[2]
    )
    return [g.DerivationImageSequence[0].SourceImageSequence[0] for g in frames]


def item_of(seg: Dataset) -> Dataset:
    [item] = seg.SegmentSequence
    return item


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
@pytest.mark.parametrize("orientation", [(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), OBLIQUE])
def test_the_mask_comes_back_voxel_by_voxel_in_lps(modality, orientation):
    source, volume, region = phantom_case(Phantom(modality=modality, orientation=orientation, **SMALL))
    seg = seg_of(source, volume, region)
    assert np.array_equal(mask_in_lps(seg, volume), region.full_mask(volume.geometry.shape))
    assert (seg.Rows, seg.Columns) == (40, 32)


def test_frames_are_where_the_mask_is_and_belong_to_their_source_images():
    source, volume, _ = phantom_case(Phantom(**SMALL))
    mask = np.zeros(volume.geometry.shape, dtype=bool)
    mask[3, 5:9, 6:11] = mask[7, 20:22, 1] = True  # two pieces, three empty slices between
    seg = seg_of(source, volume, region_in(volume, mask))
    assert seg.NumberOfFrames == 2
    assert [s.ReferencedSOPInstanceUID for s in sources_of(seg)] == [source[3].SOPInstanceUID, source[7].SOPInstanceUID]
    assert {s.SpatialLocationsPreserved for s in sources_of(seg)} == {"YES"}
    [series] = seg.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == source[0].SeriesInstanceUID
    assert [i.ReferencedSOPInstanceUID for i in series.ReferencedInstanceSequence] == [
        source[3].SOPInstanceUID,
        source[7].SOPInstanceUID,
    ]
    assert np.array_equal(mask_in_lps(seg, volume), mask)


def test_frames_lie_exactly_where_the_source_says():
    source, volume, region = phantom_case(Phantom(**SMALL))
    by_uid = {s.SOPInstanceUID: s for s in source}
    seg = seg_of(source, volume, region)
    for groups in seg.PerFrameFunctionalGroupsSequence:
        [reference] = groups.DerivationImageSequence[0].SourceImageSequence
        image = by_uid[reference.ReferencedSOPInstanceUID]
        assert groups.PlanePositionSequence[0].ImagePositionPatient == image.ImagePositionPatient


def test_planes_that_a_scanner_rounded_stay_the_source_s_own():
    source, volume, region = phantom_case(Phantom(**SMALL))
    for number, instance in enumerate(source):
        x, y, z = instance.ImagePositionPatient
        instance.ImagePositionPatient = [x, y, float(z) + 0.1 * (-1) ** number]
    seg = seg_of(source, volume, region)
    assert {s.SpatialLocationsPreserved for s in sources_of(seg)} == {"YES"}
    assert np.array_equal(mask_in_lps(seg, volume), region.full_mask(volume.geometry.shape))


def test_a_volume_with_a_filled_gap_has_frames_of_its_own():
    phantom = Phantom(**SMALL)
    source = phantom_series(phantom)
    del source[6]
    [volume] = build_volumes(source)
    mask = np.zeros(volume.geometry.shape, dtype=bool)
    mask[4:9, 10:20, 8:15] = True
    seg = seg_of(source, volume, region_in(volume, mask))
    assert seg.NumberOfFrames == 5
    assert {s.SpatialLocationsPreserved for s in sources_of(seg)} == {"NO"}
    assert np.array_equal(mask_in_lps(seg, volume), mask)
    assert {s.ReferencedSOPInstanceUID for s in sources_of(seg)} <= {s.SOPInstanceUID for s in source}


def test_a_volume_of_a_tilted_gantry_keeps_its_own_grid_in_the_same_frame_of_reference():
    source = phantom_series(Phantom(gantry_tilt_degrees=20.0, **SMALL))
    [volume] = build_volumes(source)
    assert volume.notes
    mask = np.zeros(volume.geometry.shape, dtype=bool)
    mask[2:7, 12:20, 8:15] = True
    seg = seg_of(source, volume, region_in(volume, mask))
    assert (seg.Rows, seg.Columns) == volume.geometry.shape[1:]
    assert seg.FrameOfReferenceUID == source[0].FrameOfReferenceUID
    assert {s.SpatialLocationsPreserved for s in sources_of(seg)} == {"NO"}
    assert np.array_equal(mask_in_lps(seg, volume), mask)


def test_frames_of_a_multi_frame_source_are_named_by_number():
    source, volume, mask = enhanced_case()
    seg = seg_of(source, volume, region_in(volume, mask))
    slices = np.flatnonzero(mask.any(axis=(1, 2)))
    assert [s.ReferencedFrameNumber for s in sources_of(seg)] == [2 + 2 * k for k in slices]
    assert {s.SpatialLocationsPreserved for s in sources_of(seg)} == {"YES"}
    [series] = seg.ReferencedSeriesSequence
    assert len(series.ReferencedInstanceSequence) == 1
    assert seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness == 2.5
    assert np.array_equal(mask_in_lps(seg, volume), mask)


def test_a_mask_is_packed_to_bits():
    source, volume, region = phantom_case(Phantom(shape=(12, 64, 64)))
    seg = seg_of(source, volume, region)
    assert len(seg.PixelData) == seg.NumberOfFrames * 64 * 64 // 8
    assert (seg.SegmentationType, seg.BitsAllocated) == ("BINARY", 1)


def test_an_expert_s_mask_is_manual_and_says_where_it_was_drawn():
    source, volume, region = phantom_case(
        Phantom(**SMALL),
        authorship=Authorship.MANUAL,
        algorithm=None,
        quality=None,
        origin=PromptOrigin.RTSTRUCT,
        source_sop_instance_uid="1.2.3.4",
    )
    item = item_of(seg_of(source, volume, region))
    assert item.SegmentAlgorithmType == "MANUAL"
    assert "SegmentationAlgorithmIdentificationSequence" not in item
    assert item.SegmentDescription == "Kept as drawn in RTSTRUCT 1.2.3.4"


@pytest.mark.parametrize(
    ("algorithm", "name", "family"),
    [
        (AlgorithmIdentity("grow", "2", (("tolerance", "1"),)), "grow", "Neighborhood Analysis"),
        (AlgorithmIdentity("net", "2", (("weights", "sha256:ab"),)), "net", "Artificial Intelligence"),
        (None, "Similar Cases", "Neighborhood Analysis"),
    ],
)
def test_an_algorithm_s_mask_names_it_with_its_parameters(algorithm, name, family):
    source, volume, region = phantom_case(Phantom(**SMALL), algorithm=algorithm, authorship=Authorship.AUTOMATIC)
    item = item_of(seg_of(source, volume, region))
    assert (item.SegmentAlgorithmType, item.SegmentAlgorithmName) == ("AUTOMATIC", name)
    [identity] = item.SegmentationAlgorithmIdentificationSequence
    assert identity.AlgorithmFamilyCodeSequence[0].CodeMeaning == family
    if algorithm:
        assert identity.AlgorithmParameters == "=".join(algorithm.parameters[0])


def test_the_segment_is_coded_and_tracked():
    source, volume, region = phantom_case(Phantom(**SMALL))
    item = item_of(seg_of(source, volume, region))
    assert item.SegmentedPropertyTypeCodeSequence[0].CodeValue == "108369006"
    assert item.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    assert item.AnatomicRegionSequence[0].CodeMeaning == "Lung"
    assert (item.TrackingUID, item.TrackingID) == (region.tracking_uid, "GTV-1")


def test_a_region_without_a_finding_is_a_lesion_somewhere():
    source, volume, region = phantom_case(Phantom(**SMALL), finding=None, finding_site=None)
    item = item_of(seg_of(source, volume, region))
    assert item.SegmentedPropertyTypeCodeSequence[0].CodeValue == "52988006"
    assert "AnatomicRegionSequence" not in item


@pytest.mark.parametrize(
    ("label", "written"),
    [
        ("GTV\\1\r\nleft", "GTV 1 left"),
        ("", "Region"),
        ("\0\t", "Region"),
        ("腫瘍 左", "腫瘍 左"),
        ("x" * 70, "x" * 64),
        ("腫" * 30, "腫" * 21),
    ],
)
def test_a_label_is_written_as_the_standard_allows(label, written):
    source, volume, region = phantom_case(Phantom(**SMALL), label=label)
    assert item_of(seg_of(source, volume, region)).SegmentLabel == written


def test_a_foreign_long_code_is_kept():
    finding = CodedConcept("longer-than-a-code-value", "99X", "m" * 80)
    source, volume, region = phantom_case(Phantom(**SMALL), finding=finding)
    code = item_of(seg_of(source, volume, region)).SegmentedPropertyTypeCodeSequence[0]
    assert (code.LongCodeValue, len(code.CodeMeaning)) == (finding.value, 64)


def test_a_volume_of_another_series_is_refused():
    source, volume, region = phantom_case(Phantom(**SMALL))
    strange = replace(volume, frames=(FrameRef("1.2", "1.2.3"),) * 12)
    with pytest.raises(MalformedDicom, match=r"1\.2\.3"):
        seg_of(source, strange, region)
    with pytest.raises(MalformedDicom, match="source images"):
        seg_of([], volume, region)


def test_a_source_that_does_not_say_where_it_lies_gets_the_volume_s_grid():
    source, volume, region = phantom_case(Phantom(**SMALL))
    for instance in source:
        del instance.ImagePositionPatient
    seg = seg_of(source, volume, region)
    assert {s.SpatialLocationsPreserved for s in sources_of(seg)} == {"NO"}
    assert np.array_equal(mask_in_lps(seg, volume), region.full_mask(volume.geometry.shape))


def test_a_frame_that_lies_elsewhere_is_not_taken_for_the_slice():
    source, volume, region = phantom_case(Phantom(**SMALL))
    affine = np.array(volume.geometry.affine)
    affine[:3, 3] += (0.5, 0.0, 0.0)  # a quarter of a column
    moved = replace(volume, geometry=replace(volume.geometry, affine=affine))
    seg = seg_of(source, moved, region_in(moved, region.full_mask(moved.geometry.shape)))
    assert {s.SpatialLocationsPreserved for s in sources_of(seg)} == {"NO"}
