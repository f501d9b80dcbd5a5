"""Every index that can be named opens, and finds."""

import numpy as np
import pytest
from tests.case_samples import space

from similar_cases.domain.errors import InvalidSettings
from similar_cases.index.faiss_index import FaissKind
from similar_cases.index.registry import CASE_INDEXES, case_index_factory
from similar_cases.settings import IndexSettings


@pytest.mark.parametrize("name", CASE_INDEXES)
def test_an_index_opens_by_its_name_and_is_named_in_the_setting(name):
    index = case_index_factory(name)(space(), "cpu")
    index.add(["a"], np.ones((1, 8), np.float32))
    assert index.nearest(np.ones(8, np.float32), 1)[0].case_uid == "a"
    described = IndexSettings.model_fields["engine"].description
    assert f"{name.removeprefix('faiss')}" in described


def test_every_kind_of_faiss_has_a_name_and_unknown_names_are_refused():
    assert set(FaissKind) < set(CASE_INDEXES)
    with pytest.raises(InvalidSettings, match="there are exact, faiss-flat"):
        case_index_factory("nothing")
