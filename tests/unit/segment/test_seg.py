import numpy as np
import pytest
from tests.phantoms import CORONAL, Grid
from tests.unit.segment.annotations import reread, segmentation, source, volume_of

from similar_cases.domain.case import derived_uid
from similar_cases.domain.errors import MalformedDicom, SegmentationFailed
from similar_cases.domain.prompts import PromptOrigin
from similar_cases.domain.region import Authorship
from similar_cases.segment.prompts import read_prompts, referenced_instances, referenced_series, region_of_expert

#: rows × columns is no multiple of eight, so that frames of bits begin within bytes
ODD = Grid(shape=(9, 7, 11))


def blob(shape, seed=3):
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, bool)
    mask[2:6, 1:6, 2:9] = rng.random((4, 5, 7)) > 0.4
    mask[4] = False
    return mask


def read(instances, mask, kind, grid=ODD, segments=1):
    volume = volume_of(instances, grid)
    return volume, read_prompts(reread(segmentation(instances, mask, kind, segments)), volume)


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP", "FRACTIONAL"])
def test_a_segment_is_the_experts_region_voxel_by_voxel(kind):
    instances = source(grid=ODD)
    mask = blob(ODD.shape)
    volume, [prompts] = read(instances, mask.astype(float if kind == "FRACTIONAL" else np.uint8), kind)
    region = region_of_expert(volume, prompts)
    np.testing.assert_array_equal(region.full_mask(ODD.shape), mask)
    assert (region.authorship, region.origin) == (Authorship.MANUAL, PromptOrigin.SEG)
    assert region.tracking_uid == derived_uid("test", "tracked", 1)
    assert (region.finding.meaning, region.finding_site.meaning, region.label) == ("Neoplasm", "Lung", "part 1")


def test_fractional_voxels_count_from_half_on():
    values = np.zeros(ODD.shape)
    values[3, 2, 2:6] = [0.49, 0.5, 0.51, 1.0]
    volume, [prompts] = read(source(grid=ODD), values, "FRACTIONAL")
    assert np.argwhere(region_of_expert(volume, prompts).full_mask(ODD.shape))[:, 2].tolist() == [3, 4, 5]


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_segments_are_told_apart(kind):
    masks = np.zeros((*ODD.shape, 2), np.uint8)
    masks[1:4, 1:3, 1:4, 0] = 1
    masks[2:8, 4:6, 5:9, 1] = 1
    volume, both = read(source(grid=ODD), masks, kind, segments=2)
    for number, prompts in enumerate(both):
        np.testing.assert_array_equal(region_of_expert(volume, prompts).full_mask(ODD.shape), masks[..., number] > 0)
    assert both[0].tracking_uid != both[1].tracking_uid


def test_a_seg_drawn_on_another_grid_lies_at_the_same_place():
    coarse, name = Grid(shape=(12, 16, 20), spacing_mm=(2.5, 3.0, 2.5)), "same"
    fine = Grid(shape=(24, 32, 40), spacing_mm=(1.25, 1.5, 1.25), origin_lps=(0.3, 0.4, 0.3))
    mask = np.zeros(coarse.shape, np.uint8)
    mask[4:8, 5:11, 6:14] = 1
    dataset = reread(segmentation(source(name, coarse), mask, "BINARY"))
    volume = volume_of(source(name, fine), fine)
    [prompts] = read_prompts(dataset, volume)
    region = region_of_expert(volume, prompts)
    assert region.volume_ml == pytest.approx(mask.sum() * 2.5 * 3.0 * 2.5 / 1000, rel=0.02)
    expected = volume_of(source(name, coarse), coarse).geometry.index_to_lps(np.argwhere(mask).mean(axis=0))[0]
    np.testing.assert_allclose(region.centroid_lps, expected, atol=0.7)


def test_a_seg_in_other_slices_lies_at_the_same_place():
    axial, name = Grid(shape=(16, 24, 24), spacing_mm=(2.0, 1.5, 1.5)), "same"
    coronal = Grid(shape=(24, 16, 24), spacing_mm=(1.5, 2.0, 1.5), orientation=CORONAL, origin_lps=(0.0, 0.0, 30.0))
    mask = np.zeros(axial.shape, np.uint8)
    mask[4:10, 6:14, 5:12] = 1
    dataset = reread(segmentation(source(name, axial), mask, "BINARY"))
    volume = volume_of(source(name, coronal), coronal)
    region = region_of_expert(volume, read_prompts(dataset, volume)[0])
    assert region.volume_ml == pytest.approx(mask.sum() * 4.5 / 1000, rel=0.02)
    expected = volume_of(source(name, axial), axial).geometry.index_to_lps(np.argwhere(mask).mean(axis=0))[0]
    np.testing.assert_allclose(region.centroid_lps, expected, atol=0.8)


def test_references_name_the_series_and_its_images():
    instances = source(grid=ODD)
    dataset = segmentation(instances, blob(ODD.shape).astype(np.uint8), "BINARY")
    assert referenced_series(dataset) == [volume_of(instances, ODD).series]
    assert set(referenced_instances(dataset)) <= {str(one.SOPInstanceUID) for one in instances}
    assert referenced_instances(dataset)


def test_a_segment_without_a_voxel_is_told():
    mask = np.zeros((*ODD.shape, 2), np.uint8)
    mask[3, 3, 3, 0] = 1
    volume, [_, empty] = read(source(grid=ODD), mask, "BINARY", segments=2)
    with pytest.raises(SegmentationFailed, match="no voxel"):
        region_of_expert(volume, empty)


def _fewer_frames(dataset):
    dataset.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence[:1]


def _short_pixels(dataset):
    dataset.PixelData = dataset.PixelData[:4]


def _skewed(dataset):
    orientation = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    orientation.ImageOrientationPatient = [1, 0, 0, 1, 0, 0]


def _huge(dataset):
    dataset.Rows = 60_000


def _no_position(dataset):
    for group in dataset.PerFrameFunctionalGroupsSequence:
        del group.PlanePositionSequence


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_fewer_frames, "frames are described"),
        (_short_pixels, "cannot be read"),
        (_skewed, "right angles"),
        (_huge, "4096"),
        (_no_position, "lacks its position"),
    ],
)
def test_a_broken_seg_is_refused_with_its_reason(change, said):
    instances = source(grid=ODD)
    dataset = reread(segmentation(instances, blob(ODD.shape).astype(np.uint8), "BINARY"))
    change(dataset)
    with pytest.raises(MalformedDicom, match=said):
        read_prompts(dataset, volume_of(instances, ODD))
