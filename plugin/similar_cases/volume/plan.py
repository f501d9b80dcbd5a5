"""Stacks to planned volumes: the grid, the place of each Slice on it, and what had to be mended."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.case import derived_uid
from similar_cases.domain.errors import TooLarge
from similar_cases.domain.geometry import FloatArray, VolumeGeometry
from similar_cases.domain.references import FrameRef, SeriesRef
from similar_cases.volume.bounds import VolumeBounds
from similar_cases.volume.layout import Layout, layouts
from similar_cases.volume.separate import separate
from similar_cases.volume.slices import Slice
from similar_cases.volume.stacks import Stack, frame_of_reference, parallel_stacks

#: a stack that drifts less than this from its first to its last slice is not sheared, voxels
_DRIFT_VOXELS = 0.2
#: planes so near to the straight line lie on it: positions are rounded, and moving by the rounding would only blur
_JITTER_VOXELS = 0.25
#: a grid that needs more than this many times the area of a slice holds slices that lie beside each other
_MAX_SHEARED_AREA = 4.0


@dataclass(frozen=True, eq=False)
class VolumePlan:
    """A Volume before its voxels are decoded.

    Attributes:
        slices: in the order of k.
        steps: (n,) the k of each Slice; indices left out are gaps to be interpolated.
        shifts_voxels: (n, 2) where each Slice begins on the grid, (rows, columns); zero but for a sheared stack.
        frames: the Frame of each k; the nearest one for an interpolated slice.
    """

    slices: tuple[Slice, ...]
    steps: NDArray[np.intp]
    shifts_voxels: FloatArray
    geometry: VolumeGeometry
    frames: tuple[FrameRef, ...]
    label: str
    notes: tuple[str, ...]


def plan_volumes(
    slices: list[Slice], series: SeriesRef, bounds: VolumeBounds, digest: Callable[[Slice], bytes]
) -> tuple[list[VolumePlan], list[str]]:
    """Plan the volumes of a Series, the largest stack first; and tell, in words, what is in none of them.

    Raises:
        TooLarge: the first volume alone is over the bound.
    """
    plans: list[VolumePlan] = []
    left_out: list[str] = []
    for stack in parallel_stacks(slices):
        for single in separate(stack, bounds, digest):
            for planned in _plans_of(single, series, bounds):
                if isinstance(planned, str):
                    left_out.append(planned)
                else:
                    plans.append(planned)
    return _within(plans, left_out, bounds), left_out


def _within(plans: list[VolumePlan], left_out: list[str], bounds: VolumeBounds) -> list[VolumePlan]:
    """Keep the volumes that fit the bounds, the first of them at least."""
    kept: list[VolumePlan] = []
    voxels = 0
    for plan in plans:
        voxels += math.prod(plan.geometry.shape)
        if not kept and voxels > bounds.max_voxels:
            shape = " × ".join(map(str, plan.geometry.shape))
            raise TooLarge(f"the volume has {shape} voxels; at most {bounds.max_voxels} are taken")
        if len(kept) == bounds.max_volumes or voxels > bounds.max_voxels:
            left_out.append(f"{len(plans) - len(kept)} of {len(plans)} volumes, over the bound of one series")
            break
        kept.append(plan)
    return kept


def _plans_of(stack: Stack, series: SeriesRef, bounds: VolumeBounds) -> Iterator[VolumePlan | str]:
    """Yield the volumes of a stack, and words for each Slice or group of them that is in none."""
    alone = len(stack.positions()) == len(stack.slices)  # else there are too few positions to tell the images apart
    found = layouts(stack.distances_mm, bounds) if alone else []
    used = sum(len(layout.members) for layout in found)
    if rest := len(stack.slices) - used:
        yield _why_not(stack, rest, bounds)
    for number, layout in enumerate(found, start=1):
        label = f"part={number}" if len(found) > 1 else ""
        yield _plan(stack.part(layout.members.tolist(), label), layout, series)


def _why_not(stack: Stack, rest: int, bounds: VolumeBounds) -> str:
    """Tell why `rest` Slices of a stack are in no volume."""
    name = f" ({stack.label})" if stack.label else ""
    count = f"{rest} slice{'s' * (rest > 1)}{name}"
    if (positions := len(stack.positions())) < bounds.min_slices:
        where = f" at {positions} position{'s' * (positions > 1)}" if positions < len(stack.slices) else ""
        return f"{count}{where}: a volume needs parallel slices at {bounds.min_slices} positions at least"
    apart = np.diff(stack.distances_mm)
    return f"{count} at irregular distances, {apart.min():.2f} to {apart.max():.2f} mm"


def _plan(stack: Stack, layout: Layout, series: SeriesRef) -> VolumePlan | str:
    first = stack.slices[0]
    shifts, origin, size, tilt = _shear(stack)
    if math.prod(size) > _MAX_SHEARED_AREA * math.prod(first.size):
        return f"{len(stack.slices)} slices that lie beside each other, not over each other"
    notes = list(stack.notes)
    if tilt:
        notes.append(f"{tilt}: slices moved onto an orthogonal grid")
    if layout.missing:
        notes.append(f"{layout.missing} missing slice{'s' * (layout.missing > 1)} interpolated")
    uid = frame_of_reference(first)
    if not uid:
        uid = derived_uid("frame-of-reference", series.series_uid)
        notes.append("no Frame of Reference UID: one was derived from the series")
    affine = np.eye(4)
    affine[:3, 0] = first.normal * layout.spacing_mm
    affine[:3, 1] = first.column_direction * first.spacing_mm[0]
    affine[:3, 2] = first.row_direction * first.spacing_mm[1]
    affine[:3, 3] = origin
    return VolumePlan(
        slices=stack.slices,
        steps=layout.steps,
        shifts_voxels=shifts,
        geometry=VolumeGeometry(affine, (layout.slice_count, *size), uid),
        frames=_frames(stack.slices, layout),
        label=stack.label,
        notes=tuple(notes),
    )


def _shear(stack: Stack) -> tuple[FloatArray, FloatArray, tuple[int, int], str]:
    """Find where each Slice begins within the plane of the first.

    Returns:
        shifts (n, 2) in voxels (rows, columns); the grid's origin (3,) LPS mm; its (rows, columns); words for the
        tilt. All zero and empty for a stack that is not sheared.
    """
    first = stack.slices[0]
    moved = np.array([one.origin_lps - first.origin_lps for one in stack.slices])  # (n, 3)
    in_plane = np.stack([moved @ first.column_direction, moved @ first.row_direction], axis=1)  # (n, 2) mm
    shifts = _straightened(in_plane / np.array(first.spacing_mm), stack.distances_mm)
    if np.ptp(shifts, axis=0).max() <= _DRIFT_VOXELS:
        return np.zeros_like(shifts), first.origin_lps, first.size, ""
    low = shifts.min(axis=0)
    rows, columns = (
        int(n + math.ceil(more - 1e-6)) for n, more in zip(first.size, np.ptp(shifts, axis=0), strict=True)
    )
    offset = low * np.array(first.spacing_mm)
    origin = first.origin_lps + offset[0] * first.column_direction + offset[1] * first.row_direction
    return shifts - low, origin, (rows, columns), _tilt(in_plane, stack.distances_mm)


def _straightened(shifts: FloatArray, distances_mm: FloatArray) -> FloatArray:
    """Return the drift of shifts (n, 2) along the straight line through them, where all lie near it."""
    along = distances_mm - distances_mm[0]
    slope, start = np.polyfit(along, shifts, 1)
    line: FloatArray = along[:, None] * slope
    return line if np.abs(shifts - line - start).max() <= _JITTER_VOXELS else shifts


def _tilt(in_plane_mm: FloatArray, distances_mm: FloatArray) -> str:
    """Name a constant drift a gantry tilt with its angle, anything else what it is."""
    along = distances_mm - distances_mm[0]
    drift = in_plane_mm[-1] / along[-1]
    straight = np.abs(in_plane_mm - along[:, None] * drift).max() < 0.5
    angle = math.degrees(math.atan(float(np.linalg.norm(drift))))
    return f"gantry tilt of {angle:.1f}°" if straight else "slices shifted within their planes"


def _frames(slices: tuple[Slice, ...], layout: Layout) -> tuple[FrameRef, ...]:
    steps = layout.steps
    after = np.searchsorted(steps, np.arange(layout.slice_count))
    before = np.maximum(after - 1, 0)
    nearer = np.abs(steps[before] - np.arange(layout.slice_count)) < np.abs(
        steps[after] - np.arange(layout.slice_count)
    )
    return tuple(slices[index].ref for index in np.where(nearer, before, after))
