import numpy as np
import pytest
import SimpleITK as sitk
from tests.unit.evaluate.tiny_data import phantom, write_nifti

from similar_cases.domain.errors import InvalidRequest
from similar_cases.evaluate.nifti import oriented_labels, oriented_volume, volume_of_nifti


@pytest.fixture
def turned(tmp_path):
    """A gradient on a grid in LPS, and the same image stored with axes as NIfTI's RAS has them."""
    one = phantom("n", "CT", shape=(6, 8, 10))
    array = np.arange(6 * 8 * 10, dtype=np.float32).reshape(6, 8, 10)
    write_nifti(tmp_path / "lps.nii.gz", one, array)
    image = sitk.DICOMOrient(sitk.ReadImage(str(tmp_path / "lps.nii.gz")), "RAS")
    sitk.WriteImage(image, str(tmp_path / "ras.nii.gz"))
    return tmp_path, array


def test_axes_run_as_those_of_scanners_however_they_were_stored(turned):
    folder, array = turned
    assert not np.array_equal(volume_of_nifti(folder / "ras.nii.gz").array, array)
    volumes = [oriented_volume(folder / name, "CT") for name in ("lps.nii.gz", "ras.nii.gz")]
    for volume in volumes:
        np.testing.assert_array_equal(volume.array, array)
        np.testing.assert_allclose(volume.geometry.affine, volumes[0].geometry.affine, atol=1e-4)
    np.testing.assert_array_equal(oriented_labels(folder / "ras.nii.gz"), array.astype(int))


def test_what_is_no_volume_is_told(tmp_path):
    (tmp_path / "text.nii.gz").write_text("no image")
    with pytest.raises(InvalidRequest, match="cannot be read"):
        oriented_volume(tmp_path / "text.nii.gz", "CT")
    four = sitk.JoinSeries([sitk.Image(4, 4, 4, sitk.sitkUInt8)] * 2)
    sitk.WriteImage(four, str(tmp_path / "four.nii.gz"))
    with pytest.raises(InvalidRequest, match="4 dimensions"):
        oriented_labels(tmp_path / "four.nii.gz")
