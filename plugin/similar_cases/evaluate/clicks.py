"""Where a person would click: first in the middle of the lesion, then in the middle of the largest error."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.prompts import PointPrompt, Polarity

Mask = NDArray[np.bool_]


def first_click(truth: Mask, geometry: VolumeGeometry) -> PointPrompt:
    """Return a click at the centroid of `truth` (k, j, i); at the nearest voxel inside where it lies outside.

    >>> geometry = VolumeGeometry(np.diag([5.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]], (1, 3, 4), "1.2.3")
    >>> first_click(np.array([[[1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]]], bool), geometry).point_lps
    (1.0, 2.0, 0.0)
    """
    return _click(_nearest_to_middle(np.argwhere(truth), geometry), Polarity.POSITIVE, geometry)


def next_click(guess: Mask, truth: Mask, geometry: VolumeGeometry) -> PointPrompt | None:
    """Return the click that corrects most: in the middle of the largest error, positive or negative.

    An error is a connected part of what is missing or too much; its middle is the voxel deepest inside, of several
    the one in their middle. None where `guess` and `truth` (k, j, i) are equal.
    """
    missing, excess = _largest_part(truth & ~guess), _largest_part(guess & ~truth)
    if not missing.any() and not excess.any():
        return None
    if np.count_nonzero(missing) >= np.count_nonzero(excess):
        return _click(_deepest(missing, geometry), Polarity.POSITIVE, geometry)
    return _click(_deepest(excess, geometry), Polarity.NEGATIVE, geometry)


def _largest_part(mask: Mask) -> Mask:
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(labels.ravel())
    return np.asarray(labels == 1 + int(sizes[1:].argmax()))


def _deepest(mask: Mask, geometry: VolumeGeometry) -> NDArray[np.int64]:
    [box] = ndimage.find_objects(mask.astype(np.int8))
    depth = ndimage.distance_transform_edt(np.pad(mask[box], 1), sampling=geometry.spacing_mm)[1:-1, 1:-1, 1:-1]
    deepest = np.argwhere(depth >= depth.max() - 1e-9) + [axis.start for axis in box]
    return _nearest_to_middle(deepest, geometry)


def _nearest_to_middle(voxels: NDArray[np.int64], geometry: VolumeGeometry) -> NDArray[np.int64]:
    """Return the one of (n, 3) voxels that is nearest to their mean, in mm."""
    off = (voxels - voxels.mean(axis=0)) * np.asarray(geometry.spacing_mm)
    return np.asarray(voxels[int((off**2).sum(axis=1).argmin())])


def _click(voxel: NDArray[np.int64], polarity: Polarity, geometry: VolumeGeometry) -> PointPrompt:
    x, y, z = geometry.index_to_lps(voxel)[0]
    return PointPrompt((float(x), float(y), float(z)), polarity)
