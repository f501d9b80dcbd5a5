"""How a Region becomes the network's input: a cube at its own scale, and what the scale takes away, as numbers.

Training and inference share this file. Four channels: the image over its own spread; relative to the mean inside; as
its rank in the cube; the mask. Hounsfield units are bent first, so that neither air nor metal takes the contrast from
what lies between.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from similar_cases.describe.backends.cube import Cube

#: voxels a side of the cube
SIZE = 48
CHANNELS = 4
#: a Region's longest side fills this share of the cube
SHARE = 0.45
#: a cube's voxels are at least so large: a Region of one voxel is told by what surrounds it
SMALLEST_SPACING_MM = 0.5
#: how far the surroundings reach, in voxels of the cube
RING = 5
#: what one step of the intensity numbers is, by unit: Hounsfield units, SUV, Bq/ml, arbitrary
UNIT_SCALES = (100.0, 2.0, 10_000.0, 200.0)
HU = 0
#: lengths of the two lists of numbers
SHAPE_NUMBERS, INTENSITY_NUMBERS = 5, 5 + len(UNIT_SCALES)

_BINS = 256


@dataclass(frozen=True, eq=False)
class RegionInputs:
    """What the network sees of n Regions.

    Attributes:
        channels: (n, 4, size, size, size) float32.
        shape: (n, SHAPE_NUMBERS): logarithms of size and principal axes, in mm.
        intensity: (n, INTENSITY_NUMBERS): level and spread inside, round it and over the cube, in the image's unit,
            and which unit that is.
    """

    channels: Tensor
    shape: Tensor
    intensity: Tensor


def cube_round(lower_lps: Tensor, upper_lps: Tensor, size: int = SIZE) -> Cube:
    """Return the cube for a Region whose voxels lie between two corners (3,), LPS mm."""
    longest = float((upper_lps - lower_lps).max())
    return Cube((lower_lps + upper_lps) / 2, max(longest / (size * SHARE), SMALLEST_SPACING_MM), size)


def inputs_of(images: Tensor, masks: Tensor, spacings_mm: Tensor, units: Tensor) -> RegionInputs:
    """Make the inputs of n cubes.

    Args:
        images: (n, size, size, size) float32, in the image's unit.
        masks: (n, size, size, size), share of each voxel that lies inside, 0 to 1.
        spacings_mm: (n,) side of a voxel.
        units: (n,) int64, index into UNIT_SCALES.
    """
    masks = _never_empty(masks)
    numbers = _intensity_numbers(images, masks, units)
    images = torch.where((units == HU)[:, None, None, None], bent(images), images)
    spread = images.std((1, 2, 3)).clamp(min=1e-6)
    mean = images.mean((1, 2, 3))
    level = (images * masks).sum((1, 2, 3)) / masks.sum((1, 2, 3))
    channels = torch.stack(
        (
            (_off(images, mean) / _wide(spread)).clamp(-4, 4),
            torch.tanh(_off(images, level) / (3.0 * _wide(spread))),
            rank_in(images) * 2.0 - 1.0,
            masks,
        ),
        dim=1,
    )
    return RegionInputs(channels, _shape_numbers(masks, spacings_mm), numbers)


def bent(hounsfield: Tensor) -> Tensor:
    """Bend Hounsfield units to 0 to 255: 2.5 HU a step where soft tissue lies, coarse in lung and bone, none beyond.

    >>> bent(torch.tensor([-3000.0, -1000.0, -200.0, 50.0, 300.0, 9000.0])).tolist()
    [0.0, 0.0, 28.0, 128.0, 228.0, 255.0]
    """
    lung = (hounsfield + 1000.0).clamp(0.0, 800.0) * (28.0 / 800.0)
    soft = (hounsfield + 200.0).clamp(0.0, 500.0) * (200.0 / 500.0)
    return lung + soft + (hounsfield - 300.0).clamp(0.0, 1200.0) * (27.0 / 1200.0)


def ring_of(masks: Tensor) -> Tensor:
    """Return the surroundings (n, 1, z, y, x) of masks (n, 1, z, y, x): what lies within RING voxels, and outside."""
    grown = masks
    for _ in range(RING):  # a cube of 3 voxels, again and again, costs less than one large one
        grown = functional.max_pool3d(grown, 3, stride=1, padding=1)
    return (grown - masks).clamp(0.0, 1.0)


def rank_in(images: Tensor) -> Tensor:
    """Return each voxel's share of the voxels of its cube (n, z, y, x) that lie below it, 0 to 1."""
    count = images[0].numel()
    low, high = images.amin((1, 2, 3)), images.amax((1, 2, 3))
    codes = (_off(images, low) / _wide((high - low).clamp(min=1e-6)) * (_BINS - 1)).long()
    codes = codes + (torch.arange(len(images), device=images.device) * _BINS)[:, None, None, None]
    counts = torch.bincount(codes.flatten(), minlength=_BINS * len(images)).reshape(-1, _BINS).float()
    below = (counts.cumsum(1) - counts / 2) / count
    return below.flatten()[codes]


def _never_empty(masks: Tensor) -> Tensor:
    """Put a voxel into the middle of a mask that fell between the cube's voxels."""
    empty = masks.amax((1, 2, 3)) < 1e-3
    middle = torch.zeros_like(masks)
    at = masks.shape[-1] // 2
    middle[empty, at, at, at] = 1.0
    return masks + middle


def _shape_numbers(masks: Tensor, spacings_mm: Tensor) -> Tensor:
    """Return logarithms of the spacing, of the side of a cube of equal volume, and of the three principal axes."""
    axis = torch.arange(masks.shape[-1], dtype=torch.float32, device=masks.device)
    where = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(1, -1, 3)
    weights = masks.flatten(1)
    total = weights.sum(1)
    middle = (weights[:, :, None] * where).sum(1) / total[:, None]
    off = where - middle[:, None]
    spread = torch.einsum("nv,nva,nvb->nab", weights, off, off) / total[:, None, None]
    # a voxel has an extent of its own: without it, flat regions would have no axis
    variances = torch.linalg.eigvalsh(spread.double()).float().clamp(min=0) + 1 / 12
    sizes = torch.cat((torch.ones_like(total)[:, None], total[:, None] ** (1 / 3), 2.0 * variances.sqrt()), dim=1)
    return (torch.log(sizes * spacings_mm[:, None]) - 2.5) / 1.2


def _intensity_numbers(images: Tensor, masks: Tensor, units: Tensor) -> Tensor:
    """Return levels and spreads on a scale that is linear near zero and logarithmic far off, and the unit."""
    whole = torch.stack((images.mean((1, 2, 3)), images.std((1, 2, 3))), dim=1)
    inside = _mean_and_spread(images, masks)
    around = _mean_and_spread(images, ring_of(masks[:, None])[:, 0])[:, :1]
    scales = torch.tensor(UNIT_SCALES, device=images.device)[units]
    numbers = torch.asinh(torch.cat((inside, around, whole), dim=1) / scales[:, None])
    return torch.cat((numbers, functional.one_hot(units, len(UNIT_SCALES)).float()), dim=1)


def _mean_and_spread(images: Tensor, weights: Tensor) -> Tensor:
    total = weights.sum((1, 2, 3)).clamp(min=1e-6)
    mean = (images * weights).sum((1, 2, 3)) / total
    variance = (_off(images, mean) ** 2 * weights).sum((1, 2, 3)) / total
    return torch.stack((mean, variance.sqrt()), dim=1)


def _off(images: Tensor, levels: Tensor) -> Tensor:
    return images - _wide(levels)


def _wide(numbers: Tensor) -> Tensor:
    return numbers[:, None, None, None]
