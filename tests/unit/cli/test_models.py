"""`similar-cases models`: what there is, whether it is still that, and how weights of the site come in and are used."""

import json
import os
from pathlib import Path

import pytest
from tests.unit.describe import vision_weights
from tests.unit.segment.large_models import vista3d_bundle
from tests.unit.segment.nninteractive_server import served
from typer.testing import CliRunner, Result

from similar_cases import bootstrap
from similar_cases.cli import app
from similar_cases.cli.console import ExitCode
from similar_cases.cli.doctor import _models, _segmenter
from similar_cases.domain.errors import InvalidSettings, SegmenterUnavailable
from similar_cases.models.kinds import KINDS
from similar_cases.models.model_file import sha256_of
from similar_cases.settings import load_settings


@pytest.fixture
def run(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("SIMILAR_CASES_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SIMILAR_CASES_INDEX__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SIMILAR_CASES_PACS__ORTHANC_URL", "http://127.0.0.1:9")

    def invoked(*words: str) -> Result:
        return CliRunner().invoke(app, ["models", *words], catch_exceptions=False)

    return invoked


@pytest.fixture
def weights(tmp_path) -> Path:
    """Return small weights under the names of DINO's."""
    return vision_weights.saved(tmp_path, "dino", vision_weights.by_formula(vision_weights.timm())).path


def listed(run) -> dict:
    return {one["name"]: one for one in json.loads(run("list", "--json").stdout)["models"]}


def test_what_came_with_it_and_what_can_be_added_is_listed(run):
    told = json.loads(run("list", "--json").stdout)
    names = {one["name"]: one for one in told["models"]}
    assert names["region-token"]["in_use"]
    assert names["efficientnet-lite0"]["setting"] == "describe.embedder"
    assert names["promptable"]["setting"] == "segment.backend"
    assert all(len(one["sha256"]) == 64 and one["bytes"] > 1e6 and one["licence"] for one in told["models"])
    assert {one["kind"] for one in told["kinds"]} == set(KINDS)
    assert "efficientnet-lite0" in run("list").stdout


def test_weights_that_are_added_are_listed_verified_and_used(run, weights, monkeypatch):
    done = run("add", str(weights), "--name", "dino-b", "--kind", "dino", "--version", "2021", "--json")
    assert done.exit_code == ExitCode.OK
    assert json.loads(done.stdout)["setting"] == "describe.embedder"
    one = listed(run)["dino-b"]
    assert (one["origin"], one["kind"], one["licence"], one["in_use"]) == ("added", "dino", "Apache-2.0", False)
    assert one["path"] == str(weights)
    monkeypatch.setenv("SIMILAR_CASES_DESCRIBE__EMBEDDER", "dino-b")
    assert listed(run)["dino-b"]["in_use"]
    assert run("verify", "--open").exit_code == ExitCode.OK
    doctor = CliRunner().invoke(app, ["doctor", "--json"])
    found = {check["what"]: check for check in json.loads(doctor.stdout)}
    assert found["embedder"]["found"].startswith("dino ViT 128x2/16 2021")
    assert found["models"]["found"].startswith("1 added")


def test_a_kind_and_its_file_can_be_named_without_adding(run, weights, monkeypatch):
    monkeypatch.setenv("SIMILAR_CASES_DESCRIBE__EMBEDDER", "dino")
    monkeypatch.setenv("SIMILAR_CASES_DESCRIBE__WEIGHTS", str(weights))
    monkeypatch.setenv("SIMILAR_CASES_DESCRIBE__WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(InvalidSettings, match=f"and {'0' * 64} is named"):
        bootstrap.open_embedder(load_settings().settings)
    monkeypatch.setenv("SIMILAR_CASES_DESCRIBE__WEIGHTS_SHA256", sha256_of(weights))
    assert bootstrap.open_embedder(load_settings().settings).region_space.model == "dino ViT 128x2/16"


def test_a_segmenter_that_is_added_is_the_one_that_the_setting_names(run, tmp_path, monkeypatch):
    bundle = vista3d_bundle(tmp_path / "vista3d")
    assert run("add", str(bundle), "--name", "organs", "--kind", "vista3d").exit_code == ExitCode.OK
    monkeypatch.setenv("SIMILAR_CASES_SEGMENT__BACKEND", "organs")
    assert bootstrap.open_segmenter(load_settings().settings).identity.name == "VISTA3D"
    assert listed(run)["organs"]["in_use"]
    assert "non-commercial" in listed(run)["organs"]["licence"]
    monkeypatch.setenv("SIMILAR_CASES_DESCRIBE__EMBEDDER", "organs")
    with pytest.raises(InvalidSettings, match=r"describe\.embedder names organs, which is for segment\.backend"):
        bootstrap.open_embedder(load_settings().settings)


def test_a_server_is_named_and_looked_at_by_the_doctor(run, monkeypatch):
    told = json.loads(run("list", "--json").stdout)
    assert "nninteractive" in {one["name"] for one in told["services"]}
    with served() as double:
        monkeypatch.setenv("SIMILAR_CASES_SEGMENT__BACKEND", "nninteractive")
        monkeypatch.setenv("SIMILAR_CASES_SEGMENT__SERVER_URL", double.url)
        assert _segmenter(load_settings().settings).found.endswith("weights: CC BY-NC-SA 4.0")
    with pytest.raises(SegmenterUnavailable):
        _segmenter(load_settings().settings)


def test_bytes_that_changed_are_told(run, weights):
    run("add", str(weights), "--name", "dino-b", "--kind", "dino")
    weights.write_bytes(weights.read_bytes() + b"x")
    done = run("verify", "--json")
    assert done.exit_code == ExitCode.FAILED
    told = {one["name"]: one for one in json.loads(done.stdout)}
    assert told["dino-b"]["state"] == "broken"
    assert "is named" in told["dino-b"]["found"]
    assert told["promptable"]["state"] == "ok"


def test_another_architecture_is_told_when_it_is_opened(run, weights):
    run("add", str(weights), "--name", "clip-b", "--kind", "radimagenet-resnet50")
    assert run("verify").exit_code == ExitCode.OK
    done = run("verify", "--open", "--json")
    assert done.exit_code == ExitCode.FAILED
    assert "is no radimagenet-resnet50: conv1.weight" in done.stdout


def test_a_file_that_is_gone_is_told_by_verify_and_doctor(run, weights):
    run("add", str(weights), "--name", "dino-b", "--kind", "dino")
    weights.unlink()
    assert "No such file" in run("verify", "--json").stdout
    assert listed(run)["dino-b"]["bytes"] is None
    assert "gone" in run("list").stdout
    found = _models(load_settings().settings)
    assert (found.state, "dino-b" in found.found) == ("warning", True)


def test_a_copy_does_not_need_the_original(run, weights, tmp_path):
    assert run("add", str(weights), "--name", "dino-b", "--kind", "dino", "--copy").exit_code == ExitCode.OK
    weights.unlink()
    assert listed(run)["dino-b"]["path"].startswith(str(tmp_path / "data" / "models"))
    assert run("verify").exit_code == ExitCode.OK


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--name", "a", "--kind", "gpt"), "no model is of kind 'gpt'; known are biomedclip, clip"),
        (("--name", "promptable", "--kind", "dino"), "'promptable' is there already"),
        (("--name", "A b", "--kind", "dino"), "a model's name has"),
        (("--name", "a", "--kind", "dino", "--sha256", "f" * 64), "get it again"),
        (("--name", "a"), "--kind"),
    ],
)
def test_what_cannot_be_added_is_refused(run, weights, words, said):
    done = run("add", str(weights), *words)
    assert done.exit_code == ExitCode.USAGE
    assert said in " ".join(done.stderr.split())
    assert "a" not in listed(run)


def test_a_path_that_is_not_there_is_refused(run, tmp_path):
    done = run("add", str(tmp_path / "none.pth"), "--name", "a", "--kind", "dino", "--json")
    assert done.exit_code == ExitCode.USAGE
    assert json.loads(done.stderr)["class"] == "InvalidSettings"
