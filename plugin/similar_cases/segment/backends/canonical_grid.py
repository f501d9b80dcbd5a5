"""The grids that networks of others see: the volume's own axes, set to run right, anterior, superior, in cubes.

Axis 0 of such a grid runs nearest to the patient's right, axis 1 to anterior, axis 2 to superior (NIfTI's RAS), along
the volume's own directions, as MONAI's Orientation and torchio's ToCanonical leave them: an oblique volume stays so.
Only the part of a volume that a grid reaches is ever resampled.
"""

from dataclasses import replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.geometry import FloatArray, VolumeGeometry
from similar_cases.domain.volume import Volume
from similar_cases.volume.resample import resample_array

#: where axes 0, 1 and 2 point, LPS
_RAS = np.array([[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]])
IndexArray = NDArray[np.int64]


def canonical_grid(geometry: VolumeGeometry, spacing_mm: float) -> VolumeGeometry:
    """Return the grid of cubes of `spacing_mm` that covers a volume, its first voxel on the volume's.

    >>> axial = VolumeGeometry(np.diag([3.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]], (10, 30, 60), "1.2")
    >>> grid = canonical_grid(axial, 1.5)  # columns, which run to the left, become axis 0
    >>> grid.shape, grid.index_to_lps([1, 0, 0]).tolist()
    ((41, 21, 19), [[57.5, 29.0, 0.0]])
    """
    steps = geometry.affine[:3, :3]
    directions = steps / np.linalg.norm(steps, axis=0)
    order = max(
        permutations(range(3)), key=lambda axes: sum(abs(_RAS[n] @ directions[:, a]) for n, a in enumerate(axes))
    )
    signs = [1.0 if _RAS[n] @ directions[:, a] > 0 else -1.0 for n, a in enumerate(order)]
    ends = np.asarray(geometry.shape) - 1
    origin = np.zeros(3)
    for axis, sign in zip(order, signs, strict=True):
        origin[axis] = 0.0 if sign > 0 else ends[axis]
    affine = np.eye(4)
    affine[:3, :3] = np.stack(
        [directions[:, a] * sign * spacing_mm for a, sign in zip(order, signs, strict=True)], axis=1
    )
    affine[:3, 3] = geometry.index_to_lps(origin)[0]
    spans = [ends[a] * np.linalg.norm(steps[:, a]) for a in order]
    k, j, i = (int(np.ceil(span / spacing_mm - 1e-6)) + 1 for span in spans)
    return replace(geometry, affine=affine, shape=(k, j, i))


def window_round(grid: VolumeGeometry, index: FloatArray, size: int) -> VolumeGeometry:
    """Return a cube of `size` voxels of a grid round an index (3,), moved inside where it can be, centred where not."""
    shape = np.asarray(grid.shape)
    lower = np.clip(np.rint(index).astype(int) - size // 2, 0, np.maximum(shape - size, 0))
    lower = np.where(shape < size, -((size - shape) // 2), lower)
    return grid.crop(lower, (size, size, size))


def sampled(volume: Volume, grid: VolumeGeometry, fill: float) -> NDArray[np.float32]:
    """Return a volume's voxels on a grid, linear between them, `fill` outside and for what is no number."""
    lower, upper = _box_touched(volume.geometry, grid)
    if (upper <= lower).any():
        return np.full(grid.shape, fill, dtype=np.float32)
    part = volume.array[tuple(slice(a, b) for a, b in zip(lower, upper, strict=True))]
    k, j, i = part.shape
    finite = np.nan_to_num(part, nan=fill, posinf=fill, neginf=fill)
    return np.asarray(resample_array(finite, volume.geometry.crop(lower, (k, j, i)), grid, order=1, fill=fill))


def above(
    values: NDArray[np.float32], grid: VolumeGeometry, volume: VolumeGeometry, level: float
) -> tuple[NDArray[np.bool_], IndexArray]:
    """Tell which voxels of a volume lie where `values` on a grid, linear between them, are over `level`.

    Returns:
        A mask on the box of the volume that the grid reaches, and where the box begins (k, j, i).
    """
    lower, upper = _box_touched(volume, grid)
    if (upper <= lower).any():
        return np.zeros((0, 0, 0), dtype=bool), lower
    k, j, i = (upper - lower).tolist()
    outside = float(np.finfo(np.float32).min) / 4
    found = resample_array(values, grid, volume.crop(lower, (k, j, i)), order=1, fill=outside)
    return found > level, lower


def _box_touched(volume: VolumeGeometry, grid: VolumeGeometry) -> tuple[IndexArray, IndexArray]:
    """Return the box (lower, upper exclusive) of voxels of a volume that a grid touches, and one round it."""
    ends = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in grid.shape])).reshape(3, -1).T
    index = volume.lps_to_index(grid.index_to_lps(ends))
    lower = np.clip(np.floor(index.min(axis=0)) - 1, 0, volume.shape).astype(np.int64)
    upper = np.clip(np.ceil(index.max(axis=0)) + 2, 0, volume.shape).astype(np.int64)
    return lower, upper
