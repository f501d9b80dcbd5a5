import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from similar_cases.describe.normalise import Population, agreements, matrix_of, radiomics_similarity
from similar_cases.domain.description import RadiomicsRecipe, RadiomicsVector
from similar_cases.domain.errors import WrongEmbeddingSpace

NAMES = ("shape_A", "shape_B", "firstorder_A", "firstorder_B", "glcm_A", "glcm_B", "glszm_A")
RECIPE = RadiomicsRecipe()


def vector(*values, recipe=RECIPE):
    known = {name: float(value) for name, value in zip(NAMES, values, strict=False) if value is not None}
    return RadiomicsVector(known, recipe)


def test_a_matrix_has_nan_for_what_is_missing():
    matrix = matrix_of([vector(1, None, 3), vector(4, 5)], NAMES[:3])
    np.testing.assert_equal(matrix, [[1, np.nan, 3], [4, 5, np.nan]])
    assert matrix_of([], NAMES).shape == (0, 7)


def test_recipes_do_not_mix():
    with pytest.raises(WrongEmbeddingSpace, match="recipes"):
        matrix_of([vector(1), vector(1, recipe=RadiomicsRecipe(bin_count=64))], NAMES)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(-2e6, 2e6), st.floats(-2e6, 2e6))
def test_percentiles_rise_with_the_value(known, a, b):
    population = Population(("x",), np.array(known)[:, None])
    low, high = (population.percentile("x", value) for value in sorted((a, b)))
    assert 0.0 <= low <= high <= 1.0


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=30, unique=True))  # whole, so that squares are exact
def test_percentiles_count_ranks_and_not_sizes(known):
    as_they_are, squared = (Population(("x",), np.array(known, float)[:, None] ** power) for power in (1, 2))
    for value in known:
        assert as_they_are.percentile("x", value) == pytest.approx(squared.percentile("x", value**2))


def test_equal_values_stand_in_the_middle_of_their_share():
    population = Population(("x",), np.array([[1.0], [2.0], [2.0], [2.0]]))
    assert population.percentile("x", 2.0) == pytest.approx(0.625)


def test_unknown_features_have_no_percentile():
    population = Population(("x", "y"), np.array([[1.0, np.nan]]))
    assert population.percentile("y", 3.0) is None
    assert population.percentile("z", 3.0) is None
    assert np.isnan(population.scale(np.array([[np.nan, 5.0]]))).all()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_tiny_populations_answer_sensibly(count):
    rng = np.random.default_rng(count)
    population = Population(NAMES, rng.normal(size=(count, 7)))
    same, other = vector(*range(7)), vector(*range(10, 17))
    equal = radiomics_similarity(same, same, population)
    assert equal == (None if count == 0 else pytest.approx(1.0))
    unequal = radiomics_similarity(same, other, population)
    assert unequal is None or 0.0 <= unequal <= 1.0


def test_the_nearer_is_the_more_similar():
    population = Population(NAMES, np.random.default_rng(3).normal(size=(200, 7)))
    at = [radiomics_similarity(vector(*[0.0] * 7), vector(*[shift] * 7), population) for shift in (0, 0.2, 1, 3)]
    assert at == sorted(at, reverse=True)
    assert at[0] == pytest.approx(1.0)
    assert at[1] > 0.85
    assert at[3] < 0.6


def test_each_group_counts_a_third():
    query = np.full(7, 0.5, np.float32)
    for apart in ((0, 1), (2, 3), (4, 5, 6)):
        candidate = query.copy()
        candidate[list(apart)] = 0.2
        assert agreements(query, candidate[None], NAMES)[0] == pytest.approx(1 - 0.3 / 3)


def test_missing_features_are_left_out_and_too_few_make_no_number():
    query = np.full(7, 0.5, np.float32)
    candidates = np.full((3, 7), 0.5, np.float32)
    candidates[0, 0] = np.nan
    candidates[1, :3] = np.nan
    found = agreements(query, candidates, NAMES)
    assert found[0] == pytest.approx(1.0)
    assert np.isnan(found[1])
    assert found[2] == pytest.approx(1.0)


def test_ten_thousand_candidates_take_milliseconds():
    names = [f"glcm_{n}" for n in range(107)]
    candidates = np.random.default_rng(0).random((10_000, 107), dtype=np.float32)
    started = time.process_time()
    found = agreements(candidates[7], candidates, names)
    assert time.process_time() - started < 0.25  # 12 ms on an idle core
    assert int(np.argmax(found)) == 7
