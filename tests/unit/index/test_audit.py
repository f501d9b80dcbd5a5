"""The audit trail: what is kept, for how long, and what never is."""

import logging

import pytest
from sqlalchemy import text

from similar_cases.index.audit import DAY_SECONDS, AuditBook, AuditEntry
from similar_cases.index.catalogue import Catalogue
from similar_cases.index.database import open_engine, sqlite_url

ENTRY = AuditEntry(
    user="ann", route="similar", kinds=("series",), asked=("1.2", "1.2.3"), cases=2, shown=("1.4", "1.5")
)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def engine(tmp_path):
    engine = open_engine(sqlite_url(tmp_path))
    Catalogue(engine).create()
    yield engine
    engine.dispose()


def test_entries_come_back_in_the_order_of_time(engine):
    clock = Clock()
    book = AuditBook(engine, days=1, clock=clock)
    book.keep(ENTRY)
    clock.now = 2000.0
    book.keep(AuditEntry(user="bob", route="similar_series", kinds=("region",), asked=("1.9",), cases=0))
    first, second = book.entries()
    assert (first.at, first.user, first.kinds, first.asked, first.cases, first.shown) == (
        *(1000.0, "ann", ("series",), ("1.2", "1.2.3"), 2, ("1.4", "1.5")),
    )
    assert (second.at, second.user, second.shown) == (2000.0, "bob", ())
    assert [one.user for one in book.entries(since=1500.0)] == ["bob"]
    assert [one.user for one in book.entries(user="ann")] == ["ann"]


@pytest.mark.parametrize(("study", "count"), [("1.2", 1), ("1.5", 1), ("1.9", 0)])
def test_a_study_is_found_where_it_was_asked_about_or_shown(engine, study, count):
    book = AuditBook(engine, days=1)
    book.keep(ENTRY)
    assert len(list(book.entries(study_uid=study))) == count


def test_what_is_older_than_the_days_goes_with_the_next_entry(engine):
    clock = Clock()
    book = AuditBook(engine, days=2, clock=clock)
    book.keep(ENTRY)
    clock.now += 2 * DAY_SECONDS - 1
    book.keep(ENTRY)
    assert len(list(book.entries())) == 2
    clock.now += 2
    book.keep(ENTRY)
    assert len(list(book.entries())) == 2


def test_no_days_leave_the_logs_line_alone(engine, caplog):
    caplog.set_level(logging.INFO)
    book = AuditBook(engine, days=0)
    book.keep(ENTRY)
    assert not list(book.entries())
    assert "asked user='ann' route=similar by=series uids=1.2,1.2.3 cases=2" in caplog.text


def test_a_users_name_cannot_forge_a_line(engine, caplog):
    caplog.set_level(logging.INFO)
    AuditBook(engine, days=0).keep(AuditEntry(user="x\nasked user='y'", route="r", kinds=(), asked=(), cases=0))
    assert len(caplog.text.strip().splitlines()) == 1


def test_an_answer_goes_out_where_the_trail_cannot_be_written(engine, caplog):
    caplog.set_level(logging.INFO)
    with engine.begin() as connection:
        connection.execute(text("drop table audit"))
    AuditBook(engine, days=1).keep(ENTRY)
    assert "cannot be written" in caplog.text
    assert "asked user='ann'" in caplog.text
