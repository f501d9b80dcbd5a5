"""Annotations of real patients against what others made of them."""

import logging
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from tests.unit.segment.lesions import dice

from similar_cases.domain.prompts import PointPrompt, PromptSet
from similar_cases.domain.volume import Volume
from similar_cases.segment.backends.region_growing import RegionGrowing
from similar_cases.segment.prompts import is_anatomy, read_prompts, referenced_series, region_of_expert
from similar_cases.volume.build import build_volumes

pytestmark = [pytest.mark.data, pytest.mark.filterwarnings("ignore:The value length:UserWarning")]

#: the numbers are told with `-o log_cli=true -o log_cli_level=INFO`
LOG = logging.getLogger(__name__)

MODALITIES = ("CT", "MR_T1", "PET")
FEW = ("STS_001", "STS_019", "STS_025")
VALIDATION = tuple(f"STS_{n:03d}" for n in range(28, 37))


def objects(folder: Path, *, modality: str = "") -> list[Dataset]:
    found = [dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    return [one for one in found if not modality or one.Modality == modality]


def sarcoma(data_dir: Path, patient: str, modality: str) -> tuple[Volume, Dataset]:
    folder = data_dir / "sarcoma" / "dicom" / patient / modality
    [volume] = build_volumes(objects(folder / "image"))
    return volume, dcmread(folder / "mask" / "RS.dcm")


def oracle(data_dir: Path, patient: str, modality: str, volume: Volume) -> np.ndarray:
    """The dataset's own mask, read at the volume's voxel centres; NIfTI counts in RAS."""
    image = nibabel.load(data_dir / "sarcoma" / "nifti" / patient / f"{modality}_mask.nii.gz")
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    centres = volume.geometry.index_to_lps(np.indices(volume.geometry.shape).reshape(3, -1).T)
    index = np.rint((centres - to_lps[:3, 3]) @ np.linalg.inv(to_lps[:3, :3]).T).astype(int)
    mask = np.asarray(image.dataobj) > 0
    inside = ((index >= 0) & (index < mask.shape)).all(axis=1)
    found = np.zeros(len(index), bool)
    found[inside] = mask[tuple(index[inside].T)]
    return found.reshape(volume.geometry.shape)


def overlap(data_dir: Path, patient: str, modality: str) -> float:
    volume, structures = sarcoma(data_dir, patient, modality)
    assert referenced_series(structures) == [volume.series]
    [prompts] = read_prompts(structures, volume)
    assert prompts.finding.meaning == "Neoplasm"
    mask = region_of_expert(volume, prompts).full_mask(volume.geometry.shape)
    return dice(mask, oracle(data_dir, patient, modality, volume))


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("patient", FEW)
def test_contours_are_the_datasets_own_masks(data_dir, patient, modality):
    assert overlap(data_dir, patient, modality) > 0.995


@pytest.mark.slow
@pytest.mark.parametrize("modality", MODALITIES)
def test_contours_of_all_patients_are_the_datasets_own_masks(data_dir, modality):
    values = [overlap(data_dir, f"STS_{n:03d}", modality) for n in range(1, 37)]
    LOG.info("%s: contours, Dice min %.5f, mean %.5f of %d", modality, min(values), np.mean(values), len(values))
    assert min(values) > 0.995


def test_structures_of_another_series_are_not_taken(data_dir):
    volume, _ = sarcoma(data_dir, "STS_019", "CT")
    structures = dcmread(data_dir / "sarcoma" / "dicom" / "STS_019" / "PET" / "mask" / "RS.dcm")
    assert read_prompts(structures, volume) == []


def test_a_planning_systems_volumes_are_ours(data_dir):
    folder = data_dir / "nsclc" / "LUNG1-001_20180209_CT"
    [volume] = build_volumes(objects(folder, modality="CT"))
    [structures] = objects(folder, modality="RTSTRUCT")
    told = {str(roi.ROIName): float(roi.ROIVolume) for roi in structures.StructureSetROISequence if "ROIVolume" in roi}
    found = {prompts.label: prompts for prompts in read_prompts(structures, volume)}
    assert set(found) == set(told)  # markers and isocenters are left out
    volumes = {label: region_of_expert(volume, prompts).volume_ml for label, prompts in found.items()}
    # its contours are written twice, and the planning system counted them twice
    told["1,SUV_primair"] /= 2
    assert volumes == pytest.approx(told, rel=0.005)
    lesions = {label for label, prompts in found.items() if not is_anatomy(prompts.finding)}
    assert lesions == {"GTV-1", "1,SUV_primair"}


def test_the_ibsi_phantom_has_the_volume_that_ibsi_publishes(data_dir):
    folder = data_dir / "ibsi_lung" / "pat_1"
    [volume] = build_volumes(objects(folder, modality="CT"))
    [structures] = objects(folder, modality="RTSTRUCT")
    [prompts] = read_prompts(structures, volume)
    # configuration A of IBSI-1: approximate volume 358 000 mm³, tolerance 5 000
    assert region_of_expert(volume, prompts).volume_ml * 1000 == pytest.approx(358_000, abs=5_000)


@pytest.mark.parametrize("patient", ["UCSF-BR-06", "UCSF-BR-08"])
def test_fractional_segs_lie_in_the_box_that_they_tell(data_dir, patient):
    folder = data_dir / "breast_dce" / patient
    [volume] = build_volumes(objects(folder / "image_dce_pe1"))
    [seg] = objects(folder / "mask")
    [prompts] = read_prompts(seg, volume)
    region = region_of_expert(volume, prompts)
    lower, upper = ([int(n) for n in seg[0x0117, element].value] for element in (0x10A1, 0x10A2))
    # private attributes: corners of its volume of interest, as (column, row, slice)
    first, size = np.array(lower[::-1]), np.subtract(upper, lower)[::-1] + 1
    np.testing.assert_array_equal(region.lower_index, first)
    assert (region.mask.shape <= size).all()
    assert (region.mask.shape >= size - 1).all()
    assert prompts.finding_site.meaning == "Breast"


def clicked(data_dir: Path, patient: str, modality: str) -> float:
    """One click in the voxel of the expert's mask nearest its centroid."""
    volume, structures = sarcoma(data_dir, patient, modality)
    truth = region_of_expert(volume, read_prompts(structures, volume)[0])
    voxels = volume.geometry.index_to_lps(np.argwhere(truth.full_mask(volume.geometry.shape)))
    nearest = voxels[np.square(voxels - truth.centroid_lps).sum(axis=1).argmin()]
    prompts = PromptSet(prompts=(PointPrompt(tuple(nearest)),), tracking_uid="1.2.3")
    found = RegionGrowing().segment(volume, prompts)
    return dice(found.full_mask(volume.geometry.shape), truth.full_mask(volume.geometry.shape))


@pytest.mark.slow
@pytest.mark.parametrize(("modality", "least"), [("CT", 0.58), ("MR_T1", 0.61), ("PET", 0.59)])
def test_one_click_on_patients_that_no_constant_was_chosen_on(data_dir, modality, least):
    values = [clicked(data_dir, patient, modality) for patient in VALIDATION]
    LOG.info("%s: one click, mean Dice %.3f of %s", modality, np.mean(values), np.round(values, 2))
    assert np.mean(values) > least
