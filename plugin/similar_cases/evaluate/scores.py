"""How good one ranking is, and what a random one of the same archive would be, in expectation."""

from collections.abc import Sequence
from functools import lru_cache
from math import comb

import numpy as np
from numpy.typing import NDArray

_DRAWS = 4000


def reciprocal_rank(relevant: Sequence[bool]) -> float:
    """Return 1 over the rank of the first relevant one, 0 where there is none.

    >>> reciprocal_rank([False, True, True])
    0.5
    """
    return next((1.0 / rank for rank, hit in enumerate(relevant, 1) if hit), 0.0)


def precision_at(relevant: Sequence[bool], depth: int) -> float:
    """Return the share of relevant ones among the first `depth`, or among all where there are fewer.

    >>> precision_at([True, False, True, True], 3), precision_at([True], 3)
    (0.6666666666666666, 1.0)
    """
    first = relevant[:depth]
    return sum(first) / len(first) if first else 0.0


def average_precision(relevant: Sequence[bool]) -> float:
    """Return the mean of the precisions at each relevant one of a ranking that was cut; 0 where there is none.

    3D-MIR's AP: scikit-learn's average precision over the ten retrieved, ranks as scores, NaN counted as 0.

    >>> average_precision([True, False, True])
    0.8333333333333333
    """
    hits = np.flatnonzero(np.asarray(relevant, dtype=bool))
    return float(np.mean(np.arange(1, len(hits) + 1) / (hits + 1))) if len(hits) else 0.0


@lru_cache(maxsize=4096)
def chance_of_reciprocal_rank(relevant: int, total: int) -> float:
    """Return the expected reciprocal rank of a random order of `total`, of which `relevant` count.

    >>> chance_of_reciprocal_rank(1, 2), chance_of_reciprocal_rank(0, 5)
    (0.75, 0.0)
    """
    # the first relevant one stands at rank r: all the others stand behind
    ways = (comb(total - rank, relevant - 1) / rank for rank in range(1, total - relevant + 2))
    return sum(ways) / comb(total, relevant) if relevant else 0.0


@lru_cache(maxsize=4096)
def chance_of_average_precision(relevant: int, total: int, depth: int) -> float:
    """Return the expected `average_precision` of the first `depth` of a random order, by drawing; always the same.

    >>> round(chance_of_average_precision(10, 10, 5), 3)
    1.0
    """
    random = np.random.default_rng([relevant, total, depth])
    flags = np.arange(total) < relevant
    drawn = (random.permutation(flags)[:depth].tolist() for _ in range(_DRAWS))
    return float(np.mean([average_precision(one) for one in drawn])) if total else 0.0


def correlations(query: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Pearson's r between (features,) and each of (n, features), over the features that both have.

    NaN where fewer than three are common, or where one side does not vary.

    >>> correlations(np.array([1.0, 2, 3]), np.array([[2.0, 4, 6], [3, 2, 1], [np.nan, 1, 2]])).round(6).tolist()
    [1.0, -1.0, nan]
    """
    common = np.isfinite(others) & np.isfinite(query)
    counts = common.sum(axis=1)
    a, b = np.where(common, query, 0.0), np.where(common, others, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        a = np.where(common, a - a.sum(axis=1, keepdims=True) / counts[:, None], 0.0)
        b = np.where(common, b - b.sum(axis=1, keepdims=True) / counts[:, None], 0.0)
        r = (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.where(counts >= 3, r, np.nan)
