"""Phantoms: valid objects, exact masks, equal bytes."""

import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from skimage.draw import polygon2mask

from similar_cases.demo.annotations import segmentation_of, structure_set_of
from similar_cases.demo.phantoms import LesionKind, Phantom, lesion_mask, phantom_archive, phantom_array, phantom_series

SMALL = {"shape": (12, 40, 48), "spacing_mm": (4.0, 3.0, 2.5), "lesion_lps": (10.0, -5.0, 4.0)}


def as_file(instance: Dataset) -> bytes:
    buffer = BytesIO()
    instance.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def dciodvfy_errors(instance: Dataset, folder: Path) -> list[str]:
    path = folder / "instance.dcm"
    path.write_bytes(as_file(instance))
    told = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
    return [line for line in told.stderr.splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_dciodvfy_has_nothing_against_a_phantom(modality: str, tmp_path: Path) -> None:
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy is absent; apt-get install dicom3tools")
    phantom = Phantom(modality=modality, patient_name="Yamada^Tarou=山田^太郎", **SMALL)
    series = phantom_series(phantom)
    mask = lesion_mask(phantom)
    for instance in (series[0], segmentation_of(series, mask, "lesion"), structure_set_of(series, mask, "lesion")):
        assert dciodvfy_errors(instance, tmp_path) == []


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_files_give_back_the_voxels(modality: str) -> None:
    phantom = Phantom(modality=modality, **SMALL)
    wanted = phantom_array(phantom)
    for plane, instance in zip(wanted, phantom_series(phantom), strict=True):
        read = pydicom.dcmread(BytesIO(as_file(instance)))
        slope, intercept = float(read.get("RescaleSlope", 1)), float(read.get("RescaleIntercept", 0))
        assert np.abs(read.pixel_array * slope + intercept - plane).max() <= 0.51 * slope


def test_same_phantom_same_bytes() -> None:
    phantom = Phantom(kind=LesionKind.SPICULATED, **SMALL)
    mask = lesion_mask(phantom)

    def everything() -> list[bytes]:
        series = phantom_series(phantom)
        objects = [*series, segmentation_of(series, mask, "a"), structure_set_of(series, mask, "a")]
        return [as_file(instance) for instance in objects]

    assert everything() == everything()


def test_instances_lie_where_the_geometry_says() -> None:
    phantom = Phantom(gantry_tilt_degrees=15.0, orientation=(0.6, 0.8, 0.0, -0.8, 0.6, 0.0), **SMALL)
    for k, instance in enumerate(phantom_series(phantom)):
        expected = phantom.geometry.index_to_lps([k, 0, 0])[0]
        np.testing.assert_allclose(np.array(instance.ImagePositionPatient, float), expected, atol=1e-9)
    row, column = np.array(instance.ImageOrientationPatient, float).reshape(2, 3)
    step = phantom.geometry.affine[:3, 0]
    tilt = np.degrees(np.arctan2(step @ column, step @ np.cross(row, column)))
    assert tilt == pytest.approx(15.0)
    assert float(instance.SliceThickness) == pytest.approx(4.0)


def test_lesion_sits_at_its_centre_and_has_its_volume() -> None:
    phantom = Phantom(shape=(30, 60, 60), spacing_mm=(2.0, 2.0, 2.0), lesion_lps=(12.0, -6.0, 8.0), lesion_radius_mm=12)
    mask = lesion_mask(phantom)
    centroid = phantom.geometry.index_to_lps(np.argwhere(mask).mean(axis=0))[0]
    np.testing.assert_allclose(centroid, phantom.lesion_lps, atol=0.2)
    assert mask.sum() * 8 == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.03)


def test_kinds_differ_as_named() -> None:
    def inside(kind: LesionKind) -> np.ndarray:
        phantom = Phantom(kind=kind, lesion_radius_mm=20)
        return phantom_array(phantom)[lesion_mask(phantom)]

    solid = inside(LesionKind.SOLID)
    assert inside(LesionKind.CALCIFIED).max() > solid.max() + 200
    assert inside(LesionKind.NECROTIC).min() < solid.min() - 50
    assert inside(LesionKind.GROUND_GLASS).mean() < solid.mean() - 30
    assert inside(LesionKind.SPICULATED).size > 0.5 * solid.size
    assert inside(LesionKind.NONE).size == 0


def test_archive_has_as_many_patients_as_asked_for_and_repeats_itself() -> None:
    phantoms = list(phantom_archive(17, seed=3))
    assert phantoms == list(phantom_archive(17, seed=3))
    assert len({phantom.patient_id for phantom in phantoms}) == 17
    assert len({(phantom.kind, phantom.modality) for phantom in phantoms}) == 15
    assert (phantoms[0].kind, phantoms[0].modality) == (phantoms[15].kind, phantoms[15].modality)
    assert all(phantom.geometry.contains_lps(phantom.lesion_lps) for phantom in phantoms)


def test_segmentation_holds_the_mask() -> None:
    phantom = Phantom(kind=LesionKind.SPICULATED, **SMALL)
    mask = lesion_mask(phantom)
    series = phantom_series(phantom)
    seg = hd.seg.segread(BytesIO(as_file(segmentation_of(series, mask, "lesion"))))
    kept = seg.get_pixels_by_source_instance(
        [instance.SOPInstanceUID for instance in series], assert_missing_frames_are_empty=True
    )
    assert np.array_equal(kept[..., 0] > 0, mask)


def test_contours_give_the_mask_again() -> None:
    phantom = Phantom(kind=LesionKind.SPICULATED, **SMALL)
    mask = lesion_mask(phantom)
    mask[5, 19:22, 20:24] = False  # a hole
    series = phantom_series(phantom)
    structure_set = structure_set_of(series, mask, "lesion")
    drawn = np.zeros_like(mask)
    number = {instance.SOPInstanceUID: k for k, instance in enumerate(series)}
    for contour in structure_set.ROIContourSequence[0].ContourSequence:
        k = number[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
        points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
        index = phantom.geometry.lps_to_index(points)
        np.testing.assert_allclose(index[:, 0], k, atol=1e-3)
        drawn[k] ^= polygon2mask(mask.shape[1:], index[:, 1:])
    assert np.array_equal(drawn, mask)
