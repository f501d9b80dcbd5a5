import json

import pytest
from tests.unit.evaluate.tiny_data import tiny_data
from typer.testing import CliRunner

from similar_cases.cli import app


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("few"), patients=2, hippocampi=0)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def run(*arguments, expect=0):
    done = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    assert done.exit_code == expect, done.output
    return done


def test_same_lesion_prints_rows_beside_chance_and_untrained_networks(few, cache):
    body = json.loads(run("same-lesion", "--data", few, "--cache", cache, "--json").stdout)
    ways = {row["way"] for row in body["rows"]}
    assert ways == {
        "efficientnet-lite0",
        "efficientnet-lite0, untrained",
        "radiomics",
        "efficientnet-lite0 + radiomics",
    }
    alone, among_all = (
        [row for row in body["rows"] if row["data"].endswith(archive) and row["task"] == "all pairs"]
        for archive in ("these patients", "all patients")
    )
    assert {row["chance"] for row in alone} == {1.0}  # one patient validates
    assert {row["chance"] for row in among_all} == {0.5, 0.75}
    assert {row["n"] for row in among_all} == {6}


def test_tables_go_into_markdown_and_to_people(few, cache, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Tables\n")
    shown = run("same-lesion", "--data", few, "--cache", cache, "--markdown", page).stdout
    assert "all pairs" in shown
    assert "`similar-cases evaluate same-lesion --data DIR --split validation`" in page.read_text()


def test_too_few_patients_have_no_agreement_to_measure(few, cache):
    assert json.loads(run("radiomics", "--data", few, "--cache", cache, "--json").stdout)["rows"] == []


def test_a_folder_without_the_data_is_told(tmp_path, cache):
    done = run("same-lesion", "--data", tmp_path, "--cache", cache, expect=2)
    assert "holds no data set" in done.stderr


def test_the_test_sets_are_too_few(few, cache):
    assert (
        "no sarcoma patients" in run("same-lesion", "--data", few, "--cache", cache, "--split", "test", expect=2).stderr
    )
