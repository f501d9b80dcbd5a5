"""The Medical Segmentation Decathlon as it is published: one folder a task, or a folder of such folders.

::

    Task03_Liver/
    ├── dataset.json      name, modality, labels; pairs of image and label under "training"
    ├── imagesTr/liver_0.nii.gz …
    └── labelsTr/liver_0.nii.gz …

Lesions are the label whose name speaks of cancer, a tumour or a lesion. Which volumes ask is told by the order of their
names: every `ASKS`-th does (the list of arXiv 2311.13752 is not part of the layout).
"""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from similar_cases.domain.errors import InvalidRequest
from similar_cases.evaluate.describe_volumes import VolumeSample
from similar_cases.evaluate.lesion_groups import group_of, lesion_axes_cm
from similar_cases.evaluate.lesion_samples import Lesion, LesionSample
from similar_cases.evaluate.nifti import oriented_labels, oriented_volume
from similar_cases.evaluate.result_store import ResultStore, files_key

#: one of so many volumes asks, the others make the archive: about the paper's 107 of 751
ASKS = 7
LAYOUT = "dataset.json with imagesTr/*.nii.gz and labelsTr/*.nii.gz, in DIR or in folders Task*/ under it"
_LESION = re.compile(r"cancer|tumou?r|lesion", re.IGNORECASE)


def msd_samples(data: Path, store: ResultStore) -> Iterator[tuple[VolumeSample, bool]]:
    """Yield each labelled volume with whether it asks; labels are ``organ``, ``flag`` and ``group``.

    Raises:
        InvalidRequest: when `data` is not of the layout, with what is missing.
    """
    tasks = [data] if (data / "dataset.json").is_file() else sorted(path.parent for path in data.glob("*/dataset.json"))
    if not tasks:
        raise InvalidRequest(f"{data} is no Medical Segmentation Decathlon; wanted is {LAYOUT}")
    for task in tasks:
        yield from _of_task(task, store)


def _of_task(task: Path, store: ResultStore) -> Iterator[tuple[VolumeSample, bool]]:
    about = _described(task)
    organ = str(about["name"]).lower()
    modality = "CT" if "CT" in str(about["modality"].get("0", "")).upper() else "MR"
    lesions = [int(number) for number, name in about["labels"].items() if _LESION.search(str(name))]
    if len(about["modality"]) > 1:
        raise InvalidRequest(f"{task.name} has several channels a volume; one is wanted")
    pairs = sorted((_inside(task, pair["image"]), _inside(task, pair["label"])) for pair in about["training"])
    for number, (image, mask) in enumerate(pairs):
        axes = store.document(("axes", files_key(mask), lesions), partial(_axes_cm, mask, lesions))
        labels = {"organ": organ, "flag": str(int(bool(axes))), "group": str(group_of(organ, axes))}
        patient = image.name.removesuffix(".nii.gz")
        lesion = LesionSample(
            dataset=organ,
            modality=modality,
            patient=patient,
            load=partial(_lesion, image, mask, modality, lesions),
            source=image,
        )
        sample = VolumeSample(
            uid=f"{organ}/{image.name}",
            dataset=organ,
            modality=modality,
            patient=patient,
            load=partial(oriented_volume, image, modality),
            source=image,
            labels=labels,
            lesion=lesion if axes else None,
        )
        yield sample, number % ASKS == ASKS - 1


def _described(task: Path) -> dict[str, Any]:
    """Return dataset.json, with what is used of it in place.

    Raises:
        InvalidRequest: for one that cannot be read, or lacks something.
    """
    path = task / "dataset.json"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}") from error
    wanted = {"name": str, "modality": dict, "labels": dict, "training": list}
    for key, kind in wanted.items():
        if not isinstance(about, dict) or not isinstance(about.get(key), kind):
            raise InvalidRequest(f"{path} has no {key!r} as the Medical Segmentation Decathlon writes it")
    return dict(about)


def _inside(task: Path, name: object) -> Path:
    """Return the file that dataset.json names, which lies in the task's folder.

    Raises:
        InvalidRequest: for a file that is missing, or elsewhere.
    """
    path = (task / str(name)).resolve()
    if not path.is_relative_to(task.resolve()) or not path.is_file():
        raise InvalidRequest(f"{task / 'dataset.json'} names {name}, which is not there")
    return path


def _axes_cm(mask: Path, lesions: list[int]) -> list[float]:
    return lesion_axes_cm(np.isin(oriented_labels(mask), lesions), oriented_volume(mask, "CT").geometry)


def _lesion(image: Path, mask: Path, modality: str, lesions: list[int]) -> list[Lesion]:
    """Return all lesions of a volume as one."""
    return [Lesion(oriented_volume(image, modality), np.isin(oriented_labels(mask), lesions))]
