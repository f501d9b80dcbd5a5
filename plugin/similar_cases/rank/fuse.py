"""Parts made into one score, and the order that it gives.

Parts stand in arrays (n,), one value a candidate, 0 to 1, NaN where a part could not be computed: a missing part leaves
its weight to the others, and is never zero.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.similarity import ScorePart, Similarity

Values = NDArray[np.float64]
Parts = Mapping[str, Values]
#: scores that agree to so many decimals are equal, and their order is that of the UIDs
DECIMALS = 9
#: the constant of reciprocal rank fusion (Cormack, Clarke, Büttcher 2009: 60)
RECIPROCAL_CONSTANT = 60


def appearance_of(cosine: float) -> float:
    """Return the part of the score that a cosine stands for: opposite and unrelated vectors are both 0.

    >>> appearance_of(0.9), appearance_of(-0.2)
    (0.9, 0.0)
    """
    return min(max(cosine, 0.0), 1.0)


def fuse(parts: Mapping[str, float | None], weights: Mapping[str, float]) -> Similarity:
    """Return the weighted mean of the `parts` that there are; a missing one (None, NaN) leaves its weight to others.

    The weights in the answer are those that counted: they sum to 1. Without any part the score is 0.

    >>> fuse({"appearance": 0.9, "radiomics": None}, {"appearance": 0.6, "radiomics": 0.4}).score
    0.9
    """
    present = {
        name: min(max(float(value), 0.0), 1.0)
        for name in sorted(weights)
        if weights[name] > 0 and (value := parts.get(name)) is not None and math.isfinite(value)
    }
    total = math.fsum(weights[name] for name in present)
    scored = tuple(ScorePart(name, value, weights[name] / total) for name, value in present.items())
    score = math.fsum(part.value * part.weight for part in scored)
    return Similarity(min(score, 1.0), scored)


def weighted(parts: Parts, weights: Mapping[str, float]) -> Values:
    """Return the weighted mean of the parts of each of n candidates, 0 where none has a part.

    >>> weighted({"a": np.array([1.0, 0.5]), "b": np.array([0.0, np.nan])}, {"a": 3.0, "b": 1.0}).tolist()
    [0.75, 0.5]
    """
    names = [name for name in sorted(weights) if weights[name] > 0 and name in parts]
    if not names:
        return np.zeros(_length(parts))
    values = np.stack([parts[name] for name in names])
    shares = np.where(np.isfinite(values), np.array([weights[name] for name in names])[:, None], 0.0)
    total = shares.sum(axis=0)
    summed = (shares * np.where(np.isfinite(values), values, 0.0)).sum(axis=0)
    return np.clip(np.where(total > 0, summed / np.where(total > 0, total, 1.0), 0.0), 0.0, 1.0)


def calibrated(parts: Parts, chance: Mapping[str, Values]) -> dict[str, Values]:
    """Return each part as the share of random pairs that it exceeds, ties half: parts of unlike spread then compare.

    Args:
        parts: of n candidates.
        chance: part → its values over random pairs, sorted ascending; a part without any stays as it is.

    >>> calibrated({"a": np.array([0.2, 0.9])}, {"a": np.array([0.1, 0.2, 0.3, 0.4])})["a"].tolist()
    [0.375, 1.0]
    """
    scaled = dict(parts)
    for name, values in parts.items():
        known = chance.get(name)
        if known is not None and len(known):
            below = np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")
            scaled[name] = np.where(np.isfinite(values), below / (2 * len(known)), np.nan)
    return scaled


def ranks_of(values: Values, case_uids: Sequence[str]) -> Values:
    """Return the rank of each of n candidates, 1 for the largest value, ties by UID; NaN where there is no value.

    >>> ranks_of(np.array([0.1, np.nan, 0.8, 0.1]), ["d", "c", "b", "a"]).tolist()
    [3.0, nan, 1.0, 2.0]
    """
    ranks = np.full(len(values), np.nan)
    order = [at for at in ordered(values, case_uids) if np.isfinite(values[at])]
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks


def reciprocal_rank(ranks: Parts, weights: Mapping[str, float]) -> Values:
    """Return the score of reciprocal rank fusion, 1 for who is first everywhere.

    score = Σ w / (60 + rank), over those lists that hold the candidate, divided by what the first of every list has
    (Cormack, Clarke, Büttcher, SIGIR 2009). Ranks alone count, so lists of unlike scores can be fused.

    Args:
        ranks: list → rank of each of n candidates, from 1; NaN where the list lacks it.
        weights: list → its weight.

    >>> first = reciprocal_rank({"a": np.array([1.0, 2.0]), "b": np.array([1.0, np.nan])}, {"a": 1, "b": 1})
    >>> first.round(4).tolist()
    [1.0, 0.4919]
    """
    total = np.zeros(_length(ranks))
    for name in sorted(ranks):
        gained = weights.get(name, 0.0) / (RECIPROCAL_CONSTANT + ranks[name])
        total += np.where(np.isfinite(gained), gained, 0.0)
    most = math.fsum(weights.get(name, 0.0) for name in ranks) / (RECIPROCAL_CONSTANT + 1)
    return total / most if most else total


def by_place(count: int) -> Values:
    """Return scores that fall evenly from 1, for an order that has no scores of its own.

    >>> by_place(4).tolist()
    [1.0, 0.75, 0.5, 0.25]
    """
    return 1.0 - np.arange(count) / max(1, count)


def ordered(scores: Values, case_uids: Sequence[str]) -> list[int]:
    """Return the positions of n candidates, best first; equal scores by UID ascending, so that pages never overlap.

    >>> ordered(np.array([0.5, 0.9, 0.5]), ["b", "c", "a"])
    [1, 2, 0]
    """
    rounded = np.round(np.where(np.isfinite(scores), scores, -1.0), DECIMALS)
    order: list[int] = np.lexsort((np.asarray(case_uids, dtype=np.str_), -rounded)).tolist()
    return order


def _length(parts: Parts) -> int:
    return len(next(iter(parts.values()))) if parts else 0
