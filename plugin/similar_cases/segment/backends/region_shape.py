"""What every grown region is put through: prompts are kept, what is cut off falls away, holes are filled."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from similar_cases.domain.geometry import FloatArray
from similar_cases.segment.backends.region_seeds import Seeds, Window

#: a voxel so many times nearer to a negative than to any positive point is outside
_NEARER = 3.0


def finish(grown: NDArray[np.bool_], seeds: Seeds) -> tuple[NDArray[np.bool_], Window]:
    """Return the region on the box of the window that it spans: negative points outside, positive ones inside.

    Args:
        grown: (slices, rows, columns) of the window.
        seeds: the prompts.

    Returns:
        The mask, with no voxel set where nothing is left, and where the box lies in the window.
    """
    mask = grown.copy()
    if seeds.drawn is not None:
        mask |= seeds.drawn
    mask = _in_box(mask, seeds)
    _set(mask, seeds.inside, (0, 0, 0), inside=True)
    box = spanned(mask)
    part, lower = mask[box], [axis.start for axis in box]
    if len(seeds.outside):
        part &= ~_near_negatives(seeds, box)
        _set(part, seeds.inside, lower, inside=True)
    part = np.asarray(ndimage.binary_fill_holes(_connected(part, seeds, box)))
    _set(part, seeds.outside, lower, inside=False)
    return part, box


def spanned(mask: NDArray[np.bool_]) -> Window:
    """Return the box round the voxels set; an empty one where there is none."""
    spans = [np.flatnonzero(mask.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    k, j, i = (slice(int(span[0]), int(span[-1]) + 1) if len(span) else slice(0, 0) for span in spans)
    return k, j, i


def distances_mm(points: NDArray[np.int64], spacing_mm: FloatArray, box: Window) -> NDArray[np.float32]:
    """Return the distance of every voxel of a box to the nearest of (n, 3) voxels, n ≥ 1, mm."""
    axes = [np.arange(axis.start, axis.stop, dtype=np.float32) for axis in box]
    nearest = np.full([len(axis) for axis in axes], np.inf, dtype=np.float32)
    for point in points:
        k, j, i = (((axis - p) * s) ** 2 for axis, p, s in zip(axes, point, spacing_mm, strict=True))
        np.minimum(nearest, k[:, None, None] + j[None, :, None] + i[None, None, :], out=nearest, casting="same_kind")
    return np.asarray(np.sqrt(nearest))


def _near_negatives(seeds: Seeds, box: Window) -> NDArray[np.bool_]:
    """Tell the voxels of a box that negative points take."""
    to_negative = distances_mm(seeds.outside, seeds.spacing_mm, box)
    to_positive = distances_mm(seeds.centres, seeds.spacing_mm, box)
    return np.asarray(_NEARER * to_negative <= to_positive)


def _in_box(mask: NDArray[np.bool_], seeds: Seeds) -> NDArray[np.bool_]:
    """Keep what lies in the box, where there is one."""
    if seeds.box is None:
        return mask
    allowed = tuple(slice(int(a), int(b) + 1) for a, b in zip(*seeds.box, strict=True))
    kept = np.zeros_like(mask)
    kept[allowed] = mask[allowed]
    return kept


def _set(mask: NDArray[np.bool_], voxels: NDArray[np.int64], lower: Sequence[int], *, inside: bool) -> None:
    """Set or clear the voxels (n, 3) of the window that lie in `mask`, which begins at `lower`."""
    mask[tuple(_within(voxels - lower, mask.shape).T)] = inside


def _within(voxels: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    return np.asarray(voxels[((voxels >= 0) & (voxels < shape)).all(axis=1)])


def _connected(mask: NDArray[np.bool_], seeds: Seeds, box: Window) -> NDArray[np.bool_]:
    """Keep the parts that hold a positive prompt; the part nearest to a centre where none does."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    if count <= 1:
        return mask
    lower = [axis.start for axis in box]
    positive = np.concatenate([_within(voxels - lower, mask.shape) for voxels in (seeds.centres, seeds.inside)])
    kept = set(labels[tuple(positive.T)].tolist())
    if seeds.drawn is not None:
        kept |= set(np.unique(labels[seeds.drawn[box]]).tolist())
    if not kept - {0}:
        away = np.where(mask, distances_mm(seeds.centres, seeds.spacing_mm, box), np.inf)
        kept = {int(labels.flat[int(away.argmin())])}
    return np.asarray(np.isin(labels, sorted(kept - {0})))
