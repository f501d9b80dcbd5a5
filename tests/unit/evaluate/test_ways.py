import numpy as np
import pytest
from tests.unit.evaluate.described import region, values_along

from similar_cases.describe.radiomics import PAPER_72
from similar_cases.evaluate.ways import by_radiomics, by_vector, fused
from similar_cases.rank.ranking import BUILT_IN, Ranking


def test_a_vector_ranks_by_cosine_and_ties_by_uid():
    query, near = region("q"), region("near", vector=(1.0, 0.1))
    ties = sorted((region(name, vector=(0.0, 1.0)) for name in "abc"), key=lambda one: one.uid)
    assert by_vector("oracle").ranking(query, [*ties[::-1], near]) == [near, *ties]


def test_what_has_no_vector_comes_last():
    query, far = region("q"), region("far", vector=(-1.0, 0.0))
    lost = region("lost", vectors={"oracle": np.full(2, np.nan, np.float32)})
    assert by_vector("oracle").ranking(query, [lost, far]) == [far, lost]


def test_radiomics_are_percentiles_of_their_own_modality():
    # PET values are a thousand times larger; the order within the modality is what counts
    cts = [region(f"p{n}", "CT", values=values_along(1.0 + n)) for n in range(6)]
    pets = [region(f"p{n}", "PT", values=values_along(1000.0 * (1 + n))) for n in range(6)]
    way = by_radiomics([*cts, *pets], PAPER_72)
    assert [way.ranking(query, pets)[0].patient for query in cts] == [f"p{n}" for n in range(6)]


def test_without_radiomics_nothing_is_said():
    here, blind = region("a", values=values_along(1.0)), region("b")
    assert np.isnan(by_radiomics([here, blind], PAPER_72).scores(here, [blind])).all()


LOOK = by_vector("oracle")


@pytest.fixture
def three():
    return [region(f"p{n}", vector=(1.0, n), values=values_along(float(n))) for n in range(3)]


def test_fusion_weighs_as_the_product_does(three):
    query, other, _ = three
    measure = by_radiomics(three, PAPER_72)
    both = fused(LOOK, measure, Ranking(weights=(("appearance", 0.75), ("radiomics", 0.25))))
    expected = 0.75 * LOOK.scores(query, [other]) + 0.25 * measure.scores(query, [other])
    assert both.scores(query, [other]) == pytest.approx(expected)
    assert both.name == "oracle + radiomics, weighted"


def test_fusion_by_ranks_sees_ranks_alone(three):
    query, *others = three
    both = fused(LOOK, by_radiomics(three, PAPER_72), BUILT_IN["reciprocal-rank"])
    assert both.scores(query, others) == pytest.approx([1.0, 61 / 62])


def test_calibrated_parts_are_shares_of_the_pairs_that_they_exceed(three):
    query, *others = three
    both = fused(LOOK, by_radiomics(three, PAPER_72), BUILT_IN["calibrated"], three)
    near, far = both.scores(query, others)
    assert 0.0 <= far < near <= 1.0


def test_fusion_leaves_a_missing_part_to_the_other():
    query, blind = region("q", values=values_along(1.0)), region("b", vector=(1.0, 1.0))
    way = fused(LOOK, by_radiomics([query, blind], PAPER_72), Ranking())
    assert way.scores(query, [blind]) == pytest.approx([0.5**0.5])
