"""Published data sets in small: their folder layouts, filled with phantoms."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tests.phantoms import to_bytes
from tests.unit.evaluate.tiny_data import phantom, write_nifti

from similar_cases.demo.annotations import structure_set_of
from similar_cases.demo.phantoms import LesionKind, lesion_mask, phantom_array, phantom_series

SHAPE = (8, 24, 24)


def decathlon(root: Path, tasks: Mapping[str, int]) -> Path:
    """Write name → so many volumes; every second one has a tumour."""
    for number, (name, count) in enumerate(tasks.items()):
        task = root / f"Task{number:02}_{name}"
        pairs = []
        for at in range(count):
            one = phantom(
                f"{name}{at}",
                "CT",
                shape=SHAPE,
                seed=at,
                lesion_lps=(0.0, 0.0, 0.0),
                kind=LesionKind.SOLID if at % 2 else LesionKind.NONE,
            )
            labels = np.ones(SHAPE, np.uint8) + lesion_mask(one)
            file = f"{name.lower()}_{at:03}.nii.gz"
            write_nifti(task / "imagesTr" / file, one, phantom_array(one))
            write_nifti(task / "labelsTr" / file, one, labels)
            pairs.append({"image": f"./imagesTr/{file}", "label": f"./labelsTr/{file}"})
        about = {
            "name": name,
            "modality": {"0": "CT"},
            "labels": {"0": "background", "1": name.lower(), "2": "cancer"},
            "training": pairs,
        }
        (task / "dataset.json").write_text(json.dumps(about))
    return root


def total_segmentator(root: Path, splits: Sequence[str]) -> Path:
    """Write one CT a split; each shows a liver below, a lung above."""
    rows = [("image_id", "age", "gender", "split")]
    for number, split in enumerate(splits):
        name = f"s{number:04}"
        one = phantom(name, "CT", shape=SHAPE, seed=number, lesion_lps=(0.0, 0.0, -8.0), lesion_radius_mm=9.0)
        liver = lesion_mask(one)
        write_nifti(root / name / "ct.nii.gz", one, phantom_array(one))
        write_nifti(root / name / "segmentations" / "liver.nii.gz", one, liver)
        write_nifti(root / name / "segmentations" / "lung_upper_lobe_left.nii.gz", one, liver[::-1])
        write_nifti(root / name / "segmentations" / "brain.nii.gz", one, np.zeros(SHAPE, bool))
        rows.append((name, "50", "m", split))
    with (root / "meta.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    return root


def brats(root: Path, cases: Mapping[str, tuple[float, float, float]]) -> Path:
    """Write case → where its tumour's middle lies, LPS mm; background is 0, as skull-stripped heads have it."""
    for number, (name, where) in enumerate(cases.items()):
        one = phantom(name, "MR", shape=(16, 24, 24), lesion_lps=where, lesion_radius_mm=9.0, seed=number)
        array = phantom_array(one)
        array[:1], array[:, :2] = array.min(), array.min()
        write_nifti(root / name / f"{name}-t1c.nii.gz", one, array)
        write_nifti(root / name / f"{name}-seg.nii.gz", one, lesion_mask(one))
    return root


def nsclc(root: Path, patients: Mapping[str, tuple[float, float, float]]) -> Path:
    """Write patient → where the tumour's middle lies, with both lungs outlined, as TCIA's folders have it."""
    for number, (name, where) in enumerate(patients.items()):
        one = phantom(name, "CT", shape=(16, 40, 44), lesion_lps=where, lesion_radius_mm=8.0, seed=number)
        folder = root / name / "study"
        images = phantom_series(one)
        for at, image in enumerate(images):
            path = folder / "ct" / f"{at:03}.dcm"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(to_bytes(image))
        lung = np.zeros(one.shape, bool)
        lung[1:15, 6:34, 4:18] = True  # columns run to the patient's left: this is the right one
        outlines = {"GTV-1": lesion_mask(one), "Lung-Right": lung, "Lung-Left": lung[:, :, ::-1]}
        for at, (label, mask) in enumerate(outlines.items()):
            path = folder / f"outlines{at}" / "1.dcm"
            path.parent.mkdir(parents=True)
            path.write_bytes(to_bytes(structure_set_of(images, mask, label)))
    return root
