"""Turns the training part of the public data into one file of at most 60 MB, so that it can be copied to any machine.

    python models/promptable/prepare.py --data ~/.cache/similar-cases-data --out .cache/promptable-training.npz

Each item is a volume of 8-bit voxels with a label map, in LPS, with spacing; the split is that of the data's README:
sarcoma patients 1 to 27 train and 28 to 36 validate, hippocampus the first 160 by name train, organs and liver train.
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

log = logging.getLogger(__name__)

#: Hounsfield units at which the 8-bit code bends: 2.5 HU a step where soft tissue lies, coarse outside
CT_KNOTS_HU = (-1000.0, -200.0, 300.0, 1500.0)
CT_KNOTS_CODE = (0.0, 28.0, 228.0, 255.0)
#: spacing to which larger volumes are brought, mm (i, j, k)
TARGET_SPACING_MM = (2.0, 2.0, 3.3)


@dataclass(frozen=True, eq=False)
class Item:
    """One training volume; `voxels` and `labels` are (k, j, i), `spacing_mm` too."""

    name: str
    dataset: str
    modality: str
    split: str
    voxels: np.ndarray
    labels: np.ndarray
    spacing_mm: tuple[float, float, float]


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    write(arguments.out, list(items_in(arguments.data)))


def items_in(data: Path) -> Iterator[Item]:
    """Yield every item of every dataset that may be trained or validated on."""
    yield from sarcoma(data / "sarcoma")
    yield from hippocampus(data / "hippocampus")
    yield from organs(data / "organs")
    yield from liver(data / "liver_metastases_ct")


def sarcoma(folder: Path) -> Iterator[Item]:
    """Soft-tissue sarcoma: CT, T1 MR and PET of a patient, one label."""
    with (folder / "subjects.csv").open(encoding="utf-8") as file:
        split = {row["id"]: row["split"] for row in csv.DictReader(file)}
    for patient in sorted(split):
        for modality, name in (("CT", "CT"), ("MR", "MR_T1"), ("PT", "PET")):
            image = read_series(folder / "dicom" / patient / name / "image")
            mask = sitk.ReadImage(str(folder / "nifti" / patient / f"{name}_mask.nii.gz"))
            yield item(f"{patient}_{name}", "sarcoma", modality, split[patient], image, mask)


def hippocampus(folder: Path) -> Iterator[Item]:
    """Hippocampus MR crops, label 1 anterior and 2 posterior; Decathlon's order by name decides the split."""
    for number, path in enumerate(sorted((folder / "images").glob("*.nii.gz"))):
        split = "train" if number < 160 else "validation"
        mask = sitk.ReadImage(str(folder / "labels" / path.name))
        yield item(path.name[:-7], "hippocampus", "MR", split, sitk.ReadImage(str(path)), mask)


def organs(folder: Path) -> Iterator[Item]:
    """TotalSegmentator's example CT and MR with their label maps."""
    pairs = [("example_ct_sm", "example_seg", "CT"), ("example_mr_sm", "example_seg_mr", "MR")]
    for image, mask, modality in pairs:
        yield item(
            image,
            "organs",
            modality,
            "train",
            sitk.ReadImage(str(folder / f"{image}.nii.gz")),
            sitk.ReadImage(str(folder / f"{mask}.nii.gz")),
        )


def liver(folder: Path) -> Iterator[Item]:
    """Abdominal CTs without masks: backgrounds for simulated lesions."""
    for patient in sorted(path for path in folder.iterdir() if path.is_dir()):
        image = read_series(patient / "image")
        yield item(patient.name, "liver", "CT", "train", image, sitk.Image(image.GetSize(), sitk.sitkUInt8))


def read_series(folder: Path) -> sitk.Image:
    """Read the one image series in a folder."""
    return sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))


def item(name: str, dataset: str, modality: str, split: str, image: sitk.Image, mask: sitk.Image) -> Item:
    """Bring image and mask to one grid along the axes of LPS, and the voxels to 8 bits."""
    if image.GetNumberOfComponentsPerPixel() > 1 or image.GetDimension() != 3:
        raise ValueError(f"{name} is no 3-D scalar image")
    image = sitk.DICOMOrient(sitk.Cast(image, sitk.sitkFloat32), "LPS")
    size = [
        max(1, round(n * s / max(s, t)))
        for n, s, t in zip(image.GetSize(), image.GetSpacing(), TARGET_SPACING_MM, strict=True)
    ]
    spacing = [n * s / m for n, s, m in zip(image.GetSize(), image.GetSpacing(), size, strict=True)]
    if mask.GetSize() == image.GetSize() and np.count_nonzero(sitk.GetArrayViewFromImage(mask)) == 0:
        mask.CopyInformation(image)
    half = [(new - old) / 2 for new, old in zip(spacing, image.GetSpacing(), strict=True)]
    origin = image.TransformContinuousIndexToPhysicalPoint(
        [h / s for h, s in zip(half, image.GetSpacing(), strict=True)]
    )
    grid = (size, sitk.Transform(), sitk.sitkLinear, origin, spacing, image.GetDirection())
    smooth = sitk.SmoothingRecursiveGaussian(image, [max(1e-3, 0.35 * new) for new in spacing])
    voxels = sitk.GetArrayFromImage(sitk.Resample(smooth if spacing[0] > 1.5 * image.GetSpacing()[0] else image, *grid))
    labels = sitk.GetArrayFromImage(sitk.Resample(mask, *grid[:2], sitk.sitkNearestNeighbor, *grid[3:]))
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
    return Item(name, dataset, modality, split, encode(voxels, modality), labels.astype(np.uint8), (k, j, i))


def encode(voxels: np.ndarray, modality: str) -> np.ndarray:
    """Return 8-bit voxels: CT by the knots above, others over their 0.1 to 99.9 percentiles."""
    if modality == "CT":
        codes = np.interp(voxels, CT_KNOTS_HU, CT_KNOTS_CODE)
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
    listing = [{k: getattr(one, k) for k in ("name", "dataset", "modality", "split", "spacing_mm")} for one in items]
    np.savez_compressed(path, listing=np.frombuffer(json.dumps(listing).encode(), np.uint8), **arrays)
    log.info("%d items, %.1f MB", len(items), path.stat().st_size / 1e6)


if __name__ == "__main__":
    main()
