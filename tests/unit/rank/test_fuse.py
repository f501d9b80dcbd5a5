import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.similarity import ScorePart, Similarity
from similar_cases.rank.fuse import appearance_of, fuse, ordered
from similar_cases.rank.ranking import Ranking

WEIGHTS = dict(Ranking().weights)
parts_strategy = st.fixed_dictionaries(
    {}, optional={"appearance": st.none() | st.floats(0, 1), "radiomics": st.none() | st.floats(0, 1)}
)


def test_the_score_is_the_weighted_mean():
    similarity = fuse({"appearance": 0.9, "radiomics": 0.4}, WEIGHTS)
    assert similarity.score == pytest.approx(0.6 * 0.9 + 0.4 * 0.4)
    assert similarity.parts == (ScorePart("appearance", 0.9, 0.6), ScorePart("radiomics", 0.4, 0.4))


@pytest.mark.parametrize(
    "missing",
    [{"appearance": 0.7}, {"appearance": 0.7, "radiomics": None}, {"appearance": 0.7, "radiomics": float("nan")}],
)
def test_a_missing_part_is_absent_and_leaves_its_weight(missing):
    assert fuse(missing, WEIGHTS) == Similarity(0.7, (ScorePart("appearance", 0.7, 1.0),))


def test_without_parts_the_score_is_zero():
    assert fuse({}, WEIGHTS) == Similarity(0.0, ())
    assert fuse({"appearance": 0.5}, {"appearance": 0.0, "radiomics": 1.0}) == Similarity(0.0, ())


@given(parts_strategy, st.floats(0.01, 100), st.floats(0.01, 100))
def test_scores_lie_between_their_parts_and_weights_sum_to_one(parts, first, second):
    weights = {"appearance": first, "radiomics": second}
    similarity = fuse(parts, weights)
    assert similarity == fuse(dict(reversed(parts.items())), dict(reversed(weights.items())))
    values = [part.value for part in similarity.parts]
    if values:
        assert min(values) - 1e-12 <= similarity.score <= max(values) + 1e-12
        assert sum(part.weight for part in similarity.parts) == pytest.approx(1.0)


def test_equal_scores_are_ordered_by_uid():
    uids, scores = ["2.25.9", "2.25.3", "2.25.1", "2.25.7"], np.array([0.2, 0.8, 0.2, 0.8])
    expected = ["2.25.3", "2.25.7", "2.25.1", "2.25.9"]
    assert [uids[at] for at in ordered(scores, uids)] == expected
    assert [uids[::-1][at] for at in ordered(scores[::-1], uids[::-1])] == expected


def test_weights_are_changed_one_at_a_time():
    assert dict(Ranking().weighted([("radiomics", 3.0)]).weights) == {"appearance": 0.6, "radiomics": 3.0}
    assert Ranking().weighted([]) == Ranking()


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([("colour", 1.0)], "colour.*appearance, radiomics"),
        ([("radiomics", -1.0)], "0 or more"),
        ([("radiomics", float("nan"))], "0 or more"),
        ([("radiomics", 0.0), ("appearance", 0.0)], "at least one"),
    ],
)
def test_weights_that_make_no_score_are_refused(weights, words):
    with pytest.raises(InvalidRequest, match=words):
        Ranking().weighted(weights)


@pytest.mark.parametrize(("cosine", "part"), [(1.0000001, 1.0), (0.5, 0.5), (0.0, 0.0), (-1.0, 0.0)])
def test_appearance_is_the_cosine_without_its_negative_half(cosine, part):
    assert appearance_of(cosine) == part
