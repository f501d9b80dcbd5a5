import numpy as np
import pytest
from tests.unit.evaluate.described import region, values_along

from similar_cases.evaluate.radiomics_agreement import NO_FEATURES, ONE_FEATURE, SUBSETS, radiomics_agreement
from similar_cases.evaluate.ways import by_vector


@pytest.fixture(scope="module")
def regions():
    """Two kinds of lesion, six patients of each: radiomics within a kind move together, vectors tell the kinds."""
    random = np.random.default_rng(0)

    def one(number):
        kind = number % 2
        values = {
            name: value + 0.05 * random.standard_normal() for name, value in values_along(1 + number / 50, kind).items()
        }
        return region(f"p{number}", vector=(1.0, 0.01 * number) if kind else (0.01 * number, 1.0), values=values)

    return [one(number) for number in range(14)]


def test_ways_that_know_the_kinds_agree_and_chance_does_not(regions):
    rows = {(row.task, row.way): row for row in radiomics_agreement(regions, regions, [by_vector("oracle")], "made")}
    assert set(rows) == {
        (NO_FEATURES, "oracle"),
        (ONE_FEATURE, "radiomics values"),
        *((subset, "radiomics values") for subset in SUBSETS),
    }
    for task in (NO_FEATURES, "all 72"):
        [row] = [row for (asked, _), row in rows.items() if asked == task]
        assert row.value > 0.6
        assert row.chance < 0.2
        assert row.beats_chance
    assert rows[ONE_FEATURE, "radiomics values"].n == 14 * 72
    assert rows[ONE_FEATURE, "radiomics values"].patients == 14


def test_own_patient_is_never_an_answer(regions):
    twin = region("p0", "CT", (0.0, 1.0), dict(regions[0].radiomics.values), label="twin")
    alone = radiomics_agreement(regions[:1], regions, [by_vector("oracle")], "made")
    with_twin = radiomics_agreement(regions[:1], [*regions, twin], [by_vector("oracle")], "made")
    assert [row.value for row in alone] == [row.value for row in with_twin]


def test_a_region_without_radiomics_neither_asks_nor_counts(regions):
    blind = region("blind", vector=(0.0, 1.0))
    [image, *_] = radiomics_agreement([blind, *regions[:2]], [*regions, blind], [by_vector("oracle")], "made")
    assert image.n == 2
