"""The labels of 3D-MIR from masks: is there a lesion, and to which group does it belong by number and size.

After arXiv 2311.13752 and its release: connected parts of a mask count, but those of fewer than three voxels or within
one slice. The release's rule for lungs is not repeated: ``size > 3 or size < 5`` holds for every size, so that no
lesion ever reached group 4 there. The bounds are ours where the release's were seen only in its output.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from similar_cases.domain.geometry import VolumeGeometry

#: organ → bounds of the longest axis between groups 1, 2, 3 and 4, cm
BOUNDS_CM: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "pancreas": (2.0, 4.0, 6.0),
        "colon": (2.0, 4.0, 6.0),
        "lung": (3.0, 5.0, 7.0),
        # the size of a soft-tissue sarcoma, as its T category counts it
        "sarcoma": (5.0, 10.0, 15.0),
    }
)
#: the group of a volume without a lesion
NONE = -1
_FEWEST_VOXELS, _FEWEST_SLICES = 3, 2
#: points whose distances are all taken
_FEW = 200


def lesion_axes_cm(mask: NDArray[np.bool_], geometry: VolumeGeometry) -> list[float]:
    """Return the longest axis of each lesion in `mask` (k, j, i), cm, the largest first.

    The longest axis is the greatest distance between two of its voxels' centres.
    """
    parts, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    found = []
    for number, box in enumerate(ndimage.find_objects(parts), 1):
        voxels = np.argwhere(parts[box] == number)
        if len(voxels) >= _FEWEST_VOXELS and np.unique(voxels[:, 0]).size >= _FEWEST_SLICES:
            found.append(_longest_mm(voxels * np.asarray(geometry.spacing_mm)) / 10)
    return sorted(found, reverse=True)


def group_of(organ: str, axes_cm: Sequence[float]) -> int:
    """Return the group of a volume whose lesions have these longest axes: -1 without one, else 1 to 4.

    In the liver the number counts too: 1 is a single one up to 2 cm, 2 a single larger one, 3 several up to 5 cm, 4
    several with a larger one. Elsewhere the largest one decides by `BOUNDS_CM`; an organ that has none there counts as
    the pancreas.

    >>> [group_of("lung", [size]) for size in (2.9, 3.0, 5.0, 10.2)], group_of("colon", [])
    ([1, 2, 3, 4], -1)
    >>> group_of("liver", [1.5]), group_of("liver", [8.0]), group_of("liver", [4.0, 1.0]), group_of("liver", [9.0, 1.0])
    (1, 2, 3, 4)
    """
    if not axes_cm:
        return NONE
    largest = max(axes_cm)
    if organ == "liver":
        return (1 if largest <= 2.0 else 2) if len(axes_cm) == 1 else (3 if largest <= 5.0 else 4)
    return 1 + sum(largest >= bound for bound in BOUNDS_CM.get(organ, BOUNDS_CM["pancreas"]))


def _longest_mm(points: NDArray[np.float64]) -> float:
    """Return the greatest distance between two of (n, 3) points; corners of their hull are enough."""
    if len(points) > _FEW:  # joggled, so that what lies in a plane has a hull too
        points = points[ConvexHull(points, qhull_options="QJ").vertices]
    return float(pdist(points).max())
