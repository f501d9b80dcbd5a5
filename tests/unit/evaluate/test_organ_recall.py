import numpy as np
import pytest
from tests.unit.evaluate.volumes import SIZE, SPACE, axis, exact, volume

from similar_cases.evaluate.organ_recall import Mode, ShownVolume, organ_recall
from similar_cases.evaluate.volume_ways import SliceArchive

ABOUT = ("made", "2 classes", "oracle")


def with_organs(uid, organs):
    """Each slice shows one organ, and points its way."""
    made = volume(uid, [axis(organ) + 0.05 * axis(15) for organ in organs])
    shows = {f"organ{organ}": [k for k, one in enumerate(organs) if one == organ] for organ in organs}
    return ShownVolume.of(made, shows)


def measured(queries, archive):
    slices = SliceArchive([one.volume for one in archive], SPACE, exact)
    return {row.way.removeprefix("oracle: "): row for row in organ_recall(queries, archive, slices, ABOUT)}


def test_an_oracle_finds_every_organ():
    archive = [with_organs("a", [0, 0, 1, 1]), with_organs("b", [2, 2, 3, 3]), with_organs("c", [4, 5, 4, 5])]
    rows = measured([with_organs("q", [0, 1]), with_organs("r", [2, 3])], archive)
    assert {mode.value for mode in Mode} == set(rows)
    assert {row.value for row in rows.values()} == {1.0}
    assert {row.std for row in rows.values()} == {0.0}
    assert rows["volume"].chance == pytest.approx(1 / 3)
    assert rows["slice"].chance == pytest.approx(2 / 12)
    assert (rows["volume"].n, rows["volume"].patients, rows["volume"].ci) == (4, 2, (1.0, 1.0))


def test_the_region_is_found_where_the_whole_is_outvoted():
    # most slices of the query are like a; the organ 1, on one slice, is in b alone
    archive = [with_organs("a", [0, 0, 0]), with_organs("b", [1, 2, 2])]
    rows = measured([with_organs("q", [0, 0, 1])], archive)
    assert rows["volume"].value == 0.5  # a has organ 0, not organ 1
    assert rows["region"].value == 1.0
    assert rows["region, re-ranked"].value == 1.0
    assert rows["localized"].value == rows["localization ratio"].value == 1.0


def test_a_volume_that_shows_the_organ_elsewhere_is_not_localized():
    wrong = volume("w", [axis(0), axis(1)])
    archive = [ShownVolume.of(wrong, {"organ0": [1], "organ1": [0]})]  # looks the other way round
    rows = measured([with_organs("q", [0, 0, 1])], archive)
    assert rows["region"].value == 1.0
    assert rows["slice"].value == rows["localized"].value == rows["localization ratio"].value == 0.0
    assert rows["localized, re-ranked"].value == rows["localization ratio, re-ranked"].value == 0.0


def test_classes_weigh_alike_whatever_their_number():
    archive = [with_organs("a", [0, 0]), with_organs("b", [1, 1])]
    odd = ShownVolume.of(volume("odd", [axis(0), axis(0)]), {"organ1": [0, 1]})  # looks like a, is called otherwise
    rows = measured([with_organs("q", [0]), with_organs("r", [0]), with_organs("s", [0]), odd], archive)
    assert rows["volume"].value == 0.5
    assert rows["volume"].std == 0.5


@pytest.mark.parametrize("mode", ["slice", "volume", "region", "volume, re-ranked", "localization ratio"])
def test_random_slices_stay_at_chance(at_random, mode):
    rows = [rows[mode] for rows in at_random]
    assert np.mean([row.value for row in rows]) == pytest.approx(np.mean([row.chance for row in rows]), abs=0.06)
    assert sum(row.ci[0] <= row.chance <= row.ci[1] for row in rows) >= 4


@pytest.fixture(scope="module")
def at_random():
    """Return what six archives of random slices make of it."""

    def one(number, random):
        shows = {"x" if number % 2 else "y": [0, 1, 2]}
        return ShownVolume.of(volume(str(number), random.standard_normal((6, SIZE))), shows)

    def rows(seed):
        random = np.random.default_rng(seed)
        return measured([one(n, random) for n in range(24)], [one(n + 100, random) for n in range(24)])

    return [rows(seed) for seed in range(6)]


def test_what_lies_between_the_slices_looked_at_is_not_shown():
    assert ShownVolume.of(volume("a", [axis(0)]), {"organ0": [7]}).shows == {}
