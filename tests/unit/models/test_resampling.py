import numpy as np
import pytest
import SimpleITK as sitk
from models.resampling import coarsened


def image_of(array, spacing_mm):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing_mm)
    image.SetOrigin((10.0, 20.0, 30.0))
    return image


def test_a_coarser_grid_shows_every_place_where_it_was():
    ramp = np.broadcast_to(np.arange(40, dtype=np.float32), (6, 30, 40)).copy()
    labels = (ramp >= 20).astype(np.uint8)
    voxels, drawn, spacing, origin = coarsened(
        image_of(ramp, (1.0, 1.0, 5.0)), image_of(labels, (1.0, 1.0, 5.0)), [2.0] * 3
    )
    assert voxels.shape == drawn.shape == (6, 15, 20)
    assert spacing == [2.0, 2.0, 5.0], "what is coarse already stays"
    assert origin == pytest.approx((10.5, 20.5, 30.0))
    places = origin[0] + spacing[0] * np.arange(20) - 10.0
    assert voxels[3, 7, 2:-2] == pytest.approx(places[2:-2], abs=0.05)
    assert set(np.unique(drawn)) == {0, 1}
    assert drawn[0, 0].sum() == 10


def test_nothing_is_made_finer():
    array = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    voxels, _, spacing, _ = coarsened(
        image_of(array, (3.0, 3.0, 3.0)), image_of((array > 0).astype(np.uint8), (3.0,) * 3), [1.0] * 3
    )
    np.testing.assert_array_equal(voxels, array)
    assert spacing == [3.0] * 3
