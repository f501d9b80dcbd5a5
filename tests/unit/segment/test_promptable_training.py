import argparse
import json
import logging
import sys

import numpy as np
import pytest
import torch
from models.promptable import atlas, contrast, export, prepare, scenes, train, validate
from models.promptable import simulated_clicks as clicks
from tests.unit.evaluate.tiny_data import tiny_data

from similar_cases.models.cube import sampled
from similar_cases.segment.backends.promptable.inputs import CHANNELS, SIZE, crop_at
from similar_cases.segment.backends.promptable.network import NetworkShape, load_network

_TINY = NetworkShape(widths=(4, 4, 4, 4, 4))


@pytest.fixture(scope="module")
def items_file(tmp_path_factory):
    data = tiny_data(tmp_path_factory.mktemp("data"))
    out = tmp_path_factory.mktemp("items") / "items.npz"
    prepare.write(out, list(prepare.items_in(data)))
    return out


@pytest.fixture(scope="module")
def items(items_file):
    return atlas.Items(items_file)


@pytest.fixture(scope="module")
def drawn(items):
    """A batch of sixteen scenes, of every kind."""
    torch.manual_seed(3)
    made = scenes.Scenes(items, atlas.Atlas(items, "cpu"), seed=5)
    return [made._real(["sarcoma CT", "sarcoma PT", "hippocampus"]), made._lesions(3), made._anatomy(1)]


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


def test_no_validation_patient_trains(items):
    validation = {one.item for found in items.validation.values() for one in found}
    training = {one.item for found in items.targets.values() for one in found}
    assert validation
    assert not validation & training
    held = {key[0] for key in atlas.Atlas(items, "cpu")._entries}
    assert not validation & held


def test_a_crop_of_the_atlas_is_what_inference_sees_there(items):
    chosen = items.targets["sarcoma CT"][0]
    spacing = float(atlas._SPACINGS_MM[16])
    grid_mm = np.concatenate((np.eye(3) * spacing, (chosen.centroid - spacing * (SIZE - 1) / 2)[:, None]), axis=1)
    shape = np.array(items.labels[chosen.item].shape, float)
    crops = atlas.Crops(np.array([chosen.item]), grid_mm[None], np.zeros((1, 3)), shape[None], np.array([spacing]))
    still = torch.zeros(1, 3, SIZE, SIZE, SIZE)
    made = atlas.Atlas(items, "cpu")
    affine = items.affine(chosen.item)
    centre = affine[:3, :3] @ torch.from_numpy(chosen.centroid / items.spacings[chosen.item]) + affine[:3, 3]
    voxels = items.voxels[chosen.item].float()
    seen = sampled(voxels, affine, crop_at(centre, spacing), float(voxels.min()))
    assert (made.images(crops, still)[0] - seen).abs().mean() < 0.5  # of 255
    truth = torch.from_numpy(items.labels[chosen.item] == chosen.label).float()
    mask = sampled(truth, affine, crop_at(centre, spacing), 0.0) > 0.5
    drawn = made.masks(crops, np.array([chosen.label]), still)[0] > 0.5
    assert 2 * (mask & drawn).sum() / (mask.sum() + drawn.sum()) > 0.97


def test_scenes_hold_their_object_and_prompts_lie_where_they_should(drawn):
    for scene in drawn:
        assert scene.image.shape == scene.target.shape == (len(scene.image), SIZE, SIZE, SIZE)
        assert set(scene.target.unique().tolist()) <= {0.0, 1.0}
        batch = clicks.prompted(scene.image, scene.target, scene.centred, np.random.default_rng(0))
        for number in range(len(scene.image)):
            assert all(
                scene.target[number][tuple(p.long())] == 1 for p in batch.positive[number] if not p.isnan().any()
            )
            assert all(
                scene.target[number][tuple(p.long())] == 0 for p in batch.negative[number] if not p.isnan().any()
            )
        channels = batch.channels()
        assert channels.shape == (len(scene.image), CHANNELS, SIZE, SIZE, SIZE)
        assert torch.isfinite(channels).all()


def test_other_contrasts_are_finite_and_leave_the_grid(drawn):
    changed = contrast.other_contrast(drawn[0].image, np.random.default_rng(1))
    assert changed.shape == drawn[0].image.shape
    assert torch.isfinite(changed).all()


def test_a_correction_clicks_into_the_error_and_shows_the_mask(drawn):
    target = drawn[1].target[:1]
    batch = clicks.prompted(drawn[1].image[:1], target, torch.tensor([False]), np.random.default_rng(0))
    more = clicks.corrected(batch, torch.zeros_like(target), keep_mask=True)
    assert target[0][tuple(more.positive[0, -1].long())] == 1
    assert more.negative[0, -1].isnan().all()
    assert not more.previous.any()
    less = clicks.corrected(more, torch.ones_like(target), keep_mask=True)
    assert target[0][tuple(less.negative[0, -1].long())] == 0
    assert less.previous.all()
    whole = batch.with_first(less)
    assert whole.positive.shape == less.positive.shape


def test_boxes_and_rough_masks_cover_the_object(drawn):
    target = drawn[1].target
    assert (clicks.boxes(target) >= target).all()
    rough = clicks.rough_masks(target, np.random.default_rng(0))
    assert rough.shape == target.shape
    assert set(rough.unique().tolist()) <= {0.0, 1.0}


def test_training_takes_steps_saves_goes_on_and_is_exported(items_file, tmp_path, monkeypatch, caplog):
    network = train.PromptableUNet
    monkeypatch.setattr(train, "PromptableUNet", lambda: network(_TINY))
    monkeypatch.setattr(train.Trainer, "validate", lambda self, *_, **__: _scored(self))
    took = train.Trainer.step
    steps = []

    def step(self, batch, rng):
        loss = took(self, batch, rng)
        self.course.spent += 30.0  # as if it took half a minute
        steps.append((self.course.steps, float(loss)))
        return loss

    monkeypatch.setattr(train.Trainer, "step", step)
    options = {"items": items_file, "out": tmp_path, "batch": 2, "device": "cpu", "rate": 1e-3, "decay": 0.02}
    options |= {"minutes": 1.0, "stop_after": 1e-9, "evaluate_minutes": 9.0, "report_seconds": 0.0}
    with caplog.at_level(logging.INFO):
        train.train(argparse.Namespace(**options))
        train.train(argparse.Namespace(**options))
    assert [number for number, _ in steps] == [1, 2]
    assert all(np.isfinite(loss) for _, loss in steps)
    assert "resumed after 1 steps" in caplog.text
    training = export.training_in(tmp_path, "mean")
    assert (training.steps, training.machine) == (2, "a CPU")
    export.export(training, "0.0.1", tmp_path / "bundle", metrics={})
    loaded, metadata = load_network(tmp_path / "bundle", "cpu")
    assert metadata["training"]["steps"] == 2
    assert "validation patients chose" in " ".join(metadata["limits"])
    assert export.training_in(tmp_path, "last").weights.keys() == training.weights.keys()
    assert all(
        torch.equal(loaded.state_dict()[name], training.weights[name].half().float()) for name in training.weights
    )


def _scored(trainer):
    """As the evaluation beside would, keep the weights as the best."""
    torch.save(
        {name: tensor.half() for name, tensor in trainer.average.state_dict().items()}, trainer.course.out / "best.pt"
    )


def test_weights_are_evaluated_on_every_kind(items_file, tmp_path, monkeypatch):
    network = validate.PromptableUNet
    monkeypatch.setattr(validate, "PromptableUNet", lambda: network(_TINY))
    weights = tmp_path / "step1.pt"
    torch.manual_seed(0)
    torch.save(network(_TINY).state_dict(), weights)
    monkeypatch.setattr(sys, "argv", ["validate.py", "--items", str(items_file), "--weights", str(weights)])
    validate.main()
    scores = json.loads(weights.with_suffix(".json").read_text())
    assert set(scores) == {"sarcoma CT", "sarcoma MR", "sarcoma PT", "hippocampus"}
    assert all(0 <= score <= 1 for score in scores.values())
