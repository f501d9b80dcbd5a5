"""Turns the training part of the public data into one file of at most 60 MB, so that it can be copied to any machine.

    python -m models.promptable.prepare --data ~/.cache/similar-cases-data --out .cache/promptable-training.npz
    python -m models.promptable.prepare --data ~/.cache/similar-cases-data --out .cache/promptable-fine.npz --fine

Each item is a volume of 8-bit voxels with a label map, in LPS, with spacing; the split is that of the data's README:
sarcoma patients 1 to 27 train and 28 to 36 validate, hippocampus the first 160 by name train, organs and liver train.
With `--fine` voxels stay as fine as they are, and the file grows past that: for the judge of scales, which must see
what is seen from the nearest.
"""

import argparse
import csv
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from models.resampling import coarsened

from similar_cases.segment.backends.promptable.inputs import coded_ct

log = logging.getLogger(__name__)

#: spacing to which finer volumes are brought, mm (i, j, k): large lesions need less than what small ones lie in
TARGET_SPACING_MM = {"sarcoma": (2.0, 2.0, 3.3), "hippocampus": (1.0, 1.0, 1.0)}
_OTHERS_MM = (1.5, 1.5, 1.5)


@dataclass(frozen=True, eq=False)
class Item:
    """One training volume along the axes of LPS: `voxels`, `labels`, `spacing_mm` (k, j, i); `origin_lps` (x, y, z).

    Labels are 0 outside of every object. Volumes of one `patient` lie in one frame of reference.
    """

    name: str
    dataset: str
    modality: str
    split: str
    voxels: np.ndarray
    labels: np.ndarray
    spacing_mm: tuple[float, float, float]
    origin_lps: tuple[float, float, float]
    patient: str


@dataclass(frozen=True, eq=False)
class Read:
    """What was read, on the grid of its file."""

    name: str
    dataset: str
    modality: str
    split: str
    image: sitk.Image
    mask: sitk.Image


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fine", action="store_true", help="keep the voxels as fine as they are")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    write(arguments.out, list(items_in(arguments.data, fine=arguments.fine)))


def items_in(data: Path, *, fine: bool = False) -> Iterator[Item]:
    """Yield every item of every dataset that may be trained or validated on."""
    for read, folder in ((sarcoma, "sarcoma"), (hippocampus, "hippocampus"), (organs, "organs")):
        yield from (item(one, fine=fine) for one in read(data / folder))
    yield from (item(one, fine=fine) for one in liver(data / "liver_metastases_ct"))


def sarcoma(folder: Path) -> Iterator[Read]:
    """Soft-tissue sarcoma: CT, T1 MR and PET of a patient, one label."""
    with (folder / "subjects.csv").open(encoding="utf-8") as file:
        split = {row["id"]: row["split"] for row in csv.DictReader(file)}
    for patient in sorted(split):
        for modality, name in (("CT", "CT"), ("MR", "MR_T1"), ("PT", "PET")):
            image = read_series(folder / "dicom" / patient / name / "image")
            mask = sitk.ReadImage(str(folder / "nifti" / patient / f"{name}_mask.nii.gz"))
            yield Read(f"{patient}_{name}", "sarcoma", modality, split[patient], image, mask)


def hippocampus(folder: Path) -> Iterator[Read]:
    """Hippocampus MR crops, label 1 anterior and 2 posterior; Decathlon's order by name decides the split."""
    for number, path in enumerate(sorted((folder / "images").glob("*.nii.gz"))):
        split = "train" if number < 160 else "validation"
        mask = sitk.ReadImage(str(folder / "labels" / path.name))
        yield Read(path.name[:-7], "hippocampus", "MR", split, sitk.ReadImage(str(path)), mask)


def organs(folder: Path) -> Iterator[Read]:
    """TotalSegmentator's examples, a spleen and two vertebrae with their label maps; what is absent is left out."""
    spleen = folder / "msd_spleen2_crop"
    labelled = {
        "example_ct_sm": ("CT", folder / "example_ct_sm.nii.gz", folder / "example_seg.nii.gz"),
        "example_mr_sm": ("MR", folder / "example_mr_sm.nii.gz", folder / "example_seg_mr.nii.gz"),
        "spleen_2": (
            "CT",
            spleen / "sub-spleen2" / "ct" / "sub-spleen2_ct.nii.gz",
            spleen / "derivatives" / "labels" / "sub-spleen2" / "ct" / "sub-spleen2_ct_seg-manual.nii.gz",
        ),
        "vertebra_ct": (
            "CT",
            folder / "sample_ct" / "sub-ct_label-22_ct.nii.gz",
            folder / "sample_ct" / "sub-ct_seg-vert_label-22_msk.nii.gz",
        ),
        "vertebra_mr": (
            "MR",
            folder / "sample_mri" / "sub-mri_label-6_T2w.nii.gz",
            folder / "sample_mri" / "sub-mri_seg-vert_label-6_msk.nii.gz",
        ),
    }
    for name, (modality, image, mask) in labelled.items():
        if not image.exists():
            log.warning("%s is absent", image)
            continue
        yield Read(name, "organs", modality, "train", sitk.ReadImage(str(image)), sitk.ReadImage(str(mask)))
    if not (folder / "example_ct.nii.gz").exists():
        return
    slices = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder / "example_ct_dicom")))
    mask = sitk.ReadImage(str(folder / "example_seg_dicom.nii.gz"))
    yield Read("example_ct_dicom", "organs", "CT", "train", slices, mask)
    yield unlabelled("example_ct", "backgrounds", sitk.ReadImage(str(folder / "example_ct.nii.gz")))


def liver(folder: Path) -> Iterator[Read]:
    """Abdominal CTs without masks: backgrounds for simulated lesions."""
    for patient in sorted(path for path in folder.iterdir() if path.is_dir()):
        image = read_series(patient / "image")
        yield unlabelled(patient.name, "backgrounds", image)


def unlabelled(name: str, dataset: str, image: sitk.Image) -> Read:
    """Return a CT without any object."""
    mask = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    mask.CopyInformation(image)
    return Read(name, dataset, "CT", "train", image, mask)


def read_series(folder: Path) -> sitk.Image:
    """Read the one image series in a folder."""
    return sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))


def item(read: Read, *, fine: bool) -> Item:
    """Bring image and mask to one grid along the axes of LPS, and the voxels to 8 bits."""
    name, dataset, modality = read.name, read.dataset, read.modality
    if read.image.GetNumberOfComponentsPerPixel() > 1 or read.image.GetDimension() != 3:
        raise ValueError(f"{name} is no 3-D scalar image")
    image = sitk.DICOMOrient(sitk.Cast(read.image, sitk.sitkFloat32), "LPS")
    wanted = (0.0, 0.0, 0.0) if fine else TARGET_SPACING_MM.get(dataset, _OTHERS_MM)
    voxels, labels, spacing, origin = coarsened(image, read.mask, wanted)
    log.info(
        "%s %s %s: %s voxels of %s mm, labels %s",
        dataset,
        name,
        modality,
        voxels.shape,
        np.round(spacing, 2),
        np.unique(labels)[:9],
    )
    k, j, i = (float(s) for s in reversed(spacing))
    x, y, z = (float(c) for c in origin)
    patient = name.partition("_CT")[0].partition("_MR")[0].partition("_PET")[0] if dataset == "sarcoma" else name
    codes = encode(voxels, modality)
    return Item(name, dataset, modality, read.split, codes, labels, (k, j, i), (x, y, z), patient)


def encode(voxels: np.ndarray, modality: str) -> np.ndarray:
    """Return 8-bit voxels: CT as inference codes it, others over their 0.1 to 99.9 percentiles."""
    if modality == "CT":
        codes = coded_ct(torch.from_numpy(voxels)).numpy()
    else:
        low, high = np.percentile(voxels, (0.1, 99.9))
        codes = np.clip((voxels - low) / max(high - low, 1e-6), 0, 1) * 255
    return np.round(codes).astype(np.uint8)


def write(path: Path, items: list[Item]) -> None:
    """Write one compressed file: arrays by number, and a JSON list that names them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"voxels{n}": one.voxels for n, one in enumerate(items)} | {
        f"labels{n}": one.labels for n, one in enumerate(items)
    }
    told = ("name", "dataset", "modality", "split", "spacing_mm", "origin_lps", "patient")
    listing = [{key: getattr(one, key) for key in told} for one in items]
    np.savez_compressed(path, listing=np.frombuffer(json.dumps(listing).encode(), np.uint8), **arrays)
    log.info("%d items, %.1f MB", len(items), path.stat().st_size / 1e6)


if __name__ == "__main__":
    main()
