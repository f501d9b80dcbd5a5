"""The triangle mesh round a mask: what pyradiomics measures on it, in a tenth of the time and less.

Marching cubes of 2 x 2 x 2 voxels know 256 cases, so area and volume are sums over how often, and where, each occurs;
what one cube adds is asked of pyradiomics itself. Its diameters compare every vertex with every other, which takes
seconds for a lung; here only the corners of convex hulls are compared, since nothing else can be farthest.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

#: mask (z, y, x) and spacing (3,) → area, volume, four diameters; ``radiomics.cShape.calculate_coefficients``
Measure = Callable[[NDArray[np.bool_], NDArray[np.float64]], tuple[float, float, tuple[float, ...]]]

_CASES = 256
#: parts of a voxel in which volumes are counted
_PARTS = 48
#: points that are compared one by one rather than by their hull
_FEW = 32
#: rows of a table of distances that is held at a time
_ROWS = 256
#: bounds and distances are rounded; two of them this close are not told apart
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class CubeVolumes:
    """What a cube of each case adds to the volume of a mesh.

    Tetrahedra whose corners lie on halves of voxels have whole forty-eighths of a voxel: sums of them are exact.

    Attributes:
        at_origin: (256,) forty-eighths of a cube whose first voxel is the first of all.
        per_step: (256, 3) by how many that grows with each step along (z, y, x); over a closed mesh it sums to zero.
    """

    at_origin: NDArray[np.int64]
    per_step: NDArray[np.int64]

    @classmethod
    def measured_by(cls, measure: Measure) -> "CubeVolumes":
        """Ask for the volume of each cube alone, and behind another one along each axis."""

        def volume_of(mask: NDArray[np.bool_]) -> int:
            return round(measure(mask, np.ones(3))[1] * _PARTS)

        at_origin = [volume_of(cube) for cube in _cubes()]
        per_step = [
            [
                volume_of(np.concatenate((np.zeros_like(face), cube), axis))
                - volume_of(np.concatenate((np.zeros_like(face), face), axis))
                - alone
                for axis in range(3)
                for face in [cube.take([0], axis)]
            ]
            for cube, alone in zip(_cubes(), at_origin, strict=True)
        ]
        return cls(np.array(at_origin), np.array(per_step))


@dataclass(frozen=True)
class Mesh:
    """Measures of a mesh.

    Attributes:
        diameters_mm: the largest distances of two vertices of one plane across z, across y, across x; and of any two.
    """

    area_mm2: float
    volume_mm3: float
    diameters_mm: tuple[float, float, float, float]


def mesh_of(mask: NDArray[np.bool_], spacing_mm: NDArray[np.float64], measure: Measure, volumes: CubeVolumes) -> Mesh:
    """Measure the mesh whose vertices lie halfway between voxels inside and voxels outside.

    Areas and volumes equal pyradiomics' to some 1e-12 of them, by which its own long sums are rounded; diameters are
    the same numbers.

    Args:
        mask: (z, y, x), with no voxel set at its border.
        spacing_mm: (3,) along (z, y, x).
        measure: asked for the area of single cubes.
        volumes: measured by it.
    """
    cases = cases_of(mask)
    at = np.argwhere((cases > 0) & (cases < _CASES - 1))
    kinds = cases[tuple(at.T)]
    counts = np.bincount(kinds, minlength=_CASES)
    steps = np.stack([np.bincount(kinds, weights=along, minlength=_CASES) for along in at.T], axis=1)
    areas = np.array([measure(cube, spacing_mm)[0] for cube in _cubes()])
    parts = float(counts @ volumes.at_origin + (steps * volumes.per_step).sum())
    volume_mm3 = parts * float(np.prod(spacing_mm)) / _PARTS
    return Mesh(float(counts @ areas), volume_mm3, _diameters(mask, spacing_mm))


def cases_of(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the case of each cube, (z - 1, y - 1, x - 1): bit 4z + 2y + x stands for its voxel (z, y, x).

    >>> mask = np.zeros((2, 2, 3), bool)
    >>> mask[1, 0, 1] = True
    >>> cases_of(mask).tolist()
    [[[32, 16]]]
    """
    cases = mask.astype(np.uint8)
    cases = cases[:, :, :-1] | cases[:, :, 1:] << np.uint8(1)
    cases = cases[:, :-1] | cases[:, 1:] << np.uint8(2)
    return cases[:-1] | cases[1:] << np.uint8(4)


def _cubes() -> Iterator[NDArray[np.bool_]]:
    """Yield the voxels (2, 2, 2) of each case."""
    for case in range(_CASES):
        yield np.unpackbits(np.array([case], dtype=np.uint8), bitorder="little").astype(bool).reshape(2, 2, 2)


def _diameters(mask: NDArray[np.bool_], spacing_mm: NDArray[np.float64]) -> tuple[float, float, float, float]:
    doubled = _doubled_vertices(mask)
    across = [_farthest_in_planes(doubled, spacing_mm, axis) for axis in range(3)]
    z, y, x, whole = np.sqrt([*across, _farthest(_corners(doubled), spacing_mm)]).tolist()
    return z, y, x, whole


def _doubled_vertices(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return twice the indices of the vertices, (n, 3) whole numbers."""
    found = []
    for axis in range(3):
        moved = np.moveaxis(mask, axis, 0)
        at = np.argwhere(np.moveaxis(moved[1:] != moved[:-1], 0, axis)) * 2
        at[:, axis] += 1
        found.append(at)
    return np.concatenate(found)


def _farthest_in_planes(doubled: NDArray[np.intp], spacing_mm: NDArray[np.float64], axis: int) -> float:
    """Return the largest squared distance of two vertices that share their index along `axis`."""
    ordered = doubled[np.argsort(doubled[:, axis], kind="stable")]
    starts = np.flatnonzero(np.diff(ordered[:, axis], prepend=-1))
    sides = np.maximum.reduceat(ordered, starts) - np.minimum.reduceat(ordered, starts)
    bounds = ((sides / 2 * spacing_mm) ** 2).sum(axis=1) * (1 + _ROUNDING)
    planes = np.split(np.delete(ordered, axis, 1), starts[1:])
    in_plane_mm = np.delete(spacing_mm, axis)
    farthest = 0.0
    for number in np.argsort(-bounds):
        if bounds[number] <= farthest:  # no plane that is left reaches so far
            break
        farthest = max(farthest, _farthest(_corners(planes[number]), in_plane_mm))
    return farthest


def _corners(points: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return those of (n, d) points that are corners of their convex hull.

    On whole numbers a corner stands out of what surrounds it by far more than Qhull rounds.
    """
    if len(points) <= _FEW:
        return points
    try:
        return points[np.asarray(ConvexHull(points).vertices, dtype=np.intp)]
    except QhullError:  # they lie on a line
        return points[np.lexsort(points.T)[[0, -1]]]


def _farthest(doubled: NDArray[np.intp], spacing_mm: NDArray[np.float64]) -> float:
    """Return the largest squared distance of any two of (n, d) points."""
    points = doubled / 2 * spacing_mm
    farthest = 0.0
    for start in range(0, len(points), _ROWS):
        squares = (points[start : start + _ROWS, None] - points[start:]) ** 2
        farthest = max(farthest, float(squares.sum(axis=-1).max()))
    return farthest
