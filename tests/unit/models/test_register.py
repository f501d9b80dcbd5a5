"""What a site adds is kept as a whole or not at all, under a name of its own, by its hash."""

import json
import subprocess
from pathlib import Path

import pytest

from similar_cases.domain.errors import InvalidSettings
from similar_cases.models.choice import Wanted, chosen_model
from similar_cases.models.kinds import KINDS, ModelUse
from similar_cases.models.model_file import ModelFile, sha256_of, size_of
from similar_cases.models.register import ModelRegister
from similar_cases.models.shipped import shipped_models


def model(path: Path, name: str = "dino-b", kind: str = "dino") -> ModelFile:
    return ModelFile(name=name, kind=kind, path=path, sha256=sha256_of(path), licence="Apache-2.0", version="1")


@pytest.fixture
def weights(tmp_path) -> Path:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"weights")
    return path


def test_what_was_added_is_read_back(tmp_path, weights):
    register = ModelRegister(tmp_path / "data")
    assert register.all() == ()
    added = register.add(model(weights))
    assert ModelRegister(tmp_path / "data").all() == (added,)
    assert register.find("dino-b") == added
    assert register.find("other") is None


def test_a_name_and_the_same_weights_are_taken_once(tmp_path, weights):
    register = ModelRegister(tmp_path)
    register.add(model(weights))
    with pytest.raises(InvalidSettings, match="'dino-b' is there already"):
        register.add(model(weights))
    with pytest.raises(InvalidSettings, match="same dino weights are there already, as 'dino-b'"):
        register.add(model(weights, name="another"))
    with pytest.raises(InvalidSettings, match="choose another name"):
        register.add(model(weights, name="promptable", kind="clip"), taken={"promptable"})
    register.add(model(weights, name="clip-b", kind="clip"))
    assert [one.name for one in register.all()] == ["dino-b", "clip-b"]


def test_a_copy_outlives_the_original(tmp_path, weights):
    register = ModelRegister(tmp_path / "data")
    kept = register.add(model(weights), copy=True)
    weights.unlink()
    kept.check()
    assert kept.path == tmp_path / "data" / "models" / "dino-b" / "weights.pth"


def test_a_folder_can_be_copied(tmp_path):
    (tmp_path / "bundle" / "configs").mkdir(parents=True)
    (tmp_path / "bundle" / "configs" / "metadata.json").write_text("{}")
    kept = ModelRegister(tmp_path / "data").add(model(tmp_path / "bundle"), copy=True)
    assert kept.path.is_dir()
    kept.check()


def test_a_write_that_fails_leaves_the_register_as_it_was(tmp_path, weights, monkeypatch):
    register = ModelRegister(tmp_path)
    register.add(model(weights))
    before = register.path.read_bytes()

    def broken(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(InvalidSettings, match="No space left"):
        register.add(model(weights, name="clip-b", kind="clip"))
    assert register.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pth", "models.json"] or len(
        list(tmp_path.iterdir())
    ) == 2


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{", "cannot be read"),
        ('{"form": 9, "models": []}', "of form 9"),
        ('{"models": []}', "not as this version writes it"),
        ('{"form": 1, "models": [{"name": "x"}]}', "not as this version writes it"),
        (
            '{"form": 1, "models": [{"name": "../x", "kind": "dino", "path": "/x", "sha256": "", "licence": ""}]}',
            "a model's name has",
        ),
    ],
)
def test_a_broken_register_is_told(tmp_path, written, said):
    (tmp_path / "models.json").write_text(written)
    with pytest.raises(InvalidSettings, match=said):
        ModelRegister(tmp_path).all()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "../up"}, "a model's name"),
        ({"name": ""}, "a model's name"),
        ({"kind": "gpt"}, "known are biomedclip, clip"),
        ({"sha256": "abc"}, "64 digits"),
        ({"path": Path("relative")}, "absolute"),
    ],
)
def test_what_cannot_be_a_model_is_refused(weights, changed, said):
    with pytest.raises(InvalidSettings, match=said):
        ModelFile(**{**vars(model(weights)), **changed})


def test_the_hash_of_a_folder_is_that_which_a_shell_gives(tmp_path):
    for name, text in (("b/two.txt", "2"), ("a.txt", "1"), ("b/a-one", "3")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    line = "find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"
    told = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert sha256_of(tmp_path) == told.split()[0]
    assert size_of(tmp_path) == 3


def test_what_cannot_be_hashed_is_told(tmp_path):
    with pytest.raises(InvalidSettings, match="No such file"):
        sha256_of(tmp_path / "gone")
    with pytest.raises(InvalidSettings, match="an empty folder"):
        sha256_of(tmp_path)
    assert size_of(tmp_path / "gone") is None


def wanted(name: str, **more) -> Wanted:
    return Wanted(use=ModelUse.DESCRIBE, name=name, built_in=("efficientnet-lite0",), **more)


def test_a_setting_means_what_was_added_or_a_kind_with_its_weights(tmp_path, weights):
    register = ModelRegister(tmp_path)
    added = register.add(model(weights))
    assert chosen_model(register, wanted("dino-b")) == added
    by_path = chosen_model(register, wanted("clip", weights=weights, sha256=added.sha256.upper()))
    assert (by_path.kind, by_path.path, by_path.sha256) == ("clip", weights, added.sha256)
    assert by_path.licence == KINDS["clip"].licence


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"name": "resnet"},
            r"'resnet'; there are efficientnet-lite0; added were dino-b; with weights of yours, biomedcl",
        ),
        ({"name": "clip"}, r"models add PATH --name NAME --kind clip` and name NAME, or set describe\.weights"),
        ({"name": "clip", "weights": Path("/x")}, r"describe\.weights needs describe\.weights_sha256"),
        ({"name": "clip", "weights": Path("/x"), "sha256": "12"}, "64 digits"),
    ],
)
def test_what_a_setting_cannot_mean_is_told_with_what_to_do(tmp_path, weights, asked, said):
    register = ModelRegister(tmp_path)
    register.add(model(weights))
    with pytest.raises(InvalidSettings, match=said):
        chosen_model(register, wanted(**asked))


def test_a_model_for_another_use_is_refused(tmp_path, weights):
    register = ModelRegister(tmp_path)
    register.add(model(weights))
    with pytest.raises(InvalidSettings, match=r"dino-b, which is for describe\.embedder"):
        chosen_model(register, Wanted(use=ModelUse.SEGMENT, name="dino-b", built_in=()))


def test_what_came_with_the_installation_is_whole():
    shipped = shipped_models()
    assert {"promptable", "region-token", "position", "efficientnet-lite0"} <= {one.name for one in shipped}
    for one in shipped:
        assert sha256_of(one.path) == one.sha256, one.name
        assert one.licence


def test_the_register_is_plain_json(tmp_path, weights):
    register = ModelRegister(tmp_path)
    register.add(model(weights))
    told = json.loads(register.path.read_text())
    assert told["models"][0]["path"] == str(weights)
