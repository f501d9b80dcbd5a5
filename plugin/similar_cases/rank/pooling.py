"""One vector for a volume, made of the vectors of its slices."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray


class Pooling(StrEnum):
    """What becomes of each component over the slices (3D-MIR, arXiv 2311.13752, section on volume-based retrieval)."""

    MEAN = "mean"
    MEDIAN = "median"
    MAX = "max"
    STD = "std"


_REDUCE: Mapping[Pooling, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = MappingProxyType(
    {
        Pooling.MEAN: lambda slices: slices.mean(axis=0),
        Pooling.MEDIAN: lambda slices: np.median(slices, axis=0),
        Pooling.MAX: lambda slices: slices.max(axis=0),
        Pooling.STD: lambda slices: slices.std(axis=0),
    }
)


def pool(slices: NDArray[np.floating], how: Pooling) -> NDArray[np.float32]:
    """Return the (size,) vector, not scaled, of (n, size) slice vectors, n at least 1.

    The standard deviation of one slice is no direction: it is the zero vector, which no index takes.

    >>> pool(np.array([[1.0, 0.0], [3.0, 0.0], [2.0, 6.0]]), Pooling.MEDIAN).tolist()
    [2.0, 0.0]
    """
    return np.asarray(_REDUCE[how](np.asarray(slices, dtype=np.float32)), dtype=np.float32)
