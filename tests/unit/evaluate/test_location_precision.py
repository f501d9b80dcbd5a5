import pytest
from tests.unit.evaluate.described import region

from similar_cases.domain.description import BodyCoordinate, Location
from similar_cases.evaluate.location_precision import (
    body_region,
    by_place,
    landmark_distance,
    organ_in_another,
    region_precision,
)
from similar_cases.evaluate.ways import by_vector


def at(relative, body_mm=None):
    return Location((0.0, 0.0, 0.0), relative, BodyCoordinate(body_mm, "m 1") if body_mm else None)


def organ(patient, label, relative, body_mm=None, vector=(1.0, 0.0)):
    return region(patient, label=label, dataset="organs", location=at(relative, body_mm), vector=vector)


@pytest.fixture
def organs():
    """Three patients whose livers and spleens lie alike; the third one's grid runs the other way round."""
    found = []
    for number, patient in enumerate("abc"):
        flip = number == 2
        for label, j, vector in (("liver", 0.2, (1.0, 0.0)), ("spleen", 0.8, (0.0, 1.0))):
            place = (0.5, 1 - j if flip else j, 0.5)
            found.append(organ(patient, label, place, (100 * j, float(number), 0.0), vector))
    return found


def test_regions_of_the_body_come_from_the_data_set_or_the_organ():
    assert [body_region(organ("a", label, (0, 0, 0))) for label in ("liver", "lung left", "aorta")] == [
        "abdomen",
        "chest",
        "",
    ]
    assert body_region(region("b", dataset="hippocampus")) == "head"
    assert body_region(region("b", dataset="unheard of")) == ""


def test_precision_counts_other_patients_in_the_same_region():
    heads = [region(f"h{n}", dataset="hippocampus", vector=(1.0, 0.01 * n)) for n in range(8)]
    limbs = [region(f"s{n}", dataset="sarcoma", vector=(0.01 * n, 1.0)) for n in range(8)]
    rows = {row.task: row for row in region_precision([*heads, *limbs], [*heads, *limbs], [by_vector("oracle")])}
    assert set(rows) == {"head", "extremity"}
    for row in rows.values():
        assert (row.value, row.chance, row.n, row.metric) == (1.0, pytest.approx(7 / 15), 8, "P@5")


def test_the_same_organ_is_found_by_what_knows_it(organs):
    rows = organ_in_another(organs, [by_vector("oracle"), by_place("volume", body=False), by_place("body", body=True)])
    found = {(row.way, row.metric): row.value for row in rows}
    assert found["oracle", "top-1"] == found["body", "top-1"] == 1.0
    assert found["volume", "top-1"] < 1.0  # the flipped one finds nobody
    assert {row.chance for row in rows if row.metric == "top-1"} == {0.5}
    assert {row.n for row in rows} == {6}


def test_landmarks_lie_less_apart_than_any_organs(organs):
    [row] = landmark_distance(organs)
    # the same organ of patients a, b, c: 1 and 2 apart, 1 and 1, 2 and 1
    assert row.value == pytest.approx(4 / 3)
    assert row.chance == pytest.approx((4 / 3 + (2 * (3601**0.5 * 2 + 3604**0.5)) / 6) / 2)
    assert row.beats_chance


def test_without_a_body_nothing_is_apart(organs):
    assert landmark_distance([organ("a", "liver", (0, 0, 0)), organ("b", "liver", (0, 0, 0))]) == []
    blind = region("x")
    assert by_place("body", body=True).ranking(blind, organs)[0] in organs
