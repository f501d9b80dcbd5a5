"""`BodyPosition` by our own network, for CT: a cube round the point tells where in the body it lies."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from similar_cases.describe.backends.body_network import (
    SIZE,
    SPACING_MM,
    WINDOW_HU,
    BodyNetwork,
    coordinate_in_the_middle,
    windowed,
)
from similar_cases.describe.backends.cube import Cube, cut_from
from similar_cases.domain.description import BodyCoordinate
from similar_cases.domain.volume import Volume, VoxelUnit
from similar_cases.models.bundle import fill, no_network, read_bundle
from similar_cases.models.shipped import shipped_bundle


class CtBodyPosition:
    """The bundle in `folder` (None for the one that is shipped), on `device`. May be shared by threads.

    It was trained on CT in Hounsfield units, and says nothing of anything else.

    Raises:
        InvalidSettings: when the bundle is incomplete or its weights have another hash.
    """

    def __init__(self, folder: Path | None = None, device: str = "cpu") -> None:
        folder = folder or shipped_bundle("position")
        metadata, weights = read_bundle(folder)
        try:
            self._network = BodyNetwork(tuple(metadata["network"]["widths"]))
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
        """Return one coordinate a point (n, 3), LPS mm; None outside of `volume`, and for anything but CT."""
        if volume.unit is not VoxelUnit.HU:
            return [None] * len(points_lps)
        return [
            self._coordinate(volume, point) if volume.geometry.contains_lps(point) else None for point in points_lps
        ]

    def _coordinate(self, volume: Volume, point_lps: NDArray[np.float64]) -> BodyCoordinate:
        cube = Cube(torch.from_numpy(np.array(point_lps, dtype=np.float64)), SPACING_MM, SIZE)
        affine = torch.from_numpy(np.array(volume.geometry.affine))
        seen = windowed(cut_from(volume.array, affine, cube, WINDOW_HU[0], self._device))
        deterministic = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), deterministic:
            x, y, z = coordinate_in_the_middle(self._network(seen[None, None]))[0].tolist()
        return BodyCoordinate((round(x, 3), round(y, 3), round(z, 3)), self._space)
