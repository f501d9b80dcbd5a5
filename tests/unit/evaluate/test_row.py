from dataclasses import replace

import pytest

from similar_cases.evaluate.row import Heading, Outcome, row_of, rows_of

ABOUT = Heading(data="d", task="t", way="w", metric="top-1")


def test_a_row_is_the_mean_beside_the_mean_chance():
    row = row_of(ABOUT, [Outcome(patient=p, score=s, chance=c) for p, s, c in (("a", 1, 0.1), ("a", 0, 0.3))])
    assert (row.value, row.chance, row.n, row.patients, row.ci) == (0.5, pytest.approx(0.2), 2, 1, None)
    assert not row.beats_chance
    assert row_of(ABOUT, []) is None


def test_chance_is_beaten_when_the_whole_interval_is_over_it():
    outcomes = [Outcome(patient=str(n), score=0.5 + n / 100, chance=0.3) for n in range(10)]
    row = row_of(ABOUT, outcomes)
    assert row.beats_chance
    assert not replace(row, chance=0.55).beats_chance
    assert row.as_json()["ci"] == [round(end, 4) for end in row.ci]
    assert row.as_json()["beats_chance"] is True


def test_rows_keep_the_order_of_their_headings():
    other = replace(ABOUT, way="v")
    one = Outcome(patient="a", score=1.0, chance=0.5)
    assert [(row.way, row.n) for row in rows_of([(ABOUT, one), (other, one), (ABOUT, one)])] == [("w", 2), ("v", 1)]
