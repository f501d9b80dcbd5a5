"""The same voxels at the same places as SimpleITK (GDCM) and highdicom."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from highdicom import get_volume_from_series
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from tests import phantoms

from similar_cases.domain.volume import Volume
from similar_cases.volume.build import build_volumes

CASES = {
    "plain": lambda: phantoms.series("plain"),
    "oblique": phantoms.oblique,
    "sagittal": lambda: phantoms.series("sagittal", grid=phantoms.Grid(orientation=phantoms.SAGITTAL)),
    "coronal": lambda: phantoms.series("coronal", grid=phantoms.Grid(orientation=phantoms.CORONAL)),
}


def read_by_itk(instances: list[Dataset], folder: Path) -> SimpleITK.Image:
    for number, one in enumerate(instances):
        (folder / f"{number}.dcm").write_bytes(phantoms.to_bytes(one))
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def assert_same_as_itk(volume: Volume, image: SimpleITK.Image) -> None:
    assert image.GetSize() == volume.geometry.shape[::-1]
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in volume.geometry.shape])).reshape(3, -1).T
    for corner in corners.tolist():
        there = image.TransformContinuousIndexToPhysicalPoint([float(n) for n in reversed(corner)])
        assert np.allclose(volume.geometry.index_to_lps(corner)[0], there, atol=1e-3)
    assert np.allclose(volume.array, SimpleITK.GetArrayFromImage(image), atol=1e-3)


@pytest.mark.parametrize("name", CASES)
def test_same_as_itk(name: str, tmp_path: Path) -> None:
    image = read_by_itk(CASES[name](), tmp_path)
    [volume] = build_volumes(CASES[name]())
    assert_same_as_itk(volume, image)


@pytest.mark.parametrize("name", CASES)
def test_same_as_highdicom(name: str) -> None:
    theirs = get_volume_from_series(CASES[name](), apply_modality_transform=True)
    [volume] = build_volumes(CASES[name]())
    places = np.argwhere(np.ones(volume.geometry.shape, bool))[:: volume.array.size // 97]
    at = np.rint(theirs.map_reference_to_indices(volume.geometry.index_to_lps(places))).astype(int)
    assert np.allclose(volume.array[tuple(places.T)], theirs.array[tuple(at.T)], atol=1e-3)


@settings(deadline=None, max_examples=25)
@given(
    angles=st.tuples(*[st.floats(-3.1, 3.1)] * 3),
    spacing=st.tuples(st.floats(0.3, 9.0), st.floats(0.2, 5.0), st.floats(0.2, 5.0)),
    origin=st.tuples(*[st.floats(-500.0, 500.0)] * 3),
)
def test_any_orientation_maps_indices_to_lps_and_back(
    angles: tuple[float, ...], spacing: tuple[float, float, float], origin: tuple[float, float, float]
) -> None:
    row, column, normal = phantoms.rotated(angles)
    grid = phantoms.Grid(shape=(5, 4, 3), spacing_mm=spacing, orientation=(*row, *column), origin_lps=origin)
    [volume] = build_volumes(phantoms.series("any", grid=grid, values=lambda at: at[..., 0] * 0, sop_class=phantoms.MR))
    corner = np.array(origin) + 4 * spacing[0] * normal + 3 * spacing[1] * column + 2 * spacing[2] * row
    assert np.allclose(volume.geometry.index_to_lps([4, 3, 2])[0], corner, atol=1e-4)
    assert np.allclose(volume.geometry.lps_to_index(corner)[0], [4, 3, 2], atol=1e-3)
    assert volume.geometry.spacing_mm == pytest.approx(spacing, rel=1e-4)
