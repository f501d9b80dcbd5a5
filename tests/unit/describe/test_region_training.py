"""The training of the shared space: prepared data, losses, a step, an export that loads."""

import argparse
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from models.region import bank, export, losses, prepare, simulate, train, views
from tests.unit.describe.region_bundles import position_bundle
from tests.unit.describe.volumes import ball, texture, volume_of
from tests.unit.evaluate.tiny_data import tiny_data

from similar_cases.describe.backends.body_position import CtBodyPosition
from similar_cases.describe.backends.region_token.embedder import RegionTokenEmbedder


@pytest.fixture(scope="module")
def items_file(tmp_path_factory):
    data = tiny_data(tmp_path_factory.mktemp("data"), hippocampi=2)
    organs = data / "organs"
    (organs / "example_ct.nii.gz").write_bytes((organs / "example_ct_sm.nii.gz").read_bytes())
    out = tmp_path_factory.mktemp("items") / "items.npz"
    extractor = prepare.RadiomicsExtractor(prepare.RadiomicsRecipe())
    items = [prepare.item_of(source, extractor) for source in prepare.sources_in(data)]
    prepare.write(out, items, list(prepare.lesions_in(items, extractor, 4)), extractor)
    return out


@pytest.fixture(scope="module")
def regions(items_file):
    return bank.bank_of(items_file, None, "cpu")


@pytest.fixture
def small_network(monkeypatch):
    shape = train.RegionShape
    monkeypatch.setattr(train, "RegionShape", lambda features: shape(widths=(4, 4, 4, 4, 4), features=features))
    monkeypatch.setattr(train, "LESIONS", 4)


def test_no_validation_patient_is_read(items_file):
    with np.load(items_file) as packed:
        listing = json.loads(packed["listing"].tobytes())
    assert {one["patient"] for one in listing["items"] if one["dataset"] == "sarcoma"} == {"STS_001", "STS_002"}
    assert len(listing["lesions"]) == 4
    assert listing["fingerprint"] == prepare.RadiomicsExtractor(prepare.RadiomicsRecipe()).recipe.fingerprint


def test_the_same_number_makes_the_same_lesion():
    voxels = torch.from_numpy(texture((20, 60, 60), scale=200.0).astype(np.float32))
    affine = torch.eye(4, dtype=torch.float64)[[2, 1, 0, 3]] * torch.tensor([4.0, 2.0, 2.0, 1.0])
    image, mask, spacing = simulate.simulated(voxels, affine, 5)
    again, mask_again, _ = simulate.simulated(voxels, affine, 5)
    torch.testing.assert_close(image, again, atol=0, rtol=0)
    np.testing.assert_array_equal(mask, mask_again)
    assert mask.sum() >= 20
    assert 0.8 <= spacing <= 3.0
    assert not np.array_equal(mask, simulate.simulated(voxels, affine, 6)[1])


def test_the_modalities_of_a_tumour_are_one_lesion_in_the_bank(regions):
    tumours = [n for n, source in enumerate(regions.sources) if source.startswith("sarcoma")]
    assert len(tumours) == 6
    assert len({int(regions.lesions[n]) for n in tumours}) == 2
    assert {regions.sources[n] for n in tumours} == {"sarcoma CT", "sarcoma MR", "sarcoma PT"}
    assert regions.values.nan_to_num(0.0).abs().max() <= 1
    assert regions.masks.float().mean((1, 2, 3)).min() > 0


def test_what_the_product_sees_is_what_a_plain_view_shows(regions):
    """A training that cut its cubes in another way than inference would teach the wrong thing."""
    row = next(n for n, source in enumerate(regions.sources) if source == "sarcoma CT")
    view = views.image_views(regions, torch.tensor([row]), torch.Generator().manual_seed(0), plain=True)
    assert float(view.inputs.channels[0, -1].max()) == pytest.approx(1.0)
    filled = view.inputs.channels[0, -1].amax((1, 2)).gt(0.5).sum()
    assert int(filled) == pytest.approx(0.45 * 48, abs=3)


def test_subsets_have_their_sizes_and_nothing_missing_in_them():
    values = torch.rand(3, 107)
    values[:, :30] = torch.nan
    found = views.subsets(values, torch.arange(107) % 7, torch.Generator().manual_seed(0))
    sizes = [int((~one.isnan()).sum(1).max()) for one in found]
    assert sizes[1:] == [54, 36, 18, 9, 3, 1]
    assert sizes[0] in (72, 77)
    assert all(one[:, :30].isnan().all() for one in found)


def test_grey_values_of_another_contrast_are_neither_alike_nor_unlike():
    lesions, links = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 0, 2])
    shapes = torch.tensor([0, 0, 1, 0])  # CT, MR, grey values of the CT, another lesion
    vectors = torch.eye(4)
    with_mr_moved = vectors.clone()
    with_mr_moved[1] = torch.tensor([0.0, 0.0, 1.0, 0.0])
    plain = losses.same_lesion(vectors, lesions, links, shapes)
    assert torch.isfinite(plain)
    told = vectors.clone().requires_grad_()
    losses.same_lesion(
        told[[2]].repeat(2, 1), torch.tensor([0, 0]), torch.tensor([0, 0]), torch.tensor([1, 1])
    ).backward()
    only = losses.same_lesion(with_mr_moved[1:3], lesions[1:3], links[1:3], shapes[1:3])
    assert torch.isnan(only)  # nothing is positive there, and nothing negative


def test_values_that_are_alike_are_the_right_answer():
    values = torch.tensor([[0.0, 0.9], [0.05, -0.9], [0.9, 0.0]])
    asked = torch.tensor([[0.0, torch.nan]])
    images = torch.eye(3)
    right = losses.alike_values(torch.tensor([[1.0, 1.0, 0.0]]), asked, images, values)
    wrong = losses.alike_values(torch.tensor([[0.0, 0.0, 1.0]]), asked, images, values)
    assert float(right) < float(wrong)


def test_a_training_takes_steps_goes_on_and_is_exported(regions, small_network, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "bank_of", lambda *_: regions)
    options = {"items": None, "position": None, "encoder": None, "out": tmp_path, "held_out": 1, "device": "cpu"}
    told = []
    monkeypatch.setattr(train, "measured", lambda space, bank, rows: told.append(rows) or {})
    train.train(argparse.Namespace(**options, minutes=1e-6))
    train.train(argparse.Namespace(**options, minutes=1e-6, **{}))
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    assert state["steps"] == 1
    assert {regions.patients[row] for row in told[0]} >= {"STS_002"}
    place = position_bundle(tmp_path / "position")
    export.export(state, export.space_of(place), "0.0.1", tmp_path / "region", metrics={})
    embedder = RegionTokenEmbedder(SimpleNamespace(), CtBodyPosition(place), folder=tmp_path / "region")
    volume = volume_of(texture((10, 30, 30), scale=300.0), (3.0, 1.0, 1.0))
    [vector] = embedder.embed_regions(volume, [ball(volume, (5, 15, 15), 6.0)])
    assert np.isfinite(vector.vector).all()
    again = (tmp_path / "region" / "models" / "model.safetensors").read_bytes()
    export.export(state, export.space_of(place), "0.0.1", tmp_path / "region", metrics={})
    assert (tmp_path / "region" / "models" / "model.safetensors").read_bytes() == again
