import numpy as np
import pytest
import SimpleITK as sitk
import torch
from models.promptable import atlas, export, prepare, train_judge, whole_scenes
from tests.unit.evaluate.tiny_data import tiny_data
from tests.unit.segment.promptable_bundles import random_network

from similar_cases.segment.backends.promptable.network import TRAITS, NetworkShape, PromptableUNet, ScaleJudge


@pytest.fixture(scope="module")
def items_file(tmp_path_factory):
    data = tiny_data(tmp_path_factory.mktemp("data"), patients=2, hippocampi=2)
    out = tmp_path_factory.mktemp("items") / "fine.npz"
    prepare.write(out, list(prepare.items_in(data, fine=True)))
    return out


@pytest.fixture(scope="module")
def items(items_file):
    return atlas.Items(items_file)


@pytest.mark.parametrize(("fine", "side"), [(True, 0.8), (False, 2.0)])
def test_fine_items_keep_the_voxels_as_they_are(fine, side):
    image = sitk.Image(50, 50, 4, sitk.sitkFloat32)
    image.SetSpacing((0.8, 0.8, 5.0))
    made = prepare.item(prepare.Read("STS_001_CT", "sarcoma", "CT", "train", image, image > 1), fine=fine)
    assert made.spacing_mm == pytest.approx((5.0, side, side))


def test_every_click_lies_in_what_is_meant(items):
    asked = [whole_scenes.on_lesion(items, np.random.default_rng(seed)) for seed in range(4)]
    asked += [whole_scenes.on_target(items, "sarcoma CT", 0, again, np.random.default_rng(1)) for again in range(3)]
    for one in asked:
        affine, [click] = one.volume.affine, one.hints.positive
        index = torch.linalg.solve(affine[:3, :3], click - affine[:3, 3]).round().long()
        assert one.truth[tuple(index)]
        assert one.volume.voxels.shape == one.truth.shape
        assert one.volume.voxels.min() >= 0
        assert one.volume.voxels.max() <= 255


def test_a_lesion_set_in_changes_the_image_there_alone():
    rng = np.random.default_rng(3)
    before = rng.normal(120, 4, (30, 60, 60)).astype(np.float32)
    after = before.copy()
    truth = whole_scenes.set_in(after, np.array([3.0, 1.0, 1.0]), np.array([15, 30, 30]), 20.0, rng)
    inside, outside = truth, ~np.asarray(np.abs(after - before) > 0) & ~truth
    assert abs(after[inside].mean() - before[inside].mean()) > 1.0
    assert outside.mean() > 0.5
    assert truth[12:19, 20:41, 20:41].sum() > 0.5 * truth.sum()


def test_no_patient_teaches_and_examines(monkeypatch):
    taught = []
    monkeypatch.setattr(train_judge, "taught", lambda cases: _noting(taught, cases))
    cases = [_case("small", f"patient {n % 7}", n) for n in range(40)]
    said = train_judge.examined(cases)
    assert all(len(one) == len(case.overlap) for one, case in zip(said, cases, strict=True))
    everyone = {one.patient for one in cases}
    left_out = [everyone - patients for patients in taught]
    assert sorted(patient for patients in left_out for patient in patients) == sorted(everyone)


def test_a_judge_learns_what_its_traits_tell(monkeypatch):
    monkeypatch.setattr(train_judge, "EPOCHS", 20)
    cases = [_case("small", f"patient {n % 20}", n) for n in range(120)]
    [row] = train_judge.told(cases, train_judge.examined(cases))
    assert (row["kind"], row["n"]) == ("small", 120)
    assert row["quality"] + 0.1 < row["judge"] <= row["best"]


def test_looks_are_taken_kept_taught_and_exported(items_file, tmp_path, monkeypatch):
    network = random_network()
    monkeypatch.setattr(train_judge, "looker_of", lambda *_: train_judge.Looker(network=network))
    found = [
        train_judge.judged(items_file, tmp_path, "best", seed, target)
        for seed, target in enumerate([("sarcoma PT", 0, 0), None])
    ]
    assert all(one.traits.shape == (len(one.overlap), 3 * TRAITS) for one in found)
    assert all(((one.overlap >= 0) & (one.overlap <= 1)).all() for one in found)
    train_judge.save(tmp_path / "judged.npz", found)
    again = train_judge.load(tmp_path / "judged.npz")
    assert [(one.kind, one.patient) for one in again] == [(one.kind, one.patient) for one in found]
    assert all(np.array_equal(a.traits, b.traits) for a, b in zip(again, found, strict=True))

    weights = {name: value for name, value in network.state_dict().items() if not name.startswith("scale_judge")}
    torch.save(weights, tmp_path / "best.pt")
    torch.save({"average": weights, "spent": 60, "steps": 1, "machine": "a CPU"}, tmp_path / "last.pt")
    judge = train_judge.taught([_case("small", "one", n) for n in range(5)])
    believed = [{"kind": "small", "n": 5, "judge": 0.61, "quality": 0.5, "best": 0.7}]
    torch.save({"weights": judge.state_dict(), "clicks": 5, "believed": believed}, tmp_path / "judge.pt")
    training = export.training_in(tmp_path, "mean")
    loaded = PromptableUNet(NetworkShape(widths=(4, 4, 6, 6, 8), blocks=(1, 1, 2, 1, 1)))
    loaded.load_state_dict(training.weights)
    assert torch.equal(loaded.scale_judge.hidden.weight, judge.hidden.weight)
    export.export(training, "0.0.1", tmp_path / "bundle", metrics={})
    assert "| set in, under 30 mm | 5 | 0.610 | 0.500 | 0.700 |" in (tmp_path / "bundle" / "README.md").read_text()


def _case(kind: str, patient: str, seed: int) -> train_judge.Judged:
    """Three looks; how much each overlaps is told by its second trait, and its first, the quality, tells nothing."""
    rng = np.random.default_rng(seed)
    traits = rng.normal(0, 1, (3, 3 * TRAITS)).astype(np.float32)
    overlap = (1 / (1 + np.exp(-2 * traits[:, 1]))).astype(np.float32)
    return train_judge.Judged(kind, patient, traits, overlap)


def _noting(taught: list[set[str]], cases: list[train_judge.Judged]) -> ScaleJudge:
    taught.append({one.patient for one in cases})
    return ScaleJudge().eval()
