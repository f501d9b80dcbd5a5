import argparse
import json
import logging

import numpy as np
import pytest
import torch
from tests.unit.evaluate.tiny_data import tiny_data
from tests.unit.segment.promptable_bundles import script

from similar_cases.segment.backends.promptable.bundle import load_network
from similar_cases.segment.backends.promptable.inputs import CHANNELS, SIZE
from similar_cases.segment.backends.promptable.network import NetworkShape

prepare, train, export = (script(name) for name in ("prepare", "train", "export"))


@pytest.fixture(scope="module")
def items_file(tmp_path_factory):
    data = tiny_data(tmp_path_factory.mktemp("data"))
    out = tmp_path_factory.mktemp("items") / "items.npz"
    prepare.write(out, list(prepare.items_in(data)))
    return out


@pytest.fixture(scope="module")
def items(items_file):
    return train.Items(items_file)


def test_prepared_items_keep_split_grid_and_labels(items_file):
    with np.load(items_file) as file:
        packed = dict(file)
    listing = json.loads(packed["listing"].tobytes())
    assert [one["dataset"] for one in listing].count("sarcoma") == 9
    assert {one["name"] for one in listing if one["split"] == "validation"} == {
        *(f"STS_003_{name}" for name in ("CT", "MR_T1", "PET")),
        "hippocampus_160",
        "hippocampus_161",
    }
    ct = next(n for n, one in enumerate(listing) if one["name"] == "STS_001_CT")
    assert listing[ct]["spacing_mm"] == pytest.approx([4.0, 2.0, 2.2], abs=1e-3)
    assert packed[f"voxels{ct}"].dtype == packed[f"labels{ct}"].dtype == np.uint8
    assert packed[f"voxels{ct}"].shape == packed[f"labels{ct}"].shape == (16, 40, 44)
    millilitres = packed[f"labels{ct}"].sum() * 4.0 * 2.0 * 2.2 / 1000
    assert millilitres == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.1)


def test_hounsfield_units_keep_soft_tissue_apart_and_order_everywhere():
    codes = prepare.encode(np.array([-2000.0, -1000, -200, 0, 40, 60, 300, 1500, 3000]), "CT").tolist()
    assert codes == sorted(codes)
    assert codes[0] == 0
    assert codes[-1] == 255
    assert codes[5] - codes[4] >= 7


def test_examples_hold_their_prompts_and_no_validation_patient(items):
    validation = {one.item for found in items.validation.values() for one in found}
    training = {one.item for found in items.targets.values() for one in found}
    assert validation
    assert not validation & training
    sampler = train.Sampler(items, seed=5)
    for _ in range(6):
        example = sampler.example()
        assert example.image.shape == example.target.shape == (SIZE, SIZE, SIZE)
        assert set(example.target.unique().tolist()) <= {0.0, 1.0}
        assert all(example.target[tuple(p.long())] == 1 for p in example.positive)
        assert all(example.target[tuple(p.long())] == 0 for p in example.negative)
        channels = train.stacked(example)
        assert channels.shape == (CHANNELS, SIZE, SIZE, SIZE)
        assert torch.isfinite(channels).all()


def test_the_same_seed_draws_the_same_examples(items):
    one, two = (train.Sampler(items, seed=8).example() for _ in range(2))
    assert torch.equal(one.target, two.target)
    assert torch.equal(one.positive, two.positive)


def test_a_correction_clicks_into_the_error_and_shows_the_mask(items):
    example = train.Sampler(items, seed=8).example()
    guess = torch.zeros(SIZE, SIZE, SIZE)
    more = train.corrected(example, guess, np.random.default_rng(0))
    assert len(more.positive) == len(example.positive) + 1
    assert example.target[tuple(more.positive[-1].long())] == 1
    assert more.previous is guess
    less = train.corrected(example, torch.ones(SIZE, SIZE, SIZE), np.random.default_rng(0))
    assert len(less.negative) == len(example.negative) + 1
    assert example.target[tuple(less.negative[-1].long())] == 0


def test_training_takes_steps_saves_goes_on_and_is_exported(items_file, tmp_path, monkeypatch, caplog):
    network = train.PromptableUNet
    monkeypatch.setattr(train, "PromptableUNet", lambda: network(NetworkShape(widths=(4, 4, 4, 4, 4))))
    monkeypatch.setattr(train, "evaluate", lambda *_: {"sarcoma CT": 0.5, "hippocampus": 0.1})
    took = train.Trainer.step
    steps = []

    def step(self, batch, rng):
        loss = took(self, batch, rng)
        self.spent += 30.0  # as if it took half a minute
        steps.append((self.steps, loss))
        return loss

    monkeypatch.setattr(train.Trainer, "step", step)
    options = {"items": items_file, "out": tmp_path, "batch": 1, "evaluate_minutes": 0.4, "device": "cpu"}
    with caplog.at_level(logging.INFO):
        train.train(argparse.Namespace(**options, minutes=0.4))
        train.train(argparse.Namespace(**options, minutes=0.9))
    assert [number for number, _ in steps] == [1, 2]
    assert all(np.isfinite(loss) for _, loss in steps)
    assert "resumed after 1 steps" in caplog.text
    training = export.training_in(tmp_path)
    assert (training.steps, training.minutes) == (2, 1)
    export.export(training, "0.0.1", tmp_path / "bundle", metrics={})
    loaded, metadata = load_network(tmp_path / "bundle", "cpu")
    assert metadata["training"]["steps"] == 2
    assert "validation patients chose" in " ".join(metadata["limits"])
    assert export.training_in(tmp_path, "last").weights.keys() == training.weights.keys()
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    assert all(torch.equal(loaded.state_dict()[name], best[name].half().float()) for name in best)


def test_a_trained_network_is_evaluated_on_every_kind(items):
    torch.manual_seed(0)
    scores = train.evaluate(train.PromptableUNet(NetworkShape(widths=(4, 4, 4, 4, 4))), items, "cpu")
    assert set(scores) == {"sarcoma CT", "sarcoma MR", "sarcoma PT", "hippocampus"}
    assert all(0 <= score <= 1 for score in scores.values())
