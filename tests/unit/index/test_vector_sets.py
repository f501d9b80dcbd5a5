"""Sets of vectors come out of the catalogue many at once."""

import numpy as np
import pytest
from tests.case_samples import SIZE, sample, series, space
from tests.unit.index.test_catalogue import Shelf

from similar_cases.domain.description import Level
from similar_cases.index.vector_sets import VectorSets


@pytest.fixture
def shelf(tmp_path) -> Shelf:
    return Shelf(tmp_path)


def test_slices_of_many_cases_come_in_half_precision_and_of_one_space(shelf):
    uids = []
    for number in range(3):
        ref = series(number)
        shelf.see(ref)
        whole = sample(ref, 0, level=Level.SERIES, version="2" if number == 2 else "1")
        shelf.commit(ref, whole, sample(ref, "a"))
        uids += [whole.uid, sample(ref, "a").uid]
    found = VectorSets(shelf.engine).of_slices([*uids, "unknown"], space(Level.SLICE).id)
    assert sorted(found) == sorted([uids[0], uids[2]])
    assert {one.dtype for one in found.values()} == {np.dtype(np.float16)}
    np.testing.assert_array_equal(found[uids[0]], np.eye(3, SIZE))
    assert VectorSets(shelf.engine).of_slices([], space(Level.SLICE).id) == {}


def test_regions_of_many_studies_come_in_the_order_of_their_uids(shelf):
    cases = {}
    for number, keys in ((1, "ba"), (2, "c"), (3, "")):
        ref = series(number, study=number % 2)
        shelf.see(ref)
        cases[number] = [sample(ref, key) for key in keys]
        shelf.commit(ref, *cases[number], sample(ref, 0, level=Level.SERIES))
    found = VectorSets(shelf.engine).of_regions(["1.2.0", "1.2.1", "1.2.9"], space().id)
    assert {study: uids for study, (uids, _) in found.items()} == {
        "1.2.1": sorted(case.uid for case in cases[1]),
        "1.2.0": [cases[2][0].uid],
    }
    uids, vectors = found["1.2.1"]
    expected = {case.uid: case.description.embedding.vector.astype(np.float16) for case in cases[1]}
    np.testing.assert_array_equal(vectors, [expected[uid] for uid in uids])
