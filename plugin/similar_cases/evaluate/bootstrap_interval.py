"""How sure a mean is: the percentile bootstrap, whole patients drawn anew."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 10_000


def bootstrap_interval(
    values: Sequence[float], patients: Sequence[Hashable], *, level: float = 0.95, seed: int = 0
) -> tuple[float, float] | None:
    """Return the interval of the mean of `values`, or None where there are fewer than two patients.

    Patients are resampled, never values: two lesions of one patient are no two witnesses (Efron and Tibshirani 1993,
    section 13.3, with clusters as units). The same input gives the same interval.

    Args:
        values: one a measurement.
        patients: whose measurement it is, in the same order.
        level: share of the resampled means that lie inside.
        seed: of the drawing.

    >>> low, high = bootstrap_interval([0.0, 1.0, 0.0, 1.0], ["a", "b", "c", "d"])
    >>> low, high
    (0.0, 1.0)
    >>> bootstrap_interval([0.3, 0.5], ["a", "a"]) is None  # one patient tells nothing of others
    True
    """
    groups: dict[Hashable, list[float]] = {}
    for value, patient in zip(values, patients, strict=True):
        groups.setdefault(patient, []).append(value)
    if len(groups) < 2:
        return None
    sums = np.array([sum(group) for group in groups.values()])
    counts = np.array([len(group) for group in groups.values()])
    drawn = np.random.default_rng(seed).integers(len(groups), size=(_RESAMPLES, len(groups)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def bootstrap_macro_interval(
    hits: NDArray[np.float64], counts: NDArray[np.float64], *, level: float = 0.95, seed: int = 0
) -> tuple[float, float] | None:
    """Return the interval of a mean over classes of shares, or None where there are fewer than two patients.

    Args:
        hits: (patients, classes), what each patient's queries scored in each class.
        counts: (patients, classes), how many queries that were; a class that a drawing lacks is left out of its mean.
        level: share of the resampled means that lie inside.
        seed: of the drawing.

    >>> bootstrap_macro_interval(np.array([[1.0, 0.0], [1.0, 2.0]]), np.array([[1.0, 2.0], [1.0, 2.0]]))
    (0.5, 1.0)
    """
    patients = len(hits)
    if patients < 2:
        return None
    weights = np.random.default_rng(seed).multinomial(patients, np.full(patients, 1 / patients), size=_RESAMPLES)
    drawn = weights @ counts
    shares = np.divide(weights @ hits, drawn, out=np.full(drawn.shape, np.nan), where=drawn > 0)
    means = np.nanmean(shares[(drawn > 0).any(axis=1)], axis=1)
    low, high = np.quantile(means, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)
