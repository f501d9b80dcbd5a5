"""How a volume and its prompts become the network's input; training and inference share this file.

A crop is a cube of 64 voxels a side, isotropic, its axes (z, y, x) those of LPS, so that anatomy always stands the same
way. Seven channels: the image over its own spread; relative to the clicked intensity; as its rank in the crop; positive
points; negative points; box; previous mask.
"""

import torch
from torch import Tensor

from similar_cases.models.cube import Cube

#: voxels a side of the crop
SIZE = 64
CHANNELS = 7
#: width of the Gaussian that stands for a point, voxels
POINT_SIGMA = 2.0


def crop_at(centre_lps: Tensor, spacing_mm: float) -> Cube:
    """Return the crop whose middle is at (3,) float64, LPS mm (x, y, z), with voxels of `spacing_mm` a side."""
    return Cube(centre_lps, spacing_mm, SIZE)


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
