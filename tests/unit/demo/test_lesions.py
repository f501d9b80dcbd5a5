"""The real lesions of pyradiomics' distribution, on a small distribution written here."""

import tarfile
from pathlib import Path

import highdicom as hd
import nrrd
import numpy as np
import pytest

from similar_cases.demo.lesions import lesions_in
from similar_cases.domain.errors import InvalidRequest

NAMES = ("brain1", "brain2", "breast1", "lung1", "lung2")


def distribution(folder: Path, names: tuple[str, ...] = NAMES, space: str = "left-posterior-superior") -> Path:
    """Write a tar archive laid out as the real one; rows run towards anterior, as the brains' do there."""
    voxels = np.arange(8 * 6 * 4, dtype=np.int16).reshape(8, 6, 4)  # (i, j, k)
    label = np.zeros_like(voxels)
    label[1, 2, 3] = label[2, 2, 3] = 1
    grid = {
        "space": space,
        "space directions": np.diag([0.5, -0.75, 6.5]),
        "space origin": np.array([-10.0, 20.0, -30.0]),
    }
    sdist = folder / "pyradiomics_cuda-1.0.4.tar.gz"
    with tarfile.open(sdist, "w:gz") as archive:
        for name in names:
            for kind, array in (("image", voxels), ("label", label)):
                path = folder / f"{name}_{kind}.nrrd"
                nrrd.write(str(path), array, grid)
                archive.add(path, f"pyradiomics_cuda-1.0.4/data/{path.name}")
    return sdist


def test_lesion_lies_in_the_patient_where_the_nrrd_says(tmp_path: Path) -> None:
    lesions = list(lesions_in(distribution(tmp_path)))
    assert [lesion.name for lesion in lesions] == list(NAMES)
    lesion = lesions[0]
    (k, j, i), _ = np.argwhere(lesion.mask)
    image = lesion.images[k]
    assert image.pixel_array[j, i] == np.ravel_multi_index((1, 2, 3), (8, 6, 4))
    row, column = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
    position = np.array(image.ImagePositionPatient, float) + j * 0.75 * column + i * 0.5 * row
    np.testing.assert_allclose(position, [-10 + 0.5 * 1, 20 - 0.75 * 2, -30 + 6.5 * 3])
    assert column.tolist() == [0.0, 1.0, 0.0]


def test_modalities_names_and_segments(tmp_path: Path) -> None:
    lesions = {lesion.name: lesion for lesion in lesions_in(distribution(tmp_path))}
    assert [lesions[name].images[0].Modality for name in NAMES] == ["MR", "MR", "MR", "CT", "CT"]
    lung = lesions["lung2"]
    assert str(lung.images[0].PatientName) == "pyradiomics^lung2"
    seg = hd.seg.Segmentation.from_dataset(lung.segmentation)
    assert seg.get_segment_description(1).segment_label == "lung2"
    kept = seg.get_pixels_by_source_instance(
        [image.SOPInstanceUID for image in lung.images], assert_missing_frames_are_empty=True
    )
    assert np.array_equal(kept[..., 0] > 0, lung.mask)


@pytest.mark.parametrize(
    ("names", "space", "reason"),
    [(NAMES[1:], "left-posterior-superior", "brain1_image.nrrd"), (NAMES, "right-anterior-superior", "right-anterior")],
)
def test_another_archive_is_refused(names: tuple[str, ...], space: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        list(lesions_in(distribution(tmp_path, names, space)))


def test_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.tar.gz").write_bytes(b"no archive")
    with pytest.raises(InvalidRequest, match="pip download"):
        list(lesions_in(tmp_path / "no.tar.gz"))
