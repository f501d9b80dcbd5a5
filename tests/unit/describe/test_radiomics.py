import logging
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from radiomics import imageoperations, shape
from tests.phantoms import rotated
from tests.unit.describe.volumes import ball, region_of, texture, volume_of

from similar_cases.describe import radiomics as under_test
from similar_cases.describe.radiomics import ALL_107, PAPER_72, RadiomicsExtractor
from similar_cases.domain.description import RadiomicsRecipe
from similar_cases.domain.errors import DescriptionFailed, InvalidSettings
from similar_cases.domain.volume import VoxelUnit

OWN_GRID = RadiomicsRecipe(spacing_mm=None, bin_count=32)


def whole_image(volume, region, recipe):
    """The oracle: pyradiomics on the whole image, resampled by pyradiomics itself."""
    image = sitk.GetImageFromArray(volume.array.astype(np.float64))
    mask = sitk.GetImageFromArray(region.full_mask(volume.geometry.shape).astype(np.uint8))
    for one in (image, mask):
        one.SetSpacing(volume.geometry.spacing_mm[::-1])
    if recipe.spacing_mm:
        settings = {"resampledPixelSpacing": [recipe.spacing_mm] * 3, "interpolator": sitk.sitkLinear}
        image, mask = imageoperations.resampleImage(image, mask, **settings)
    values = {}
    with np.errstate(all="ignore"):
        for name, made in (under_test._CLASSES | {"shape": shape.RadiomicsShape}).items():
            computed = made(image, mask, binCount=recipe.bin_count).execute()
            values |= {f"{name}_{feature}": float(value) for feature, value in computed.items()}
    return values


def test_the_names_are_those_of_the_paper_and_of_the_library():
    assert Counter(name.partition("_")[0] for name in ALL_107) == {
        "shape": 14, "firstorder": 18, "glcm": 24, "glrlm": 16, "glszm": 16, "gldm": 14, "ngtdm": 5
    }  # fmt: skip
    assert Counter(name.partition("_")[0] for name in PAPER_72) == {
        "shape": 14, "firstorder": 18, "glcm": 24, "glszm": 16
    }  # fmt: skip
    assert len(set(ALL_107)) == 107
    assert set(PAPER_72) < set(ALL_107)


@pytest.mark.parametrize(
    ("spacing_mm", "unit"),
    [
        ((3.0, 0.977, 0.977), VoxelUnit.HU),
        ((1.5, 1.5, 1.5), VoxelUnit.ARBITRARY),
        ((0.8, 2.0, 0.75), VoxelUnit.SUVBW),
    ],
)
def test_values_of_the_box_equal_those_of_the_whole_image(spacing_mm, unit):
    volume = volume_of(texture((24, 48, 40)), spacing_mm, unit=unit)
    region = ball(volume, (11, 20, 17), 9.0)
    recipe = RadiomicsRecipe(bin_count=32)
    vector = RadiomicsExtractor(recipe).extract(volume, region)
    expected = whole_image(volume, region, recipe)
    assert dict(vector.values) == pytest.approx(expected, rel=1e-9)
    assert tuple(vector.values) == ALL_107
    assert not vector.missing
    assert not vector.notes


def test_the_own_grid_is_kept_where_no_spacing_is_asked():
    volume = volume_of(texture((20, 30, 30)), (4.0, 0.7, 0.7))
    region = ball(volume, (9, 15, 15), 8.0)
    vector = RadiomicsExtractor(OWN_GRID).extract(volume, region)
    assert dict(vector.values) == pytest.approx(whole_image(volume, region, OWN_GRID), rel=1e-9)
    assert vector.values["shape_VoxelVolume"] == pytest.approx(region.volume_ml * 1000)


def test_a_ball_has_the_shape_of_a_ball():
    volume = volume_of(texture((60, 60, 60)))
    values = (
        RadiomicsExtractor(RadiomicsRecipe(spacing_mm=1.0)).extract(volume, ball(volume, (30, 30, 30), 20.0)).values
    )
    assert values["shape_MeshVolume"] == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.01)
    assert values["shape_Maximum3DDiameter"] == pytest.approx(40, abs=1.5)
    assert (
        values["shape_Sphericity"] > 0.9
    )  # the steps of the voxels make the mesh's surface 8 % larger than the ball's
    assert values["shape_Elongation"] == pytest.approx(1, abs=1e-6)
    # an axis' length is 4 times the root of the variance along it, which is r²/5 in a ball
    assert values["shape_MajorAxisLength"] == pytest.approx(4 * 20 / np.sqrt(5), rel=0.01)


def test_values_do_not_depend_on_where_the_grid_lies():
    array = texture((20, 26, 24))
    upright = volume_of(array, (2.0, 1.0, 1.25))
    oblique = volume_of(array, (2.0, 1.0, 1.25), directions=rotated((0.4, -0.3, 1.1)))
    extract = RadiomicsExtractor(RadiomicsRecipe(bin_count=32)).extract
    a, b = (extract(volume, ball(volume, (9, 12, 12), 8.0)) for volume in (upright, oblique))
    assert dict(a.values) == pytest.approx(dict(b.values), rel=1e-9)


@pytest.mark.parametrize("spacing_mm", [None, 1.5])
def test_a_region_at_the_border_is_described(spacing_mm):
    volume = volume_of(texture((10, 20, 20)), (2.5, 1.0, 1.0))
    mask = np.zeros(volume.geometry.shape, bool)
    mask[:4, :9, 14:] = True
    vector = RadiomicsExtractor(RadiomicsRecipe(spacing_mm=spacing_mm)).extract(volume, region_of(volume, mask))
    assert set(vector.values) == set(ALL_107)
    assert vector.values["shape_VoxelVolume"] == pytest.approx(4 * 9 * 6 * 2.5, rel=0.2)


def test_the_whole_volume_can_be_a_region():
    volume = volume_of(texture((6, 12, 12)), (3.0, 1.1, 1.1))
    vector = RadiomicsExtractor(RadiomicsRecipe()).extract(volume, region_of(volume, np.ones((6, 12, 12), bool)))
    assert set(vector.values) == set(ALL_107)


@pytest.mark.parametrize(
    "recipe", [OWN_GRID, RadiomicsRecipe(bin_count=32), RadiomicsRecipe(bin_count=None, bin_width=25.0)]
)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 2), (1, 5, 5), (5, 1, 1), (2, 2, 2)])
@pytest.mark.parametrize("flat", [False, True])
def test_small_and_flat_regions_have_finite_values_or_reasons(recipe, shape, flat):
    volume = volume_of(np.full((9, 15, 15), 40.0) if flat else texture((9, 15, 15)), (2.0, 1.0, 1.0))
    mask = np.zeros(volume.geometry.shape, bool)
    mask[4 : 4 + shape[0], 7 : 7 + shape[1], 7 : 7 + shape[2]] = True
    vector = RadiomicsExtractor(recipe).extract(volume, region_of(volume, mask))
    assert np.isfinite(list(vector.values.values())).all()
    assert set(vector.values) | set(vector.missing) == set(ALL_107)
    assert not set(vector.values) & set(vector.missing)
    assert all(vector.missing.values())
    assert vector.values["firstorder_Mean"] == pytest.approx(float(volume.array[mask].mean()), abs=60.0)
    if flat:
        assert "glcm_Correlation" in vector.missing
        assert "firstorder_Skewness" in vector.missing


def test_a_region_thinner_than_the_spacing_is_kept_and_noted():
    volume = volume_of(texture((12, 40, 40)), (0.5, 0.5, 0.5))
    mask = np.zeros(volume.geometry.shape, bool)
    mask[3:9, 20:30, 20] = True  # 0.5 mm wide, between the centres of voxels of 1.5 mm
    mask[3:9, 20:30, 20] &= np.arange(6)[:, None] % 3 == 0
    vector = RadiomicsExtractor(RadiomicsRecipe()).extract(volume, region_of(volume, mask))
    assert vector.values["shape_VoxelVolume"] > 0
    assert "thinner than 1.5 mm" in vector.notes[0]
    assert vector.recipe.spacing_mm == 1.5


def test_a_large_region_gets_the_spacing_at_which_it_has_as_many_voxels_as_allowed():
    volume = volume_of(texture((50, 50, 50)), (1.5, 1.5, 1.5))
    region = ball(volume, (25, 25, 25), 30.0)
    recipe = RadiomicsRecipe(classes=("shape", "firstorder"), max_voxels=4000)
    bounded = RadiomicsExtractor(recipe).extract(volume, region)
    free = RadiomicsExtractor(replace(recipe, max_voxels=None)).extract(volume, region)
    assert bounded.notes == ("resampled to 3.05 mm, not 1.5 mm: over 4000 voxels",)
    assert bounded.values["shape_VoxelVolume"] / 3.05**3 == pytest.approx(4000, rel=0.06)
    assert bounded.values["shape_MeshVolume"] == pytest.approx(free.values["shape_MeshVolume"], rel=0.06)
    assert bounded.values["firstorder_Mean"] == pytest.approx(free.values["firstorder_Mean"], abs=3.0)
    assert bounded.recipe == replace(recipe, library=bounded.recipe.library)


def test_a_scattered_region_does_not_make_a_huge_box():
    volume = volume_of(texture((60, 60, 60)), (1.0, 1.0, 1.0))
    mask = np.zeros(volume.geometry.shape, bool)
    mask[:3, :3, :3] = mask[-3:, -3:, -3:] = True
    vector = RadiomicsExtractor(RadiomicsRecipe(spacing_mm=1.0, max_voxels=1000)).extract(
        volume, region_of(volume, mask)
    )
    assert "resampled to 2.39 mm, not 1 mm" in vector.notes[0]


def test_one_failing_class_leaves_the_others(monkeypatch):
    def broken(self):
        raise IndexError("filling GLSZM")

    monkeypatch.setattr(under_test.glszm.RadiomicsGLSZM, "execute", broken)
    volume = volume_of(texture((12, 20, 20)), (1.5, 1.5, 1.5))
    vector = RadiomicsExtractor(RadiomicsRecipe()).extract(volume, ball(volume, (6, 10, 10), 6.0))
    assert len(vector.values) == 107 - 16
    assert vector.missing["glszm_ZoneEntropy"] == "glszm failed: IndexError: filling GLSZM"


def test_voxels_without_numbers_leave_the_shape_alone():
    volume = volume_of(np.full((8, 12, 12), np.nan), (1.5, 1.5, 1.5))
    vector = RadiomicsExtractor(RadiomicsRecipe()).extract(volume, ball(volume, (4, 6, 6), 4.0))
    assert {name.partition("_")[0] for name in vector.values} == {"shape"}
    assert len(vector.missing) == 93


def test_a_region_without_any_feature_is_refused():
    volume = volume_of(np.full((8, 12, 12), np.nan), (1.5, 1.5, 1.5))
    recipe = RadiomicsRecipe(classes=("firstorder", "glcm"))
    with pytest.raises(DescriptionFailed, match="firstorder failed"):
        RadiomicsExtractor(recipe).extract(volume, ball(volume, (4, 6, 6), 4.0))


def test_nothing_is_logged_or_printed(caplog, capfd):
    volume = volume_of(texture((6, 8, 8)))
    mask = np.zeros(volume.geometry.shape, bool)
    mask[3, 4, 4] = True
    with caplog.at_level(logging.DEBUG):
        RadiomicsExtractor(OWN_GRID).extract(volume, region_of(volume, mask))
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_the_same_region_gives_the_same_values_twice():
    volume = volume_of(texture((20, 30, 30)), (3.0, 1.0, 1.0))
    extractor = RadiomicsExtractor(RadiomicsRecipe(bin_count=32))
    a, b = (extractor.extract(volume, ball(volume, (9, 15, 15), 9.0)) for _ in range(2))
    assert a.values == b.values
    assert a.recipe.library.startswith("pyradiomics-cuda ")


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (RadiomicsRecipe(classes=("shape", "colour")), "colour"),
        (RadiomicsRecipe(bin_count=64, bin_width=25.0), "either"),
        (RadiomicsRecipe(bin_count=None), "either"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(recipe, reason):
    with pytest.raises(InvalidSettings, match=reason):
        RadiomicsExtractor(recipe)


#: IBSI-1 consensus values and tolerances for the CT phantom, configuration A (no interpolation; arXiv 1612.07003,
#: section "reference values"), of the features that pyradiomics defines as IBSI does
IBSI_A = {
    "shape_MeshVolume": (3.58e5, 5e3),
    "shape_VoxelVolume": (3.59e5, 5e3),
    "shape_SurfaceArea": (3.57e4, 300),
    "shape_SurfaceVolumeRatio": (0.0996, 0.0005),
    "shape_Sphericity": (0.683, 0.001),
    "shape_Maximum3DDiameter": (125, 1),
    "shape_MajorAxisLength": (92.7, 0.4),
    "shape_MinorAxisLength": (81.5, 0.4),
    "shape_LeastAxisLength": (70.1, 0.3),
    "shape_Elongation": (0.879, 0.001),
    "shape_Flatness": (0.756, 0.001),
}


@pytest.mark.data
def test_the_ibsi_phantom_has_the_consensus_values(data_dir):
    volume, region = ibsi_phantom(data_dir / "ibsi_lung" / "pat_1")
    values = RadiomicsExtractor(replace(OWN_GRID, max_voxels=None)).extract(volume, region).values
    wrong = {name: values[name] for name, (value, within) in IBSI_A.items() if abs(values[name] - value) > within}
    assert not wrong


def ibsi_phantom(folder):
    """Read the CT and its one contoured ROI: plain polygons at voxel centres."""
    from pydicom import dcmread
    from skimage.draw import polygon2mask

    slices = sorted((dcmread(path) for path in folder.glob("DCM_IMG*.dcm")), key=lambda d: d.ImagePositionPatient[2])
    [structures] = [dcmread(path) for path in folder.glob("DCM_RS*.dcm")]
    first, last = slices[0], slices[-1]
    step = (last.ImagePositionPatient[2] - first.ImagePositionPatient[2]) / (len(slices) - 1)
    volume = volume_of(
        np.stack([d.pixel_array * d.RescaleSlope + d.RescaleIntercept for d in slices]), (step, *first.PixelSpacing)
    )
    mask = np.zeros(volume.geometry.shape, bool)
    for contour in structures.ROIContourSequence[0].ContourSequence:
        points = np.array(contour.ContourData, float).reshape(-1, 3) - np.array(first.ImagePositionPatient, float)
        index = points[:, ::-1] / np.array(volume.geometry.spacing_mm)
        mask[round(index[0, 0])] ^= polygon2mask(mask.shape[1:], index[:, 1:])
    return volume, region_of(volume, mask)
