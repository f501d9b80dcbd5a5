"""The two data sets of RadiomicsRetrieval as they are published: BraTS, and NSCLC-Radiomics from TCIA.

::

    BraTS-GLI-00000-000/BraTS-GLI-00000-000-t1c.nii.gz, …-seg.nii.gz      (2021: …_t1ce.nii.gz, …_seg.nii.gz)
    LUNG1-001/…/*.dcm      CT and RTSTRUCT of one patient, at any depth: GTV-1 …, Lung-Left, Lung-Right

The last number of a BraTS name is the time point: volumes of one patient never answer each other.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from pydicom import Dataset, dcmread

from similar_cases.domain.errors import InvalidRequest
from similar_cases.evaluate.lesion_samples import Lesion, LesionSample, annotated
from similar_cases.evaluate.nifti import oriented_labels, oriented_volume
from similar_cases.evaluate.place_labels import brain_place, lung_place

LAYOUT = (
    "BraTS folders CASE/CASE-t1c.nii.gz with CASE-seg.nii.gz, or one folder a patient with DICOM CT and RTSTRUCT as "
    "NSCLC-Radiomics"
)
BRATS, NSCLC = "BraTS", "NSCLC-Radiomics"
_FEWEST_PATIENTS = 2
_TIME_POINT = re.compile(r"(BraTS-\w+-\d+)-\d+$")
_LUNG = re.compile(r"lung[\s_-]*(?P<side>l|r|left|right)\b", re.IGNORECASE)


def tumour_samples(data: Path) -> list[LesionSample]:
    """Return one sample a volume, of whichever of the two layouts `data` has.

    Raises:
        InvalidRequest: when it has neither, or fewer than two patients.
    """
    found = list(_brats(data)) or list(_nsclc(data))
    if len({sample.patient for sample in found}) < _FEWEST_PATIENTS:
        raise InvalidRequest(f"{data} holds {len(found)} volumes; two patients at least are wanted: {LAYOUT}")
    return found


def _brats(data: Path) -> Iterator[LesionSample]:
    for mask in sorted(data.glob("*/*seg.nii.gz")):
        images = sorted(mask.parent.glob("*t1c*.nii.gz"))
        if not images:
            raise InvalidRequest(f"{mask.parent} has a segmentation and no t1c image; wanted is {LAYOUT}")
        of_patient = _TIME_POINT.match(mask.parent.name)
        yield LesionSample(
            dataset=BRATS,
            modality="MR",
            patient=of_patient.group(1) if of_patient else mask.parent.name,
            load=_from_brats(images[0], mask),
            source=mask.parent,
        )


def _from_brats(image: Path, mask: Path) -> Callable[[], list[Lesion]]:
    def load() -> list[Lesion]:
        volume, tumour = oriented_volume(image, "MR"), oriented_labels(mask) > 0
        if tumour.shape != volume.geometry.shape:
            raise InvalidRequest(f"{mask} has {tumour.shape} voxels, its image {volume.geometry.shape}")
        if not tumour.any():
            return []
        return [Lesion(volume, tumour, brain_place(tumour, volume.array > volume.array.min(), volume.geometry))]

    return load


def _nsclc(data: Path) -> Iterator[LesionSample]:
    for where in sorted(path for path in data.glob("*/") if next(path.rglob("*.dcm"), None)):
        yield LesionSample(dataset=NSCLC, modality="CT", patient=where.name, load=_from_dicom(where), source=where)


def _from_dicom(folder: Path) -> Callable[[], list[Lesion]]:
    def load() -> list[Lesion]:
        lungs = {
            _side(one.label): one.truth for one in annotated(_read(folder), lambda s: bool(_side(s)), anatomy=None)
        }
        tumours = annotated(_read(folder), lambda label: label.upper().startswith("GTV"))
        places = [
            lung_place(one.truth, lungs["left"], lungs["right"], one.volume.geometry) if len(lungs) == 2 else ""
            for one in tumours
        ]
        return [Lesion(one.volume, one.truth, place) for one, place in zip(tumours, places, strict=True)]

    return load


def _read(folder: Path) -> list[Dataset]:
    """Read a patient's objects; `annotated` consumes them."""
    return [dcmread(path) for path in sorted(folder.rglob("*.dcm"))]


def _side(label: str) -> str:
    found = _LUNG.match(label.strip())
    return {"l": "left", "r": "right"}[found["side"][0].lower()] if found else ""
