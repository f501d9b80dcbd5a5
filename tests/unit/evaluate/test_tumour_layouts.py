import pytest
from tests.unit.evaluate.published import brats, nsclc

from similar_cases.domain.errors import InvalidRequest
from similar_cases.evaluate.tumour_layouts import tumour_samples

LEFT_UP, RIGHT_DOWN = (14.0, -6.0, 16.0), (-14.0, 8.0, -16.0)


def test_brats_is_read_with_the_octant_of_each_tumour(tmp_path):
    cases = {"BraTS-GLI-00000-000": LEFT_UP, "BraTS-GLI-00000-001": LEFT_UP, "BraTS-GLI-00002-000": RIGHT_DOWN}
    samples = tumour_samples(brats(tmp_path, cases))
    assert [sample.patient for sample in samples] == ["BraTS-GLI-00000", "BraTS-GLI-00000", "BraTS-GLI-00002"]
    assert [sample.load()[0].label for sample in samples] == ["left front upper"] * 2 + ["right back lower"]


def test_nsclc_is_read_with_side_and_third(tmp_path):
    samples = tumour_samples(nsclc(tmp_path, {"LUNG1-001": (20.0, 0.0, 22.0), "LUNG1-002": (-20.0, 0.0, -20.0)}))
    lesions = [sample.load() for sample in samples]
    assert [[one.label for one in some] for some in lesions] == [["left upper"], ["right lower"]]


def test_without_lungs_there_is_no_place(tmp_path):
    root = nsclc(tmp_path, {"LUNG1-001": LEFT_UP, "LUNG1-002": RIGHT_DOWN})
    (root / "LUNG1-001" / "study" / "outlines1" / "1.dcm").unlink()
    [lesion] = tumour_samples(root)[0].load()
    assert lesion.label == ""


def test_what_is_neither_is_told_with_the_layouts(tmp_path):
    with pytest.raises(InvalidRequest, match="RTSTRUCT"):
        tumour_samples(tmp_path)
    root = brats(tmp_path, {"BraTS-GLI-00000-000": LEFT_UP, "BraTS-GLI-00002-000": LEFT_UP})
    next((root / "BraTS-GLI-00000-000").glob("*t1c*")).unlink()
    with pytest.raises(InvalidRequest, match="no t1c"):
        tumour_samples(root)


def test_one_patient_has_nobody_to_be_found(tmp_path):
    with pytest.raises(InvalidRequest, match="two patients"):
        tumour_samples(brats(tmp_path, {"BraTS-GLI-00000-000": LEFT_UP}))
