"""TotalSegmentator's data set as it is published: one folder a CT, and a table of which is for training or test.

::

    DIR/
    ├── meta.csv                  image_id;…;split;… with train, val and test
    └── s0011/
        ├── ct.nii.gz
        └── segmentations/liver.nii.gz …  one mask a class
"""

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from similar_cases.domain.errors import InvalidRequest
from similar_cases.evaluate.describe_volumes import VolumeSample
from similar_cases.evaluate.nifti import oriented_labels, oriented_volume
from similar_cases.evaluate.result_store import ResultStore, files_key

LAYOUT = "meta.csv (image_id;…;split) beside sNNNN/ct.nii.gz and sNNNN/segmentations/CLASS.nii.gz"


def totalsegmentator_samples(data: Path) -> Iterator[tuple[VolumeSample, bool]]:
    """Yield each CT with whether it asks: those of the test split do, those of the training split are the archive.

    Raises:
        InvalidRequest: when `data` is not of the layout, with what is missing.
    """
    table = data / "meta.csv"
    if not table.is_file():
        raise InvalidRequest(f"{data} is no TotalSegmentator data set: no meta.csv; wanted is {LAYOUT}")
    with table.open(encoding="utf-8-sig", newline="") as file:
        dialect = ";" if ";" in file.readline() else ","
        file.seek(0)
        rows = list(csv.DictReader(file, delimiter=dialect))
    if not rows or not {"image_id", "split"} <= rows[0].keys():
        raise InvalidRequest(f"{table} has no columns image_id and split; wanted is {LAYOUT}")
    wanted = [row for row in rows if row["split"] in ("train", "test") and _folder(data, row["image_id"])]
    if {row["split"] for row in wanted} != {"train", "test"}:
        raise InvalidRequest(f"{table} names no CT of each split, train and test, that is there; wanted is {LAYOUT}")
    for row in sorted(wanted, key=lambda row: row["image_id"]):
        image = data / row["image_id"] / "ct.nii.gz"
        sample = VolumeSample(
            uid=row["image_id"],
            dataset="totalsegmentator",
            modality="CT",
            patient=row["image_id"],
            load=partial(oriented_volume, image, "CT"),
            source=image,
        )
        yield sample, row["split"] == "test"


def shown_classes(sample: VolumeSample, store: ResultStore) -> dict[str, list[int]]:
    """Return class → slices k of the CT that show it; a class that no slice shows is left out.

    Raises:
        InvalidRequest: when there are no masks, or one does not fit the CT.
    """
    folder = sample.source.parent / "segmentations"
    masks = sorted(folder.glob("*.nii.gz"))
    if not masks:
        raise InvalidRequest(f"{folder} holds no masks; wanted is {LAYOUT}")
    shown: dict[str, list[int]] = store.document(("shown", files_key(folder)), lambda: _shown(sample.source, masks))
    return shown


def _shown(image: Path, masks: list[Path]) -> dict[str, list[int]]:
    wanted = oriented_volume(image, "CT").geometry.shape
    shown = {}
    for path in masks:
        mask = oriented_labels(path)
        if mask.shape != wanted:
            raise InvalidRequest(f"{path} has {mask.shape} voxels, its CT has {wanted}")
        slices = np.flatnonzero(mask.any(axis=(1, 2))).tolist()
        if slices:
            shown[path.name.removesuffix(".nii.gz")] = slices
    return shown


def _folder(data: Path, name: str) -> bool:
    """Tell whether a row's CT is there, inside of `data`."""
    path = (data / name / "ct.nii.gz").resolve()
    return path.is_relative_to(data.resolve()) and path.is_file()
