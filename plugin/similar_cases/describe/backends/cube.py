"""Cubes of voxels along the axes of LPS, cut from volumes of any orientation; training and inference share this file.

The segmenter has cubes of its own (``segment.backends.promptable.inputs``): a change there must not change a vector.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

#: no scanner's unit goes so far; larger numbers would overflow where they are added up
LARGEST = 1e9


@dataclass(frozen=True, eq=False)
class Cube:
    """A cube of `size` voxels a side.

    Attributes:
        centre_lps: (3,) float64, LPS mm (x, y, z) of the cube's middle.
        spacing_mm: side of a voxel.
        size: voxels a side.
        turned: (3, 3) applied to LPS about the centre; the identity outside training.

    >>> cube = Cube(torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64), 2.0, 3)
    >>> (cube.to_lps @ torch.tensor([1.0, 1.0, 2.0, 1.0], dtype=torch.float64)).tolist()[:3]  # (z, y, x + 1) is left
    [12.0, 20.0, 30.0]
    """

    centre_lps: Tensor
    spacing_mm: float
    size: int
    turned: Tensor = field(default_factory=lambda: torch.eye(3, dtype=torch.float64))

    @property
    def to_lps(self) -> Tensor:
        """(4, 4) float64 from cube index (z, y, x) to LPS mm (x, y, z)."""
        affine = torch.eye(4, dtype=torch.float64)
        affine[:3, :3] = self.turned.flip(1) * self.spacing_mm
        affine[:3, 3] = self.centre_lps - affine[:3, :3].sum(1) * ((self.size - 1) / 2)
        return affine


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
    coarse, moved = _averaged(part.nan_to_num(fill, fill, fill).clamp(-LARGEST, LARGEST), moved, cube.spacing_mm)
    where = _positions(coarse, moved, cube)
    shifted = (coarse - fill)[None, None]
    sampled = functional.grid_sample(shifted, where, mode="bilinear", padding_mode="zeros", align_corners=True)
    return sampled[0, 0] + fill


def _positions(voxels: Tensor, affine: Tensor, cube: Cube) -> Tensor:
    """Return (1, size, size, size, 3) positions for grid_sample, which speaks (x, y, z) in -1 to 1 on both sides."""
    to_index = torch.linalg.solve(affine, cube.to_lps)  # cube (z, y, x, 1) -> volume (k, j, i, 1)
    scale = 2.0 / (torch.tensor(voxels.shape, dtype=torch.float64) - 1).clamp(min=1)
    columns = to_index[:3, :3] * scale[:, None] * ((cube.size - 1) / 2)
    constant = to_index[:3, 3] * scale - 1.0 + (to_index[:3, :3] * scale[:, None]).sum(1) * ((cube.size - 1) / 2)
    matrix = torch.cat((columns.flip(0).flip(1), constant.flip(0)[:, None]), dim=1).float()
    where: Tensor = functional.affine_grid(
        matrix[None].to(voxels.device), [1, 1, cube.size, cube.size, cube.size], align_corners=True
    )
    return where


def _averaged(voxels: Tensor, affine: Tensor, spacing_mm: float) -> tuple[Tensor, Tensor]:
    """Average whole blocks of voxels until none is smaller than two thirds of `spacing_mm`."""
    spacing = affine[:3, :3].norm(dim=0)
    factors = [max(1, min(round(spacing_mm / float(s)), n)) for s, n in zip(spacing, voxels.shape, strict=True)]
    if max(factors) == 1:
        return voxels, affine
    pooled = functional.avg_pool3d(voxels[None, None], factors, ceil_mode=True, count_include_pad=False)[0, 0]
    moved = affine.clone()
    moved[:3, 3] += affine[:3, :3] @ torch.tensor([(f - 1) / 2 for f in factors], dtype=torch.float64)
    moved[:3, :3] *= torch.tensor(factors, dtype=torch.float64)
    return pooled, moved


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
