from itertools import permutations

import numpy as np
import pytest

from similar_cases.evaluate.scores import (
    average_precision,
    chance_of_average_precision,
    chance_of_reciprocal_rank,
    correlations,
    precision_at,
    reciprocal_rank,
)


@pytest.mark.parametrize(("right", "total"), [(1, 1), (1, 4), (2, 4), (3, 5)])
def test_chance_of_reciprocal_rank_is_the_mean_over_all_orders(right, total):
    orders = list(permutations([True] * right + [False] * (total - right)))
    assert chance_of_reciprocal_rank(right, total) == pytest.approx(np.mean([reciprocal_rank(one) for one in orders]))


def test_chance_of_average_precision_is_near_the_mean_over_all_orders():
    orders = permutations([True, True, False, False, False])
    exact = np.mean([average_precision(one[:3]) for one in orders])
    assert chance_of_average_precision(2, 5, 3) == pytest.approx(exact, abs=0.02)


def test_nothing_relevant_scores_nothing():
    assert reciprocal_rank([False]) == average_precision([False]) == precision_at([], 5) == 0.0
    assert chance_of_reciprocal_rank(0, 9) == 0.0


def test_precision_counts_to_the_depth():
    assert precision_at([True, False, True, True, True, True], 5) == 0.8


def test_average_precision_is_that_of_scikit_learn_by_hand():
    # precisions at the hits: 1/2, 2/4, 3/5
    assert average_precision([False, True, False, True, True]) == pytest.approx((0.5 + 0.5 + 0.6) / 3)


def test_correlation_is_over_what_both_have():
    random = np.random.default_rng(0)
    query, others = random.random(20), random.random((3, 20))
    assert correlations(query, others) == pytest.approx([np.corrcoef(query, one)[0, 1] for one in others])
    query[3] = np.nan
    others[1, 5] = np.nan
    both = np.isfinite(query) & np.isfinite(others[1])
    assert correlations(query, others)[1] == pytest.approx(np.corrcoef(query[both], others[1][both])[0, 1])


def test_too_little_in_common_or_no_spread_is_no_correlation():
    assert np.isnan(correlations(np.array([1.0, 2, np.nan]), np.array([[1.0, 2, 3]]))).all()
    assert np.isnan(correlations(np.array([1.0, 2, 3]), np.array([[4.0, 4, 4]]))).all()
