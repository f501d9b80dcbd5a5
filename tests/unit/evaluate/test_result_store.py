import os

import numpy as np
import pytest

from similar_cases.evaluate.result_store import ResultStore, files_key


def test_what_was_made_once_is_not_made_again(tmp_path):
    made = []

    def make():
        made.append(1)
        return np.arange(3.0)

    for _ in range(2):
        np.testing.assert_array_equal(ResultStore(tmp_path).array(("a", 1), make), [0.0, 1.0, 2.0])
        assert ResultStore(tmp_path).document("facts", lambda: made.append(2) or {"a": [None, 1.5]}) == {
            "a": [None, 1.5]
        }
    assert made == [1, 2]


def test_another_key_is_another_result(tmp_path):
    store = ResultStore(tmp_path)
    assert store.document(("x", 1), lambda: "one") != store.document(("x", 2), lambda: "two")


def test_a_failure_leaves_nothing_behind(tmp_path):
    store = ResultStore(tmp_path)
    with pytest.raises(TypeError):
        store.document("bad", lambda: object())
    with pytest.raises(ZeroDivisionError):
        store.array("worse", lambda: 1 / 0)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_files_are_known_by_name_size_and_time(tmp_path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b").write_text("2")
    before = files_key(tmp_path)
    assert before == files_key(tmp_path)
    os.utime(tmp_path / "sub" / "b", (1, 1))
    assert files_key(tmp_path) != before
    assert files_key(tmp_path / "a") != files_key(tmp_path / "sub" / "b")
