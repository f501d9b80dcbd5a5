import numpy as np
import pytest
from tests.unit.evaluate.tiny_data import phantom

from similar_cases.demo.phantoms import lesion_mask
from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.volume import VoxelUnit
from similar_cases.evaluate.lesion_samples import samples_in, volume_of_nifti
from similar_cases.evaluate.split import Split


def test_validation_holds_none_of_the_trained_patients(data):
    samples = samples_in(data, Split.VALIDATION)
    assert [(s.dataset, s.modality, s.patient) for s in samples[:3]] == [
        ("sarcoma", "CT", "STS_003"),
        ("sarcoma", "MR", "STS_003"),
        ("sarcoma", "PT", "STS_003"),
    ]
    assert [s.patient for s in samples[3:]] == ["hippocampus_160.nii.gz", "hippocampus_161.nii.gz"]


def test_test_only_sets_are_told_apart(data):
    assert [s.dataset for s in samples_in(data, Split.TEST)] == ["nsclc", "ibsi_lung", "ms_lesions"]


def test_a_dicom_sample_is_built_and_its_outlines_are_the_mask(data):
    ct, mr, pt = (sample.load() for sample in samples_in(data, Split.VALIDATION)[:3])
    assert [lesions[0].volume.unit for lesions in (ct, mr)] == [VoxelUnit.HU, VoxelUnit.ARBITRARY]
    assert pt[0].volume.unit in (VoxelUnit.SUVBW, VoxelUnit.BQML)
    truth = lesion_mask(phantom("STS_003", "CT", seed=3))
    assert [len(ct), len(mr), len(pt)] == [1, 1, 1]
    np.testing.assert_array_equal(ct[0].truth, truth)


def test_hippocampi_take_the_labels_in_turn(data):
    front, rear = (sample.load()[0] for sample in samples_in(data, Split.VALIDATION)[3:])
    assert np.argwhere(front.truth)[:, 0].max() < front.truth.shape[0] // 2
    assert np.argwhere(rear.truth)[:, 0].min() >= rear.truth.shape[0] // 2


def test_every_lesion_of_a_mask_is_its_own_and_specks_are_none(data):
    lesions = samples_in(data, Split.TEST)[-1].load()
    assert len(lesions) == 2
    assert lesions[0].volume is lesions[1].volume
    assert not (lesions[0].truth & lesions[1].truth).any()


def test_other_structures_are_no_lesions(data):
    [lesion] = samples_in(data, Split.TEST)[0].load()
    assert lesion.truth.any()


def test_nifti_lies_where_its_header_says(data):
    volume = volume_of_nifti(data / "organs" / "example_ct_sm.nii.gz")
    wanted = phantom("organ", "CT", shape=(14, 30, 30)).geometry
    np.testing.assert_allclose(volume.geometry.affine, wanted.affine, atol=1e-4)
    assert volume.geometry.shape == wanted.shape


def test_a_folder_of_something_else_is_told(tmp_path):
    with pytest.raises(InvalidRequest, match="no data set"):
        samples_in(tmp_path, Split.VALIDATION)
