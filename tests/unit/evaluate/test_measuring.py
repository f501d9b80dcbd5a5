import json
import re

import pytest
from tests.unit.evaluate.cheap_embedder import CheapEmbedder
from tests.unit.evaluate.published import brats, decathlon, total_segmentator
from tests.unit.evaluate.tiny_data import tiny_data
from typer.testing import CliRunner

from similar_cases import bootstrap
from similar_cases.cli import app
from similar_cases.segment.backends.region_growing import RegionGrowing


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """Describe by an embedder that takes no time; the real one is measured in models/README.md."""
    monkeypatch.setattr(bootstrap, "open_embedder", lambda settings: CheapEmbedder())
    monkeypatch.setattr(bootstrap, "open_segmenter", lambda settings: RegionGrowing())


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("few"), patients=2, hippocampi=0)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def baseline_alone(monkeypatch):
    """One network, trained and not, is enough to see every table."""
    monkeypatch.setenv("SIMILAR_CASES_DESCRIBE__EMBEDDER", "efficientnet-lite0")


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
        "radiomics without shape",
        *(f"efficientnet-lite0 + radiomics, {how}" for how in ("weighted", "calibrated", "reciprocal-rank")),
    }
    assert body["embedders"]["efficientnet-lite0, untrained"]["weights"].startswith("He et al.")
    assert body["radiomics"]["bin_count"] == 128
    alone, among_all = (
        [row for row in body["rows"] if row["data"].endswith(archive) and row["task"] == "all pairs"]
        for archive in ("these patients", "all patients")
    )
    assert {row["chance"] for row in alone} == {1.0}  # one patient validates
    assert {row["chance"] for row in among_all} == {0.5, 0.75}
    assert {row["n"] for row in among_all} == {6}
    assert any("one click" in row["data"] for row in body["rows"])


def test_tables_go_into_markdown_and_to_people(few, cache, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Tables\n")
    shown = run("same-lesion", "--data", few, "--cache", cache, "--markdown", page).stdout
    assert "all pairs" in shown
    assert "`similar-cases evaluate same-lesion --data DIR --split validation`" in page.read_text()


def test_too_few_patients_have_no_agreement_to_measure(few, cache):
    assert json.loads(run("radiomics", "--data", few, "--cache", cache, "--json").stdout)["rows"] == []


def test_location_prints_regions_of_the_body_and_organs(few, cache):
    rows = json.loads(run("location", "--data", few, "--cache", cache, "--json").stdout)["rows"]
    assert {row["task"] for row in rows if row["metric"] == "P@5"} >= {"extremity"}
    assert "place in the volume" in {row["way"] for row in rows}


def test_a_folder_without_the_data_is_told(tmp_path, cache):
    done = run("same-lesion", "--data", tmp_path, "--cache", cache, expect=2)
    assert "holds no data set" in done.stderr


def test_the_test_sets_are_too_few(few, cache):
    assert (
        "no sarcoma patients" in run("same-lesion", "--data", few, "--cache", cache, "--split", "test", expect=2).stderr
    )


def test_3d_mir_runs_on_the_decathlon(tmp_path, cache):
    data = decathlon(tmp_path / "msd", {"Liver": 7, "Colon": 5})
    body = json.loads(run("3d-mir", "--data", data, "--cache", cache, "--json").stdout)
    rows = body["rows"]
    # one liver asks: a volume without a tumour
    assert {row["data"] for row in rows} == {"liver; archive: one organ", "liver; archive: all organs"}
    [organ] = [
        row
        for row in rows
        if (row["task"], row["metric"]) == ("same organ", "P@3")
        and row["way"] == "efficientnet-lite0: slices vote by frequency"
    ]
    assert organ["chance"] == pytest.approx(6 / 11, abs=1e-4)
    assert 0 <= organ["value"] <= 1
    ways = {row["way"] for row in rows}
    assert len([way for way in ways if "pooled" in way]) == 5  # four, and one in turn with voting


def test_3d_mir_runs_on_the_folder_of_data_sets(few, cache):
    rows = json.loads(run("3d-mir", "--data", few, "--cache", cache, "--json").stdout)["rows"]
    assert {row["task"] for row in rows} == {"same organ", "same group"}


def test_totalsegmentator_runs_on_its_layout(tmp_path, cache):
    data = total_segmentator(tmp_path / "total", ["train", "train", "test", "test"])
    rows = json.loads(run("totalsegmentator", "--data", data, "--cache", cache, "--json").stdout)["rows"]
    volume = next(row for row in rows if row["way"] == "efficientnet-lite0, exact: volume")
    assert (volume["value"], volume["chance"], volume["n"], volume["patients"]) == (1.0, 1.0, 4, 2)
    assert {row["task"] for row in rows} == {"104 classes", "29 classes"}
    assert any(row["paper"] for row in rows)
    assert {row["way"].split(", ")[1].split(":")[0] for row in rows if "untrained" not in row["way"]} == {
        "exact",
        "HNSW",
    }


def test_help_tells_the_layout():
    assert "imagesTr" in run("3d-mir", "--help").stdout
    assert "segmentations/CLASS" in run("totalsegmentator", "--help").stdout.replace("\n", "").replace(" ", "")


def test_radiomics_retrieval_tells_masks_and_clicks_apart(tmp_path, cache):
    places = [(14.0, -6.0, 16.0), (-14.0, 8.0, -16.0)]
    data = brats(tmp_path / "brats", {f"BraTS-GLI-{n:05}-000": places[n % 2] for n in range(4)})
    rows = json.loads(run("radiomics-retrieval", "--data", data, "--cache", cache, "--json").stdout)["rows"]
    assert {row["data"] for row in rows} == {"BraTS, expert's mask", "BraTS, one click"}
    place = next(row for row in rows if (row["way"], row["metric"]) == ("place in the volume", "P@5"))
    assert (place["n"], place["chance"]) == (4, pytest.approx(1 / 3, abs=1e-4))
    assert place["paper"].startswith(".9117")
    assert {row["task"] for row in rows} > {"same place", "image", "all 72", "glcm (24)"}


def test_all_that_the_data_allow_goes_into_one_file(few, cache, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Tables\n")
    shown = run("all", "--data", few, "--cache", cache, "--markdown", page, "--segmenter", "none").stdout
    assert "--split validation --segmenter none`" in page.read_text()
    assert not re.search(r"^\|.*one click", page.read_text(), re.MULTILINE)
    places = re.findall(r"<!-- table (.+) -->", page.read_text())
    assert places == [
        "same-lesion validation",
        "same-lesion training",
        "radiomics validation",
        "location validation",
        "location test",
        "3d-mir validation",
    ]
    assert shown.count("Same lesion in another modality") == 2
    assert "does not beat the best single way" in page.read_text() or "beats the best single way" in page.read_text()
