"""What our networks look at: cubes of voxels along the axes of LPS, whatever the axes of the volume.

Training and inference share this file, and so do segmentation and description: a change here changes masks and vectors.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional


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
    >>> cube.to_index(torch.tensor([[12.0, 20.0, 30.0]], dtype=torch.float64)).tolist()
    [[1.0, 1.0, 2.0]]
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

    def to_index(self, points_lps: Tensor) -> Tensor:
        """Map (n, 3) LPS mm to (n, 3) cube indices (z, y, x)."""
        affine = self.to_lps
        index: Tensor = torch.linalg.solve(affine[:3, :3], (points_lps.double() - affine[:3, 3]).T).T
        return index


def sampled(voxels: Tensor, affine: Tensor, cube: Cube, fill: float) -> Tensor:
    """Sample a volume on a cube, averaging first where the cube's voxels are larger.

    Args:
        voxels: (k, j, i) float32, on any device.
        affine: (4, 4) float64 on the CPU, from (k, j, i) to LPS mm.
        cube: where to sample.
        fill: what stands outside the volume.

    Returns:
        (size, size, size) float32, axes (z, y, x), on the device of `voxels`.
    """
    coarse, moved = averaged(voxels, affine, cube.spacing_mm)
    where = _positions(coarse, moved, cube)
    shifted = (coarse - fill)[None, None]
    found = functional.grid_sample(shifted, where, mode="bilinear", padding_mode="zeros", align_corners=True)
    return found[0, 0] + fill


def averaged(voxels: Tensor, affine: Tensor, spacing_mm: float) -> tuple[Tensor, Tensor]:
    """Average blocks of voxels until none is smaller than two thirds of `spacing_mm`; return voxels and affine."""
    spacing = affine[:3, :3].norm(dim=0)
    factors = [max(1, min(round(spacing_mm / float(s)), n)) for s, n in zip(spacing, voxels.shape, strict=True)]
    if max(factors) == 1:
        return voxels, affine
    pooled = functional.avg_pool3d(voxels[None, None], factors, ceil_mode=True, count_include_pad=False)[0, 0]
    moved = affine.clone()
    moved[:3, 3] += affine[:3, :3] @ torch.tensor([(f - 1) / 2 for f in factors], dtype=torch.float64)
    moved[:3, :3] *= torch.tensor(factors, dtype=torch.float64)
    return pooled, moved


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
