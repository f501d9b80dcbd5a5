"""The folder of data sets in small: the layout of the real one, filled with phantoms."""

import csv
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from tests.phantoms import to_bytes

from similar_cases.demo.annotations import structure_set_of
from similar_cases.demo.phantoms import Phantom, lesion_mask, phantom_array, phantom_series

MODALITIES = {"CT": "CT", "MR_T1": "MR", "PET": "PT"}


def tiny_data(root: Path, *, patients: int = 3, hippocampi: int = 162) -> Path:
    """Write every data set; of the `patients` with sarcoma the last one validates."""
    with _made(root / "sarcoma" / "subjects.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("id", "split"))
        for number in range(1, patients + 1):
            table.writerow((f"STS_{number:03}", "validation" if number == patients else "train"))
    for number in range(1, patients + 1):
        for folder, modality in MODALITIES.items():
            one = phantom(f"STS_{number:03}", modality, seed=number)
            where = root / "sarcoma" / "dicom" / f"STS_{number:03}" / folder
            write_dicom(where, one, f"GTV_Mass_{folder}")
            write_nifti(
                root / "sarcoma" / "nifti" / f"STS_{number:03}" / f"{folder}_mask.nii.gz", one, lesion_mask(one)
            )
    _write_hippocampi(root / "hippocampus", hippocampi)
    organ = phantom("organ", "CT", shape=(14, 30, 30))
    for name in ("example_ct_sm", "example_mr_sm"):
        write_nifti(root / "organs" / f"{name}.nii.gz", organ, phantom_array(organ))
    for name in ("example_seg", "example_seg_mr"):
        write_nifti(root / "organs" / f"{name}.nii.gz", organ, lesion_mask(organ) * 5)
    write_dicom(root / "liver_metastases_ct" / "CRLM-1", phantom("CRLM-1", "CT"), "")
    for patient, label in (("nsclc/LUNG1-001", "GTV-1"), ("ibsi_lung/pat_1", "GTV-1")):
        write_dicom(root / patient, phantom(Path(patient).name, "CT"), label, mixed=True)
    _write_two_lesions(root / "ms_lesions" / "patient07")
    return root


def phantom(name: str, modality: str, **changes: object) -> Phantom:
    return Phantom(
        **{
            "patient_id": name,
            "modality": modality,
            "series_key": modality,
            "shape": (16, 40, 44),
            "spacing_mm": (4.0, 2.0, 2.2),
            "lesion_radius_mm": 12.0,
            "lesion_lps": (5.0, -3.0, 2.0),
            **changes,
        }
    )


def write_dicom(folder: Path, one: Phantom, label: str, *, mixed: bool = False) -> None:
    """Write the images, and the lesion's outlines where `label` names it; `mixed` puts all into one folder."""
    images = phantom_series(one)
    for number, image in enumerate(images):
        _made(folder / ("" if mixed else "image") / f"{number:03}.dcm").write_bytes(to_bytes(image))
    if label:
        outlines = structure_set_of(images, lesion_mask(one), label)
        _made(folder / ("" if mixed else "mask") / "outlines.dcm").write_bytes(to_bytes(outlines))


def write_nifti(path: Path, one: Phantom, array: NDArray) -> None:
    """Write voxels (k, j, i) on a phantom's grid."""
    image = sitk.GetImageFromArray(array.astype(np.float32 if array.dtype.kind == "f" else np.uint8))
    affine = one.geometry.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetSpacing(spacing[::-1].tolist())
    image.SetDirection((affine[:3, :3] / spacing)[:, ::-1].ravel().tolist())
    sitk.WriteImage(image, str(_made(path)))


def _write_hippocampi(folder: Path, count: int) -> None:
    for number in range(count):
        one = phantom(f"h{number}", "MR", shape=(12, 20, 16), spacing_mm=(1.0, 1.0, 1.0), lesion_radius_mm=5.0)
        labels = lesion_mask(one).astype(np.uint8)
        labels[labels.shape[0] // 2 :] *= 2
        write_nifti(folder / "images" / f"hippocampus_{number:03}.nii.gz", one, phantom_array(one))
        write_nifti(folder / "labels" / f"hippocampus_{number:03}.nii.gz", one, labels)


def _write_two_lesions(folder: Path) -> None:
    one = phantom("ms", "MR", lesion_radius_mm=9.0)
    mask = lesion_mask(one)
    mask |= np.roll(mask, 14, axis=2)
    mask[0, 0, 0] = True
    write_nifti(folder / "FLAIR_x.nii.gz", one, phantom_array(one))
    write_nifti(folder / "GOLD_STANDARD_x.nii.gz", one, mask)


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
