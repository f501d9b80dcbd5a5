"""Radiomics made comparable: each value as its percentile among the archive's Regions of the same modality.

Percentiles need no assumption on how a feature is spread (volumes span four decades), and they are words that people
understand. NaN stands for a missing feature in every array here, and a missing feature is never compared.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.description import RadiomicsVector
from similar_cases.domain.errors import WrongEmbeddingSpace

#: two vectors with fewer features in common than this are not compared
LEAST_COMMON = 5


def matrix_of(vectors: Sequence[RadiomicsVector], names: Sequence[str]) -> NDArray[np.float64]:
    """Return (len(vectors), len(names)) values, NaN for the missing.

    Raises:
        WrongEmbeddingSpace: when the vectors follow different recipes; such values do not compare.
    """
    if len({vector.recipe.fingerprint for vector in vectors}) > 1:
        raise WrongEmbeddingSpace("radiomics of different recipes are never compared")
    rows = [[vector.values.get(name, np.nan) for name in names] for vector in vectors]
    return np.asarray(rows, dtype=np.float64).reshape(len(vectors), len(names))


class Population:
    """The Regions of one modality, by which values become percentiles. Immutable; threads may share it.

    >>> ages = Population(("shape_VoxelVolume",), np.array([[10.0], [20.0], [30.0], [np.nan]]))
    >>> [round(ages.percentile("shape_VoxelVolume", value), 2) for value in (5, 10, 20, 25, 31)]
    [0.0, 0.17, 0.5, 0.67, 1.0]
    """

    def __init__(self, names: Sequence[str], matrix: NDArray[np.float64]) -> None:
        """Learn from a (regions, len(names)) `matrix`, such as `matrix_of` returns."""
        self.names = tuple(names)
        self.count = len(matrix)
        self._steps = {name: _steps(matrix[:, column]) for column, name in enumerate(self.names)}

    def percentile(self, name: str, value: float) -> float | None:
        """Return where `value` stands, 0 to 1; None for a feature that no Region here has.

        Linear between the known values, each of which stands in the middle of its share; 0 below all, 1 above all.
        """
        if name not in self._steps or not len(self._steps[name][0]):
            return None
        return float(_interpolate(np.array([value]), self._steps[name])[0])

    def scale(self, matrix: NDArray[np.float64]) -> NDArray[np.float32]:
        """Turn (n, len(names)) values into (n, len(names)) percentiles, 0 to 1; NaN stays."""
        scaled = np.full(matrix.shape, np.nan, dtype=np.float32)
        for column, name in enumerate(self.names):
            known = np.isfinite(matrix[:, column])
            if len(self._steps[name][0]):
                scaled[known, column] = _interpolate(matrix[known, column], self._steps[name])
        return scaled

    def scale_some(self, matrix: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
        """Turn (n, len(names)) values of some features into percentiles, 0 to 1; NaN stays."""
        scaled = np.full(matrix.shape, np.nan)
        for column, name in enumerate(names):
            known = np.isfinite(matrix[:, column])
            if name in self._steps and len(self._steps[name][0]):
                scaled[known, column] = _interpolate(matrix[known, column], self._steps[name])
        return scaled


def agreements(
    query: NDArray[np.float32], candidates: NDArray[np.float32], names: Sequence[str]
) -> NDArray[np.float64]:
    """Return how well each of n candidates agrees with the query, 0 to 1: one less the mean difference of percentiles.

    Shape, grey values and texture count a third each, however many features a group has; over the features that both
    have. Two Regions drawn by chance agree to about two thirds.

    Args:
        query: (features,) percentiles in the order of `names`, from the population of its own modality.
        candidates: (n, features) percentiles likewise.
        names: the features.

    Returns:
        (n,), NaN where fewer than `LEAST_COMMON` features are common.
    """
    differences = np.abs(candidates - query)
    common = np.isfinite(differences)
    weights = _group_weights(names).astype(np.float32)
    total = (common @ weights).astype(np.float64)
    apart = (np.where(common, differences, np.float32(0)) @ weights).astype(np.float64)
    enough = common.sum(axis=1) >= min(LEAST_COMMON, len(names))
    return np.where(enough, 1.0 - apart / np.where(enough, total, 1.0), np.nan)


def radiomics_similarity(a: RadiomicsVector, b: RadiomicsVector, population: Population) -> float | None:
    """Return the agreement of two Regions of one modality, 0 to 1; None where too little is common.

    Raises:
        WrongEmbeddingSpace: when they follow different recipes.
    """
    scaled = population.scale(matrix_of((a, b), population.names))
    agreement = float(agreements(scaled[0], scaled[1:], population.names)[0])
    return None if np.isnan(agreement) else agreement


def _steps(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distinct finite values ascending, and the middle of the share at or below each."""
    known, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    return known, (np.cumsum(counts) - counts / 2) / max(1, counts.sum())


def _interpolate(
    values: NDArray[np.float64], steps: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> NDArray[np.float64]:
    return np.interp(values, *steps, left=0.0, right=1.0)


def _group_weights(names: Sequence[str]) -> NDArray[np.float64]:
    groups = np.array([{"shape": 0, "firstorder": 1}.get(name.partition("_")[0], 2) for name in names])
    return np.asarray(1.0 / np.bincount(groups, minlength=3)[groups])
