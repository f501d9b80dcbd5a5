"""Planar contours → mask on a volume's grid.

Contours of one plane are filled by the even-odd rule all together, so that an inner contour is a hole and a keyhole
contour (PS3.3 C.8.8.6.3) has the hole that it goes round. A voxel is inside where its centre is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from similar_cases.domain.errors import MalformedDicom
from similar_cases.domain.geometry import FloatArray, VolumeGeometry
from similar_cases.domain.prompts import MaskPrompt
from similar_cases.segment.planes import empty_mask, paste_planes, slices_of

#: contours whose points leave their slice by more than this many slices lie in a plane of their own
_IN_SLICE = 0.5
#: a contour that leaves its own plane by more than this many plane distances is left out
_PLANAR = 2.0
#: pixels along a side of the planes that oblique contours are drawn in, and their number
_LONGEST_SIDE = 2048
#: contours nearer to each other than this many slices are of one plane
_SAME_PLANE = 0.05
#: rounds off the noise of the conversion to indices; far below a thousandth of a voxel
_DECIMALS = 6
#: contours drawn on every n-th slice are joined by shape; wider gaps than this stay gaps
_WIDEST_STEP_MM = 20.0
#: edges crossing rows; a chest with twenty structures has two million
_MOST_CROSSINGS = 200_000_000
_CROSSINGS_AT_ONCE = 4_000_000


@dataclass(frozen=True, eq=False)
class DrawnMask:
    """What contours gave: the mask on a box of the volume's grid, and what was done on the way, for people."""

    prompt: MaskPrompt
    notes: tuple[str, ...] = ()


def fill_polygons(polygons: Sequence[FloatArray], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill polygons by the even-odd rule over all of them.

    Args:
        polygons: each (n, 2) of fractional (row j, column i) indices, closed or not.
        shape: (rows, columns) of the result.

    Returns:
        (rows, columns) bool: voxels whose centre is inside; a centre on an upper or left edge counts as inside.

    >>> square = np.array([[0.5, 0.5], [0.5, 3.5], [3.5, 3.5], [3.5, 0.5]])
    >>> fill_polygons([square, square * 0.4 + 1.2], (5, 5)).astype(int).tolist()
    [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 0, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    """
    rows, columns = shape
    toggles = np.zeros((rows, columns + 1), dtype=np.int32)
    for polygon in polygons:
        start = np.round(polygon, _DECIMALS)
        _toggle_crossings(toggles, start, np.roll(start, -1, axis=0))
    return (np.cumsum(toggles[:, :columns], axis=1) & 1).astype(bool)


def _toggle_crossings(toggles: NDArray[np.int32], start: FloatArray, end: FloatArray) -> None:
    """Count, for every row that an edge crosses, the first voxel to the right of the crossing."""
    rows, columns = toggles.shape[0], toggles.shape[1] - 1
    upper, lower = np.minimum(start[:, 0], end[:, 0]), np.maximum(start[:, 0], end[:, 0])
    first = np.clip(np.ceil(upper), 0, rows).astype(np.int64)
    counts = np.clip(np.ceil(lower), 0, rows).astype(np.int64) - first
    for chunk in _chunks(counts):
        n = counts[chunk]
        edge = np.repeat(np.arange(chunk.start, chunk.stop), n)
        row = np.arange(len(edge)) - np.repeat(np.cumsum(n) - n, n) + first[edge]
        slope = (row - start[edge, 0]) / (end[edge, 0] - start[edge, 0])
        crossing = start[edge, 1] + slope * (end[edge, 1] - start[edge, 1])
        column = np.clip(np.ceil(np.round(crossing, _DECIMALS)), 0, columns).astype(np.int64)
        toggles += np.bincount(row * (columns + 1) + column, minlength=toggles.size).reshape(toggles.shape)


def _chunks(counts: NDArray[np.int64]) -> list[slice]:
    """Cut edges into runs that cross a bounded number of rows."""
    totals = np.cumsum(counts)
    if len(totals) and totals[-1] > _MOST_CROSSINGS:
        raise MalformedDicom(f"contours cross {totals[-1]} rows; more than {_MOST_CROSSINGS} are not drawn")
    cuts = np.flatnonzero(np.diff(totals // _CROSSINGS_AT_ONCE)) + 1
    edges = [0, *cuts.tolist(), len(counts)]
    return [slice(a, b) for a, b in pairwise(edges) if counts[a:b].any()]


def draw_contours(contours: Sequence[FloatArray], grid: VolumeGeometry) -> DrawnMask:
    """Draw the closed planar contours of one structure.

    Contours in or beside a slice go to the nearest slice; of several planes nearest to one slice the closest is taken.
    Where the planes are several slices apart, as when every second slice was contoured, the slices between are
    interpolated by shape (Raya and Udupa 1990, signed distances). Contours in planes that are not the volume's
    slices (a reformat, a tilted gantry) are drawn in their own planes and then read at the voxel centres.

    Args:
        contours: each (n, 3), n ≥ 3, LPS mm.
        grid: the volume's.

    Returns:
        A mask on the box of `grid` that the contours span; one voxel, not set, where they miss the grid.
    """
    contours = _without_repeats(contours)
    in_index = [grid.lps_to_index(contour) for contour in contours]
    if all(np.ptp(contour[:, 0]) <= _IN_SLICE for contour in in_index):
        return _draw_in_slices(in_index, grid)
    return _draw_obliquely(contours, grid)


def _without_repeats(contours: Sequence[FloatArray]) -> list[FloatArray]:
    """Return contours, each once: planning systems write one twice, and by the even-odd rule two are none."""
    return list({np.unique(contour.round(3), axis=0).tobytes(): contour for contour in contours}.values())


def _draw_obliquely(contours: Sequence[FloatArray], grid: VolumeGeometry) -> DrawnMask:
    """Draw contours, (n, 3) LPS mm, in planes of their own, then read them at the voxel centres of `grid`."""
    own = _drawing_grid(contours, grid)
    in_index = [own.lps_to_index(contour) for contour in contours]
    planar = [contour for contour in in_index if np.ptp(contour[:, 0]) <= _PLANAR]
    if not planar:
        raise MalformedDicom("no contour lies in a plane")
    drawn = _draw_in_slices(planar, own)
    pasted = paste_planes(slices_of(drawn.prompt), grid)
    notes = ["contours oblique to the slices, read at the voxel centres", *drawn.notes]
    if len(planar) < len(contours):
        notes.append(f"{len(contours) - len(planar)} contours that lie in other planes left out")
    return DrawnMask(pasted or empty_mask(grid, grid.lps_to_index(np.concatenate(list(contours)))), tuple(notes))


def _drawing_grid(contours: Sequence[FloatArray], grid: VolumeGeometry) -> VolumeGeometry:
    """Return a grid whose slices are the planes of `contours`, LPS mm, with half the voxel size of `grid` in them."""
    normal = max((_area_vector(contour) for contour in contours), key=lambda v: float(np.linalg.norm(v)))
    if not normal.any():
        raise MalformedDicom("contours enclose no area")
    normal = normal / np.linalg.norm(normal)
    along = min((grid.affine[:3, axis] for axis in range(3)), key=lambda v: abs(float(v @ normal)) / np.linalg.norm(v))
    across = np.cross(normal, along) / np.linalg.norm(np.cross(normal, along))
    axes = np.stack([normal, across, np.cross(across, normal)])
    local = [contour @ axes.T for contour in contours]
    lower, upper = (reach(np.concatenate(local), axis=0) for reach in (np.min, np.max))
    pixel = max(min(grid.spacing_mm) / 2, float((upper - lower)[1:].max()) / _LONGEST_SIDE)
    step = max(_step(local, grid), float(upper[0] - lower[0]) / _LONGEST_SIDE)
    spacing = np.array([step, pixel, pixel])
    affine = np.eye(4)
    affine[:3, :3] = axes.T * spacing
    affine[:3, 3] = lower @ axes
    k, j, i = (int(n) for n in np.ceil((upper - lower) / spacing) + 1)
    return VolumeGeometry(affine, (k, j, i), grid.frame_of_reference_uid)


def _step(local: Sequence[FloatArray], grid: VolumeGeometry) -> float:
    """Return the usual distance between the planes of contours, (n, 3) with the depth first, mm."""
    depths = np.sort([contour[:, 0].mean() for contour in local if np.ptp(contour[:, 0]) <= min(grid.spacing_mm)])
    steps = np.diff(depths)
    steps = steps[steps > min(grid.spacing_mm) * _SAME_PLANE]
    return float(np.median(steps)) if len(steps) else max(grid.spacing_mm)


def _area_vector(contour: FloatArray) -> FloatArray:
    """Return the normal of a closed contour, as long as its area (Newell)."""
    centred = contour - contour.mean(axis=0)
    return np.asarray(np.cross(centred, np.roll(centred, -1, axis=0)).sum(axis=0) / 2)


def _draw_in_slices(contours: Sequence[FloatArray], grid: VolumeGeometry) -> DrawnMask:
    """Draw contours, (n, 3) indices, each of which lies in or beside one slice."""
    planes = _by_plane(contours)
    box = _box_of(contours, grid)
    if box is None:
        return DrawnMask(empty_mask(grid, np.concatenate(list(contours))))
    lower, shape = box
    filled: dict[int, tuple[float, NDArray[np.bool_]]] = {}
    for position, polygons in planes:
        k = round(position) - int(lower[0])
        distance = abs(position - round(position))
        if 0 <= k < shape[0] and (k not in filled or distance < filled[k][0]):
            filled[k] = distance, fill_polygons([p[:, 1:] - lower[1:] for p in polygons], shape[1:])
    mask = np.zeros(shape, dtype=bool)
    for k, (_, plane) in filled.items():
        mask[k] = plane
    notes = _fill_between(mask, sorted(filled), [position for position, _ in planes], grid.spacing_mm[0])
    return DrawnMask(MaskPrompt(mask, grid.crop(lower, shape)), notes)


def _by_plane(contours: Sequence[FloatArray]) -> list[tuple[float, list[FloatArray]]]:
    """Group contours by their plane; each with its mean position k, from the lowest."""
    positions = np.array([contour[:, 0].mean() for contour in contours])
    order = np.argsort(positions, kind="stable")
    breaks = np.flatnonzero(np.diff(positions[order]) > _SAME_PLANE) + 1
    groups = np.split(order, breaks)
    return [(float(positions[group].mean()), [contours[n] for n in group]) for group in groups]


def _box_of(
    contours: Sequence[FloatArray], grid: VolumeGeometry
) -> tuple[NDArray[np.int64], tuple[int, int, int]] | None:
    """Return lower index and shape of the box of voxels that contours, (n, 3) indices, span; None outside the grid."""
    every = np.concatenate(list(contours))
    last = np.asarray(grid.shape) - 1
    # half a voxel of noise more or less costs nothing here, and a slice lost would be a slice lost
    lower = np.clip(np.floor(every.min(axis=0) + 0.5 - 1e-3), 0, None).astype(np.int64)
    upper = np.clip(np.ceil(every.max(axis=0) - 0.5 + 1e-3), None, last).astype(np.int64)
    if (upper < lower).any():
        return None
    k, j, i = (int(n) for n in upper - lower + 1)
    return lower, (k, j, i)


def _fill_between(mask: NDArray[np.bool_], drawn: list[int], positions: list[float], spacing: float) -> tuple[str, ...]:
    """Interpolate the slices of `mask` between drawn ones where the drawing's own step is several slices."""
    steps = np.diff(positions)
    if not len(steps):
        return ()
    step = float(np.median(steps))
    if step < 1.5 or step * spacing > _WIDEST_STEP_MM:
        return ()
    between = [(a, b) for a, b in pairwise(drawn) if 1 < b - a <= step * 1.25]
    for a, b in between:
        below, above = _signed_distance(mask[a]), _signed_distance(mask[b])
        for k in range(a + 1, b):
            share = (k - a) / (b - a)
            mask[k] = (1 - share) * below + share * above > 0
    count = sum(b - a - 1 for a, b in between)
    return (f"{count} slices between contours interpolated by shape",) if count else ()


def _signed_distance(plane: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance to the outline in pixels, positive inside."""
    framed = np.pad(plane, 1)
    if not plane.any():
        return np.full(plane.shape, -np.float32(max(plane.shape)), dtype=np.float32)
    distance = ndimage.distance_transform_edt(framed) - ndimage.distance_transform_edt(~framed)
    return np.asarray(distance[1:-1, 1:-1], dtype=np.float32)
