"""Every real series at hand is built as the oracles see it, or refused with a reason."""

import warnings
from collections import defaultdict
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from similar_cases.domain.errors import Refused
from similar_cases.domain.volume import Volume, VoxelUnit
from similar_cases.volume.build import build_volumes

pytestmark = pytest.mark.data

SETS = (
    "awkward",
    "sarcoma/dicom",
    "nsclc",
    "ibsi_lung",
    "breast_dce",
    "liver_metastases_ct",
    "organs",
    "hippocampus",
)
#: what is refused, and why; (folder, modality) below each set
REFUSED = {
    ("awkward", "cornerstone_ct_ts", "CT"): "at 1 position",
    ("awkward", "ge/anatomical/001_single_slice", "MR"): "1 slice",
    ("awkward", "generic/rgb/001", "MR"): "Secondary Capture",
    ("awkward", "siemens/fmri/001", "MR"): "mosaic",
    ("organs", "example_ct_dicom", "CT"): "StudyInstanceUID is absent",
}
NO_IMAGES = {"RTSTRUCT", "RTDOSE", "RTPLAN", "SEG"}


def series_in(root: Path) -> dict[tuple[str, str, str], list[Path]]:
    """The files of each series below `root`, by folder, modality and Series Instance UID."""
    found: dict[tuple[str, str, str], list[Path]] = defaultdict(list)
    for path in sorted(root.rglob("*")):
        if not path.is_file():
            continue
        try:
            head = read(path, specific_tags=["Modality", "SeriesInstanceUID"])
        except InvalidDicomError:
            continue
        key = (
            str(path.parent.relative_to(root)),
            str(head.get("Modality", "")),
            str(head.get("SeriesInstanceUID", "")),
        )
        found[key].append(path)
    return found


def read(path: Path, **options: object) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dcmread(path, **options)


@pytest.mark.parametrize("name", SETS)
def test_every_series_is_built_or_refused_with_a_reason(data_dir: Path, name: str) -> None:
    found = series_in(data_dir / name)
    assert found
    for (folder, modality, _), paths in found.items():
        instances = [read(path) for path in paths]
        reason = REFUSED.get((name, folder, modality), "not an image" if modality in NO_IMAGES else "")
        if reason:
            with pytest.raises(Refused, match=reason):
                build_volumes(instances)
        else:
            volumes = build_volumes(instances)
            assert volumes, folder
            for volume in volumes:
                assert np.isfinite(volume.array).all()
                assert len(volume.frames) == volume.geometry.shape[0]


CLASSIC = (
    "nsclc/LUNG1-001_20180209_CT",
    "liver_metastases_ct/CRLM-CT-1004/image",
    "breast_dce/UCSF-BR-06/image_dce_pe1",
    "hippocampus/Study2/14_HCropVolume",
    "ibsi_lung/pat_1",
    "sarcoma/dicom/STS_001/MR_T1/image",
    "sarcoma/dicom/STS_001/PET/image",
    "awkward/generic/anatomical/001",
    "awkward/generic/anatomical/002_non_isotropic",
    "awkward/generic/compressed_jpegls/001",
    "awkward/hitachi/anatomical/001",
)


@pytest.mark.parametrize("folder", CLASSIC)
def test_same_voxels_at_the_same_places_as_itk(data_dir: Path, folder: str) -> None:
    [paths] = [p for (_, modality, _), p in series_in(data_dir / folder).items() if modality not in NO_IMAGES]
    instances = [read(path) for path in paths]
    padded = "PixelPaddingValue" in instances[0]
    [volume] = build_volumes(instances)
    by_position = sorted(paths, key=lambda path: _distance(read(path, stop_before_pixels=True)))
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in by_position])
    image = reader.Execute()
    assert image.GetSize() == volume.geometry.shape[::-1]
    # ITK takes the distance of the first two slices for all of them, and so drifts by what their positions are
    # rounded by
    for corner in np.array(np.meshgrid(*[(0, n - 1) for n in volume.geometry.shape])).reshape(3, -1).T.tolist():
        there = image.TransformContinuousIndexToPhysicalPoint([float(n) for n in reversed(corner)])
        assert np.allclose(volume.geometry.index_to_lps(corner)[0], there, atol=0.02)
    theirs = SimpleITK.GetArrayFromImage(image)
    measured = volume.array > -1024 if padded else np.ones(theirs.shape, bool)
    assert np.allclose(volume.array[measured], theirs[measured], rtol=1e-5, atol=1e-3)


def _distance(one: Dataset) -> float:
    row, column = np.array(one.ImageOrientationPatient[:3], float), np.array(one.ImageOrientationPatient[3:], float)
    return float(np.cross(row, column) @ np.array(one.ImagePositionPatient, float))


def sarcoma(data_dir: Path, patient: str, part: str) -> Volume:
    [volume] = build_volumes(
        [read(path) for path in sorted((data_dir / "sarcoma/dicom" / patient / part / "image").iterdir())]
    )
    return volume


@pytest.mark.parametrize("patient", ["STS_001", "STS_014", "STS_036"])
@pytest.mark.parametrize("part", ["CT", "MR_T1", "PET"])
def test_the_masks_of_the_dataset_lie_on_the_volumes(data_dir: Path, patient: str, part: str) -> None:
    volume = sarcoma(data_dir, patient, part)
    mask = nibabel.load(data_dir / "sarcoma/nifti" / patient / f"{part}_mask.nii.gz")
    assert mask.shape == volume.geometry.shape[::-1]
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ mask.affine  # NIfTI is RAS, and counts (i, j, k)
    for corner in np.array(np.meshgrid(*[(0, n - 1) for n in volume.geometry.shape])).reshape(3, -1).T:
        there = (to_lps @ [*corner[::-1], 1.0])[:3]
        indices = volume.geometry.lps_to_index(there)[0]
        # a voxel of theirs is a voxel of ours; their axes may run the other way
        assert np.allclose(indices, np.rint(indices), atol=0.01)
        assert ((indices > -0.01) & (indices < np.array(volume.geometry.shape) - 0.99)).all()


def test_pet_of_the_sarcomas_is_uptake(data_dir: Path) -> None:
    volume = sarcoma(data_dir, "STS_001", "PET")
    assert volume.unit is VoxelUnit.SUVBW
    assert 5 < volume.array.max() < 60
