import json
from dataclasses import dataclass, field

import numpy as np
import pytest
from tests.unit.evaluate.tiny_data import phantom
from tests.unit.segment.promptable_bundles import random_bundle
from typer.testing import CliRunner

from similar_cases.cli import app
from similar_cases.demo.phantoms import lesion_mask, phantom_series
from similar_cases.domain.errors import SegmentationFailed
from similar_cases.domain.prompts import MaskPrompt, PointPrompt, Polarity
from similar_cases.domain.region import AlgorithmIdentity, Region
from similar_cases.evaluate.click_to_mask import CLICKS, Measurement, click_to_mask, dice, rows_of
from similar_cases.evaluate.lesion_samples import Lesion, LesionSample
from similar_cases.evaluate.split import Split
from similar_cases.segment.backends.region_growing import RegionGrowing
from similar_cases.volume.build import build_volumes


@dataclass
class Cubes:
    """Gives a cube of three voxels a side round each positive click, and notes what it was asked."""

    asked: list = field(default_factory=list)
    masks: list = field(default_factory=list)
    identity = AlgorithmIdentity("Cubes", "1")

    def segment(self, volume, prompts):
        self.asked.append(tuple(one for one in prompts.prompts if isinstance(one, PointPrompt)))
        self.masks.append([one.mask for one in prompts.prompts if isinstance(one, MaskPrompt)])
        mask = np.zeros(volume.geometry.shape, bool)
        for one in self.asked[-1]:
            k, j, i = np.round(volume.geometry.lps_to_index(one.point_lps)[0]).astype(int)
            if one.polarity is Polarity.POSITIVE:
                mask[max(0, k - 1) : k + 2, max(0, j - 1) : j + 2, max(0, i - 1) : i + 2] = True
        return Region.from_mask(mask, volume.geometry, tracking_uid=prompts.tracking_uid)


class Nothing:
    identity = AlgorithmIdentity("Nothing", "1")

    def segment(self, volume, prompts):
        raise SegmentationFailed("nothing")


@pytest.fixture(scope="module")
def sample():
    one = phantom("one", "CT")
    lesion = Lesion(build_volumes(phantom_series(one))[0], lesion_mask(one))
    return LesionSample(dataset="phantoms", modality="CT", patient="one", load=lambda: [lesion])


def test_clicks_add_up_and_the_reference_gets_the_same(sample):
    ours, reference = Cubes(), Cubes()
    rows = click_to_mask([sample], ours, reference)
    assert [row.clicks for row in rows] == list(CLICKS)
    assert [len(prompts) for prompts in ours.asked] == [1, 2, 3, 4, 5]
    assert all(longer[:-1] == shorter for shorter, longer in zip(ours.asked, ours.asked[1:], strict=False))
    assert reference.asked == [ours.asked[n - 1] for n in CLICKS]
    assert all(row.dice_mean == row.reference_dice_mean for row in rows)
    assert rows[0].dice_mean < rows[1].dice_mean < rows[2].dice_mean


def test_a_correction_carries_the_mask_so_far_and_the_reference_gets_none(sample):
    ours, reference = Cubes(), Cubes()
    click_to_mask([sample], ours, reference)
    assert [len(masks) for masks in ours.masks] == [0, 1, 1, 1, 1]
    assert [masks[0].sum() for masks in ours.masks[1:3]] == [27, 54]
    assert not any(reference.masks)


def test_what_finds_nothing_has_dice_zero_and_the_clicks_go_on(sample):
    rows = click_to_mask([sample], Nothing(), RegionGrowing())
    assert [row.dice_mean for row in rows] == [0.0, 0.0, 0.0]
    assert rows[0].reference_dice_mean > 0.0


def test_progress_is_told(sample):
    told = []
    click_to_mask([sample, sample], Cubes(), Nothing(), lambda done, of: told.append((done, of)))
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_rows_are_told_apart_by_data_set_modality_and_clicks():
    def one(patient, dataset, clicks, score):
        of = LesionSample(dataset=dataset, modality="CT", patient=patient, load=list)
        return Measurement(sample=of, clicks=clicks, dice=score, reference_dice=0.5)

    rows = rows_of([one("a", "x", 1, 0.2), one("b", "x", 1, 0.4), one("b", "x", 3, 0.9), one("c", "y", 1, 1.0)])
    assert [(row.dataset, row.clicks, row.n, row.patients) for row in rows] == [
        ("x", 1, 2, 2),
        ("x", 3, 1, 1),
        ("y", 1, 1, 1),
    ]
    assert rows[0].as_json() == {
        "dataset": "x",
        "modality": "CT",
        "clicks": 1,
        "n": 2,
        "patients": 2,
        "dice_mean": 0.3,
        "dice_ci": [0.2, 0.4],
        "reference_dice_mean": 0.5,
    }
    assert rows[1].as_json()["dice_ci"] is None


def test_dice_of_masks():
    empty, full = np.zeros(4, bool), np.ones(4, bool)
    assert (dice(empty, empty), dice(empty, full), dice(full, full)) == (1.0, 0.0, 1.0)


@pytest.fixture
def one_lesion(data, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "ibsi_lung").symlink_to(data / "ibsi_lung")
    return folder


def run(*arguments):
    done = CliRunner().invoke(app, ["evaluate", "click-to-mask", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_command_measures_a_bundle_and_prints_json(one_lesion, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where no lesions were fetched
    bundle = random_bundle(tmp_path / "bundle")
    body = json.loads(run("--data", one_lesion, "--split", "test", "--backend", bundle, "--json"))
    assert (body["split"], body["backend"]["name"]) == ("test", "Promptable U-Net")
    assert [(row["dataset"], row["clicks"], row["n"]) for row in body["rows"]] == [
        ("ibsi_lung", clicks, 1) for clicks in CLICKS
    ]
    assert all(0 <= row["dice_mean"] <= 1 for row in body["rows"])


def test_the_command_prints_a_table(one_lesion, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = run("--data", one_lesion, "--split", Split.TEST.value, "--backend", "region_growing")
    assert shown.count("ibsi_lung") == 3


def test_an_unknown_backend_is_told(data):
    done = CliRunner().invoke(app, ["evaluate", "click-to-mask", "--data", str(data), "--backend", "sam"])
    assert done.exit_code == 2
    assert "names 'sam'; there are" in done.stderr
