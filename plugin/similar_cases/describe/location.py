"""Where a Region lies."""

from similar_cases.domain.description import Location
from similar_cases.domain.region import Region
from similar_cases.domain.volume import Volume


def locate(volume: Volume, region: Region) -> Location:
    """Return the centroid of `region` in LPS mm, and where in `volume` it lies, (k, j, i) each from 0 to 1.

    0 and 1 are the outer faces of the first and the last voxel, so a Volume's middle is 0.5 whatever its size.
    """
    index = volume.geometry.lps_to_index(region.centroid_lps)[0]
    k, j, i = (
        min(max((float(at) + 0.5) / size, 0.0), 1.0) for at, size in zip(index, volume.geometry.shape, strict=True)
    )
    return Location(centroid_lps=region.centroid_lps, relative=(k, j, i))
