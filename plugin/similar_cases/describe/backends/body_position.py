"""`BodyPosition` by our own network, for CT: a cube round the point tells where in the body it lies."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from similar_cases.describe.backends.body_network import (
    OUTSIDE_HU,
    SIZE,
    SPACING_MM,
    BodyNetwork,
    coordinate_in_the_middle,
    doubt_in_the_middle,
    windowed,
)
from similar_cases.describe.backends.cube import Cube, cut_from
from similar_cases.domain.description import BodyCoordinate
from similar_cases.domain.volume import Volume, VoxelUnit
from similar_cases.models.bundle import fill, no_network, read_bundle
from similar_cases.models.shipped import shipped_bundle


@dataclass(frozen=True)
class Credible:
    """Which answers count; any other is none.

    Attributes:
        trunk_mm: lowest and highest coordinates (x, y, z) of a trunk.
        extremity_below_mm: z under which extremities lie; nothing lies between them and the trunk.
        doubt_mm: the most that the parts of an answer may disagree.
    """

    trunk_mm: tuple[tuple[float, float, float], tuple[float, float, float]]
    extremity_below_mm: float
    doubt_mm: float

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Credible":
        """Read it from the bundle's metadata."""
        low, high = (tuple(float(value) for value in end) for end in told["trunk_mm"])
        if len(low) != 3 or len(high) != 3:
            raise ValueError("trunk_mm needs three numbers an end")
        return cls(((low[0], low[1], low[2]), (high[0], high[1], high[2])), *_numbers(told))

    def holds(self, at_mm: tuple[float, float, float], doubt_mm: float) -> bool:
        """Tell whether a coordinate counts; NaN never does.

        >>> credible = Credible(((-200.0, -150.0, -180.0), (200.0, 150.0, 250.0)), -500.0, 30.0)
        >>> [credible.holds((0.0, 0.0, z), 10.0) for z in (0.0, -300.0, -600.0, 400.0)]  # z runs towards the head
        [True, False, True, False]
        >>> credible.holds((0.0, 0.0, 0.0), 31.0)
        False
        """
        trunk = all(low <= at <= high for low, at, high in zip(self.trunk_mm[0], at_mm, self.trunk_mm[1], strict=True))
        return doubt_mm <= self.doubt_mm and (trunk or at_mm[2] < self.extremity_below_mm)


def _numbers(told: Mapping[str, Any]) -> tuple[float, float]:
    return float(told["extremity_below_mm"]), float(told["doubt_mm"])


class CtBodyPosition:
    """The bundle in `folder` (None for the one that is shipped), on `device`. May be shared by threads.

    It was trained on CT in Hounsfield units, and says nothing of anything else; nor of what it is not sure of, or would
    put where no body part is.

    Raises:
        InvalidSettings: when the bundle is incomplete or its weights have another hash.
    """

    def __init__(self, folder: Path | None = None, device: str = "cpu") -> None:
        folder = folder or shipped_bundle("position")
        metadata, weights = read_bundle(folder)
        try:
            self._network = BodyNetwork(tuple(metadata["network"]["widths"]))
            self._credible = Credible.of(metadata["answers"])
        except (KeyError, TypeError, ValueError) as error:
            raise no_network(folder, error) from error
        fill(self._network, weights, folder)
        self._network.to(device)
        self._device = device
        self._space = f"body-position {metadata['version']} {metadata['weights_sha256'][:12]}"

    @property
    def space(self) -> str:
        """Version, and the beginning of the weights' hash."""
        return self._space

    def coordinates(self, volume: Volume, points_lps: NDArray[np.float64]) -> list[BodyCoordinate | None]:
        """Return one coordinate a point (n, 3), LPS mm; None outside, for anything but CT, and if unsure."""
        if volume.unit is not VoxelUnit.HU:
            return [None] * len(points_lps)
        return [
            self._coordinate(volume, point) if volume.geometry.contains_lps(point) else None for point in points_lps
        ]

    def _coordinate(self, volume: Volume, point_lps: NDArray[np.float64]) -> BodyCoordinate | None:
        cube = Cube(torch.from_numpy(np.array(point_lps, dtype=np.float64)), SPACING_MM, SIZE)
        affine = torch.from_numpy(np.array(volume.geometry.affine))
        at_mm, doubt_mm = self._told(cut_from(volume.array, affine, cube, OUTSIDE_HU, self._device)[None])
        return BodyCoordinate(at_mm, self._space) if self._credible.holds(at_mm, doubt_mm) else None

    def _told(self, cube_hu: Tensor) -> tuple[tuple[float, float, float], float]:
        """Return the coordinate of the middle of one cube (1, z, y, x), and the doubt, mm."""
        deterministic = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), deterministic:
            found = self._network(windowed(cube_hu))
            x, y, z = coordinate_in_the_middle(found)[0].tolist()
            doubt_mm = float(doubt_in_the_middle(found, cube_hu))
        return (round(x, 3), round(y, 3), round(z, 3)), doubt_mm
