"""What becomes of each phantom, and whether its voxels lie where the phantom put them."""

import copy
from itertools import pairwise

import numpy as np
import pytest
from pydicom import Dataset
from tests import phantoms

from similar_cases.domain.errors import MalformedDicom, NotAVolume, Refused, TooLarge
from similar_cases.domain.volume import Volume, VoxelUnit
from similar_cases.volume.bounds import VolumeBounds
from similar_cases.volume.build import build_volumes


def expected_at(volume: Volume, values=phantoms.tissue_hu) -> np.ndarray:
    """The phantom's own values at the places where `volume` says that its voxels lie."""
    indices = np.stack(np.indices(volume.geometry.shape), axis=-1).reshape(-1, 3)
    return values(volume.geometry.index_to_lps(indices)).reshape(volume.geometry.shape)


def only(instances: list[Dataset], **bounds: int) -> Volume:
    [volume] = build_volumes(instances, VolumeBounds(**bounds))
    return volume


@pytest.mark.parametrize("name", phantoms.AWKWARD)
def test_each_phantom_is_built_or_refused_with_its_reason(name: str) -> None:
    awkward = phantoms.AWKWARD[name]
    if awkward.volumes:
        volumes = build_volumes(awkward.make())
        assert [volume.number for volume in volumes] == list(range(awkward.volumes))
        assert len({volume.label for volume in volumes}) == awkward.volumes
        for volume in volumes:
            assert volume.array.dtype == np.float32
            assert len(volume.frames) == volume.geometry.shape[0]
            assert np.isfinite(volume.array).all()
    else:
        with pytest.raises(Refused, match=awkward.reason):
            build_volumes(awkward.make())


@pytest.mark.parametrize(
    "make",
    [
        phantoms.oblique,
        phantoms.no_frame_of_reference,
        phantoms.enhanced,
        phantoms.duplicated_positions,
        phantoms.one_duplicate,
        phantoms.scout_and_ct,
        phantoms.mixed_orientations,
        phantoms.long_gap,
        phantoms.two_spacings,
        lambda: phantoms.series("sagittal", grid=phantoms.Grid(orientation=phantoms.SAGITTAL)),
        lambda: phantoms.series("coronal", grid=phantoms.Grid(orientation=phantoms.CORONAL)),
        lambda: phantoms.series("feet first", grid=phantoms.Grid(orientation=(-1.0, 0.0, 0.0, 0.0, 1.0, 0.0))),
    ],
)
def test_every_voxel_lies_where_the_phantom_put_it(make) -> None:
    for volume in build_volumes(make()):
        # positions are written with six decimals, and pixels are whole numbers
        assert np.abs(volume.array - expected_at(volume)).max() <= 0.51


def test_axes_are_normal_column_direction_row_direction() -> None:
    geometry = only(phantoms.series("axes")).geometry
    assert geometry.spacing_mm == (2.5, 1.5, 1.25)
    assert np.allclose(geometry.affine[:3, :3], [[0, 0, 1.25], [0, 1.5, 0], [2.5, 0, 0]])


def test_frames_follow_the_sorted_slices_not_instance_numbers() -> None:
    instances = phantoms.oblique()
    positions = {one.SOPInstanceUID: np.array(one.ImagePositionPatient, float) for one in instances}
    volume = only(instances)
    for k, frame in enumerate(volume.frames):
        assert np.allclose(positions[frame.sop_instance_uid], volume.geometry.index_to_lps([k, 0, 0])[0], atol=1e-5)
        assert frame.frame_number is None


def test_order_of_arrival_changes_nothing() -> None:
    there = only(phantoms.oblique())
    back = only(phantoms.oblique()[::-1])
    assert np.array_equal(there.array, back.array)
    assert there.frames == back.frames


def test_gantry_tilt_is_moved_onto_an_orthogonal_grid() -> None:
    volume = only(phantoms.gantry_tilt(values=phantoms.ramp_hu))
    directions = volume.geometry.affine[:3, :3] / np.linalg.norm(volume.geometry.affine[:3, :3], axis=0)
    assert np.allclose(directions.T @ directions, np.eye(3), atol=1e-9)
    measured = volume.array > -1024
    assert np.abs(volume.array - expected_at(volume, phantoms.ramp_hu))[_inner(measured)].max() < 1.0
    assert 0.75 < measured.mean() < 0.9
    assert "gantry tilt of 20.0°" in volume.notes[0]


def _inner(measured: np.ndarray) -> np.ndarray:
    """Without the border rows of each slice, where a half voxel repeats the border."""
    inner = measured.copy()
    inner[:, 1:] &= measured[:, :-1]
    inner[:, :-1] &= measured[:, 1:]
    inner[:, [0, -1]] = False
    return inner


def test_missing_slices_are_interpolated_and_told() -> None:
    volume = only(phantoms.missing_slices())
    assert volume.geometry.shape[0] == 14
    assert np.allclose(volume.array[4], volume.array[3] * 2 / 3 + volume.array[6] / 3, atol=1e-3)
    assert volume.notes == ("2 missing slices interpolated",)
    assert volume.frames[4] == volume.frames[3]
    assert volume.frames[5] == volume.frames[6]


def test_a_longer_gap_than_allowed_parts_the_stack() -> None:
    volumes = build_volumes(phantoms.missing_slices(), VolumeBounds(max_gap_slices=1))
    assert [volume.geometry.shape[0] for volume in volumes] == [4, 8]


def test_phases_are_told_apart_by_what_explains_them() -> None:
    volumes = build_volumes(phantoms.three_phases())
    assert [volume.label for volume in volumes] == [f"AcquisitionNumber={n}" for n in (1, 2, 3)]
    lesion = volumes[0].geometry.lps_to_index(phantoms.LESION_LPS)[0].round().astype(int)
    at_lesion = [float(volume.array[tuple(lesion)]) for volume in volumes]
    assert np.allclose(np.diff(at_lesion), 50.0)
    for first, second in pairwise(volumes):
        assert first.geometry.is_aligned_with(second.geometry)


def test_what_nothing_explains_is_told_apart_by_order() -> None:
    volumes = build_volumes(phantoms.three_phases_unexplained()[::-1])
    assert [volume.label for volume in volumes] == ["order=1", "order=2", "order=3"]
    assert [float(volume.array[0, 0, 0]) for volume in volumes] == [-200.0, -190.0, -180.0]


def test_two_attributes_give_four_volumes() -> None:
    volumes = {volume.label: float(volume.array[0, 0, 0]) for volume in build_volumes(phantoms.echoes())}
    assert volumes == {
        "ImageType=M, EchoTime=5": -200.0,
        "ImageType=P, EchoTime=5": -100.0,
        "ImageType=M, EchoTime=12": 0.0,
        "ImageType=P, EchoTime=12": 100.0,
    }


def test_temporal_positions_of_an_enhanced_object() -> None:
    volumes = build_volumes(phantoms.enhanced("enhanced-mr", sop_class=phantoms.ENHANCED_MR, temporal_positions=2))
    assert [volume.label for volume in volumes] == ["TemporalPositionIndex=1", "TemporalPositionIndex=2"]
    # frames run backwards through each stack of 12, and count from 1
    assert [frame.frame_number for frame in volumes[1].frames] == list(range(24, 12, -1))
    assert np.allclose(volumes[1].array - volumes[0].array, 100.0)


def test_acquisitions_that_follow_each_other_are_one_volume() -> None:
    instances = phantoms.series("two breath holds")
    for one in instances[6:]:
        one.AcquisitionNumber = 2
    assert only(instances).label == ""


def test_phases_equal_somewhere_stay_whole() -> None:
    """Air is air in every phase: images of it at one position are no duplicates."""
    instances = phantoms.three_phases()
    for one in instances:
        if one.ImagePositionPatient[2] < 5:
            one.PixelData = bytes(len(one.PixelData))
    assert [volume.geometry.shape[0] for volume in build_volumes(instances)] == [12, 12, 12]


def test_two_stacks_side_by_side_are_two_volumes() -> None:
    left = phantoms.series("breasts", sop_class=phantoms.MR)
    beside = phantoms.Grid(origin_lps=(-150.0, 0.0, 0.0))
    volumes = build_volumes(left + phantoms.series("breasts", sop_class=phantoms.MR, grid=beside, start=50))
    assert [volume.geometry.shape for volume in volumes] == [(12, 32, 40)] * 2


def test_positions_rounded_by_a_scanner_are_regular() -> None:
    instances = phantoms.series("rounded", grid=phantoms.Grid(shape=(40, 8, 8), spacing_mm=(2.0 / 3, 1.0, 1.0)))
    for one in instances:
        one.ImagePositionPatient = [round(float(v), 1) for v in one.ImagePositionPatient]
    volume = only(instances)
    assert volume.geometry.shape[0] == 40
    assert volume.geometry.spacing_mm[0] == pytest.approx(2.0 / 3, abs=2e-3)


def test_positions_rounded_within_the_plane_do_not_blur() -> None:
    instances = phantoms.series("jitter")
    [plain] = build_volumes(phantoms.series("jitter"))
    for k, one in enumerate(instances):
        one.ImagePositionPatient = [0.25 * (k % 2), 0.0, float(one.ImagePositionPatient[2])]
    volume = only(instances)
    assert np.array_equal(volume.array, plain.array)
    assert volume.notes == ()


def test_slices_shifted_anyhow_are_put_where_they_lie() -> None:
    instances = phantoms.series("shifted", values=phantoms.ramp_hu)
    for k, one in enumerate(instances):
        x = 1.25 * (k % 3)
        one.ImagePositionPatient = [x, 0.0, 2.5 * k]
        stored = np.frombuffer(one.PixelData, "<i2") + np.int16(round(x))
        one.PixelData = stored.astype("<i2").tobytes()
    volume = only(instances)
    measured = volume.array > -1024
    assert volume.geometry.shape == (12, 32, 42)
    assert np.abs(volume.array - expected_at(volume, phantoms.ramp_hu))[measured].max() < 1.1
    assert volume.notes == ("slices shifted within their planes: slices moved onto an orthogonal grid",)


def test_slices_beside_each_other_are_no_volume() -> None:
    instances = phantoms.series("staircase", sop_class=phantoms.MR)
    for k, one in enumerate(instances):
        one.ImagePositionPatient = [60.0 * k, 0.0, 2.5 * k]
    with pytest.raises(NotAVolume, match="beside each other"):
        build_volumes(instances)


def test_pixel_data_is_freed_and_nothing_else_changes() -> None:
    instances = phantoms.padded_ct()
    before = copy.deepcopy(instances)
    build_volumes(instances)
    for was, now in zip(before, instances, strict=True):
        assert "PixelData" not in now
        del was.PixelData
        assert was == now


def test_monochrome1_leaves_hounsfield_units_and_turns_arbitrary_values_round() -> None:
    plain, shown_inverted = only(phantoms.series("ct")), only(phantoms.monochrome1("ct"))
    assert np.array_equal(plain.array, shown_inverted.array)
    plain = only(phantoms.series("mr", sop_class=phantoms.MR))
    turned = only(phantoms.monochrome1("mr", phantoms.MR))
    # stored values are signed 16 bits: their range is turned round about its middle, -0.5
    assert np.allclose(turned.array + 1024, -1 - (plain.array + 1024))


def test_padding_becomes_air() -> None:
    volume = only(phantoms.padded_ct())
    assert (volume.array[:, :4, :4] == -1024).all()
    assert (volume.array[:, 5:, 5:] > -1024).all()


def test_a_padding_value_that_means_tissue_is_not_believed() -> None:
    plain = only(phantoms.series("water"))
    volume = only(phantoms.series("water", PixelPaddingValue=1024 - 200))  # -200 HU, the value of the first voxel
    assert np.array_equal(volume.array, plain.array)


def test_a_map_under_the_ct_class_is_not_in_hounsfield_units() -> None:
    volume = only(phantoms.series("zeff", RescaleType="Z_EFF"))
    assert volume.unit is VoxelUnit.ARBITRARY
    assert "Z_EFF" in volume.notes[0]


def test_absent_frame_of_reference_is_derived_and_told() -> None:
    first, second = only(phantoms.no_frame_of_reference()), only(phantoms.no_frame_of_reference())
    assert first.geometry.frame_of_reference_uid.startswith("2.25.")
    assert first.geometry.frame_of_reference_uid == second.geometry.frame_of_reference_uid
    assert "Frame of Reference" in first.notes[0]


def test_reasons_are_counted() -> None:
    with pytest.raises(NotAVolume, match=r"^makes no volume: 15 × a localizer \(scout\)$"):
        build_volumes(phantoms.localizer())


def test_what_was_left_out_of_a_series_is_told() -> None:
    assert only(phantoms.scout_and_ct()).notes == ("left out: a localizer (scout)",)


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [
        (VolumeBounds(max_instances=11), "12 instances"),
        (VolumeBounds(max_slices=11), "11 frames"),
        (VolumeBounds(max_voxels=12 * 32 * 40 - 1), "12 × 32 × 40 voxels"),
    ],
)
def test_bounds(bounds: VolumeBounds, reason: str) -> None:
    with pytest.raises(TooLarge, match=reason):
        build_volumes(phantoms.series("plain"), bounds)


def test_further_volumes_over_the_bounds_are_left_out_and_told() -> None:
    for bounds in (VolumeBounds(max_volumes=2), VolumeBounds(max_voxels=2 * 12 * 32 * 40)):
        volumes = build_volumes(phantoms.three_phases(), bounds)
        assert len(volumes) == 2
        assert volumes[0].notes == ("left out: 1 of 3 volumes, over the bound of one series",)


def test_nothing_and_other_series() -> None:
    with pytest.raises(NotAVolume, match="no instances"):
        build_volumes([])
    with pytest.raises(MalformedDicom, match="2 different series"):
        build_volumes(phantoms.series("a") + phantoms.series("b"))


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("StudyInstanceUID", "", "StudyInstanceUID is absent"),
        ("SeriesInstanceUID", "1.2.x", "not a DICOM UID"),
        ("SOPInstanceUID", "", "not a DICOM UID"),
        ("ImagePositionPatient", [1.0, 2.0], "ImagePositionPatient does not hold 3 numbers"),
        ("ImageOrientationPatient", [1, 0, 0, 1, 0, 0], "two unit vectors at a right angle"),
        ("Rows", 0, "Rows × Columns"),
        ("BitsAllocated", 64, "BitsAllocated is 64"),
        ("RescaleSlope", 0, "RescaleSlope is 0"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_broken_rules_are_named(keyword: str, value: object, reason: str) -> None:
    with pytest.raises(MalformedDicom, match=reason):
        build_volumes(phantoms.series("broken", **{keyword: value}))


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
def test_numbers_that_are_none_count_as_absent() -> None:
    instances = phantoms.series("not a number")
    for one in instances:
        one.ImagePositionPatient = ["nan", "0", "0"]
    with pytest.raises(Refused, match="ImagePositionPatient does not hold 3 numbers"):
        build_volumes(instances)
