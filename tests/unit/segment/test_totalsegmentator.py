"""The adapter runs a command that stands in for TotalSegmentator, and reads label maps that the true one has made."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from tests.processes import is_alive
from tests.unit.segment.lesions import ball_volume, point
from tests.unit.segment.stand_in import copying, stand_in
from tests.waiting import wait_until

from similar_cases import bootstrap
from similar_cases.domain.coding import RIGHT, CodedConcept
from similar_cases.domain.errors import InvalidSettings, SegmentationFailed, SegmenterUnavailable
from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.prompts import ClassPrompt, PromptSet
from similar_cases.domain.region import Authorship
from similar_cases.domain.volume import SeriesFacts, VoxelUnit
from similar_cases.segment.backends.totalsegmentator import Command, TotalSegmentator
from similar_cases.settings import load_settings

LIVER = ClassPrompt(CodedConcept("10200004", "SCT", "Liver"))
KIDNEY = ClassPrompt(CodedConcept("64033007", "SCT", "Kidney"))
STOMACH = ClassPrompt(CodedConcept("69695003", "SCT", "Stomach"))
SHAPE = (10, 30, 32)


@pytest.fixture
def volume():
    """A bright ball in the middle of a dark picture; its half at high columns is the liver by the stand-in's rule."""
    return ball_volume(8.0, shape=SHAPE, noise=0.0, background=0.0, contrast=900.0)[0]


def command(folder: Path, act: str = "labels", env: dict[str, str] | None = None, **more) -> TotalSegmentator:
    """Return the adapter of a stand-in at home in `folder`."""
    own = {"HOME": str(folder), "PATH": os.environ["PATH"], "SIMILAR_CASES_WEB__TOKEN": "secret"}
    known = {"path": str(stand_in(folder, act)), "environment": {**own, **(env or {})}, "timeout_seconds": 60.0}
    return TotalSegmentator(Command(**{**known, **more}))


def runs(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log").read_text().splitlines()]


def asked(*prompts) -> PromptSet:
    return PromptSet(prompts=prompts, tracking_uid="1.2.3.9")


def test_a_class_is_a_region_in_the_series_own_grid(tmp_path, volume):
    region = command(tmp_path).segment(volume, asked(LIVER))
    bright = volume.array > 300
    bright[:, :, :16] = False  # nibabel's first axis runs as the columns do here
    np.testing.assert_array_equal(region.full_mask(SHAPE), bright)
    assert (region.label, region.finding, region.finding_site) == ("liver", LIVER.concept, LIVER.concept)
    assert region.authorship is Authorship.AUTOMATIC
    assert (region.algorithm.name, region.algorithm.version) == ("TotalSegmentator", "2.18.0")


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, -1)])
def test_axes_may_run_either_way(tmp_path, volume, flips):
    affine = volume.geometry.affine @ np.diag([*flips, 1])
    turned = replace(volume, geometry=VolumeGeometry(affine, SHAPE, "1.2.3.4"))
    one = command(tmp_path)
    both = one.segment(turned, asked(LIVER)).full_mask(SHAPE) | one.segment(turned, asked(KIDNEY)).full_mask(SHAPE)
    np.testing.assert_array_equal(both, volume.array > 300)


def test_all_structures_of_a_series_cost_one_run(tmp_path, volume):
    one = command(tmp_path)
    classes = one.classes_in(volume)
    assert [(prompt.concept.meaning, prompt.side) for prompt in classes] == [("Kidney", RIGHT), ("Liver", None)]
    for prompt in classes:
        one.segment(volume, asked(prompt))
    assert len(runs(tmp_path)) == 1
    one.segment(replace(volume, array=volume.array + 1.0), asked(LIVER))
    assert len(runs(tmp_path)) == 2


def test_a_point_gives_the_structure_that_it_lies_in(tmp_path, volume):
    one = command(tmp_path)
    region = one.segment(volume, asked(point(volume, (5, 15, 20))))
    assert region.label == "liver"
    assert region.authorship is Authorship.SEMIAUTOMATIC
    np.testing.assert_array_equal(region.full_mask(SHAPE), one.segment(volume, asked(LIVER)).full_mask(SHAPE))
    with pytest.raises(SegmentationFailed, match="anything at the point not there; it knows organs, no lesions"):
        one.segment(volume, asked(point(volume, (0, 0, 0))))
    with pytest.raises(SegmentationFailed, match="found liver not there"):
        one.segment(volume, asked(LIVER, point(volume, (5, 15, 12))))


@pytest.mark.parametrize("prompt", [STOMACH, ClassPrompt(CodedConcept("113343008", "SCT", "Eyelid"))])
def test_a_class_that_is_not_there_is_told(tmp_path, volume, prompt):
    with pytest.raises(SegmentationFailed, match=r"stomach not there|no structure is known"):
        command(tmp_path).segment(volume, asked(prompt))


def test_the_command_is_asked_as_its_makers_say_and_tells_nobody(tmp_path, volume):
    (tmp_path / ".totalsegmentator").mkdir()
    site = {"totalseg_id": "totalseg_ABC", "send_usage_stats": True, "license_number": "aca_1", "prediction_counter": 7}
    (tmp_path / ".totalsegmentator" / "config.json").write_text(json.dumps(site))
    command(tmp_path, env={"CUDA_VISIBLE_DEVICES": "0"}).segment(volume, asked(LIVER))
    [told] = runs(tmp_path)
    assert told["words"][4:] == ["--ml", "--output_type", "nifti", "--task", "total", "--device", "cpu", "--quiet"]
    assert told["config"] == {
        "totalseg_id": "totalseg_local", "prediction_counter": 0, "send_usage_stats": False, "license_number": "aca_1"
    }  # fmt: skip
    environment = told["environment"]
    assert environment["TOTALSEG_WEIGHTS_PATH"] == str(tmp_path / ".totalsegmentator" / "nnunet" / "results")
    assert environment["HTTPS_PROXY"] == environment["http_proxy"] == "http://127.0.0.1:9"
    assert environment["CUDA_VISIBLE_DEVICES"] == "0"
    assert not [name for name in environment if name.startswith("SIMILAR_CASES_")]
    assert not Path(told["words"][1]).exists()
    assert json.loads((tmp_path / ".totalsegmentator" / "config.json").read_text()) == site


def test_mr_has_a_task_of_its_own_and_pet_none(tmp_path, volume):
    magnetic = replace(volume, unit=VoxelUnit.ARBITRARY, facts=SeriesFacts(modality="MR"))
    one = command(tmp_path, device="cuda:0")
    one.segment(magnetic, asked(LIVER))
    assert runs(tmp_path)[0]["words"][-4:] == ["total_mr", "--device", "gpu", "--quiet"]
    with pytest.raises(SegmentationFailed, match="CT and MR alone"):
        one.segment(replace(volume, unit=VoxelUnit.SUVBW, facts=SeriesFacts(modality="PT")), asked(LIVER))


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("fails", "ended with status 3: CUDA out of memory"),
        ("writes nothing", "no label map came that can be read"),
        ("writes nonsense", "no label map came that can be read"),
    ],
)
def test_a_command_that_fails_is_told_with_its_words(tmp_path, volume, act, said):
    with pytest.raises(SegmentationFailed, match=said):
        command(tmp_path, act).segment(volume, asked(LIVER))


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path, volume):
    began = time.monotonic()
    with pytest.raises(SegmenterUnavailable, match=r"did not end within 5 s"):
        command(tmp_path, "hangs", timeout_seconds=5.0).segment(volume, asked(LIVER))
    assert time.monotonic() - began < 60, "it would sleep for ten minutes"
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: not is_alive(child))


def test_a_sheared_volume_is_refused(tmp_path, volume):
    affine = np.array(volume.geometry.affine)
    affine[:3, 0] += affine[:3, 1]
    with pytest.raises(SegmentationFailed, match="right angles"):
        command(tmp_path).segment(replace(volume, geometry=VolumeGeometry(affine, SHAPE, "1.2.3.4")), asked(LIVER))


def test_a_command_that_is_not_there_is_told():
    with pytest.raises(InvalidSettings, match=r"no command /nowhere/TotalSegmentator; install .* segment\.command"):
        TotalSegmentator(Command(path="/nowhere/TotalSegmentator"))


def test_the_settings_name_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("SIMILAR_CASES_SEGMENT__BACKEND", "totalsegmentator")
    monkeypatch.setenv("SIMILAR_CASES_SEGMENT__COMMAND", str(stand_in(tmp_path)))
    one = bootstrap.open_segmenter(load_settings().settings)
    assert isinstance(one, TotalSegmentator)
    assert one.look() == f"{tmp_path / 'TotalSegmentator'} (2.18.0)"


@pytest.mark.data
@pytest.mark.parametrize(
    ("image", "labels", "unit", "least"),
    [
        ("example_ct_sm.nii.gz", "example_seg.nii.gz", VoxelUnit.HU, 30),
        ("example_mr_sm.nii.gz", "example_seg_mr.nii.gz", VoxelUnit.ARBITRARY, 15),
    ],
)
def test_label_maps_that_the_true_one_made_are_read_class_by_class(tmp_path, data_dir, image, labels, unit, least):
    """TotalSegmentator's own reference files: every structure has its voxels, counted by nibabel."""
    organs = data_dir / "organs"
    picture, expected = nibabel.load(organs / image), np.asanyarray(nibabel.load(organs / labels).dataobj)
    volume, _ = ball_volume(3.0, shape=picture.shape[::-1])
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ picture.affine @ np.eye(4)[:, [2, 1, 0, 3]]
    volume = replace(
        volume,
        array=np.asanyarray(picture.dataobj).T.astype(np.float32),
        geometry=VolumeGeometry(affine, picture.shape[::-1], "1.2.3"),
        unit=unit,
        facts=SeriesFacts(modality="CT" if unit is VoxelUnit.HU else "MR"),
    )
    one = command(tmp_path, copying(organs / labels))
    classes = one.classes_in(volume)
    assert len(classes) >= least
    counts = {int(label): int(count) for label, count in zip(*np.unique(expected, return_counts=True), strict=True)}
    names = one._label_map(volume).names
    for prompt in classes:
        region = one.segment(volume, asked(prompt))
        [label] = [label for label in counts if label and names[label].replace("_", " ") == region.label]
        assert int(region.mask.sum()) == counts[label]
        np.testing.assert_array_equal(region.full_mask(volume.geometry.shape), label == expected.T)
