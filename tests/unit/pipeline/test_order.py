"""Who is looked at more closely."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from similar_cases.pipeline.order import _best_of


@dataclass
class Some:
    """Allows a set of UIDs, and counts how often it is asked."""

    may: frozenset[str]
    asked: int = 0

    def holds(self, case_uid: str) -> bool:
        self.asked += 1
        return case_uid in self.may


@given(
    values=st.lists(st.sampled_from([np.nan, 0.0, 0.25, 0.5, 1.0]), max_size=40),
    may=st.frozensets(st.integers(0, 39)),
    count=st.integers(1, 6),
)
def test_the_best_that_may_be_answers_equal_ones_by_uid(values, may, count):
    uids = [f"1.{number:02}" for number in range(len(values))]
    allowed = Some(frozenset(f"1.{number:02}" for number in may))
    order = sorted(
        (-value, uid) for value, uid in zip(values, uids, strict=True) if uid in allowed.may and value == value
    )
    assert _best_of(uids, np.array(values), count, allowed) == {uid for _, uid in order[:count]}


def test_of_many_only_the_best_are_looked_at():
    uids = [f"1.{number:05}" for number in range(10_000)]
    allowed = Some(frozenset(uids))
    found = _best_of(uids, np.linspace(0, 1, 10_000), 10, allowed)
    assert found == set(uids[-10:])
    assert allowed.asked < 100
