"""Arrays from one grid to another: masks by nearest neighbour, images by spline; oblique and sheared grids too.

The work is done by ITK in index space: the map from target indices to source indices is one affine matrix, whatever
the two grids' directions are, so that no direction cosines need to be orthonormal.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.geometry import FloatArray, VolumeGeometry

#: an index that is this near to a whole number is that number, voxels
_WHOLE = 1e-4
_INTERPOLATORS = {0: SimpleITK.sitkNearestNeighbor, 1: SimpleITK.sitkLinear, 3: SimpleITK.sitkBSpline}


def resample_mask(
    mask: NDArray[np.bool_], source_geometry: VolumeGeometry, target_geometry: VolumeGeometry
) -> NDArray[np.bool_]:
    """Resample a `mask` (slices, rows, columns) from its grid onto another; nearest neighbour, False outside.

    A new array is returned; where the grids are the same or differ by whole voxels it is an exact copy.

    Raises:
        InvalidRequest: grids in different Frames of Reference, or a mask that does not fit its grid.

    >>> import numpy as np
    >>> fine = VolumeGeometry(np.diag([1.0, 1, 1, 1])[[2, 1, 0, 3]], (4, 4, 4), "1.2")
    >>> coarse = VolumeGeometry(np.diag([1.0, 1, 2, 1])[[2, 1, 0, 3]], (4, 4, 2), "1.2")  # columns 2 mm apart
    >>> mask = np.zeros(fine.shape, bool)
    >>> mask[1, 2, 2] = True  # (k, j, i): x = 2 mm
    >>> np.argwhere(resample_mask(mask, fine, coarse)).tolist()
    [[1, 2, 1]]
    """
    _check(mask, source_geometry, target_geometry)
    found = np.zeros(target_geometry.shape, dtype=bool)
    if not mask.any():
        return found
    to_source = _index_map(source_geometry, target_geometry)
    box = _box_of(mask)
    where = _image_of(box, _index_map(target_geometry, source_geometry), target_geometry.shape)
    if where is None:
        return found
    # only the mask's own box is resampled, onto only that part of the target which it can reach
    matrix = _shifted(to_source, target_lower=[part.start for part in where], source_lower=[part.start for part in box])
    shape = tuple(part.stop - part.start for part in where)
    found[where] = _resampled(mask[box].astype(np.uint8), matrix, shape, order=0, fill=0.0)
    return found


def resample_array(
    array: NDArray[Any], source: VolumeGeometry, target: VolumeGeometry, *, order: int, fill: float = 0.0
) -> NDArray[Any]:
    """Resample an `array` (slices, rows, columns) from its grid onto another; `fill` outside.

    Args:
        array: any number type; bool for order 0 alone.
        source: the array's grid, LPS mm.
        target: the grid of the result, LPS mm, in the same Frame of Reference.
        order: 0 nearest neighbour (keeps the type), 1 linear, 3 cubic B-spline (both give float32).
        fill: the value of voxels whose centres lie outside the source, its outer half voxels being inside.

    Raises:
        InvalidRequest: grids in different Frames of Reference, an array that does not fit its grid, another order.

    >>> import numpy as np
    >>> grid = VolumeGeometry(np.diag([1.0, 1, 1, 1])[[2, 1, 0, 3]], (1, 1, 3), "1.2")
    >>> between = VolumeGeometry(grid.affine + np.eye(4, k=3) * 0.5, (1, 1, 2), "1.2")  # begins at x = 0.5 mm
    >>> resample_array(np.array([[[0.0, 10.0, 20.0]]]), grid, between, order=1).tolist()
    [[[5.0, 15.0]]]
    """
    _check(array, source, target)
    if order not in _INTERPOLATORS:
        raise InvalidRequest(f"order {order}; there are 0 (nearest), 1 (linear) and 3 (cubic)")
    if array.dtype == np.bool_ and order != 0:
        raise InvalidRequest("a mask is resampled with order 0")
    kind = array.dtype if order == 0 else np.dtype(np.float32)
    matrix = _index_map(source, target)
    offset = np.rint(matrix[:3, 3])
    if np.abs(matrix[:3, :3] - np.eye(3)).max() < _WHOLE / max(target.shape) and np.allclose(
        matrix[:3, 3], offset, atol=_WHOLE
    ):
        return _moved(array, offset.astype(int).tolist(), target.shape, fill).astype(kind, copy=False)
    prepared = array.astype(np.uint8) if kind == np.bool_ else array if order == 0 else array.astype(kind, copy=False)
    return _resampled(prepared, matrix, target.shape, order=order, fill=fill).astype(kind, copy=False)


def isotropic(
    array: NDArray[Any], geometry: VolumeGeometry, spacing_mm: float, *, order: int
) -> tuple[NDArray[Any], VolumeGeometry]:
    """Resample an `array` (slices, rows, columns) to cubic voxels; the centres of both grids fall together.

    The number of voxels along an axis is rounded up (IBSI reference manual, section 2.4), and the outer ones repeat
    the border where they reach beyond it.

    Raises:
        InvalidRequest: a spacing that is not positive, and as in `resample_array`.

    >>> import numpy as np
    >>> grid = VolumeGeometry(np.diag([5.0, 1, 1, 1])[[2, 1, 0, 3]], (2, 10, 10), "1.2")  # slices 5 mm apart
    >>> cubes, fine = isotropic(np.zeros((2, 10, 10)), grid, 2.0, order=1)
    >>> cubes.shape, fine.spacing_mm
    ((5, 5, 5), (2.0, 2.0, 2.0))
    """
    if not spacing_mm > 0:
        raise InvalidRequest(f"a spacing of {spacing_mm} mm")
    old = np.asarray(geometry.spacing_mm)
    shape = np.maximum(1, np.ceil(np.asarray(geometry.shape) * old / spacing_mm - 1e-6)).astype(int)
    factors = spacing_mm / old  # source voxels in one target voxel, (k, j, i)
    lower = (np.asarray(geometry.shape) - 1) / 2 - factors * (shape - 1) / 2
    affine = np.array(geometry.affine)
    affine[:3, :3] = affine[:3, :3] * factors
    affine[:3, 3] = geometry.index_to_lps(lower)[0]
    k, j, i = shape.tolist()
    target = replace(geometry, affine=affine, shape=(k, j, i))
    edge = [(1, 1)] * 3
    padded = np.pad(array, edge, mode="edge")
    wider = geometry.crop((-1, -1, -1), padded.shape)
    return resample_array(padded, wider, target, order=order), target


def _check(array: NDArray[Any], source: VolumeGeometry, target: VolumeGeometry) -> None:
    if array.shape != source.shape:
        raise InvalidRequest(f"an array of shape {array.shape} on a grid of shape {source.shape}")
    if source.frame_of_reference_uid != target.frame_of_reference_uid:
        raise InvalidRequest(
            "the grids lie in different Frames of Reference; only a registration could bring them together"
        )


def _index_map(source: VolumeGeometry, target: VolumeGeometry) -> FloatArray:
    """Return the (4, 4) map of target indices (k, j, i) to source indices."""
    found: FloatArray = np.linalg.inv(source.affine) @ target.affine
    return found


def _shifted(matrix: FloatArray, *, target_lower: list[int], source_lower: list[int]) -> FloatArray:
    """Return the index map between boxes that begin at `target_lower` and `source_lower`."""
    found = matrix.copy()
    found[:3, 3] += matrix[:3, :3] @ np.asarray(target_lower, dtype=float) - np.asarray(source_lower, dtype=float)
    return found


def _box_of(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    spans = (np.flatnonzero(mask.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    k, j, i = (slice(int(span[0]), int(span[-1]) + 1) for span in spans)
    return k, j, i


def _image_of(
    box: tuple[slice, slice, slice], to_target: FloatArray, shape: tuple[int, int, int]
) -> tuple[slice, slice, slice] | None:
    """Return the target's voxels that a source `box` can reach; None where there are none."""
    ends = np.meshgrid(*[(part.start - 0.5, part.stop - 0.5) for part in box])
    corners = np.stack([axis.ravel() for axis in ends], axis=1) @ to_target[:3, :3].T + to_target[:3, 3]
    lower = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
    upper = np.minimum(np.ceil(corners.max(axis=0)) + 1, shape).astype(int)
    if (upper <= lower).any():
        return None
    k, j, i = (slice(low, high) for low, high in zip(lower.tolist(), upper.tolist(), strict=True))
    return k, j, i


def _moved(array: NDArray[Any], offset: list[int], shape: tuple[int, ...], fill: float) -> NDArray[Any]:
    """Copy whole voxels: target index t is source index t + offset."""
    found = np.full(shape, fill, dtype=array.dtype)
    ends = [(max(0, -o), min(n, m - o)) for o, n, m in zip(offset, shape, array.shape, strict=True)]
    if all(low < high for low, high in ends):
        there = tuple(slice(low, high) for low, high in ends)
        here = tuple(slice(low + o, high + o) for (low, high), o in zip(ends, offset, strict=True))
        found[there] = array[here]
    return found


def _resampled(
    array: NDArray[Any], matrix: FloatArray, shape: tuple[int, ...], *, order: int, fill: float
) -> NDArray[Any]:
    """Run ITK in index space: unit spacing, no directions, and `matrix` as the transform."""
    reverse = matrix[2::-1, 2::-1]  # ITK counts (i, j, k)
    transform = SimpleITK.AffineTransform(reverse.ravel().tolist(), matrix[2::-1, 3].tolist())
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(array))
    resampler = SimpleITK.ResampleImageFilter()
    resampler.SetSize([int(n) for n in reversed(shape)])
    resampler.SetTransform(transform)
    resampler.SetInterpolator(_INTERPOLATORS[order])
    resampler.SetDefaultPixelValue(fill)
    found: NDArray[Any] = SimpleITK.GetArrayFromImage(resampler.Execute(image))
    return found
