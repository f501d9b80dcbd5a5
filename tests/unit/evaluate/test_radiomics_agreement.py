import numpy as np
import pytest
from tests.unit.evaluate.described import RECIPE, region, values_along

from similar_cases.describe.radiomics import PAPER_72
from similar_cases.domain.description import Embedding, EmbeddingSpace, Level
from similar_cases.evaluate.radiomics_agreement import NO_FEATURES, ONE_FEATURE, SUBSETS, Asking, radiomics_agreement
from similar_cases.evaluate.row import rows_of

SPACE = EmbeddingSpace(model="learned", version="1", weights="", preprocessing="", level=Level.REGION, size=2)


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


def measured(queries, archive, embedders):
    return rows_of(radiomics_agreement(queries, archive, embedders, ["made"]))


def asking(regions):
    return [Asking(asks=one, lesion=one) for one in regions]


def test_ways_that_know_the_kinds_agree_and_chance_does_not(regions):
    rows = {(row.task, row.way): row for row in measured(asking(regions), regions, {"oracle": None})}
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
    alone = measured(asking(regions[:1]), regions, {"oracle": None})
    with_twin = measured(asking(regions[:1]), [*regions, twin], {"oracle": None})
    assert [row.value for row in alone] == [row.value for row in with_twin]


def test_a_region_without_radiomics_neither_asks_nor_counts(regions):
    blind = region("blind", vector=(0.0, 1.0))
    [image, *_] = measured(asking([blind, *regions[:2]]), [*regions, blind], {"oracle": None})
    assert image.n == 2


def test_a_click_asks_with_what_it_found_and_is_held_against_the_lesion(regions):
    # the click found something of the other kind: what it asks with is wrong, what it is compared with is right
    wrong = [Asking(asks=region("clicked", values=dict(regions[1].radiomics.values)), lesion=regions[0])]
    clicked = measured(wrong, regions, {"oracle": None})
    drawn = measured(asking(regions[:1]), regions, {"oracle": None})
    values = {row.task: row.value for row in drawn if row.way == "radiomics values"}
    assert all(row.value < values[row.task] for row in clicked if row.task == "all 72")


class Learned:
    """Knows radiomics: the kinds' first feature says on which axis a Region lies."""

    region_space = series_space = slice_space = SPACE
    radiomics_recipe = RECIPE
    radiomics_names = PAPER_72[:1]

    def __init__(self, kinds):
        self._kinds = kinds

    def embed_radiomics(self, values, recipe, body=None):
        assert set(values) <= set(self.radiomics_names)
        near = [abs(values[PAPER_72[0]] - kind.radiomics.values[PAPER_72[0]]) for kind in self._kinds]
        return Embedding(np.eye(2, dtype=np.float32)[int(np.argmin(near)) ^ 1], SPACE)


def test_learned_radiomics_ask_in_the_space_of_regions(regions):
    by_way = {(row.task, row.way): row for row in measured(asking(regions), regions, {"oracle": Learned(regions[:2])})}
    assert by_way["all 72", "oracle, radiomics values"].value > 0.6
    assert by_way["all 72", "oracle, radiomics values"].n == 14
    # nothing that it knows is asked with: no order, but that of the UIDs
    assert not by_way["glszm (16)", "oracle, radiomics values"].beats_chance
