"""What one look at a crop shows, and its way between a volume's grid and the crop's."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from similar_cases.models.cube import Cube, sampled
from similar_cases.segment.backends.promptable.inputs import SIZE


@dataclass(frozen=True, eq=False)
class Grid:
    """Voxels (k, j, i), on the CPU or the network's device, and (4, 4) float64 from (k, j, i) to LPS mm.

    Attributes:
        hounsfield: whether the voxels are Hounsfield units; the network reads them as ``inputs.coded_ct``.
    """

    voxels: NDArray[np.float32] | NDArray[np.bool_] | Tensor
    affine: Tensor
    hounsfield: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Hints:
    """What a person showed, LPS mm.

    Attributes:
        positive, negative: (n, 3) points inside and outside.
        box: (2, 3) lower and upper corner, or None.
        previous: a mask so far, 0 and 1 on its own grid, or None.
    """

    positive: Tensor = field(default_factory=lambda: torch.zeros(0, 3, dtype=torch.float64))
    negative: Tensor = field(default_factory=lambda: torch.zeros(0, 3, dtype=torch.float64))
    box: Tensor | None = None
    previous: Grid | None = None

    def known_corners(self) -> Tensor | None:
        """Return the (2, 3) corners of the box, or round the mask so far; None where neither tells the size."""
        if self.box is not None or self.previous is None:
            return self.box
        index = torch.from_numpy(np.argwhere(np.asarray(self.previous.voxels))).double()
        lps: Tensor = index @ self.previous.affine[:3, :3].T + self.previous.affine[:3, 3]
        return torch.stack((lps.amin(0), lps.amax(0)))

    def first_click(self) -> "Hints":
        """Return the first positive point alone."""
        return Hints(positive=self.positive[:1])


@dataclass(frozen=True, eq=False)
class Look:
    """What one look showed.

    Attributes:
        grid: the crop's.
        probability: (SIZE, SIZE, SIZE) float32.
        quality: the network's estimate of the intersection over union, 0 to 1.
        level: probability over which a voxel is inside.
    """

    grid: Cube
    probability: Tensor
    quality: float
    level: float

    def found_at(self, points: Tensor) -> NDArray[np.bool_]:
        """Return the parts (z, y, x) within two voxels of any point (n, 3), LPS mm; all of it without points."""
        mask = self.probability.numpy() > self.level
        if not len(points):
            return mask
        labels, _ = ndimage.label(mask)
        near = np.unique(labels[near_points(self.grid.to_index(points))])
        return np.isin(labels, near[near > 0])

    def reduced_to(self, points: Tensor) -> "Look":
        """Return the look with nothing but the parts at the points; what is likeliest there where none is inside."""
        found, level = self.found_at(points), self.level
        if not found.any() and len(points):
            level = float(self.probability[near_points(self.grid.to_index(points))].max()) / 2
            found = replace(self, level=level).found_at(points)
        return replace(self, probability=self.probability * torch.from_numpy(found), level=level)


@dataclass(frozen=True, eq=False)
class Found:
    """A mask (k, j, i) on a box of a volume's grid, which may be empty; where the box begins; the quality, 0 to 1."""

    mask: NDArray[np.bool_]
    lower_index: NDArray[np.int64]
    quality: float

    def full_mask(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return the mask over a whole volume of `shape` (slices, rows, columns)."""
        whole = np.zeros(shape, dtype=bool)
        whole[tuple(slice(low, low + n) for low, n in zip(self.lower_index, self.mask.shape, strict=True))] = self.mask
        return whole


def back_to_volume(look: Look, volume: Grid) -> Found:
    """Sample a look's probability at the voxels of the volume; inside is where it is over its level."""
    low, high = _reach(volume, look.grid, *_extent(look.probability))
    if (high <= low).any():
        return Found(np.zeros((0, 0, 0), dtype=bool), low.numpy(), look.quality)
    to_crop = torch.linalg.solve(look.grid.to_lps, volume.affine)
    axes = [torch.arange(int(a), int(b), dtype=torch.float64) for a, b in zip(low, high, strict=True)]
    k, j, i = (to_crop[:3, axis, None] * values for axis, values in enumerate(axes))
    index = k[:, :, None, None] + j[:, None, :, None] + i[:, None, None, :] + to_crop[:3, 3, None, None, None]
    where = (index * (2.0 / (SIZE - 1)) - 1.0).flip(0).permute(1, 2, 3, 0).float()[None]
    shown = functional.grid_sample(
        look.probability[None, None], where, mode="bilinear", padding_mode="zeros", align_corners=True
    )
    return Found((shown[0, 0] > look.level).numpy(), low.numpy(), look.quality)


def lowest(volume: Grid) -> float:
    """Return the lowest of some thousand voxels, which stands for what lies outside; what is no number does not count.

    All of them, for each click, would cost more than a look.
    """
    steps = (max(1, n // 64) for n in volume.voxels.shape)
    some = volume.voxels[tuple(slice(None, None, step) for step in steps)]
    values = some.cpu().numpy() if isinstance(some, Tensor) else some
    finite = values[np.isfinite(values)]
    return float(finite.min()) if finite.size else 0.0


def sampled_on(volume: Grid, grid: Cube, fill: float) -> Tensor:
    """Sample what the crop reaches of the volume: averaging all of a large one would cost more than the look."""
    low, high = _reach(volume, grid, torch.zeros(3), torch.full((3,), SIZE - 1.0))
    if (high <= low).any():
        return torch.full((SIZE, SIZE, SIZE), fill)
    part = volume.voxels[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))]
    part = part.float() if isinstance(part, Tensor) else torch.from_numpy(part.astype(np.float32))
    moved = volume.affine.clone()
    moved[:3, 3] += volume.affine[:3, :3] @ low.double()
    return sampled(part, moved, grid, fill).nan_to_num(nan=fill, posinf=fill, neginf=fill)


def _extent(probability: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and last voxel (z, y, x) that are not zero; the last before the first where all are."""
    spans = [probability.amax(dim=others).nonzero() for others in ((1, 2), (0, 2), (0, 1))]
    if not len(spans[0]):
        return torch.zeros(3), -torch.ones(3)
    return torch.stack([span[0, 0] for span in spans]), torch.stack([span[-1, 0] for span in spans])


def _reach(volume: Grid, grid: Cube, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """Return the box of voxels (k, j, i) that the crop's voxels `first` to `last` reach, and one round them.

    `first` and `last` are (3,) crop indices (z, y, x); the upper corner is exclusive.
    """
    if (last < first).any():
        return torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64)
    ends = [torch.stack((a, b)).double() for a, b in zip(first - 1, last + 1, strict=True)]
    corners = torch.cartesian_prod(*ends)
    lps = corners @ grid.to_lps[:3, :3].T + grid.to_lps[:3, 3]
    index = torch.linalg.solve(volume.affine[:3, :3], (lps - volume.affine[:3, 3]).T)
    shape = torch.tensor(volume.voxels.shape)
    low = index.amin(1).floor().long().clamp(min=0)
    return low, torch.minimum(index.amax(1).ceil().long() + 2, shape)


def near_points(points: Tensor) -> NDArray[np.bool_]:
    """Tell which voxels of a crop (z, y, x) lie within two voxels, a side, of any point (n, 3), crop indices."""
    near = np.zeros((SIZE, SIZE, SIZE), dtype=bool)
    for point in points.round().long().clamp(0, SIZE - 1).tolist():
        near[tuple(slice(max(0, c - 2), c + 3) for c in point)] = True
    return near


def sides_of(mask: NDArray[np.bool_]) -> list[int]:
    """Return how far a mask, which is not empty, reaches along each axis, voxels."""
    return [int(np.ptp(np.flatnonzero(mask.any(axis=others)))) + 1 for others in ((1, 2), (0, 2), (0, 1))]
