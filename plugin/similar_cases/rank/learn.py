"""Weights of the parts of a score, learnt from what people said of answers: alike, or not alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from similar_cases.domain.errors import InvalidRequest

Values = NDArray[np.float64]
#: fewer verdicts, or fewer of one kind, teach nothing
LEAST, LEAST_OF_A_KIND = 20, 5
#: how strongly the weights are held to those that they start from; a verdict's loss is at most some units
_HOLD = 1.0
#: weights of a score in 0 to 1 times this are those of a logit that tells alike from not alike
_STEEPNESS = 8.0


@dataclass(frozen=True)
class Learnt:
    """A logistic regression over parts: the probability that people would call a pair alike.

    Attributes:
        weights: part → weight, none negative.
        offset: of the logit.
        usual: part → its mean over the verdicts, which stands for a part that is missing.
        verdicts: how many it was learnt from.
    """

    weights: Mapping[str, float]
    offset: float
    usual: Mapping[str, float]
    verdicts: int

    def probabilities(self, parts: Mapping[str, Values]) -> Values:
        """Return the probability of each of n candidates, 0 to 1."""
        logits: Values = np.full(len(next(iter(parts.values()))), self.offset)
        for name, weight in sorted(self.weights.items()):
            values = parts.get(name, np.full(len(logits), np.nan))
            logits = logits + weight * np.where(np.isfinite(values), values, self.usual[name])
        return 1.0 / (1.0 + np.exp(-logits))


def learn(parts: Mapping[str, Sequence[float]], alike: Sequence[bool], start: Mapping[str, float]) -> Learnt:
    """Return the weights under which the verdicts are likeliest, held to those that they start from.

    Minimises Σ ln(1 + exp(-y (b + w · x))) + ½ ‖w - 8 w₀‖² over w ≥ 0: a part that agrees can only speak for a case.
    The loss is convex, so the answer does not depend on where the search begins, nor on the order of the verdicts.

    Args:
        parts: part → its value for each of n verdicts, NaN where it could not be computed.
        alike: n verdicts.
        start: part → weight w₀ of the ranking, in the order of which the parts are learnt.

    Raises:
        InvalidRequest: for too few verdicts, or too few of one kind.

    >>> taught = learn({"a": [0.9, 0.8, 0.2, 0.1] * 6}, [True, True, False, False] * 6, {"a": 1.0})
    >>> taught.probabilities({"a": np.array([0.1, 0.5, 0.9])}).round(1).tolist()
    [0.0, 0.5, 1.0]
    """
    count, positive = len(alike), sum(alike)
    if count < LEAST or min(positive, count - positive) < LEAST_OF_A_KIND:
        raise InvalidRequest(
            f"weights are learnt from at least {LEAST} verdicts, {LEAST_OF_A_KIND} of either kind; there are {positive}"
            f" alike and {count - positive} not alike that can be used"
        )
    names = sorted(start)
    table = np.array([parts[name] for name in names], dtype=np.float64).T  # (verdicts, parts)
    usual = np.array([np.mean(column[np.isfinite(column)]) if np.isfinite(column).any() else 0.5 for column in table.T])
    table = np.where(np.isfinite(table), table, usual)
    signs = np.where(np.asarray(alike), 1.0, -1.0)
    prior = _STEEPNESS * np.array([start[name] for name in names]) / sum(start.values())

    def loss(found: Values) -> tuple[float, Values]:
        margins = signs * (table @ found[1:] + found[0])
        pull = -signs / (1.0 + np.exp(margins))
        held = _HOLD * (found[1:] - prior)
        gradient = np.concatenate([[pull.sum()], table.T @ pull + held])
        return float(np.logaddexp(0.0, -margins).sum() + held @ held / (2 * _HOLD)), gradient

    first = np.concatenate([[-prior @ usual], prior])
    bounds = [(None, None), *((0.0, None) for _ in names)]
    best = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-10}).x
    weights = {name: round(float(weight), 6) for name, weight in zip(names, best[1:], strict=True)}
    return Learnt(weights, round(float(best[0]), 6), dict(zip(names, usual.tolist(), strict=True)), count)
