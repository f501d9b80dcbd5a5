"""Learnt weights: against a brute-force minimum, and what may not depend on chance."""

import numpy as np
import pytest

from similar_cases.domain.errors import InvalidRequest
from similar_cases.rank.learn import learn

START = {"appearance": 0.6, "radiomics": 0.4}


def verdicts(count: int = 60) -> tuple[dict[str, list[float]], list[bool]]:
    """People who look at appearance alone, with some doubt."""
    rng = np.random.default_rng(3)
    appearance, radiomics = rng.random(count), rng.random(count)
    alike = rng.random(count) < 1 / (1 + np.exp(-10 * (appearance - 0.5)))
    return {"appearance": appearance.tolist(), "radiomics": radiomics.tolist()}, alike.tolist()


def loss(offset: float, weights: np.ndarray, parts: dict[str, list[float]], alike: list[bool]) -> float:
    table = np.array([parts["appearance"], parts["radiomics"]]).T
    margins = np.where(alike, 1, -1) * (table @ weights + offset)
    return float(np.log1p(np.exp(-margins)).sum() + ((weights - 8 * np.array([0.6, 0.4])) ** 2).sum() / 2)


def test_the_weights_are_the_minimum_of_the_loss():
    parts, alike = verdicts()
    taught = learn(parts, alike, START)
    found = np.array([taught.weights["appearance"], taught.weights["radiomics"]])
    best = loss(taught.offset, found, parts, alike)
    for step in np.eye(3) * 0.02:
        for sign in (1, -1):
            assert best <= loss(taught.offset + sign * step[0], found + sign * step[1:], parts, alike)
    assert taught.weights["appearance"] > 8 * 0.6 > 8 * 0.4 > taught.weights["radiomics"] >= 0
    assert taught.verdicts == 60


def test_neither_order_nor_repetition_changes_anything():
    parts, alike = verdicts()
    order = np.random.default_rng(1).permutation(len(alike))
    shuffled = {name: [values[at] for at in order] for name, values in parts.items()}
    first, second = learn(parts, alike, START), learn(shuffled, [alike[at] for at in order], START)
    assert dict(first.weights) == pytest.approx(dict(second.weights), abs=1e-4)
    assert learn(parts, alike, START) == first


def test_a_missing_part_counts_as_usual():
    parts, alike = verdicts()
    parts["radiomics"][::3] = [float("nan")] * 20
    taught = learn(parts, alike, START)
    known = np.array(parts["radiomics"])
    assert taught.usual["radiomics"] == pytest.approx(known[np.isfinite(known)].mean())
    given = {"appearance": np.array([0.5, 0.5]), "radiomics": np.array([np.nan, taught.usual["radiomics"]])}
    first, second = taught.probabilities(given)
    assert first == second


@pytest.mark.parametrize(("alike", "not_alike"), [(0, 0), (19, 0), (4, 30), (30, 4), (10, 9)])
def test_too_few_verdicts_are_refused_with_their_numbers(alike, not_alike):
    count = alike + not_alike
    parts = {"appearance": [0.5] * count, "radiomics": [0.5] * count}
    with pytest.raises(InvalidRequest, match=f"{alike} alike and {not_alike} not alike"):
        learn(parts, [True] * alike + [False] * not_alike, START)
