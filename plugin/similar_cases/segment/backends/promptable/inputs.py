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
    where = functional.affine_grid(matrix[None].to(array.device), [1, 1, SIZE, SIZE, SIZE], align_corners=True)
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


def coded_ct(hounsfield: Tensor) -> Tensor:
    """Bend Hounsfield units to 0 to 255: 2.5 HU a step where soft tissue lies, coarse in lung and bone.

    Training reads CT as these codes and so must inference: metal and air would else take the contrast from the rest.

    >>> coded_ct(torch.tensor([-3000.0, -1000.0, -200.0, 50.0, 300.0, 9000.0])).tolist()
    [0.0, 0.0, 28.0, 128.0, 228.0, 255.0]
    """
    lung = (hounsfield + 1000.0).clamp(0.0, 800.0) * (28.0 / 800.0)
    soft = (hounsfield + 200.0).clamp(0.0, 500.0) * (200.0 / 500.0)
    return lung + soft + (hounsfield - 300.0).clamp(0.0, 1200.0) * (27.0 / 1200.0)


def network_input(image: Tensor, positive: Tensor, negative: Tensor, box: Tensor, previous: Tensor) -> Tensor:
    """Stack the seven channels of a batch.

    Args:
        image: (b, SIZE, SIZE, SIZE) float32, any unit.
        positive: (b, n, 3) crop indices (z, y, x) of points inside; NaN where an example has fewer than n.
        negative: (b, n, 3) of points outside, likewise.
        box: (b, SIZE, SIZE, SIZE) of 0 and 1; all 0 where there is none.
        previous: (b, SIZE, SIZE, SIZE) probability of the mask so far; all 0 where there is none.

    Returns:
        (b, 7, SIZE, SIZE, SIZE) float32.
    """
    inside = points_map(positive)
    shown = torch.where(_any(box), box, previous)
    hint = torch.where(_any(inside), inside, shown)
    spread, mean = image.std((1, 2, 3), keepdim=True).clamp(min=1e-6), image.mean((1, 2, 3), keepdim=True)
    level = (image * hint).sum((1, 2, 3), keepdim=True) / hint.sum((1, 2, 3), keepdim=True).clamp(min=1e-6)
    local = torch.maximum(neighbourhood_spread(image, positive)[:, None, None, None], 0.05 * spread)
    return torch.stack(
        (
            ((image - mean) / spread).clamp(-4, 4),
            torch.tanh((image - level) / (3.0 * local)),
            rank_in(image) * 2.0 - 1.0,
            inside,
            points_map(negative),
            box,
            previous,
        ),
        dim=1,
    )


def _any(maps: Tensor) -> Tensor:
    return (maps != 0).flatten(1).any(1)[:, None, None, None]


def points_map(points: Tensor) -> Tensor:
    """Return (b, SIZE, SIZE, SIZE): 1 at each of (b, n, 3) points, falling off as a Gaussian; the largest counts."""
    axis = torch.arange(SIZE, dtype=torch.float32, device=points.device)
    result = torch.zeros(len(points), SIZE, SIZE, SIZE, device=points.device)
    for number in range(points.shape[1]):
        near = torch.exp(-((axis - points[:, number, :, None].float()) ** 2) / (2 * POINT_SIGMA**2)).nan_to_num(0.0)
        z, y, x = near.unbind(1)
        result = torch.maximum(result, z[:, :, None, None] * y[:, None, :, None] * x[:, None, None, :])
    return result


def neighbourhood_spread(image: Tensor, points: Tensor, radius: int = 6) -> Tensor:
    """Return (b,): the median, over the points, of the spread in the cube round each; of the whole without any."""
    whole = image.std((1, 2, 3))
    if not points.shape[1]:
        return whole
    near = torch.arange(-radius, radius + 1, device=image.device)
    index = points.nan_to_num(0.0).round().long().clamp(0, SIZE - 1)[..., None] + near  # (b, n, 3, side)
    z, y, x = index.clamp(0, SIZE - 1).unbind(2)
    batch = torch.arange(len(image), device=image.device)[:, None, None, None, None]
    cubes = image[batch, z[..., :, None, None], y[..., None, :, None], x[..., None, None, :]]
    within = ((index >= 0) & (index < SIZE)).float()
    weight = within[:, :, 0, :, None, None] * within[:, :, 1, None, :, None] * within[:, :, 2, None, None, :]
    count = weight.sum((2, 3, 4))
    mean = (cubes * weight).sum((2, 3, 4)) / count
    variance = ((cubes - mean[..., None, None, None]) ** 2 * weight).sum((2, 3, 4)) / (count - 1)
    spreads = variance.sqrt().masked_fill(points.isnan().any(2), torch.nan)
    median = spreads.nanmedian(1).values
    return torch.where(median.isnan(), whole, median)


def rank_in(image: Tensor, bins: int = 2048) -> Tensor:
    """Return each voxel's share of voxels of its image (b, SIZE, SIZE, SIZE) below it, 0 to 1, of `bins` steps."""
    flat = image.flatten(1)
    low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
    codes = ((flat - low) / (high - low).clamp(min=1e-6) * (bins - 1)).long()
    codes = codes + torch.arange(len(image), device=image.device)[:, None] * bins
    counts = torch.zeros(bins * len(image), device=image.device)
    counts = counts.scatter_add_(0, codes.flatten(), torch.ones_like(flat).flatten()).view(len(image), bins)
    below = (counts.cumsum(1) - counts / 2) / counts.sum(1, keepdim=True)
    return below.flatten()[codes].view_as(image)
