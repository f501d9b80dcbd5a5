"""Slices that lie otherwise than evenly along one axis."""

from collections.abc import Callable, Sequence

import numpy as np
from pydicom import Dataset

from tests.phantoms.classic import CORONAL, MR, SAGITTAL, Grid, series, tissue_hu


def oblique(name: str = "oblique") -> list[Dataset]:
    """A double oblique stack, its Instance Numbers against the order of its slices."""
    row, column = rotated((0.3, -0.5, 0.2))[:2]
    found = series(name, grid=Grid(orientation=(*row, *column), origin_lps=(-30.0, 12.0, 5.0)), sop_class=MR)
    for one in found:
        one.InstanceNumber = 100 - one.InstanceNumber
    return found[5:] + found[:5]


def rotated(angles: Sequence[float]) -> np.ndarray:
    """Return an orthonormal right-handed matrix (3, 3) whose rows are directions, from three angles in radians."""
    found = np.eye(3)
    for axis, angle in enumerate(angles):
        turn = np.eye(3)
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        found = turn @ found
    return found


def gantry_tilt(name: str = "gantry-tilt", values: Callable[[np.ndarray], np.ndarray] = tissue_hu) -> list[Dataset]:
    """A CT with a gantry tilted by 20°: the table moves along z, the slices lean, so that the stack is sheared."""
    angle = np.radians(20.0)
    orientation = (1.0, 0.0, 0.0, 0.0, float(np.cos(angle)), float(-np.sin(angle)))
    # the table's step of 2.5 mm along z, seen in the slice's own axes
    grid = Grid(
        orientation=orientation,
        spacing_mm=(2.5 * float(np.cos(angle)), 1.5, 1.25),
        shear_mm=-2.5 * float(np.sin(angle)),
    )
    return series(name, grid=grid, values=values, GantryDetectorTilt=20.0)


def missing_slices(name: str = "missing-slices") -> list[Dataset]:
    """A CT that lost slices 4 and 5 of 14 on the way."""
    found = series(name, grid=Grid(shape=(14, 32, 40)))
    return found[:4] + found[6:]


def long_gap(name: str = "long-gap") -> list[Dataset]:
    """A CT of chest and pelvis with nothing between them."""
    return series(name, grid=Grid(shape=(6, 32, 40))) + series(
        name, grid=Grid(shape=(8, 32, 40), origin_lps=(0.0, 0.0, 120.0)), start=6
    )


def two_spacings(name: str = "two-spacings") -> list[Dataset]:
    """A CT with 2.5 mm slices, then 7 mm slices."""
    return series(name, grid=Grid(shape=(6, 32, 40))) + series(
        name, grid=Grid(shape=(6, 32, 40), spacing_mm=(7.0, 1.5, 1.25), origin_lps=(0.0, 0.0, 12.5 + 7.0)), start=6
    )


def irregular(name: str = "irregular") -> list[Dataset]:
    """Slices at distances that follow no grid."""
    found = series(name, grid=Grid(shape=(8, 16, 16)))
    for one, z in zip(found, (0.0, 1.0, 4.0, 4.5, 9.0, 17.0, 19.0, 30.0), strict=True):
        one.ImagePositionPatient = [0.0, 0.0, z]
    return found


def mixed_orientations(name: str = "mixed-orientations") -> list[Dataset]:
    """An axial and a sagittal stack, and one coronal image, in one Series."""
    return (
        series(name, sop_class=MR)
        + series(name, sop_class=MR, grid=Grid(shape=(8, 24, 40), orientation=SAGITTAL), start=20)
        + series(name, sop_class=MR, grid=Grid(shape=(1, 24, 40), orientation=CORONAL), start=40)
    )


def no_frame_of_reference(name: str = "no-frame-of-reference") -> list[Dataset]:
    """A CT that says not in which frame its millimetres count."""
    found = series(name)
    for one in found:
        del one.FrameOfReferenceUID
    return found
