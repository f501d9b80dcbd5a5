"""Volumes with an expert's mask, from a folder laid out as its README tells, and from any DICOM with annotations.

Split by patient. What weights may be trained on, what validates, and what is kept unseen stands in one table here.
"""

from collections.abc import Callable, Iterator, Sequence
from csv import DictReader
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from scipy import ndimage

from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.volume import Volume
from similar_cases.evaluate.nifti import volume_of_nifti
from similar_cases.evaluate.split import Split
from similar_cases.segment.prompts import is_anatomy, is_annotation, read_prompts, region_of_expert
from similar_cases.volume.build import build_volumes

Mask = NDArray[np.bool_]
#: images of the hippocampus set, in the order of their names, that weights may be trained on
_HIPPOCAMPUS_TRAINED = 160
#: a lesion of fewer voxels is a matter of its border alone
_FEWEST_VOXELS = 12
_MODALITIES = {"CT": "CT", "MR_T1": "MR", "PET": "PT"}


@dataclass(frozen=True, eq=False)
class Lesion:
    """One volume and the mask (k, j, i) of what is to be found in it; `label` is what the data set calls it."""

    volume: Volume
    truth: Mask
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class LesionSample:
    """What is known before anything is read.

    Attributes:
        patient: whose it is; samples of one patient are not independent.
        load: reads the volume, and every lesion in it.
        source: the file or folder that is read, by which what was computed of it is known again; None keeps nothing.
    """

    dataset: str
    modality: str
    patient: str
    load: Callable[[], list[Lesion]]
    source: Path | None = None


def samples_in(data: Path, split: Split, *, absent_is_fine: bool = False) -> list[LesionSample]:
    """Return the samples of one split that lie in the folder `data`, data sets that are absent left out.

    Raises:
        InvalidRequest: when the folder holds none of them, and that is not fine.
    """
    if split is Split.TEST:
        found = [sample for samples in (_nsclc, _ibsi_lung, _ms_lesions) for sample in samples(data)]
    else:
        found = [sample for samples in (_sarcoma, _hippocampus) for sample in samples(data, split)]
    if not found and not absent_is_fine:
        raise InvalidRequest(f"{data} holds no data set to {split.value} on; see --help for the layout")
    return found


def annotated(
    instances: Sequence[Dataset], wanted: Callable[[str], bool] = lambda label: True, *, anatomy: bool | None = False
) -> list[Lesion]:
    """Return the lesions that the annotations among `instances` outline in their one image series.

    Args:
        instances: one image series with its RTSTRUCT or SEG; other objects are passed over. They are consumed.
        wanted: tells by its label whether an outline counts.
        anatomy: whether organs count instead of lesions; None takes both.
    """
    annotations = [one for one in instances if is_annotation(one.get("Modality", ""))]
    images = [one for one in instances if one.get("Modality", "") in _MODALITIES.values()]
    volume = build_volumes(images)[0]
    outlines = [
        prompts
        for annotation in annotations
        for prompts in read_prompts(annotation, volume)
        if prompts.is_expert_mask
        and (anatomy is None or is_anatomy(prompts.finding) is anatomy)
        and wanted(prompts.label)
    ]
    shape = volume.geometry.shape
    return [Lesion(volume, region_of_expert(volume, one).full_mask(shape), one.label) for one in outlines]


def _sarcoma(data: Path, split: Split) -> Iterator[LesionSample]:
    table = data / "sarcoma" / "subjects.csv"
    if not table.is_file():
        return
    with table.open(encoding="utf-8") as file:
        wanted = "train" if split is Split.TRAINING else "validation"
        patients = sorted(row["id"] for row in DictReader(file) if row["split"] == wanted)
    for patient in patients:
        for folder, modality in _MODALITIES.items():
            where = data / "sarcoma" / "dicom" / patient / folder
            load = _from_dicom(where)
            yield LesionSample(dataset="sarcoma", modality=modality, patient=patient, load=load, source=where)


def _hippocampus(data: Path, split: Split) -> Iterator[LesionSample]:
    """Yield the images of a split, the front part of one and the rear part of the next in turn."""
    images = sorted((data / "hippocampus" / "images").glob("*.nii.gz"))
    trained = slice(None, _HIPPOCAMPUS_TRAINED)
    chosen = trained if split is Split.TRAINING else slice(_HIPPOCAMPUS_TRAINED, None)
    for number, image in enumerate(images[chosen]):
        mask = data / "hippocampus" / "labels" / image.name
        load = _from_nifti(image, mask, number % 2 + 1)
        yield LesionSample(dataset="hippocampus", modality="MR", patient=image.name, load=load, source=image)


def _nsclc(data: Path) -> Iterator[LesionSample]:
    for where in sorted((data / "nsclc").glob("*/")):
        load = _from_dicom(where, lambda label: label.startswith("GTV"))
        yield LesionSample(dataset="nsclc", modality="CT", patient=where.name, load=load, source=where)


def _ibsi_lung(data: Path) -> Iterator[LesionSample]:
    for where in sorted((data / "ibsi_lung").glob("*/")):
        load = _from_dicom(where)
        yield LesionSample(dataset="ibsi_lung", modality="CT", patient=where.name, load=load, source=where)


def _ms_lesions(data: Path) -> Iterator[LesionSample]:
    """Yield a patient's FLAIR; each connected part of the mask is a lesion."""
    for where in sorted((data / "ms_lesions").glob("*/")):
        [image] = where.glob("FLAIR*.nii.gz")
        [mask] = where.glob("GOLD*.nii.gz")
        load = _from_nifti(image, mask)
        yield LesionSample(dataset="ms_lesions", modality="MR", patient=where.name, load=load, source=where)


def _from_dicom(folder: Path, wanted: Callable[[str], bool] = lambda label: True) -> Callable[[], list[Lesion]]:
    return lambda: annotated([dcmread(path) for path in sorted(folder.rglob("*.dcm"))], wanted)


def _from_nifti(image: Path, mask: Path, label: int | None = None) -> Callable[[], list[Lesion]]:
    """Return what reads a pair of files: the voxels of one label, or each connected part of all."""

    def load() -> list[Lesion]:
        volume = volume_of_nifti(image)
        drawn = sitk.GetArrayFromImage(sitk.ReadImage(str(mask)))
        if label is not None:
            return [Lesion(volume, drawn == label, f"label {label}")]
        parts, count = ndimage.label(drawn > 0, np.ones((3, 3, 3)))
        sizes = np.bincount(parts.ravel())
        return [Lesion(volume, parts == one) for one in range(1, count + 1) if sizes[one] >= _FEWEST_VOXELS]

    return load
