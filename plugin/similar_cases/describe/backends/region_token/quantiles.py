"""Radiomics values on one scale: each by where it stands among the training regions, clipped at both ends.

Minimum to maximum without clipping, as in RadiomicsRetrieval's release, lets one outlier squeeze all other values
together, and sends a query from outside the training range anywhere.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: knots of each feature's curve
KNOTS = 33


def learned_knots(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (features, KNOTS) quantiles of (n, features) values, NaN left out; rows weigh as `weights` (n,) say.

    Where all known values are equal, or none is known, the knots still ascend, so nothing is divided by zero.
    """
    shares = np.linspace(0.005, 0.995, KNOTS)
    knots = np.empty((values.shape[1], KNOTS))
    for column, one in enumerate(values.T):
        known = np.isfinite(one)
        if not known.any():
            knots[column] = np.linspace(0.0, 1.0, KNOTS)
            continue
        order = np.argsort(one[known], kind="stable")
        ordered, weight = one[known][order], weights[known][order]
        middle = (np.cumsum(weight) - weight / 2) / weight.sum()
        knots[column] = np.interp(shares, middle, ordered)
    least = 1e-9 * (1.0 + np.abs(knots).max(axis=1, keepdims=True))
    return np.asarray(knots + least * np.arange(KNOTS))


def scaled(values: NDArray[np.float64], knots: NDArray[np.float64]) -> NDArray[np.float32]:
    """Bring (n, features) values to -1 to 1 by the (features, KNOTS) knots; NaN stays.

    >>> scaled(np.array([[0.0], [16.0], [1e9], [np.nan]]), np.arange(33.0)[None]).ravel().tolist()
    [-1.0, 0.0, 1.0, nan]
    """
    levels = np.linspace(-1.0, 1.0, knots.shape[1])
    columns = [
        np.where(np.isnan(one), np.nan, np.interp(np.nan_to_num(one), curve, levels))
        for one, curve in zip(values.T, knots, strict=True)
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def row_of(values: Sequence[float | None]) -> list[float]:
    """Return values with NaN for the missing."""
    return [np.nan if value is None else float(value) for value in values]
