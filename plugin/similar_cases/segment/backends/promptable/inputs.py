"""How a volume and its prompts become the network's input; training and inference share this file.

A crop is a cube of 64 voxels a side, isotropic, its axes (z, y, x) those of LPS, so that anatomy always stands the same
way. Seven channels: the image over its own spread; relative to the clicked intensity; as its rank in the crop; positive
points; negative points; box; previous mask.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

#: voxels a side of the crop
SIZE = 64
CHANNELS = 7
#: width of the Gaussian that stands for a point, voxels
POINT_SIGMA = 2.0


@dataclass(frozen=True, eq=False)
class CropGrid:
    """A cube of SIZE voxels a side.

    Attributes:
        centre_lps: (3,) float64, LPS mm (x, y, z) of the cube's middle.
        spacing_mm: side of a voxel.
        rotation: (3, 3) applied about the centre; the identity outside training.

    >>> grid = CropGrid(torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64), 2.0)
    >>> grid.to_index(torch.tensor([[12.0, 20.0, 30.0]], dtype=torch.float64)).tolist()  # 2 mm to the left is x + 1
    [[31.5, 31.5, 32.5]]
    """

    centre_lps: Tensor
    spacing_mm: float
    rotation: Tensor = field(default_factory=lambda: torch.eye(3, dtype=torch.float64))

    @property
    def to_lps(self) -> Tensor:
        """(4, 4) from crop index (z, y, x) to LPS mm (x, y, z)."""
        affine = torch.eye(4, dtype=torch.float64)
        affine[:3, :3] = self.rotation.flip(1) * self.spacing_mm
        affine[:3, 3] = self.centre_lps - affine[:3, :3].sum(1) * ((SIZE - 1) / 2)
        return affine

    def to_index(self, points_lps: Tensor) -> Tensor:
        """Map (n, 3) LPS mm to (n, 3) crop indices (z, y, x)."""
        affine = self.to_lps
        index: Tensor = torch.linalg.solve(affine[:3, :3], (points_lps.double() - affine[:3, 3]).T).T
        return index


def sample(array: Tensor, affine: Tensor, grid: CropGrid, fill: float) -> Tensor:
    """Sample a volume on a crop, averaging first where the crop's voxels are larger.

    Args:
        array: (k, j, i) float32.
        affine: (4, 4) float64 from (k, j, i) to LPS mm.
        grid: where to sample.
        fill: what stands outside the volume.

    Returns:
        (SIZE, SIZE, SIZE) float32, axes (z, y, x).
    """
    array, affine = averaged(array, affine, grid.spacing_mm)
    to_index = torch.linalg.solve(affine, grid.to_lps)  # crop (z, y, x, 1) -> volume (k, j, i, 1)
    scale = 2.0 / (torch.tensor(array.shape, dtype=torch.float64) - 1).clamp(min=1)
    theta = to_index[:3, :3] * scale[:, None]
    offset = to_index[:3, 3] * scale - 1.0
    # affine_grid speaks (x, y, z) in -1 to 1 on both sides: scale the columns to index units and flip both axes
    half = (SIZE - 1) / 2
    columns = theta * half
    constant = offset + columns.sum(1)
    matrix = torch.cat((columns.flip(0).flip(1), constant.flip(0)[:, None]), dim=1).float()
    where = functional.affine_grid(matrix[None], [1, 1, SIZE, SIZE, SIZE], align_corners=True)
    shifted = (array - fill)[None, None]
    return (
        functional.grid_sample(shifted, where, mode="bilinear", padding_mode="zeros", align_corners=True)[0, 0] + fill
    )


def averaged(array: Tensor, affine: Tensor, spacing_mm: float) -> tuple[Tensor, Tensor]:
    """Average whole blocks of voxels until none is smaller than two thirds of `spacing_mm`; return array and affine."""
    spacing = affine[:3, :3].norm(dim=0)
    factors = [max(1, min(round(spacing_mm / float(s)), n)) for s, n in zip(spacing, array.shape, strict=True)]
    if max(factors) == 1:
        return array, affine
    pooled = functional.avg_pool3d(array[None, None], factors, ceil_mode=True, count_include_pad=False)[0, 0]
    moved = affine.clone()
    moved[:3, 3] += affine[:3, :3] @ torch.tensor([(f - 1) / 2 for f in factors], dtype=torch.float64)
    moved[:3, :3] *= torch.tensor(factors, dtype=torch.float64)
    return pooled, moved


def network_input(image: Tensor, positive: Tensor, negative: Tensor, box: Tensor, previous: Tensor) -> Tensor:
    """Stack the seven channels.

    Args:
        image: (SIZE, SIZE, SIZE) float32, any unit.
        positive: (n, 3) crop indices (z, y, x) of points inside; may be empty.
        negative: (n, 3) of points outside; may be empty.
        box: (SIZE, SIZE, SIZE) of 0 and 1; all 0 where there is none.
        previous: (SIZE, SIZE, SIZE) probability of the mask so far; all 0 where there is none.

    Returns:
        (7, SIZE, SIZE, SIZE) float32.
    """
    inside = points_map(positive)
    hint = inside if len(positive) else torch.where(box.any(), box, previous)
    spread = image.std().clamp(min=1e-6)
    level = (image * hint).sum() / hint.sum().clamp(min=1e-6)
    local = neighbourhood_spread(image, positive).clamp(min=0.05 * float(spread))
    return torch.stack(
        (
            ((image - image.mean()) / spread).clamp(-4, 4),
            torch.tanh((image - level) / (3.0 * local)),
            rank_in(image) * 2.0 - 1.0,
            inside,
            points_map(negative),
            box,
            previous,
        )
    )


def points_map(points: Tensor) -> Tensor:
    """Return (SIZE, SIZE, SIZE): 1 at each point, falling off as a Gaussian; the largest where they overlap."""
    axis = torch.arange(SIZE, dtype=torch.float32)
    result = torch.zeros(SIZE, SIZE, SIZE)
    for z, y, x in points.float():
        one = [torch.exp(-((axis - centre) ** 2) / (2 * POINT_SIGMA**2)) for centre in (z, y, x)]
        result = torch.maximum(result, one[0][:, None, None] * one[1][None, :, None] * one[2][None, None, :])
    return result


def neighbourhood_spread(image: Tensor, points: Tensor, radius: int = 6) -> Tensor:
    """Return the median, over the points, of the spread in the cube round each; of the whole without any."""
    spreads = []
    for point in points.round().long().clamp(0, SIZE - 1):
        z, y, x = (slice(max(0, int(c) - radius), int(c) + radius + 1) for c in point)
        spreads.append(image[z, y, x].std())
    return torch.stack(spreads).median() if spreads else image.std()


def rank_in(image: Tensor, bins: int = 256) -> Tensor:
    """Return each voxel's share of voxels below it, 0 to 1, from a histogram of `bins`."""
    low, high = image.min(), image.max()
    codes = ((image - low) / (high - low).clamp(min=1e-6) * (bins - 1)).long()
    counts = torch.bincount(codes.flatten(), minlength=bins).float()
    below = (counts.cumsum(0) - counts / 2) / counts.sum()
    return below[codes]
