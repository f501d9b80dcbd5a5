"""Sorted planes to a regular grid: spacing, gaps, and the pieces that a stack falls into."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.geometry import FloatArray
from similar_cases.volume.bounds import VolumeBounds

#: planes nearer than this lie at one position, mm: decimals that were cut, not anatomy
SAME_POSITION_MM = 0.01
#: a plane may lie off its place on the grid by this part of the spacing, as scanners round positions
_JITTER = 0.1
_JITTER_MM = 0.02
#: at most every fourth slice may be an interpolated one
_MISSING_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class Layout:
    """Where planes lie on one regular grid.

    Attributes:
        members: (n,) which of the sorted planes belong to it.
        steps: (n,) the slice index k of each, ascending from 0; indices left out are gaps.
        spacing_mm: between neighbouring slices.
    """

    members: NDArray[np.intp]
    steps: NDArray[np.intp]
    spacing_mm: float

    @property
    def slice_count(self) -> int:
        """Number of slices of the grid, gaps included."""
        return int(self.steps[-1]) + 1

    @property
    def missing(self) -> int:
        """Number of slices that no plane gives."""
        return self.slice_count - len(self.steps)


def layouts(distances_mm: FloatArray, bounds: VolumeBounds) -> list[Layout]:
    """Lay planes at ascending `distances_mm` (n,), all different, on as few regular grids as they need.

    One grid where they are regular with small gaps; else the pieces between long gaps; else runs of equal spacing.
    Planes that fit nowhere, and pieces shorter than ``bounds.min_slices``, are in no layout.

    >>> import numpy as np
    >>> [found] = layouts(np.array([0.0, 2.0, 4.0, 8.0, 10.0]), VolumeBounds())
    >>> found.spacing_mm, found.steps.tolist(), found.missing
    (2.0, [0, 1, 2, 4, 5], 1)
    """
    whole = np.arange(len(distances_mm))
    if len(whole) < bounds.min_slices:
        return []
    if fitted := _fit(distances_mm, whole, bounds):
        return [fitted]
    found: list[Layout] = []
    for piece in _pieces(distances_mm, bounds):
        if fitted := _fit(distances_mm, piece, bounds):
            found.append(fitted)
        else:
            runs = (_fit(distances_mm, run, bounds) for run in _runs(distances_mm, piece))
            found.extend(run for run in runs if run is not None)
    return found


def _fit(distances_mm: FloatArray, members: NDArray[np.intp], bounds: VolumeBounds) -> Layout | None:
    """Fit one grid through planes; None where they are irregular, too few, or have too many gaps."""
    if len(members) < bounds.min_slices:
        return None
    at = distances_mm[members] - distances_mm[members[0]]
    apart = np.diff(at)
    steps = np.concatenate(([0], np.cumsum(np.maximum(1, np.rint(apart / np.median(apart)))))).astype(np.intp)
    if steps[-1] >= 2 * len(members) + bounds.max_gap_slices:
        return None
    spacing = float(at[-1] / steps[-1])
    off = np.abs(at - steps * spacing).max()
    missing = int(steps[-1]) + 1 - len(members)
    if off > max(_JITTER_MM, _JITTER * spacing) or missing > _MISSING_SHARE * len(members):
        return None
    if np.diff(steps).max() - 1 > bounds.max_gap_slices:
        return None
    return Layout(members, steps, spacing)


def _pieces(distances_mm: FloatArray, bounds: VolumeBounds) -> list[NDArray[np.intp]]:
    """Part the planes where a gap is too long to be filled."""
    apart = np.diff(distances_mm)
    cuts = np.flatnonzero(apart > (bounds.max_gap_slices + 1.5) * np.median(apart)) + 1
    return list(np.split(np.arange(len(distances_mm)), cuts))


def _runs(distances_mm: FloatArray, members: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Part planes into runs of equal spacing; each plane is in one run."""
    runs: list[NDArray[np.intp]] = []
    start = 0
    for end in range(2, len(members) + 1):
        if end == len(members):
            runs.append(members[start:end])
        elif end - start >= 2:
            first = distances_mm[members[start + 1]] - distances_mm[members[start]]
            apart = distances_mm[members[end]] - distances_mm[members[end - 1]]
            if abs(apart - first) > max(_JITTER_MM, _JITTER * first):
                runs.append(members[start:end])
                start = end
    return runs
