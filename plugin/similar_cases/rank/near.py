"""How near a place is to where something should lie, and features to what they should be: parts of the score."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
#: places so far apart agree to 1/e: in the body about an organ's size, in a Volume about a seventh of its side
BODY_SCALE_MM, RELATIVE_SCALE = 60.0, 0.15


def location_agreement(
    relative: tuple[Sequence[float] | None, Values], body: tuple[Sequence[float] | None, Values]
) -> Values:
    """Return how near n Cases lie to a place, 1 where they lie there, exp(-1) a scale away; NaN where that is unknown.

    The place in the body decides where both sides have it (arXiv 2507.08546: the distance of anatomical position
    embeddings is anatomical distance); the place relative to the Volume where not.

    Args:
        relative: (k, j, i) of the place, None where it is told in the body alone; and (n, 3) of the Cases.
        body: (x, y, z) mm of the place, None where no model tells it; and (n, 3) of the Cases, NaN where unknown.

    >>> near = location_agreement(([0.5, 0.5, 0.5], np.array([[0.5, 0.5, 0.5], [0.5, 0.5, 0.65]])), (None, np.full((2, 3), np.nan)))
    >>> near.round(3).tolist()
    [1.0, 0.368]
    """  # noqa: E501
    found = np.full(len(relative[1]), np.nan)
    for place, cases, scale in ((*relative, RELATIVE_SCALE), (*body, BODY_SCALE_MM)):
        if place is not None:
            distance = np.linalg.norm(cases - np.asarray(place, dtype=np.float64), axis=1)
            found = np.where(np.isfinite(distance), np.exp(-distance / scale), found)
    return found


def wished_agreement(wished: Values, found: Values, weights: Values) -> Values:
    """Return how near the features of n Cases are to wished ones: one less the weighted mean of |difference|.

    Args:
        wished: (n, features) or (features,) percentiles, 0 to 1, each in the population of the Case's own modality.
        found: (n, features) percentiles; NaN where a Case lacks a feature, which leaves its weight to the others.
        weights: (features,), each over 0.

    Returns:
        (n,), 0 to 1; NaN for a Case that has none of them.

    >>> found = np.array([[0.5, 0.4], [0.3, np.nan]])
    >>> wished_agreement(np.array([0.5, 0.9]), found, np.array([3.0, 1.0])).round(3).tolist()
    [0.875, 0.8]
    """
    apart = np.abs(found - wished)
    known = np.isfinite(apart)
    total = known @ weights
    summed = np.where(known, apart, 0.0) @ weights
    return np.where(total > 0, 1.0 - summed / np.where(total > 0, total, 1.0), np.nan)
