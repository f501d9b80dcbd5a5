import numpy as np
import pytest

from similar_cases.evaluate.bootstrap_interval import bootstrap_interval


def test_the_interval_holds_the_mean_and_narrows_with_more_patients():
    rng = np.random.default_rng(0)
    few, many = rng.normal(0.7, 0.1, 9), rng.normal(0.7, 0.1, 900)
    low, high = bootstrap_interval(few.tolist(), range(9))
    assert low < few.mean() < high
    # 1.96 standard errors to either side, as the central limit theorem has it
    assert high - low == pytest.approx(2 * 1.96 * few.std() / 3, rel=0.15)
    low, high = bootstrap_interval(many.tolist(), range(900))
    assert high - low == pytest.approx(2 * 1.96 * many.std() / 30, rel=0.1)


def test_lesions_of_one_patient_count_as_one_witness():
    values = [0.2] * 50 + [0.8] * 50
    of_two = bootstrap_interval(values, ["a"] * 50 + ["b"] * 50)
    assert of_two == (pytest.approx(0.2), pytest.approx(0.8))
    low, high = bootstrap_interval(values, range(100))
    assert high - low < 0.15


def test_one_patient_or_none_has_no_interval():
    assert bootstrap_interval([0.1, 0.9], ["a", "a"]) is None
    assert bootstrap_interval([], []) is None


def test_the_same_input_gives_the_same_interval_and_another_seed_another():
    values = np.random.default_rng(1).random(20).tolist()
    assert bootstrap_interval(values, range(20)) == bootstrap_interval(values, range(20))
    assert bootstrap_interval(values, range(20)) != bootstrap_interval(values, range(20), seed=1)


def test_a_lower_level_is_narrower():
    values = np.random.default_rng(1).random(20).tolist()
    wide, narrow = bootstrap_interval(values, range(20)), bootstrap_interval(values, range(20), level=0.5)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_lengths_must_agree():
    with pytest.raises(ValueError, match=r"shorter|longer"):
        bootstrap_interval([0.1], ["a", "b"])
