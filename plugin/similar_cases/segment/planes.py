"""Masks on planes of their own → mask on a volume's grid."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.geometry import FloatArray, VolumeGeometry
from similar_cases.domain.prompts import MaskPrompt

#: a grid whose voxels are off by more than this much of a voxel is another grid
_BETWEEN_VOXELS = 1e-2
_VOXELS_AT_ONCE = 1_000_000


@dataclass(frozen=True, eq=False)
class PlaneMask:
    """A mask on one plane, which stands for a slab round it.

    Attributes:
        mask: (rows, columns) bool.
        affine: (4, 4); maps homogeneous (depth in planes, row j, column i) to LPS mm. Depth 0 is the plane, and
            its column's length is the distance to the next plane: the slab reaches half of that to either side.
    """

    mask: NDArray[np.bool_]
    affine: FloatArray


def slices_of(prompt: MaskPrompt) -> list[PlaneMask]:
    """Return the slices of a mask as planes."""
    return [
        PlaneMask(prompt.mask[k], prompt.geometry.crop((k, 0, 0), (1, *prompt.mask.shape[1:])).affine)
        for k in range(prompt.mask.shape[0])
    ]


def paste_planes(planes: Iterable[PlaneMask], grid: VolumeGeometry) -> MaskPrompt | None:
    """Read plane masks at the voxel centres of `grid`: inside where any plane's slab says so.

    Args:
        planes: any number, in any position and orientation; irregular distances and gaps are let be.
        grid: the volume's.

    Returns:
        A mask on the box of `grid` that holds every voxel set; None where there is none.
    """
    found = [voxels for plane in planes if len(voxels := _voxels_inside(plane, grid))]
    if not found:
        return None
    lower = np.min([voxels.min(axis=0) for voxels in found], axis=0)
    upper = np.max([voxels.max(axis=0) for voxels in found], axis=0)
    k, j, i = (int(n) for n in upper - lower + 1)
    mask = np.zeros((k, j, i), dtype=bool)
    for voxels in found:
        mask[tuple((voxels - lower).T)] = True
    return MaskPrompt(mask, grid.crop(lower, (k, j, i)))


def mask_on_grid(prompts: Sequence[MaskPrompt], grid: VolumeGeometry) -> MaskPrompt | None:
    """Return all that any of `prompts` sets as one mask on a box of `grid`, cut at its borders; None for nothing.

    A mask that lies on voxels of `grid` already is taken as it is; others are read at the voxel centres.
    """
    placed = [found for prompt in prompts if (found := _placed(prompt, grid)) is not None]
    if not placed:
        return None
    lowers = [_offset(found.geometry, grid).astype(np.int64) for found in placed]
    lower = np.min(lowers, axis=0)
    upper = np.max([low + found.mask.shape for low, found in zip(lowers, placed, strict=True)], axis=0)
    k, j, i = (int(n) for n in upper - lower)
    mask = np.zeros((k, j, i), dtype=bool)
    for low, found in zip(lowers, placed, strict=True):
        mask[tuple(slice(a, a + n) for a, n in zip(low - lower, found.mask.shape, strict=True))] |= found.mask
    return MaskPrompt(mask, grid.crop(lower, (k, j, i)))


def lies_on(box: VolumeGeometry, grid: VolumeGeometry) -> bool:
    """Tell whether the voxels of `box` are voxels of `grid`, or of `grid` continued beyond its borders."""
    same_steps = np.allclose(box.affine[:3, :3], grid.affine[:3, :3], atol=1e-5)
    return bool(same_steps and not np.isnan(_offset(box, grid)).any())


def _placed(prompt: MaskPrompt, grid: VolumeGeometry) -> MaskPrompt | None:
    """Return one mask on a box of `grid`, cut to the voxels set; None where none is."""
    if not lies_on(prompt.geometry, grid):
        return paste_planes(slices_of(prompt), grid)
    lower = _offset(prompt.geometry, grid)
    start = np.clip(-lower, 0, None).astype(np.int64)
    inside = prompt.mask[
        tuple(slice(a, max(a, int(n - low))) for a, n, low in zip(start, grid.shape, lower, strict=True))
    ]
    spans = [np.flatnonzero(inside.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    if not len(spans[0]):
        return None
    mask = inside[tuple(slice(span[0], span[-1] + 1) for span in spans)]
    k, j, i = mask.shape
    return MaskPrompt(mask, grid.crop(lower + start + [span[0] for span in spans], (k, j, i)))


def _offset(box: VolumeGeometry, grid: VolumeGeometry) -> FloatArray:
    """Return where a box begins in `grid`, whole (k, j, i); NaN where it lies between voxels."""
    lower = grid.lps_to_index(box.affine[:3, 3])[0]
    whole = np.round(lower)
    return np.where(np.abs(lower - whole) < _BETWEEN_VOXELS, whole, np.nan)


def empty_mask(grid: VolumeGeometry, points_index: FloatArray) -> MaskPrompt:
    """Return one voxel that is not set, on `grid` continued to where the middle of (n, 3) indices lies."""
    middle = np.round((points_index.min(axis=0) + points_index.max(axis=0)) / 2)
    return MaskPrompt(np.zeros((1, 1, 1), dtype=bool), grid.crop(middle, (1, 1, 1)))


def _voxels_inside(plane: PlaneMask, grid: VolumeGeometry) -> NDArray[np.int32]:
    """Return (n, 3) indices (k, j, i) of the voxels of `grid` whose centres a plane's slab covers."""
    set_rows, set_columns = np.flatnonzero(plane.mask.any(axis=1)), np.flatnonzero(plane.mask.any(axis=0))
    if not len(set_rows):
        return np.empty((0, 3), dtype=np.int32)
    lower_edge = np.array([-0.5, set_rows[0] - 0.5, set_columns[0] - 0.5])
    upper_edge = np.array([0.5, set_rows[-1] + 0.5, set_columns[-1] + 0.5])
    to_plane = np.asarray(np.linalg.inv(plane.affine) @ grid.affine)
    box = _box_between(lower_edge, upper_edge, np.asarray(np.linalg.inv(to_plane)), grid.shape)
    return np.concatenate([_covered(plane.mask, to_plane, part) for part in _parts(box)])


def _covered(mask: NDArray[np.bool_], to_plane: FloatArray, box: list[range]) -> NDArray[np.int32]:
    """Return (n, 3) indices of the voxels of a box whose centres lie on voxels set in a plane's slab."""
    axes = [np.arange(axis.start, axis.stop, dtype=np.int32) for axis in box]
    voxels = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    # a ten thousandth of a voxel of noise must not lose a slice that lies on the slab's border
    local = voxels @ to_plane[:3, :3].T + to_plane[:3, 3] + 1e-4
    in_slab = (local[:, 0] >= -0.5) & (local[:, 0] < 0.5)
    row, column = np.floor(local[:, 1:] + 0.5).astype(np.int64).T
    rows, columns = mask.shape
    inside = in_slab & (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    inside[inside] = mask[row[inside], column[inside]]
    return np.asarray(voxels[inside], dtype=np.int32)


def _box_between(
    lower_edge: FloatArray, upper_edge: FloatArray, to_grid: FloatArray, shape: tuple[int, int, int]
) -> list[range]:
    """Return the ranges (k, j, i) of a grid's voxels that may lie in a box of another grid, given by two corners."""
    edges = np.stack([lower_edge, upper_edge])
    corners = np.stack([edges[[a, b, c], [0, 1, 2]] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    there = corners @ to_grid[:3, :3].T + to_grid[:3, 3]
    first = np.clip(np.ceil(there.min(axis=0) - 1e-3), 0, shape).astype(np.int64)
    last = np.clip(np.floor(there.max(axis=0) + 1e-3) + 1, first, shape).astype(np.int64)
    return [range(int(a), int(b)) for a, b in zip(first, last, strict=True)]


def _parts(box: list[range]) -> list[list[range]]:
    """Cut a box along k so that no part has too many voxels to hold at once; one part at least."""
    k, j, i = box
    step = max(1, _VOXELS_AT_ONCE // max(1, len(j) * len(i)))
    return [[k[n : n + step], j, i] for n in range(0, max(1, len(k)), step)]
