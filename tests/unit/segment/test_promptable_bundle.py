import hashlib
import json
import tomllib
from pathlib import Path

import pytest
import torch
from models.promptable.card import model_card
from models.promptable.metadata import metadata_of
from monai.bundle import ConfigParser
from tests.unit.segment.promptable_bundles import random_bundle, random_network

import similar_cases
from similar_cases.domain.errors import InvalidSettings
from similar_cases.models import shipped
from similar_cases.models.shipped import shipped_bundle
from similar_cases.segment.backends.promptable.network import PromptableUNet, load_network
from similar_cases.segment.backends.promptable.segmenter import PromptableSegmenter

MODELS = Path(__file__).parents[3] / "models"
#: what MONAI's bundle specification asks of metadata.json
MONAI_FIELDS = {
    "version",
    "changelog",
    "monai_version",
    "pytorch_version",
    "numpy_version",
    "required_packages_version",
    "task",
    "description",
    "authors",
    "copyright",
    "network_data_format",
}


@pytest.fixture
def bundle(tmp_path):
    return random_bundle(tmp_path)


def changed(bundle, **fields):
    path = bundle / "configs" / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return bundle


def test_weights_come_back_in_half_precision(bundle):
    network, metadata = load_network(bundle, "cpu")
    for name, tensor in random_network().state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor.half().float())
    assert not network.training
    assert metadata["network"]["widths"] == [4, 4, 6, 6, 8]
    assert metadata["network"]["blocks"] == [1, 1, 2, 1, 1]


def test_the_same_training_gives_the_same_files(bundle, tmp_path):
    again = random_bundle(tmp_path / "again")
    files = [path.relative_to(again) for path in again.rglob("*") if path.is_file()]
    assert len(files) == 4
    assert all((bundle / one).read_bytes() == (again / one).read_bytes() for one in files)


def test_other_weights_are_refused(bundle, tmp_path):
    other = random_bundle(tmp_path / "other", seed=4)
    (other / "models" / "model.safetensors").replace(bundle / "models" / "model.safetensors")
    with pytest.raises(InvalidSettings, match="sha256"):
        load_network(bundle, "cpu")


def test_one_bit_is_noticed(bundle):
    path = bundle / "models" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(InvalidSettings, match="sha256"):
        PromptableSegmenter(bundle)


def test_missing_files_are_told(bundle):
    (bundle / "models" / "model.safetensors").unlink()
    with pytest.raises(InvalidSettings, match=r"model\.safetensors cannot be read"):
        load_network(bundle, "cpu")
    (bundle / "configs" / "metadata.json").unlink()
    with pytest.raises(InvalidSettings, match=r"metadata\.json cannot be read"):
        load_network(bundle, "cpu")


@pytest.mark.parametrize("text", ["[]", "{}", '{"version": "1"}'])
def test_metadata_of_something_else_is_told(bundle, text):
    (bundle / "configs" / "metadata.json").write_text(text)
    with pytest.raises(InvalidSettings, match="another model"):
        load_network(bundle, "cpu")


def test_an_architecture_that_does_not_fit_is_told(bundle):
    with pytest.raises(InvalidSettings, match=r"do not fit .*: encoder\.2\.1\..* unknown to it"):
        load_network(changed(bundle, network={"widths": [4, 4, 4, 4, 4], "blocks": [1, 1, 1, 1, 1]}), "cpu")


def test_metadata_without_a_network_of_ours_are_told(bundle):
    with pytest.raises(InvalidSettings, match="tells no network of this version: KeyError: 'blocks'"):
        load_network(changed(bundle, network={"widths": [4, 4]}), "cpu")


def test_a_file_that_is_no_safetensors_is_told(bundle):
    (bundle / "models" / "model.safetensors").write_bytes(b"no weights")
    changed(bundle, weights_sha256=hashlib.sha256(b"no weights").hexdigest())
    with pytest.raises(InvalidSettings, match="holds no weights"):
        load_network(bundle, "cpu")


def test_metadata_says_what_monai_and_a_hospital_ask(bundle):
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    assert metadata.keys() >= MONAI_FIELDS
    assert metadata.keys() >= {"intended_use", "limits", "data", "network", "weights_sha256", "training", "metrics"}
    assert all(data["licence"] and data["training"] for data in metadata["data"])


def test_monai_makes_the_network_from_the_bundle(bundle):
    parser = ConfigParser()
    parser.read_config(str(bundle / "configs" / "inference.json"))
    network = parser.get_parsed_content("network_def")
    assert isinstance(network, PromptableUNet)
    assert list(network.shape.widths) == [4, 4, 6, 6, 8]
    assert list(network.shape.blocks) == [1, 1, 2, 1, 1]


def test_the_card_shows_the_figures():
    row = {"dataset": "sarcoma", "modality": "CT", "clicks": 1, "n": 9, "patients": 9}
    row |= {"dice_mean": 0.7123, "dice_ci": [0.61, 0.8], "reference_dice_mean": 0.5}
    alone = row | {"dataset": "nsclc", "n": 1, "patients": 1, "dice_ci": None}
    metadata = metadata_of(
        {
            "version": "1.2.3",
            "weights_sha256": "ab" * 32,
            "network": {"widths": [4, 4], "parameters": 1_000_000},
            "training": {"minutes": 7, "steps": 99, "taken": "mean", "machine": "a CPU"},
            "judge": {},
            "metrics": {"validation": [row], "test": [alone]},
        }
    )
    card = model_card(metadata)
    assert "| sarcoma | CT | 9 | 1 | 0.712 (0.61 to 0.80) | 0.500 |" in card
    assert "| nsclc | CT | 1 | 1 | 0.712 | 0.500 |" in card
    assert "99 steps in 7 minutes on a CPU" in card
    assert "best on the validation patients" in card
    assert "Not a medical device" in card


def test_the_checkout_ships_the_bundle_of_the_models_folder():
    assert shipped_bundle("promptable") == MODELS / "promptable"
    network, metadata = load_network(shipped_bundle("promptable"), "cpu")
    assert sum(tensor.numel() for tensor in network.state_dict().values()) == metadata["network"]["parameters"]


def test_the_wheel_carries_it_where_the_loader_looks(bundle, monkeypatch):
    package = Path(similar_cases.__file__).parent
    included = tomllib.loads((MODELS.parent / "pyproject.toml").read_text())
    mapping = included["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    targets = {
        str(Path(target).parent) for source, target in mapping.items() if source.startswith("models/promptable/")
    }
    assert {str((shipped._INSTALLED / "promptable").relative_to(package.parent))} == targets
    assert all((MODELS.parent / source).exists() for source in mapping)
    monkeypatch.setattr(shipped, "_INSTALLED", bundle.parent)
    assert shipped_bundle(bundle.name) == bundle
