"""Where a Region lies: in the patient, in the Volume, and in the body."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.description import BodyCoordinate, Location
from similar_cases.domain.prompts import PointLps
from similar_cases.domain.region import Region
from similar_cases.domain.volume import Volume


class BodyPosition(Protocol):
    """What tells where in a body points lie. The same input gives the same numbers twice."""

    @property
    def space(self) -> str:
        """Name and weights of the model, as `BodyCoordinate.space` has them."""
        ...

    def coordinates(self, volume: Volume, points_lps: NDArray[np.float64]) -> list[BodyCoordinate | None]:
        """Return one coordinate a point (n, 3), LPS mm, of `volume`; None for what the model was not trained on."""
        ...


def locate(volume: Volume, region: Region, body: BodyPosition | None = None) -> Location:
    """Return the centroid of `region` in LPS mm, and where it lies in `volume` and, where `body` knows, in a body.

    Relative to the Volume (k, j, i) go from 0 to 1, the outer faces of the first and the last voxel, so a Volume's
    middle is 0.5 whatever its size.
    """
    return locate_point(volume, region.centroid_lps, body)


def locate_point(volume: Volume, point_lps: PointLps, body: BodyPosition | None = None) -> Location:
    """Return the same of a point, LPS mm; one outside of `volume` is moved to its nearest face."""
    index = volume.geometry.lps_to_index(point_lps)[0]
    k, j, i = (
        min(max((float(at) + 0.5) / size, 0.0), 1.0) for at, size in zip(index, volume.geometry.shape, strict=True)
    )
    told = body.coordinates(volume, np.array([point_lps])) if body else [None]
    return Location(centroid_lps=point_lps, relative=(k, j, i), body=told[0])
