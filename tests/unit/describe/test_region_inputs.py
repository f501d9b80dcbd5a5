import math

import numpy as np
import pytest
import torch

from similar_cases.describe.backends.region_token.inputs import (
    CHANNELS,
    HU,
    SIZE,
    SMALLEST_SPACING_MM,
    cube_round,
    inputs_of,
    rank_in,
    ring_of,
)
from similar_cases.describe.backends.region_token.quantiles import KNOTS, learned_knots, scaled

ARBITRARY = torch.tensor([3])


def ball(radius: float, size: int = SIZE) -> torch.Tensor:
    axis = torch.arange(size) - (size - 1) / 2
    return ((axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None] ** 2) <= radius**2).float()[None]


def noise(seed: int = 0) -> torch.Tensor:
    return torch.randn(1, SIZE, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def test_the_cube_has_the_regions_scale_and_never_a_finer_one_than_the_least():
    lower, upper = torch.tensor([0.0, 0, 0]).double(), torch.tensor([10.0, 54, 20]).double()
    cube = cube_round(lower, upper)
    assert cube.centre_lps.tolist() == [5.0, 27.0, 10.0]
    assert cube.spacing_mm == pytest.approx(54 / (SIZE * 0.45))
    assert cube_round(lower, lower + 0.5).spacing_mm == SMALLEST_SPACING_MM


def test_channels_do_not_change_with_the_unit_of_the_image_and_numbers_tell_it():
    mask, image = ball(9.0), noise() + 2.0 * ball(9.0)
    one = inputs_of(image, mask, torch.tensor([1.0]), ARBITRARY)
    other = inputs_of(image * 40.0 + 700.0, mask, torch.tensor([1.0]), ARBITRARY)
    assert one.channels.shape == (1, CHANNELS, SIZE, SIZE, SIZE)
    torch.testing.assert_close(one.channels[:, :2], other.channels[:, :2], atol=2e-3, rtol=0)
    assert float((one.channels[:, 2] - other.channels[:, 2]).abs().mean()) < 0.01
    assert float(other.intensity[0, 0] - one.intensity[0, 0]) > 1.0


def test_the_same_shape_twice_as_large_is_told_by_its_logarithm():
    mask, image = ball(8.0), noise()
    small, large = (inputs_of(image, mask, torch.tensor([s]), ARBITRARY).shape[0] for s in (1.0, 2.0))
    torch.testing.assert_close(large - small, torch.full((5,), math.log(2.0) / 1.2), atol=1e-4, rtol=0)
    side, *axes = (torch.exp(small[1:] * 1.2 + 2.5)).tolist()
    assert side == pytest.approx((4 / 3 * math.pi * 8.0**3) ** (1 / 3), rel=0.03)
    assert axes == pytest.approx([2 * 8.0 / math.sqrt(5)] * 3, rel=0.03)


def test_metal_takes_no_contrast_from_tissue_in_hounsfield_units():
    mask, image = ball(9.0), noise() * 20 + 40.0
    metal = image.clone()
    metal[:, :6, :6] = 30_000.0
    units = torch.tensor([HU])
    one, other = (inputs_of(each, mask, torch.tensor([1.0]), units).channels[0, 0] for each in (image, metal))
    assert float(other[20:28, 20:28, 20:28].std()) > 0.15 * float(one[20:28, 20:28, 20:28].std())


def test_a_mask_that_fell_between_voxels_and_a_flat_image_give_finite_inputs():
    told = inputs_of(torch.zeros(1, SIZE, SIZE, SIZE), torch.zeros(1, SIZE, SIZE, SIZE), torch.tensor([0.5]), ARBITRARY)
    assert all(part.isfinite().all() for part in (told.channels, told.shape, told.intensity))
    assert float(told.channels[0, -1].sum()) == 1.0


def test_ranks_are_each_cubes_own_and_the_ring_lies_round_the_mask():
    both = torch.cat((noise(1), noise(2) * 100))
    ranks = rank_in(both)
    assert ranks.amin() >= 0
    assert ranks.amax() <= 1
    torch.testing.assert_close(ranks[1], rank_in(both[1:])[0])
    mask = ball(6.0)[:, None]
    ring = ring_of(mask)
    assert float((ring * mask).sum()) == 0
    assert float((ring_of(mask) + mask).amax()) == 1.0
    assert float(ring.sum()) > float(mask.sum())


def test_values_are_told_by_their_place_clipped_and_one_outlier_squeezes_nobody():
    rng = np.random.default_rng(0)
    values = np.stack([rng.normal(size=1000), np.full(1000, 7.0), np.full(1000, np.nan)], axis=1)
    values[0, 0] = 1e12
    knots = learned_knots(values, np.ones(1000))
    assert knots.shape == (3, KNOTS)
    assert (np.diff(knots, axis=1) > 0).all()
    told = scaled(np.array([[0.0, 7.0, np.nan], [1e15, 8.0, 0.2], [-1e15, np.nan, -3.0]]), knots)
    assert abs(told[0, 0]) < 0.1
    assert told[1:, 0].tolist() == [1.0, -1.0]
    assert told[1, 1] == 1.0
    assert np.isnan(told[[0, 2], [2, 1]]).all()
    assert abs(np.nanstd(scaled(values, knots)[:, 0]) - 1 / math.sqrt(3)) < 0.02
