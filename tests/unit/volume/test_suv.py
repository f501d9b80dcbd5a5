"""Standardised uptake, against numbers worked out by hand."""

import numpy as np
import pytest
from pydicom import Dataset
from tests import phantoms

from similar_cases.domain.volume import Volume, VoxelUnit
from similar_cases.volume.build import build_volumes

#: one hour between injection and scan
DECAYED_DOSE = 350e6 * 2 ** (-3600 / 6586.2)


def built(instances: list[Dataset]) -> Volume:
    [volume] = build_volumes(instances)
    return volume


def changed(**attributes: object) -> list[Dataset]:
    return phantoms.pet("pet", **attributes)


def with_tracer(**attributes: object) -> list[Dataset]:
    found = phantoms.pet("pet")
    for one in found:
        for keyword, value in attributes.items():
            setattr(one.RadiopharmaceuticalInformationSequence[0], keyword, value)
    return found


def expected_bqml(volume: Volume) -> np.ndarray:
    indices = np.stack(np.indices(volume.geometry.shape), axis=-1).reshape(-1, 3)
    return (phantoms.tissue_hu(volume.geometry.index_to_lps(indices)) + 2000.0).reshape(volume.geometry.shape)


def assert_suv(volume: Volume, dose: float) -> None:
    assert volume.unit is VoxelUnit.SUVBW
    assert np.allclose(volume.array, expected_bqml(volume) * 70_000.0 / dose, rtol=1e-3)


def test_decay_corrected_to_the_start_of_the_scan_across_midnight() -> None:
    assert_suv(built(phantoms.pet()), DECAYED_DOSE)


def test_decay_corrected_to_the_injection() -> None:
    assert_suv(built(changed(DecayCorrection="ADMIN")), 350e6)


def test_a_full_date_and_time_of_injection_is_preferred() -> None:
    two_hours = with_tracer(RadiopharmaceuticalStartDateTime="20240229223000.00")
    assert_suv(built(two_hours), 350e6 * 2 ** (-7200 / 6586.2))


def test_a_date_of_injection_that_cannot_be_meant_leaves_the_time() -> None:
    """De-identification often moves one date and not the other."""
    assert_suv(built(with_tracer(RadiopharmaceuticalStartDateTime="19990229233000")), DECAYED_DOSE)
    assert_suv(built(with_tracer(RadiopharmaceuticalStartDateTime="19990228233000")), DECAYED_DOSE)


def test_a_series_time_of_post_processing_is_passed_over() -> None:
    instances = phantoms.pet()
    for one in instances:
        one.SeriesTime = "150000"
    assert_suv(built(instances), DECAYED_DOSE)


def test_already_suv() -> None:
    volume = built(changed(Units="GML"))
    assert volume.unit is VoxelUnit.SUVBW
    assert np.allclose(volume.array, expected_bqml(volume), atol=1.0)


def test_uptake_by_lean_mass_is_not_by_weight() -> None:
    assert built(changed(Units="GML", SUVType="LBM")).unit is VoxelUnit.ARBITRARY


@pytest.mark.parametrize(("element", "unit"), [(0x00, VoxelUnit.SUVBW), (0x09, VoxelUnit.SUVBW)])
def test_counts_with_the_factors_of_philips(element: int, unit: VoxelUnit) -> None:
    instances = changed(Units="CNTS", DecayCorrection="ADMIN")
    for one in instances:
        one.private_block(0x7053, "Philips PET Private Group", create=True).add_new(element, "DS", "2.0")
    volume = built(instances)
    factor = 2.0 if element == 0x00 else 2.0 * 70_000.0 / 350e6
    assert volume.unit is unit
    assert np.allclose(volume.array, expected_bqml(volume) * factor, rtol=1e-3)


def test_counts_without_a_factor_stay_counts() -> None:
    volume = built(changed(Units="CNTS"))
    assert volume.unit is VoxelUnit.ARBITRARY
    assert "counts" in volume.notes[0]


@pytest.mark.parametrize(
    ("instances", "reason"),
    [
        (lambda: changed(PatientWeight=None), "weight is absent"),
        (lambda: changed(PatientWeight=70_000.0), "weight of 70000 cannot be meant"),
        (lambda: with_tracer(RadionuclideTotalDose=350.0), "350 cannot be meant"),
        (lambda: with_tracer(RadionuclideHalfLife=None), "half-life is absent"),
        (lambda: with_tracer(RadiopharmaceuticalStartTime=""), "time of injection is absent"),
        (lambda: changed(DecayCorrection="NONE"), "Decay Correction is NONE"),
        (lambda: changed(RadiopharmaceuticalInformationSequence=[]), "time of injection"),
    ],
)
def test_what_cannot_be_computed_stays_activity_and_says_why(instances, reason: str) -> None:
    if reason == "time of injection":
        found = phantoms.pet()
        for one in found:
            del one.RadiopharmaceuticalInformationSequence
        volume, reason = built(found), "nothing is told of the radiopharmaceutical"
    else:
        volume = built(instances())
    assert volume.unit is VoxelUnit.BQML
    assert reason in volume.notes[0]
    assert np.allclose(volume.array, expected_bqml(volume), atol=1.0)
