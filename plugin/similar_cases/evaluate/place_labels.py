"""Where in an organ a tumour lies, in words that two patients share: the labels of RadiomicsRetrieval's location P@k.

arXiv 2507.08546 speaks of lobes and releases no labels. Those here are ours, made of what each data set brings: the
side and the third of the lung, by the lungs' outlines; the octant of the brain, by the box of the skull-stripped head.
"""

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.geometry import VolumeGeometry

Mask = NDArray[np.bool_]


def lung_place(tumour: Mask, left: Mask, right: Mask, geometry: VolumeGeometry) -> str:
    """Return the side and the third in which the middle of `tumour` lies, such as ``right upper``.

    Masks are (k, j, i) on one grid. The side is that of the lung whose middle is nearer along x; thirds divide that
    lung between its lowest and its highest voxel.

    >>> grid = VolumeGeometry(np.diag([5.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]], (9, 1, 9), "1.2.3")
    >>> right, left, tumour = (np.zeros((9, 1, 9), bool) for _ in range(3))
    >>> right[:, :, :3], left[:, :, 6:], tumour[8, 0, 7] = True, True, True
    >>> lung_place(tumour, left, right, grid)
    'left upper'
    """
    at = _middle(tumour, geometry)
    lungs = {"left": left, "right": right}
    side = min(lungs, key=lambda name: abs(_middle(lungs[name], geometry)[0] - at[0]))
    heights = geometry.index_to_lps(np.argwhere(lungs[side]))[:, 2]
    low, high = float(heights.min()), float(heights.max())
    third = min(2, max(0, int(3 * (at[2] - low) / max(high - low, 1e-6))))
    return f"{side} {('lower', 'middle', 'upper')[third]}"


def brain_place(tumour: Mask, head: Mask, geometry: VolumeGeometry) -> str:
    """Return the octant of the box round `head` in which the middle of `tumour` lies, such as ``left front upper``.

    Masks are (k, j, i) on one grid.

    >>> grid = VolumeGeometry(np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]], (8, 8, 8), "1.2.3")
    >>> tumour = np.zeros((8, 8, 8), bool)
    >>> tumour[1, 1, 6] = True  # low, towards the front and the patient's left
    >>> brain_place(tumour, np.ones((8, 8, 8), bool), grid)
    'left front lower'
    """
    points = geometry.index_to_lps(np.argwhere(head))
    x, y, z = _middle(tumour, geometry) - (points.min(axis=0) + points.max(axis=0)) / 2
    side, depth = "left" if x > 0 else "right", "back" if y > 0 else "front"
    return f"{side} {depth} {'upper' if z > 0 else 'lower'}"


def _middle(mask: Mask, geometry: VolumeGeometry) -> NDArray[np.float64]:
    return np.asarray(geometry.index_to_lps(np.argwhere(mask).mean(axis=0))[0])
