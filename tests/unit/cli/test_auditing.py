"""``similar-cases audit``: the trail as a table, JSON and CSV."""

import csv
import io
import json
import os

import pytest
from typer.testing import CliRunner, Result

from similar_cases.cli import app
from similar_cases.cli.console import ExitCode
from similar_cases.index.audit import AuditBook, AuditEntry
from similar_cases.index.catalogue import Catalogue
from similar_cases.index.database import open_engine, sqlite_url


@pytest.fixture
def run(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("SIMILAR_CASES_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SIMILAR_CASES_INDEX__DATA_DIR", str(tmp_path))
    engine = open_engine(sqlite_url(tmp_path))
    Catalogue(engine).create()
    for day, user, study in ((1, "ann", "1.2"), (2, "=bob()", "1.4")):
        entry = AuditEntry(user=user, route="similar", kinds=("study", "text"), asked=(study,), cases=1, shown=("1.9",))
        AuditBook(engine, days=100, clock=lambda day=day: 86_400.0 * day).keep(entry)
    engine.dispose()

    def invoked(*words: str) -> Result:
        return CliRunner().invoke(app, ["audit", *words], catch_exceptions=False)

    return invoked


def test_json_tells_everything(run):
    first, second = json.loads(run("--json").stdout)
    assert first == {
        "at": "1970-01-02T00:00:00+00:00", "user": "ann", "route": "similar", "kinds": ["study", "text"],
        "asked": ["1.2"], "cases": 1, "shown": ["1.9"],
    }  # fmt: skip
    assert second["user"] == "=bob()"


def test_csv_is_no_formula(run):
    head, first, second = csv.reader(io.StringIO(run("--csv").stdout))
    assert dict(zip(head, first, strict=True))["asked"] == "1.2"
    assert second[1] == "'=bob()"


def test_a_table_names_who_and_what(run):
    shown = run().stdout
    assert "ann" in shown
    assert "1.4" in shown


@pytest.mark.parametrize(
    ("words", "users"),
    [
        (("--since", "1970-01-03"), ["=bob()"]),
        (("--since", "1970-01-02T12:00"), ["=bob()"]),
        (("--user", "ann"), ["ann"]),
        (("--study", "1.4"), ["=bob()"]),
        (("--study", "1.9"), ["ann", "=bob()"]),
        (("--study", "1.7"), []),
    ],
)
def test_the_trail_is_narrowed(run, words, users):
    assert [one["user"] for one in json.loads(run("--json", *words).stdout)] == users


@pytest.mark.parametrize("words", [("--since", "yesterday"), ("--study", "abc")])
def test_what_is_no_moment_or_uid_is_refused(run, words):
    assert run(*words).exit_code == ExitCode.USAGE
