import numpy as np
import pytest
from tests.unit.evaluate.volumes import SIZE, SPACE, axis, exact, volume

from similar_cases.evaluate.mir_3d import ALL_ORGANS, ONE_ORGAN, mir_3d
from similar_cases.evaluate.volume_ways import SliceArchive, VolumeWay, by_max_sim, by_pooling, by_voting, in_turn
from similar_cases.rank.pooling import Pooling
from similar_cases.rank.voting import Vote


def organ_volumes(organ, where, count=12):
    """Half of the volumes have a lesion: their slices point one way, those of the others another way."""
    random = np.random.default_rng(where)
    volumes = []
    for number in range(count):
        flag = number % 2
        slices = axis(where + flag) + 0.01 * random.standard_normal((4, SIZE))
        volumes.append(
            volume(f"{organ}/{number}", slices, dataset=organ, organ=organ, flag=str(flag), group=str(flag * 2 - 1))
        )
    return volumes


@pytest.fixture(scope="module")
def volumes():
    return organ_volumes("liver", 0) + organ_volumes("colon", 4)


def ways(archive):
    slices = SliceArchive(archive, SPACE, exact)
    voting = [by_voting(slices, how, 20) for how in Vote]
    pooling = [by_pooling(archive, how, SPACE, exact) for how in (Pooling.MEAN, Pooling.MEDIAN, Pooling.MAX)]
    return [*voting, *pooling, by_max_sim(slices, archive, 20), in_turn(voting[0], pooling[0])]


def test_an_oracle_has_the_first_answers_right_in_every_way(volumes):
    rows = mir_3d(volumes, volumes, ways(volumes), "oracle")
    assert {row.value for row in rows if row.metric in ("P@3", "P@5")} == {1.0}
    assert len({row.way for row in rows}) == 8
    assert {row.task for row in rows if ALL_ORGANS in row.data} == {"same organ", "same flag", "same group"}
    assert {row.task for row in rows if ONE_ORGAN in row.data} == {"same flag", "same group"}


def test_chance_is_the_share_of_equal_labels_among_other_patients(volumes):
    rows = {(row.data, row.task, row.metric): row for row in mir_3d(volumes, volumes, ways(volumes)[:1], "oracle")}
    assert rows[f"liver; archive: {ONE_ORGAN}", "same flag", "P@3"].chance == pytest.approx(5 / 11)
    assert rows[f"liver; archive: {ALL_ORGANS}", "same flag", "P@3"].chance == pytest.approx(5 / 23)
    assert rows[f"liver; archive: {ALL_ORGANS}", "same organ", "P@3"].chance == pytest.approx(11 / 23)
    assert rows[f"liver; archive: {ONE_ORGAN}", "same flag", "P@3"].n == 12


def test_random_slices_do_not_beat_chance():
    random = np.random.default_rng(1)
    volumes = [
        volume(str(n), random.standard_normal((3, SIZE)), organ="liver", flag=str(n % 2), group="1") for n in range(40)
    ]
    for row in mir_3d(volumes, volumes, ways(volumes)[:4], "random"):
        if row.task == "same flag":
            assert row.ci[0] <= row.chance + 0.02, row


def test_a_second_volume_of_the_patient_is_no_answer(volumes):
    labels = {"dataset": "liver", "organ": "liver", "flag": "0", "group": "-1"}
    twin = volume("twin", volumes[0].slices, patient=volumes[0].sample.patient, **labels)
    archive = [*volumes, twin]
    asked = []

    def ranking(query, among):
        asked.append([one.uid for one in among])
        return []

    mir_3d([twin], archive, [VolumeWay("spy", ranking)], "oracle")
    assert asked
    assert not any(volumes[0].uid in uids or "twin" in uids for uids in asked)


def test_answers_that_are_missing_are_wrong(volumes):
    few = VolumeWay("few", lambda query, among: [next(one.uid for one in among if one.sample.labels["flag"] == "0")])
    rows = mir_3d(volumes[:1], volumes, [few], "oracle")
    flag = {row.metric: row.value for row in rows if row.task == "same flag" and ONE_ORGAN in row.data}
    assert flag == {"P@3": pytest.approx(1 / 3), "P@5": pytest.approx(1 / 5), "P@10": pytest.approx(1 / 10), "AP": 1.0}
