"""NIfTI files as volumes and label maps."""

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from similar_cases.domain.case import derived_uid
from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.references import FrameRef, SeriesRef
from similar_cases.domain.volume import SeriesFacts, Volume, VoxelUnit


def volume_of_nifti(path: Path, modality: str = "MR") -> Volume:
    """Return a NIfTI file (no header says more than the grid) as a Volume, in its own grid, LPS mm; CT is in HU."""
    return _volume(sitk.ReadImage(str(path), sitk.sitkFloat32), path, modality)


def oriented_volume(path: Path, modality: str) -> Volume:
    """Return a NIfTI file as a Volume whose axes (k, j, i) run as scanners' axial slices do: up, back, left.

    Research data sets store axes in any direction; slices and places then compare with those of DICOM.

    Raises:
        InvalidRequest: for a file that is no 3-D image.
    """
    return _volume(sitk.Cast(_oriented(path), sitk.sitkFloat32), path, modality)


def oriented_labels(path: Path) -> NDArray[Any]:
    """Return a label map's (k, j, i) whole numbers, of any type, along the same axes as `oriented_volume`.

    Raises:
        InvalidRequest: for a file that is no 3-D image.
    """
    labels = sitk.GetArrayFromImage(_oriented(path))
    return np.asarray(np.rint(labels).astype(np.int32) if labels.dtype.kind == "f" else labels)


def _oriented(path: Path) -> sitk.Image:
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InvalidRequest(f"{path} cannot be read as an image") from error
    if image.GetDimension() != 3:
        raise InvalidRequest(f"{path} has {image.GetDimension()} dimensions; three are wanted")
    oriented: sitk.Image = sitk.DICOMOrient(image, "LPS")
    return oriented


def _volume(image: sitk.Image, path: Path, modality: str) -> Volume:
    columns = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = columns[:, ::-1], image.GetOrigin()
    array = sitk.GetArrayFromImage(image)
    uid = derived_uid("nifti", path.name)
    k, j, i = array.shape
    return Volume(
        array=array,
        geometry=VolumeGeometry(affine, (k, j, i), derived_uid("frame", path.name)),
        unit=VoxelUnit.HU if modality == "CT" else VoxelUnit.ARBITRARY,
        series=SeriesRef(derived_uid("study", path.name), uid),
        facts=SeriesFacts(modality=modality),
        frames=tuple(FrameRef("1.2.840.10008.5.1.4.1.1.4", f"{uid}.{n}"[:64]) for n in range(1, k + 1)),
    )
