"""Prompts in LPS mm → where growing begins, and where it must not go, in voxels of a window round them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.errors import SegmentationFailed
from similar_cases.domain.geometry import FloatArray, VolumeGeometry
from similar_cases.domain.prompts import BoxPrompt, MaskPrompt, PointPrompt, Polarity, PromptSet
from similar_cases.domain.volume import Volume
from similar_cases.segment.planes import mask_on_grid

Window = tuple[slice, slice, slice]
#: rays are cast from so many points at the most; the others still lie inside
MOST_CENTRES = 16


@dataclass(frozen=True, eq=False)
class Seeds:
    """Prompts as voxels of a window.

    Attributes:
        window: the part of the volume that growing looks at, (k, j, i).
        spacing_mm: (3,) of the window's voxels.
        centres: (n, 3) int, voxels to grow from, n ≥ 1.
        inside: (m, 3) int, voxels of positive points.
        outside: (m, 3) int, voxels of negative points, those beyond the window too.
        drawn: (slices, rows, columns) bool of the window: voxels of mask prompts; None for none.
        box: lower and upper corner of the box that bounds the region, (2, 3) indices of the window; None for none.
    """

    window: Window
    spacing_mm: FloatArray
    centres: NDArray[np.int64]
    inside: NDArray[np.int64]
    outside: NDArray[np.int64]
    drawn: NDArray[np.bool_] | None = None
    box: FloatArray | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of (slices, rows, columns) of the window."""
        k, j, i = (part.stop - part.start for part in self.window)
        return k, j, i


def seeds_of(volume: Volume, prompts: PromptSet, reach_mm: float) -> Seeds:
    """Return the seeds that `prompts` give in `volume`, in a window of `reach_mm` round the positive ones.

    Raises:
        SegmentationFailed: when no positive prompt lies inside the volume, or a voxel is asked for both in and out.
    """
    grid = volume.geometry
    inside = _voxels(prompts, Polarity.POSITIVE, grid)
    outside = _voxels(prompts, Polarity.NEGATIVE, grid)
    drawn = mask_on_grid([p for p in prompts.prompts if isinstance(p, MaskPrompt)], grid)
    box = _box(prompts, grid)
    centres = _centres(inside, drawn, box, grid)
    if not len(centres):
        raise SegmentationFailed("no positive point, box or mask lies inside the volume")
    if {tuple(voxel) for voxel in inside} & {tuple(voxel) for voxel in outside}:
        raise SegmentationFailed("a positive and a negative point lie in the same voxel")
    window = _window(centres, drawn, box, grid, reach_mm)
    lower = np.array([part.start for part in window])
    return Seeds(
        window=window,
        spacing_mm=np.asarray(grid.spacing_mm),
        centres=centres[:MOST_CENTRES] - lower,
        inside=inside - lower,
        outside=outside - lower,
        drawn=None if drawn is None else _in_window(drawn, grid, window),
        box=None if box is None else box - lower,
    )


def _voxels(prompts: PromptSet, polarity: Polarity, grid: VolumeGeometry) -> NDArray[np.int64]:
    """Return the voxels (n, 3) of the points of one polarity that lie in the grid."""
    points = [p.point_lps for p in prompts.prompts if isinstance(p, PointPrompt) and p.polarity is polarity]
    within = [point for point in points if grid.contains_lps(point)]
    index = np.rint(grid.lps_to_index(np.reshape(within, (-1, 3)))).astype(np.int64)
    return np.asarray(np.clip(index, 0, np.asarray(grid.shape) - 1))


def _box(prompts: PromptSet, grid: VolumeGeometry) -> FloatArray | None:
    """Return the corners (2, 3) of the smallest box of voxels round all box prompts, cut at the grid; None for none."""
    boxes = [p for p in prompts.prompts if isinstance(p, BoxPrompt)]
    if not boxes:
        return None
    corners = [(x, y, z) for p in boxes for x, y, z in _corners(p)]
    index = grid.lps_to_index(corners)
    lower = np.clip(np.ceil(index.min(axis=0)), 0, None)
    upper = np.clip(np.floor(index.max(axis=0)), None, np.asarray(grid.shape) - 1)
    if (upper < lower).any():
        raise SegmentationFailed("the box holds no voxel of the volume")
    return np.stack([lower, upper])


def _corners(box: BoxPrompt) -> list[tuple[float, float, float]]:
    sides = tuple(zip(box.lower_lps, box.upper_lps, strict=True))
    return [(x, y, z) for x in sides[0] for y in sides[1] for z in sides[2]]


def _centres(
    inside: NDArray[np.int64], drawn: MaskPrompt | None, box: FloatArray | None, grid: VolumeGeometry
) -> NDArray[np.int64]:
    """Return the voxels (n, 3) to grow from: the box's middle, else the points, else the mask's nearest its middle."""
    if box is not None:
        return np.asarray(np.rint(box.mean(axis=0, keepdims=True)), dtype=np.int64)
    if len(inside):
        return inside
    if drawn is not None:
        voxels = np.argwhere(drawn.mask)
        off = (voxels - voxels.mean(axis=0)) * np.asarray(grid.spacing_mm)
        nearest = voxels[int((off**2).sum(axis=1).argmin())]
        return np.asarray(np.rint(grid.lps_to_index(drawn.geometry.index_to_lps(nearest))), dtype=np.int64)
    return np.empty((0, 3), dtype=np.int64)


def _window(
    centres: NDArray[np.int64], drawn: MaskPrompt | None, box: FloatArray | None, grid: VolumeGeometry, reach_mm: float
) -> Window:
    """Return the part of the volume within reach of what is positive, or not far beyond the box."""
    lower, upper = centres.min(axis=0), centres.max(axis=0)
    if drawn is not None:
        ends = grid.lps_to_index(drawn.geometry.index_to_lps(np.stack([np.zeros(3), np.asarray(drawn.mask.shape) - 1])))
        lower, upper = np.minimum(lower, np.rint(ends[0])), np.maximum(upper, np.rint(ends[1]))
    reach = np.ceil(reach_mm / np.asarray(grid.spacing_mm))
    if box is not None:
        margin = np.ceil((box[1] - box[0] + 1) / 4)
        lower, upper, reach = np.minimum(lower, box[0]), np.maximum(upper, box[1]), np.minimum(reach, margin)
    start = np.clip(lower - reach, 0, None).astype(np.int64)
    stop = np.minimum(upper + reach + 1, grid.shape).astype(np.int64)
    k, j, i = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return k, j, i


def _in_window(drawn: MaskPrompt, grid: VolumeGeometry, window: Window) -> NDArray[np.bool_]:
    """Return a mask prompt over a window that holds all of it."""
    lower = np.rint(grid.lps_to_index(drawn.geometry.affine[:3, 3])[0]).astype(np.int64)
    mask = np.zeros([part.stop - part.start for part in window], dtype=bool)
    starts = [int(low) - part.start for low, part in zip(lower, window, strict=True)]
    mask[tuple(slice(a, a + n) for a, n in zip(starts, drawn.mask.shape, strict=True))] = drawn.mask
    return mask
