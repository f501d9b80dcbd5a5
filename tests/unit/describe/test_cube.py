import numpy as np
import pytest
import torch
from tests.phantoms import rotated

from similar_cases.describe.backends.cube import Cube, cut, cut_from

MIDDLE = torch.tensor([12.0, -7.0, 40.0], dtype=torch.float64)


def affine_of(directions: np.ndarray, spacing_mm: tuple[float, float, float], shape: tuple[int, int, int]):
    """Return an affine whose volume has MIDDLE in its middle."""
    affine = np.eye(4)
    affine[:3, :3] = directions * np.array(spacing_mm)
    affine[:3, 3] = MIDDLE.numpy() - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return torch.from_numpy(affine)


def ramp(affine: torch.Tensor, shape: tuple[int, int, int], along: int) -> torch.Tensor:
    """Return voxels that hold their own LPS coordinate along x, y or z."""
    index = torch.from_numpy(np.stack(np.indices(shape), axis=-1)).double()
    return (index @ affine[:3, :3].T + affine[:3, 3])[..., along].float()


@pytest.mark.parametrize("directions", [np.eye(3)[::-1].T, rotated((0.3, 0.9, -0.2))])
@pytest.mark.parametrize("spacing_mm", [2.0, 5.0])
@pytest.mark.parametrize(("along", "axis"), [(0, 2), (1, 1), (2, 0)])
def test_a_cube_shows_every_place_where_it_is(directions, spacing_mm, along, axis):
    shape = (60, 70, 80)
    affine = affine_of(directions, (1.8, 1.5, 1.2), shape)
    seen = cut(ramp(affine, shape, along), affine, Cube(MIDDLE, spacing_mm, 8), 0.0)
    wanted = float(MIDDLE[along]) + (torch.arange(8) - 3.5) * spacing_mm
    assert seen.movedim(axis, 0).reshape(8, -1).mean(1).tolist() == pytest.approx(wanted.tolist(), abs=0.05)
    assert float(seen.movedim(axis, 0).reshape(8, -1).std(1).max()) < 0.05


def test_outside_of_the_volume_stands_the_fill_and_what_is_no_number_counts_so():
    voxels = torch.full((10, 10, 10), 5.0)
    voxels[5] = torch.nan
    affine = affine_of(np.eye(3)[::-1].T, (1.0, 1.0, 1.0), (10, 10, 10))
    far = Cube(MIDDLE + 500.0, 1.0, 4)
    assert cut(voxels, affine, far, -3.0).unique().tolist() == [-3.0]
    near = cut(voxels, affine, Cube(MIDDLE, 1.0, 24), -3.0)
    assert near.isfinite().all()
    assert (float(near.min()), float(near.max())) == (-3.0, 5.0)


def test_a_read_only_volume_is_cut_likewise_and_left_alone():
    array = np.random.default_rng(0).normal(size=(20, 30, 40)).astype(np.float32)
    array.setflags(write=False)
    affine = affine_of(rotated((0.1, 0.2, 0.3)), (2.0, 1.0, 1.0), array.shape)
    cube = Cube(MIDDLE, 1.0, 12)
    torch.testing.assert_close(
        cut_from(array, affine, cube, -9.0), cut(torch.tensor(array), affine, cube, -9.0), atol=1e-5, rtol=0
    )
    assert cut_from(array, affine, Cube(MIDDLE + 900.0, 1.0, 4), -9.0).unique().tolist() == [-9.0]
