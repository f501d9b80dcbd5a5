"""MaxSim gives what a loop over all pairs gives, whatever the sizes of the sets and whoever else is asked about."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from similar_cases.domain.errors import WrongEmbeddingSpace
from similar_cases.index.late_interaction import SetMatch, max_sim

SIZE = 24


def drawn(count: int, seed: int, kind: type = np.float16) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, SIZE)).astype(kind)


def naive(query: np.ndarray, candidate: np.ndarray) -> tuple[float, list[float]]:
    """The oracle: one cosine at a time, in double precision."""
    best = []
    for one in query.astype(np.float64):
        cosines = [one @ other / np.linalg.norm(one) / np.linalg.norm(other) for other in candidate.astype(np.float64)]
        best.append(max(cosines))
    return float(np.mean(best)), best


def agrees(match: SetMatch, query: np.ndarray, candidate: np.ndarray) -> None:
    score, best = naive(query, candidate)
    assert match.score == pytest.approx(score, abs=3e-6)
    np.testing.assert_allclose(match.cosines, best, atol=3e-6)
    for one, (at, cosine) in enumerate(zip(match.matched, match.cosines, strict=True)):
        assert naive(query[[one]], candidate[[at]])[0] == pytest.approx(cosine, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.lists(st.integers(1, 40), max_size=12), st.integers(0, 99), st.sampled_from(["<f2", "f4"]))
def test_it_is_the_loop_over_all_pairs(asked, sizes, seed, kind):
    query = drawn(asked, seed, np.dtype(kind).type)
    candidates = [drawn(size, seed + 1 + at) for at, size in enumerate(sizes)]
    found = max_sim(query, candidates)
    assert len(found) == len(candidates)
    for match, candidate in zip(found, candidates, strict=True):
        agrees(match, query, candidate)


def test_large_sets_fall_into_several_blocks():
    query, candidates = drawn(5, 0), [drawn(size, size) for size in (3000, 1, 2500, 4097, 17, 1200)]
    for match, candidate in zip(max_sim(query, candidates), candidates, strict=True):
        agrees(match, query, candidate)


def test_a_score_does_not_depend_on_the_company():
    query, candidates = drawn(30, 0), [drawn(10 + at, at) for at in range(60)]
    together = max_sim(query, candidates)
    alone = [max_sim(query, [candidate])[0] for candidate in candidates]
    assert [match.score for match in together] == [match.score for match in alone]
    assert [match.matched.tolist() for match in together] == [match.matched.tolist() for match in alone]


def test_equal_slices_match_the_first_of_them_and_near_ones_too():
    one, other = drawn(2, 0)
    candidate = np.array([other, one, one, one * 2, other])
    [match] = max_sim(np.array([one, other]), [candidate])
    assert match.matched.tolist() == [1, 0]
    assert match.score == 1.0
    assert match.best_pairs(9) == [(0, 1, 1.0), (1, 0, 1.0)]


def test_opposite_vectors_are_minus_one_and_those_without_direction_nothing():
    one = drawn(1, 0)
    assert max_sim(one, [-one])[0].score == -1.0
    assert max_sim(one, [np.zeros_like(one)])[0].score == 0.0
    assert max_sim(np.zeros_like(one), [one])[0].score == 0.0
    # filling up a shorter set must not lend it a zero that is nearer than what it has
    short = max_sim(one, [-one, np.repeat(one, 3, axis=0)])[0]
    assert (short.score, short.matched.tolist()) == (-1.0, [0])


@pytest.mark.parametrize(
    ("query", "candidate"),
    [
        (np.empty((0, SIZE)), drawn(1, 0)),
        (drawn(1, 0), np.empty((0, SIZE))),
        (drawn(1, 0), np.ones((2, SIZE + 1))),
        (drawn(1, 0), np.ones(SIZE)),
        (drawn(1, 0), np.full((1, SIZE), np.nan)),
        (np.full((1, SIZE), np.inf), drawn(1, 0)),
    ],
)
def test_what_is_no_set_of_vectors_is_refused(query, candidate):
    with pytest.raises(WrongEmbeddingSpace):
        max_sim(query, [candidate])


def test_no_candidates_no_matches():
    assert max_sim(drawn(1, 0), []) == []
