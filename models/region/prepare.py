"""Turns the training part of the public data into one file of at most 60 MB, so that it can be copied to any machine.

    python -m models.region.prepare --data ~/.cache/similar-cases-data --out .cache/region-training.npz

It holds volumes of 8-bit voxels along the axes of LPS with label maps, and for each region its radiomics, which the
product's own extractor measures on the images as they come, under the default recipe. Validation patients are not read.
"""

import argparse
import csv
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from models.region.simulate import simulated
from models.resampling import coarsened
from pydicom import dcmread

from similar_cases.describe.radiomics import RadiomicsExtractor
from similar_cases.domain.description import RadiomicsRecipe
from similar_cases.domain.errors import DescriptionFailed
from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.region import Region
from similar_cases.domain.volume import SeriesFacts, Volume, VoxelUnit
from similar_cases.evaluate.lesion_samples import annotated, volume_of_nifti
from similar_cases.volume.build import build_volumes

log = logging.getLogger(__name__)

#: Hounsfield units at which the 8-bit code bends: 2.5 HU a step where soft tissue lies, coarse outside
CT_KNOTS_HU = (-1000.0, -200.0, 300.0, 1500.0)
CT_KNOTS_CODE = (0.0, 28.0, 228.0, 255.0)
#: spacing to which finer volumes are brought, mm (i, j, k), where they have more voxels than this
TARGET_SPACING_MM, SMALL_VOXELS = (2.0, 2.0, 3.3), 300_000
#: images of the hippocampus set, in the order of their names, that weights may be trained on
HIPPOCAMPUS_TRAINED = 160
FEWEST_VOXELS = 40
#: labels that mean the same organ in TotalSegmentator's CT and MR tasks
SHARED_LABELS = 9
UNITS = (VoxelUnit.HU, VoxelUnit.SUVBW, VoxelUnit.BQML, VoxelUnit.ARBITRARY)


@dataclass(eq=False)
class Item:
    """One training volume along LPS: `codes` and `labels` are (k, j, i), `table` gives the value of each code."""

    name: str
    dataset: str
    modality: str
    patient: str
    unit: VoxelUnit
    codes: np.ndarray
    table: np.ndarray
    labels: np.ndarray
    affine: np.ndarray
    regions: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """What is read: a volume, its label map (k, j, i), and the name of the class of a label."""

    name: str
    dataset: str
    patient: str
    volume: Volume
    labels: np.ndarray


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--simulated", type=int, default=1500, help="number of simulated lesions")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    extractor = RadiomicsExtractor(RadiomicsRecipe())
    items = [item_of(source, extractor) for source in sources_in(arguments.data)]
    lesions = list(lesions_in(items, extractor, arguments.simulated))
    write(arguments.out, items, lesions, extractor)


def sources_in(data: Path) -> Iterator[Source]:
    """Yield the training part of every dataset that lies in `data`."""
    yield from sarcoma(data / "sarcoma")
    yield from hippocampus(data / "hippocampus")
    yield from organs(data / "organs")
    yield from liver(data / "liver_metastases_ct")


def sarcoma(folder: Path) -> Iterator[Source]:
    """Soft-tissue sarcoma: CT, T1 MR and PET of each training patient, one label."""
    with (folder / "subjects.csv").open(encoding="utf-8") as file:
        patients = sorted(row["id"] for row in csv.DictReader(file) if row["split"] == "train")
    for patient in patients:
        for name in ("CT", "MR_T1", "PET"):
            files = sorted((folder / "dicom" / patient / name).rglob("*.dcm"))
            [lesion] = annotated([dcmread(path) for path in files])
            yield Source(f"{patient}_{name}", "sarcoma", patient, lesion.volume, lesion.truth.astype(np.uint8))


def hippocampus(folder: Path) -> Iterator[Source]:
    """Hippocampus MR crops, label 1 anterior and 2 posterior."""
    for path in sorted((folder / "images").glob("*.nii.gz"))[:HIPPOCAMPUS_TRAINED]:
        yield _pair(path, folder / "labels" / path.name, "hippocampus", "MR")


def organs(folder: Path) -> Iterator[Source]:
    """TotalSegmentator's example CT and MR with their label maps, and the whole of the CT without."""
    yield _pair(folder / "example_ct_sm.nii.gz", folder / "example_seg.nii.gz", "organs", "CT")
    yield _pair(folder / "example_mr_sm.nii.gz", folder / "example_seg_mr.nii.gz", "organs", "MR")
    yield _pair(folder / "example_ct.nii.gz", None, "background", "CT")


def liver(folder: Path) -> Iterator[Source]:
    """Abdominal CTs without masks: backgrounds."""
    for where in sorted(path for path in folder.iterdir() if path.is_dir()):
        volume = build_volumes([dcmread(path) for path in sorted((where / "image").rglob("*.dcm"))])[0]
        yield Source(where.name, "background", where.name, volume, np.zeros(volume.array.shape, np.uint8))


def _pair(image: Path, mask: Path | None, dataset: str, modality: str) -> Source:
    volume = volume_of_nifti(image)
    if modality == "CT":
        volume = replace(volume, unit=VoxelUnit.HU, facts=SeriesFacts(modality="CT"))
    name = image.name.removesuffix(".nii.gz")
    labels = np.zeros(volume.array.shape, np.uint8) if mask is None else _array(mask)
    return Source(name, dataset, name.replace("_sm", ""), volume, labels)


def _array(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(np.uint8)


def item_of(source: Source, extractor: RadiomicsExtractor) -> Item:
    """Measure the regions on the volume as it is, and bring voxels and labels to a grid along LPS, in 8 bits."""
    volume = source.volume
    image, labels = _sitk(volume.array, volume.geometry), _sitk(source.labels, volume.geometry)
    image, labels = (sitk.DICOMOrient(one, "LPS") for one in (image, labels))
    voxels, codes_of_labels, affine = _resampled(image, labels)
    codes, table = encoded(voxels, volume.unit)
    modality = volume.facts.modality
    item = Item(
        source.name, source.dataset, modality, source.patient, volume.unit, codes, table, codes_of_labels, affine
    )
    for label in np.unique(source.labels[source.labels > 0]).tolist():
        mask = source.labels == label
        if mask.sum() >= FEWEST_VOXELS and (codes_of_labels == label).sum() >= FEWEST_VOXELS // 2:
            region = Region.from_mask(mask, volume.geometry, tracking_uid="2.25.1")
            values = measured(extractor, volume, region)
            item.regions.append({"label": label, "kind": kind_of(source.dataset, modality, label), "values": values})
    log.info("%s %s: %s voxels, %d regions", source.dataset, source.name, codes.shape, len(item.regions))
    return item


def kind_of(dataset: str, modality: str, label: int) -> str:
    """Name the class of a region, the same in every modality where it is the same organ."""
    if dataset == "organs" and label > SHARED_LABELS:
        return f"organ {modality} {label}"
    return {"organs": f"organ {label}", "hippocampus": f"hippocampus {label}"}.get(dataset, dataset)


def measured(extractor: RadiomicsExtractor, volume: Volume, region: Region) -> list[float | None]:
    """Return the values in the order of the extractor's names; None for the missing."""
    try:
        values = extractor.extract(volume, region).values
    except DescriptionFailed:
        values = {}
    return [values.get(name) for name in extractor.names]


def lesions_in(items: list[Item], extractor: RadiomicsExtractor, count: int) -> Iterator[dict[str, Any]]:
    """Yield the number, the background and the radiomics of simulated lesions, backgrounds in turn."""
    groups = [
        [n for n, one in enumerate(items) if (one.dataset, one.modality) == wanted]
        for wanted in (("background", "CT"), ("sarcoma", "CT"), ("sarcoma", "MR"), ("sarcoma", "PT"))
    ]
    groups = [group for group in groups if group]
    for seed in range(count):
        group = groups[seed % len(groups)]
        number = group[(seed // len(groups)) % len(group)]
        item = items[number]
        voxels = torch.from_numpy(item.table[item.codes])
        image, mask, spacing = simulated(voxels, torch.from_numpy(item.affine), seed)
        affine = np.diag([spacing, spacing, spacing, 1.0])[[2, 1, 0, 3]]
        geometry = VolumeGeometry(affine, image.shape, "2.25.2")
        volume = replace(_VOLUME, array=image.numpy(), geometry=geometry, unit=item.unit)
        values = measured(extractor, volume, Region.from_mask(mask, geometry, tracking_uid="2.25.1"))
        yield {"item": number, "seed": seed, "values": values}
        if seed % 100 == 0:
            log.info("%d of %d simulated lesions", seed, count)


def _resampled(image: sitk.Image, labels: sitk.Image) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return voxels and labels (k, j, i) no finer than the target spacing, and the affine to LPS mm."""
    wanted = TARGET_SPACING_MM if image.GetNumberOfPixels() > SMALL_VOXELS else image.GetSpacing()
    voxels, drawn, spacing, origin = coarsened(image, labels, wanted)
    columns = np.array(image.GetDirection()).reshape(3, 3) * np.array(spacing)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = columns[:, ::-1], origin
    return voxels, drawn, affine


def encoded(voxels: np.ndarray, unit: VoxelUnit) -> tuple[np.ndarray, np.ndarray]:
    """Return 8-bit codes and the value of each code: CT by the knots above, others over 0 to their 99.95 percentile."""
    if unit is VoxelUnit.HU:
        codes, table = np.interp(voxels, CT_KNOTS_HU, CT_KNOTS_CODE), np.arange(256.0)
        return np.round(codes).astype(np.uint8), np.interp(table, CT_KNOTS_CODE, CT_KNOTS_HU).astype(np.float32)
    low, high = float(voxels.min()), float(np.percentile(voxels, 99.95))
    high = max(high, low + 1e-3)
    # a square root keeps steps small where most of the image lies
    codes = np.sqrt(np.clip((voxels - low) / (high - low), 0, 1)) * 255
    table = low + (np.arange(256.0) / 255) ** 2 * (high - low)
    return np.round(codes).astype(np.uint8), table.astype(np.float32)


def _sitk(array: np.ndarray, geometry: VolumeGeometry) -> sitk.Image:
    spacing = np.array(geometry.spacing_mm)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing[::-1].tolist())
    image.SetDirection((geometry.affine[:3, :3] / spacing)[:, ::-1].ravel().tolist())
    image.SetOrigin(geometry.affine[:3, 3].tolist())
    return image


#: only voxels, grid and unit matter to radiomics
_VOLUME = Volume(
    array=np.zeros((1, 1, 1), np.float32),
    geometry=VolumeGeometry(np.eye(4)[[2, 1, 0, 3]], (1, 1, 1), "2.25.2"),
    unit=VoxelUnit.ARBITRARY,
    series=None,  # type: ignore[arg-type]
    facts=SeriesFacts(),
    frames=(),
)


def write(path: Path, items: list[Item], lesions: list[dict[str, Any]], extractor: RadiomicsExtractor) -> None:
    """Write one compressed file: arrays by number, and one JSON text that names them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"{name}{n}": getattr(one, name) for n, one in enumerate(items) for name in ("codes", "table", "labels")}
    told = ("name", "dataset", "modality", "patient", "regions")
    listing = [
        {key: getattr(one, key) for key in told} | {"unit": UNITS.index(one.unit), "affine": one.affine.tolist()}
        for one in items
    ]
    text = {
        "items": listing,
        "lesions": lesions,
        "names": extractor.names,
        "recipe": asdict(extractor.recipe),
        "fingerprint": extractor.recipe.fingerprint,
    }
    np.savez_compressed(path, listing=np.frombuffer(json.dumps(text).encode(), np.uint8), **arrays)
    regions = sum(len(one.regions) for one in items)
    log.info("%d items, %d regions, %d lesions, %.1f MB", len(items), regions, len(lesions), path.stat().st_size / 1e6)


if __name__ == "__main__":
    main()
