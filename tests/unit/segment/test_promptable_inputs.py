import numpy as np
import pytest
import torch

from similar_cases.models.cube import Cube, averaged, sampled
from similar_cases.segment.backends.promptable.inputs import (
    CHANNELS,
    SIZE,
    coded_ct,
    crop_at,
    network_input,
    points_map,
    rank_in,
)


def affine(spacing=(3.0, 1.0, 0.8), turn=None, origin=(-40.0, 25.0, 100.0)):
    """(k, j, i) to LPS: k along z, j along y, i along x, then turned."""
    result = np.eye(4)
    result[:3, :3] = np.diag(spacing[::-1])[:, ::-1]
    if turn is not None:
        result[:3, :3] = turn @ result[:3, :3]
    result[:3, 3] = origin
    return torch.from_numpy(result)


def oblique():
    a, b = 0.4, -0.25
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return about_x @ about_z


def ramp(shape, to_lps):
    """A volume whose voxels say where they lie: x + 10 y + 100 z, mm."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    lps = index @ to_lps[:3, :3].numpy().T + to_lps[:3, 3].numpy()
    return torch.from_numpy((lps @ [1.0, 10.0, 100.0]).astype(np.float32)), lps


@pytest.mark.parametrize("turn", [None, oblique(), np.diag([-1.0, 1.0, -1.0]), np.eye(3)[[1, 2, 0]]])
@pytest.mark.parametrize("spacing_mm", [0.35, 0.9])
def test_a_crop_shows_what_lies_there_whatever_the_axes(turn, spacing_mm):
    to_lps = affine(turn=turn)
    volume, lps = ramp((24, 60, 70), to_lps)
    grid = crop_at(torch.from_numpy(lps[12, 30, 35]), spacing_mm)
    crop = sampled(volume, to_lps, grid, 0.0)
    z, y, x = np.meshgrid(*[np.arange(SIZE)] * 3, indexing="ij")
    places = np.stack((z, y, x), -1) @ grid.to_lps[:3, :3].numpy().T + grid.to_lps[:3, 3].numpy()
    covered = sampled(torch.ones_like(volume), to_lps, grid, 0.0) > 0.999
    assert covered.float().mean() > 0.3
    inside = (crop - torch.from_numpy(places @ [1.0, 10.0, 100.0])).abs() < 0.05
    assert inside[covered].float().mean() > 0.9
    assert inside[SIZE // 2, SIZE // 2, SIZE // 2]


def test_outside_the_volume_stands_the_fill():
    to_lps = affine()
    crop = sampled(torch.full((5, 6, 7), 3.0), to_lps, crop_at(to_lps[:3, 3] + 1000.0, 1.0), -7.0)
    assert (crop == -7.0).all()


def test_axes_of_the_crop_are_z_y_x_and_a_rotation_turns_about_the_centre():
    grid = crop_at(torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64), 2.0)
    middle = (SIZE - 1) / 2
    ahead = torch.tensor([[10.0, 20.0, 32.0], [10.0, 22.0, 30.0], [12.0, 20.0, 30.0]], dtype=torch.float64)
    assert torch.allclose(grid.to_index(ahead), middle + torch.eye(3, dtype=torch.float64))
    mirrored = Cube(grid.centre_lps, 2.0, SIZE, torch.diag(torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)))
    assert torch.allclose(mirrored.to_index(ahead[2:])[0], torch.tensor([middle, middle, middle - 1]).double())


def test_fine_stripes_are_averaged_and_not_aliased():
    stripes = torch.zeros(64, 64, 64)
    stripes[..., ::2] = 1.0
    to_lps = affine(spacing=(1.0, 1.0, 1.0))
    crop = sampled(stripes, to_lps, crop_at(to_lps[:3, 3] + 31.5, 4.0), 0.5)
    inside = crop[26:38, 26:38, 26:38]
    assert (inside - 0.5).abs().max() < 0.02


def test_averaging_keeps_every_block_where_it_lies():
    to_lps = affine(spacing=(3.0, 1.0, 1.0), turn=oblique())
    volume, _ = ramp((7, 30, 31), to_lps)
    smaller, moved = averaged(volume, to_lps, 3.0)
    assert tuple(smaller.shape) == (7, 10, 11)
    values, _ = ramp(tuple(smaller.shape), moved)
    # the last block of 31 columns holds one column alone: its mean is not that of a whole block
    assert torch.allclose(smaller[..., :-1], values[..., :-1], atol=0.01)
    same, unmoved = averaged(volume, to_lps, 1.2)
    assert same is volume
    assert unmoved is to_lps


def test_seven_channels_say_what_was_shown():
    image = torch.linspace(-1000, 1000, SIZE)[:, None, None].expand(SIZE, SIZE, SIZE).contiguous()
    none = torch.zeros(1, SIZE, SIZE, SIZE)
    positive, negative = torch.tensor([[[32.0, 10.0, 50.0]]]), torch.tensor([[[5.0, 5.0, 5.0]]])
    [channels] = network_input(image[None], positive, negative, none, none)
    assert tuple(channels.shape) == (CHANNELS, SIZE, SIZE, SIZE)
    assert torch.isfinite(channels).all()
    assert channels[1][32, 10, 50].abs() < 0.15  # the clicked level is about zero
    assert channels[3].argmax() == np.ravel_multi_index((32, 10, 50), (SIZE,) * 3)
    assert channels[4].argmax() == np.ravel_multi_index((5, 5, 5), (SIZE,) * 3)
    assert channels[5].any() == channels[6].any() == False  # noqa: E712  # tensors


def test_a_flat_image_and_no_points_make_no_nan():
    none, flat = torch.zeros(1, SIZE, SIZE, SIZE), torch.full((1, SIZE, SIZE, SIZE), 7.0)
    channels = network_input(flat, torch.zeros(1, 0, 3), torch.zeros(1, 0, 3), none, none)
    assert torch.isfinite(channels).all()


def test_the_unit_of_the_image_does_not_matter():
    image = torch.from_numpy(np.random.default_rng(0).normal(size=(1, *(SIZE,) * 3)).astype(np.float32))
    point, none = torch.tensor([[[30.0, 30.0, 30.0]]]), torch.zeros(1, SIZE, SIZE, SIZE)
    [one] = network_input(image, point, torch.zeros(1, 0, 3), none, none)
    [two] = network_input(image * 40.0 + 900.0, point, torch.zeros(1, 0, 3), none, none)
    assert torch.allclose(one[:2], two[:2], atol=1e-3)
    assert ((one[2] - two[2]).abs() < 0.02).float().mean() > 0.99  # at the edge of a bin of ranks the bin may differ


def test_an_example_is_read_alike_alone_and_in_a_batch_with_fewer_points():
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(2, *(SIZE,) * 3)).astype(np.float32))
    points = torch.tensor([[[30.0, 30.0, 30.0], [2.0, 60.0, 33.0]], [[40.0, 20.0, 10.0], [torch.nan] * 3]])
    none = torch.zeros(2, SIZE, SIZE, SIZE)
    both = network_input(images, points, points[:, 1:], none, none)
    alone = network_input(images[1:], points[1:, :1], torch.zeros(1, 0, 3), none[1:], none[1:])
    assert torch.allclose(both[1], alone[0], atol=1e-5)


def test_codes_of_ct_keep_soft_tissue_apart_and_order_everywhere():
    codes = coded_ct(torch.tensor([-2000.0, -1000, -200, 0, 40, 60, 300, 1500, 3000])).tolist()
    assert codes == sorted(codes)
    assert (codes[0], codes[-1]) == (0, 255)
    assert codes[5] - codes[4] >= 7


def test_rank_is_uniform_whatever_the_values():
    ranks = rank_in(torch.from_numpy(np.random.default_rng(1).normal(size=(1, *(SIZE,) * 3)).astype(np.float32)))
    assert abs(float(ranks.mean()) - 0.5) < 0.01
    assert abs(float(ranks.std()) - 12**-0.5) < 0.01


def test_points_keep_their_height_where_they_overlap():
    near = points_map(torch.tensor([[[20.0, 20.0, 20.0], [20.0, 20.0, 22.0]]]))
    assert float(near.max()) == 1.0
    assert not points_map(torch.zeros(1, 0, 3)).any()
