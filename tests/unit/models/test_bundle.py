"""What every bundle of ours says, and that its files are those that MONAI and the product read."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from models import bundle
from models.position import card as position
from models.promptable import card as promptable
from models.region import card as region
from safetensors.torch import load

MODELS = Path(__file__).parents[3] / "models"
ROW = {"data": "sarcoma", "task": "all", "way": "token", "metric": "top-1", "n": 54, "value": 0.4444}


def test_weights_are_halves_and_whole_numbers_stay():
    tensors = bundle.in_halves({"b": torch.ones(2, 3).T, "a": torch.tensor(7)})
    assert list(tensors) == ["a", "b"]
    content, sha256 = bundle.packed(tensors)
    assert sha256 == hashlib.sha256(content).hexdigest()
    read = load(content)
    assert read["a"].item() == 7
    assert read["b"].dtype == torch.float16


def test_a_bundle_has_its_four_files(tmp_path):
    metadata = {"weights_sha256": "ab" * 32, "name": "Größe"}
    bundle.write_bundle(tmp_path, b"weights", metadata, {"_target_": "x"}, "# card\n")
    assert (tmp_path / "models" / "model.safetensors").read_bytes() == b"weights"
    assert json.loads((tmp_path / "configs" / "metadata.json").read_text("utf-8")) == metadata
    assert json.loads((tmp_path / "configs" / "inference.json").read_text()) == {"network_def": {"_target_": "x"}}
    assert (tmp_path / "README.md").read_text() == "# card\n"


def test_figures_stand_under_the_evaluation_that_gave_them():
    told = bundle.figures({"same-lesion": [ROW | {"ci": [0.241, 0.685], "chance": 0.111}], "location": [ROW]})
    assert told[1] == "### `similar-cases evaluate same-lesion`"
    assert "| sarcoma | all | token | top-1 | 54 | 0.444 (0.241 to 0.685) | 0.111 |" in told[2]
    assert "| sarcoma | all | token | top-1 | 54 | 0.444 |  |" in told[4]
    assert "models/README.md" in bundle.figures({})[0]


@pytest.mark.parametrize(("name", "card"), [("position", position), ("region", region), ("promptable", promptable)])
def test_the_card_that_lies_there_is_the_one_that_its_metadata_gives(name, card):
    metadata = json.loads((MODELS / name / "configs" / "metadata.json").read_text("utf-8"))
    assert card.model_card(metadata) == (MODELS / name / "README.md").read_text("utf-8")
