import json

import numpy as np
import pytest
from tests.unit.evaluate.published import SHAPE, decathlon, total_segmentator

from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.volume import VoxelUnit
from similar_cases.evaluate.msd_layout import ASKS, msd_samples
from similar_cases.evaluate.result_store import ResultStore
from similar_cases.evaluate.totalsegmentator_layout import shown_classes, totalsegmentator_samples


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path / "kept")


@pytest.fixture(scope="module")
def msd(tmp_path_factory):
    return decathlon(tmp_path_factory.mktemp("msd"), {"Liver": ASKS + 1, "Colon": 2})


@pytest.fixture(scope="module")
def total(tmp_path_factory):
    return total_segmentator(tmp_path_factory.mktemp("total"), ["train", "val", "test", "train"])


def test_the_decathlon_is_read_task_by_task(msd, store):
    pairs = list(msd_samples(msd, store))
    assert [sample.labels["organ"] for sample, _ in pairs] == ["liver"] * (ASKS + 1) + ["colon"] * 2
    assert [asks for _, asks in pairs] == [False] * (ASKS - 1) + [True] + [False] * 3
    assert [sample.labels["flag"] for sample, _ in pairs[:4]] == ["0", "1", "0", "1"]
    assert {sample.labels["group"] for sample, _ in pairs if sample.labels["flag"] == "0"} == {"-1"}
    volume = pairs[0][0].load()
    assert (volume.unit, volume.geometry.shape) == (VoxelUnit.HU, SHAPE)


def test_one_task_is_a_decathlon_too(msd, store):
    assert len(list(msd_samples(msd / "Task01_Colon", store))) == 2


def broken(msd, tmp_path, change):
    task = tmp_path / "Task"
    task.mkdir()
    about = json.loads((msd / "Task01_Colon" / "dataset.json").read_text())
    change(about)
    (task / "dataset.json").write_text(json.dumps(about))
    return task


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda about: about.pop("labels"), "'labels'"),
        (lambda about: about["modality"].update({"1": "CT"}), "several channels"),
        (lambda about: None, "not there"),
        (lambda about: about["training"].append({"image": "/etc/passwd", "label": "x"}), "not there"),
    ],
)
def test_what_is_no_decathlon_is_told(msd, store, tmp_path, change, told):
    with pytest.raises(InvalidRequest, match=told):
        list(msd_samples(broken(msd, tmp_path, change), store))


def test_a_folder_of_something_else_is_told_with_the_layout(tmp_path, store):
    with pytest.raises(InvalidRequest, match="imagesTr"):
        list(msd_samples(tmp_path, store))
    with pytest.raises(InvalidRequest, match="segmentations/CLASS"):
        list(totalsegmentator_samples(tmp_path))


def test_training_answers_and_test_asks(total):
    assert [(sample.uid, asks) for sample, asks in totalsegmentator_samples(total)] == [
        ("s0000", False),
        ("s0002", True),
        ("s0003", False),
    ]


def test_classes_are_told_by_the_slices_that_show_them(total, store):
    sample = next(totalsegmentator_samples(total))[0]
    shown = shown_classes(sample, store)
    assert set(shown) == {"liver", "lung_upper_lobe_left"}
    assert shown["lung_upper_lobe_left"] == sorted(SHAPE[0] - 1 - k for k in shown["liver"])
    assert shown_classes(sample, store) == shown


def test_masks_of_another_grid_are_told(tmp_path, store):
    root = total_segmentator(tmp_path, ["train", "test"])
    sample = next(totalsegmentator_samples(root))[0]
    from tests.unit.evaluate.tiny_data import phantom, write_nifti

    write_nifti(root / "s0000" / "segmentations" / "liver.nii.gz", phantom("x", "CT"), np.zeros((16, 40, 44), bool))
    with pytest.raises(InvalidRequest, match="voxels, its CT has"):
        shown_classes(sample, store)


def test_a_table_without_both_splits_is_told(tmp_path):
    with pytest.raises(InvalidRequest, match="train and test"):
        list(totalsegmentator_samples(total_segmentator(tmp_path, ["train", "val"])))
    (tmp_path / "meta.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InvalidRequest, match="image_id and split"):
        list(totalsegmentator_samples(tmp_path))
