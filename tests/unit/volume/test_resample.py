"""Arrays from one grid to another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from tests import phantoms

from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.volume.resample import isotropic, resample_array, resample_mask


def grid(shape=(9, 10, 11), spacing=(2.0, 1.5, 1.0), angles=(0.0, 0.0, 0.0), origin=(0.0, 0.0, 0.0), frame="1.2"):
    row, column, normal = phantoms.rotated(angles)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([normal, column, row], axis=1) * spacing
    affine[:3, 3] = origin
    return VolumeGeometry(affine, shape, frame)


def ramp(geometry: VolumeGeometry) -> np.ndarray:
    indices = np.stack(np.indices(geometry.shape), axis=-1).reshape(-1, 3)
    return phantoms.ramp_hu(geometry.index_to_lps(indices)).reshape(geometry.shape).astype(np.float32)


def ball(geometry: VolumeGeometry, centre: tuple[float, ...], radius: float) -> np.ndarray:
    indices = np.stack(np.indices(geometry.shape), axis=-1).reshape(-1, 3)
    away = np.linalg.norm(geometry.index_to_lps(indices) - np.array(centre), axis=1)
    return (away < radius).reshape(geometry.shape)


def test_the_same_grid_is_an_exact_copy() -> None:
    mask = np.random.default_rng(0).random((9, 10, 11)) > 0.5
    found = resample_mask(mask, grid(), grid())
    assert np.array_equal(found, mask)
    assert found is not mask
    values = ramp(grid())
    for order in (0, 1, 3):
        assert np.array_equal(resample_array(values, grid(), grid(), order=order), values)


def test_a_crop_is_copied_and_outside_is_filled() -> None:
    whole = grid()
    box = whole.crop((-1, 2, 3), (4, 4, 4))
    found = resample_array(ramp(whole), whole, box, order=1, fill=-7.0)
    assert np.array_equal(found[1:], ramp(whole)[0:3, 2:6, 3:7])
    assert (found[0] == -7.0).all()


@settings(deadline=None, max_examples=25)
@given(angles=st.tuples(*[st.floats(-0.8, 0.8)] * 3), order=st.sampled_from([1, 3]))
def test_a_ramp_is_a_ramp_on_any_oblique_grid(angles: tuple[float, ...], order: int) -> None:
    source = grid(shape=(30, 30, 30), origin=(-20.0, -15.0, -12.0))
    target = grid(shape=(5, 6, 7), spacing=(1.3, 0.7, 0.9), angles=angles, origin=(-3.0, 2.0, 4.0))
    found = resample_array(ramp(source), source, target, order=order)
    difference = np.abs(found - ramp(target)).ravel()
    depth = source.lps_to_index(target.index_to_lps(np.argwhere(np.ones(target.shape))))
    deep = ((depth > 5) & (depth < 24)).all(axis=1) if order == 3 else ((depth >= 0) & (depth <= 29)).all(axis=1)
    assert deep.any()
    assert difference[deep].max() < 0.05


def test_the_same_as_scipy() -> None:
    source, target = grid(), grid(shape=(7, 8, 9), spacing=(1.7, 1.1, 1.2), angles=(0.2, 0.1, -0.3), origin=(2, 1, 3))
    values = np.random.default_rng(1).random(source.shape).astype(np.float32)
    matrix = np.linalg.inv(source.affine) @ target.affine
    theirs = ndimage.affine_transform(
        values.astype(float), matrix[:3, :3], matrix[:3, 3], output_shape=target.shape, order=1, mode="nearest"
    )
    places = source.lps_to_index(target.index_to_lps(np.argwhere(np.ones(target.shape))))
    inside = ((places >= 0) & (places <= np.array(source.shape) - 1)).all(axis=1).reshape(target.shape)
    found = resample_array(values, source, target, order=1)
    assert np.allclose(found[inside], theirs[inside], atol=1e-5)
    outside = ((places < -0.5) | (places > np.array(source.shape) - 0.5)).any(axis=1).reshape(target.shape)
    assert (found[outside] == 0).all()


def test_a_mask_keeps_its_place_and_its_volume_on_an_oblique_grid() -> None:
    centre, radius = (6.0, 8.0, 9.0), 4.0
    source = grid(shape=(40, 40, 40), spacing=(0.5, 0.4, 0.3))
    target = grid(shape=(60, 60, 60), spacing=(0.4, 0.4, 0.4), angles=(0.4, -0.3, 0.2), origin=(-2.0, -4.0, -3.0))
    found = resample_mask(ball(source, centre, radius), source, target)
    truth = ball(target, centre, radius)
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.96
    # only the mask's box is resampled; the whole grid gives the same
    whole = resample_array(ball(source, centre, radius), source, target, order=0)
    assert np.array_equal(whole, found)


def test_a_mask_out_of_reach_is_empty() -> None:
    far = grid(origin=(500.0, 0.0, 0.0))
    assert not resample_mask(np.ones((9, 10, 11), bool), grid(), far).any()
    assert not resample_mask(np.zeros((9, 10, 11), bool), grid(), grid(shape=(2, 2, 2))).any()


def test_a_sheared_grid_needs_no_orthogonal_directions() -> None:
    affine = np.array(grid(shape=(30, 30, 30)).affine)
    affine[:3, 0] += affine[:3, 1] * 0.4
    sheared = VolumeGeometry(affine, (30, 30, 30), "1.2")
    target = grid(shape=(5, 5, 5), origin=(10.0, 12.0, 12.0))
    assert np.abs(resample_array(ramp(sheared), sheared, target, order=1) - ramp(target)).max() < 0.05


@pytest.mark.parametrize(("spacing", "shape"), [(1.0, (18, 15, 11)), (2.0, (9, 8, 6)), (0.75, (24, 20, 15))])
def test_isotropic_grids_share_their_centre(spacing: float, shape: tuple[int, ...]) -> None:
    source = grid(angles=(0.3, 0.2, 0.1), origin=(7.0, -5.0, 3.0))
    found, target = isotropic(ramp(source), source, spacing, order=1)
    assert found.shape == target.shape == shape
    assert target.spacing_mm == pytest.approx((spacing,) * 3)
    centres = [g.index_to_lps((np.array(g.shape) - 1) / 2)[0] for g in (source, target)]
    assert np.allclose(*centres)
    inner = (slice(2, -2),) * 3
    assert np.abs(found - ramp(target))[inner].max() < 0.05


def test_isotropic_masks_stay_masks() -> None:
    mask = ball(grid(), (5.0, 6.0, 8.0), 4.0)
    found, target = isotropic(mask, grid(), 1.0, order=0)
    assert found.dtype == np.bool_
    assert found.sum() * target.voxel_volume_mm3 == pytest.approx(mask.sum() * grid().voxel_volume_mm3, rel=0.1)


@pytest.mark.parametrize(
    "ask",
    [
        lambda v: resample_array(v, grid(), grid(frame="1.3"), order=1),
        lambda v: resample_array(v, grid(), grid(), order=2),
        lambda v: resample_array(v, grid((8, 8, 8)), grid(), order=1),
        lambda v: resample_array(v > 0, grid(), grid(), order=1),
        lambda v: isotropic(v, grid(), 0.0, order=1),
    ],
)
def test_what_cannot_be_meant_is_refused(ask) -> None:
    with pytest.raises(InvalidRequest):
        ask(ramp(grid()))
