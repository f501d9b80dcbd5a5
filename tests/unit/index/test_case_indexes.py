"""Indexes follow the catalogue, whoever changed it."""

import threading

import numpy as np
import pytest
from tests.case_samples import RECIPE, sample, series, space
from tests.unit.index.test_catalogue import Shelf

from similar_cases.domain.conditions import Condition, Match
from similar_cases.domain.description import Level
from similar_cases.domain.errors import InvalidRequest
from similar_cases.index.case_indexes import CaseIndexes
from similar_cases.index.exact import ExactIndex
from similar_cases.index.radiomics_table import RadiomicsTable


@pytest.fixture
def shelf(tmp_path) -> Shelf:
    return Shelf(tmp_path)


def opened(shelf: Shelf) -> CaseIndexes:
    return CaseIndexes(shelf.engine, lambda wanted: ExactIndex(wanted, device="cpu"))


def put(shelf: Shelf, number: int, *keys: object, **known) -> list[str]:
    ref = series(number)
    shelf.see(ref)
    cases = [sample(ref, key, **known) for key in keys]
    shelf.commit(ref, *cases)
    return [case.uid for case in cases]


def uids(indexes: CaseIndexes, **wanted) -> set[str]:
    return {found.case_uid for found in indexes.nearest(space(**wanted), np.ones(8, np.float32))}


def test_an_index_knows_at_once_what_came_changed_and_went(shelf):
    indexes = opened(shelf)
    assert uids(indexes) == set()
    first = put(shelf, 1, "a", "b")
    assert uids(indexes) == set(first)
    second = put(shelf, 2, "a")
    assert uids(indexes) == {*first, *second}
    put(shelf, 1, "b")
    assert uids(indexes) == {first[1], *second}
    shelf.forget(series(1))
    assert uids(indexes) == set(second)
    # gone, and back again
    assert put(shelf, 1, "a", "b") == first
    assert uids(indexes) == {*first, *second}
    assert uids(opened(shelf)) == {*first, *second}


def test_a_changed_vector_is_found_at_its_new_place(shelf):
    indexes = opened(shelf)
    east, north = np.eye(8)[0], np.eye(8)[1]
    [uid] = put(shelf, 1, "a", vector=east)
    assert indexes.nearest(space(), east)[0].similarity == 1.0
    put(shelf, 1, "a", vector=north)
    [found] = indexes.nearest(space(), east)
    assert (found.case_uid, found.similarity) == (uid, 0.0)


def test_spaces_never_mix(shelf):
    indexes = opened(shelf)
    old = put(shelf, 1, "a")
    whole = put(shelf, 2, 0, level=Level.SERIES)
    assert uids(indexes) == set(old)
    assert uids(indexes, level=Level.SERIES) == set(whole)
    put(shelf, 1, "a", version="2")
    assert uids(indexes) == set()
    assert uids(indexes, version="2") == set(old)
    assert indexes.warm(space(version="2")) == 1


def test_a_stored_vector_is_its_own_nearest(shelf):
    indexes = opened(shelf)
    for number in range(30):
        put(shelf, number, "a", "b")
    case = shelf.lookups.cases_of(series(17).series_uid)[0]
    [nearest] = indexes.nearest(space(), case.description.embedding.vector, 1)
    assert (nearest.case_uid, nearest.similarity) == (case.uid, 1.0)


def test_many_threads_ask_while_one_writes(shelf):
    indexes = opened(shelf)
    put(shelf, 0, "a")
    stop, faults = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            try:
                found = uids(indexes)
                assert sample(series(0), "a").uid in found
            except BaseException as fault:
                faults.append(fault)
                return

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 15):
        put(shelf, number, "a")
    shelf.forget(*(series(number) for number in range(1, 8)))
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults
    assert len(uids(indexes)) == 8


def test_the_table_of_radiomics_follows_too(shelf):
    table = RadiomicsTable(shelf.engine, RECIPE.fingerprint)
    table.refresh()
    assert len(table) == 0
    [one] = put(shelf, 1, "a", radiomics={"shape_x": 1.0})
    [other] = put(shelf, 2, "a", radiomics={"shape_y": 2.0}, modality="MR")
    [without] = put(shelf, 3, "a")
    table.refresh()
    assert table.names == ("shape_x", "shape_Lost", "shape_y")
    np.testing.assert_array_equal(
        table.rows([other, one, without, "unknown"]),
        [[np.nan, np.nan, 2], [1, np.nan, np.nan], [np.nan] * 3, [np.nan] * 3],
    )
    assert [table.modality_of(uid) for uid in (one, other, without)] == ["CT", "MR", ""]
    assert table.of_modality("CT").shape == (1, 3)
    changes = table.changes
    shelf.forget(series(1))
    put(shelf, 2, "a", radiomics={"shape_y": 5.0, "shape_z": 6.0}, modality="PT")
    table.refresh()
    assert len(table) == 1
    assert table.changes > changes
    np.testing.assert_array_equal(table.rows([one, other]), [[np.nan] * 4, [np.nan, np.nan, 5, 6]])
    assert table.modality_of(other) == "PT"


CT = Condition("Modality", Match.SINGLE, ("CT",))
OLD = Condition("PatientAge", Match.YEARS, ("60", ""))
#: no column in memory: the catalogue is asked
JANE = Condition("PatientName", Match.WILDCARD, ("Jane*",))


def test_a_set_of_cases_is_what_the_catalogue_says(shelf):
    indexes = opened(shelf)
    known = [{"modality": "CT", "patient_age_years": 61.0}, {"modality": "MR", "patient_name": "Jane^Doe"}, {}]
    uids = [put(shelf, number, "a", **facts)[0] for number, facts in enumerate(known)]
    for conditions in ((), (CT,), (OLD,), (JANE,), (CT, OLD), (CT, JANE)):
        chosen = indexes.select(space(), conditions)
        expected = set(shelf.lookups.case_uids(space().id, conditions))
        assert (set(chosen), len(chosen)) == (expected, len(expected))
        found = indexes.nearest(space(), np.ones(8, np.float32), among=chosen)
        assert found == indexes.nearest(space(), np.ones(8, np.float32), among=expected)
        assert [uid in chosen for uid in uids] == [uid in expected for uid in uids]
    assert set(indexes.select(space(), (CT,), without=[uids[0], "unknown"])) == {uids[2]}


@pytest.mark.parametrize("condition", [CT, JANE])
def test_a_set_of_cases_follows_the_catalogue(shelf, condition):
    indexes = opened(shelf)
    chosen = indexes.select(space(), (condition,))
    assert len(chosen) == 0
    here = {"modality": "CT", "patient_name": "Jane"}
    [first] = put(shelf, 1, "a", **here)
    [second] = put(shelf, 2, "a", modality="MR", patient_name="Joe")
    assert indexes.nearest(space(), np.ones(8, np.float32), among=chosen)[0].case_uid == first
    assert len(chosen) == 1
    # the row of the one that goes is taken by another, which must not pass by its attributes
    shelf.forget(series(1))
    [third] = put(shelf, 3, "a", modality="MR", patient_name="Joe")
    assert len(chosen) == 0
    assert indexes.nearest(space(), np.ones(8, np.float32), among=chosen) == []
    put(shelf, 2, "a", **here)
    assert [found.case_uid for found in indexes.nearest(space(), np.ones(8, np.float32), among=chosen)] == [second]
    assert uids(indexes) == {second, third}


def test_a_set_of_one_space_says_its_uids_in_another(shelf):
    indexes = opened(shelf)
    [region] = put(shelf, 1, "a")
    put(shelf, 2, 0, level=Level.SERIES)
    chosen = indexes.select(space())
    assert indexes.nearest(space(level=Level.SERIES), np.ones(8, np.float32), among=chosen) == []
    assert set(chosen) == {region}


def test_a_condition_on_what_is_not_kept_is_refused(shelf):
    with pytest.raises(InvalidRequest):
        len(opened(shelf).select(space(), [Condition("BurnedInAnnotation", Match.SINGLE, ("NO",))]))
