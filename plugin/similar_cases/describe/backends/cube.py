"""Cubes that describers see, cut from volumes of any orientation; training and inference share this file."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from similar_cases.models.cube import Cube, sampled

__all__ = ["Cube", "cut", "cut_from"]

#: no scanner's unit goes so far; larger numbers would overflow where they are added up
LARGEST = 1e9


def cut_from(array: NDArray[np.float32], affine: Tensor, cube: Cube, fill: float, device: str = "cpu") -> Tensor:
    """Do as `cut`, for a read-only array of which only what the cube reaches is copied, to `device`."""
    low, high = _reach(array.shape, affine, cube)
    if (high <= low).any():
        return torch.full((cube.size,) * 3, fill, device=device)
    part = array[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))]
    moved = affine.clone()
    moved[:3, 3] += affine[:3, :3] @ low.double()
    return cut(torch.from_numpy(part.astype(np.float32)).to(device), moved, cube, fill)


def cut(voxels: Tensor, affine: Tensor, cube: Cube, fill: float) -> Tensor:
    """Sample a volume on a cube, averaging first where the cube's voxels are larger.

    Args:
        voxels: (k, j, i) float32, on any device.
        affine: (4, 4) float64 on the CPU, from (k, j, i) to LPS mm.
        cube: where to sample.
        fill: what stands outside the volume, and for what is no number.

    Returns:
        (size, size, size) float32, axes (z, y, x), on the device of `voxels`.
    """
    low, high = _reach(voxels.shape, affine, cube)
    if (high <= low).any():
        return torch.full((cube.size,) * 3, fill, device=voxels.device)
    part = voxels[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))].float()
    moved = affine.clone()
    moved[:3, 3] += affine[:3, :3] @ low.double()
    finite = part.nan_to_num(fill, fill, fill).clamp_(-LARGEST, LARGEST)
    return sampled(finite, moved, cube, fill)


def _reach(shape: tuple[int, ...], affine: Tensor, cube: Cube) -> tuple[Tensor, Tensor]:
    """Return the box of voxels (k, j, i) that the cube reaches, and two cube voxels round them; upper exclusive."""
    ends = torch.tensor([-2.0, cube.size + 1.0], dtype=torch.float64)
    corners = torch.cartesian_prod(ends, ends, ends)
    to_lps = cube.to_lps
    lps = corners @ to_lps[:3, :3].T + to_lps[:3, 3]
    index = torch.linalg.solve(affine[:3, :3], (lps - affine[:3, 3]).T)
    low = index.amin(1).floor().clamp(min=0, max=2**31).long()
    high = (index.amax(1).ceil() + 2).clamp(min=0, max=2**31).long()
    return low, torch.minimum(high, torch.tensor(shape))
