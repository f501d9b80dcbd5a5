"""Standardised uptake value by body weight, after QIBA's vendor-neutral recipe.

SUVbw = activity concentration (Bq/ml) × body weight (g) / dose (Bq) decayed to the moment that the voxels were decay
corrected to. https://qibawiki.rsna.org/index.php/Standardized_Uptake_Value_(SUV)
"""

import math
from datetime import datetime, timedelta

from pydicom import Dataset
from pydicom.valuerep import DT

from similar_cases.volume import header
from similar_cases.volume.slices import Slice

#: what nobody weighs, and what nobody is given: an attribute in grams or in MBq, against the standard
_WEIGHT_KG = (0.5, 500.0)
_DOSE_BQ = (1e5, 1e12)
#: tracers are not waited for longer
_MAX_WAIT = timedelta(days=7)


class NoSuv(Exception):
    """Why the uptake cannot be computed, in words."""


def suv_factor(slices: tuple[Slice, ...]) -> float:
    """Return the factor from Bq/ml to SUVbw (g/ml) of a PET volume.

    Raises:
        NoSuv: what is needed is absent, or cannot be meant.
    """
    dataset = slices[0].dataset
    weight = _between(header.number(dataset, "PatientWeight"), _WEIGHT_KG, "patient's weight")
    tracer = header.item(dataset, "RadiopharmaceuticalInformationSequence")
    if tracer is None:
        raise NoSuv("nothing is told of the radiopharmaceutical")
    dose = _between(header.number(tracer, "RadionuclideTotalDose"), _DOSE_BQ, "injected dose (Bq)")
    return weight * 1000.0 / (dose * _decay(slices, tracer))


def _between(value: float | None, bounds: tuple[float, float], name: str) -> float:
    if value is None:
        raise NoSuv(f"the {name} is absent")
    if not bounds[0] <= value <= bounds[1]:
        raise NoSuv(f"a {name} of {value:g} cannot be meant")
    return value


def _decay(slices: tuple[Slice, ...], tracer: Dataset) -> float:
    """Return the part of the dose left at the moment of decay correction, 0 to 1."""
    dataset = slices[0].dataset
    corrected = header.text(dataset, "DecayCorrection").upper()
    if corrected == "ADMIN":  # the voxels are corrected to the injection itself
        return 1.0
    moment = _moment(slices, corrected)
    half_life = header.number(tracer, "RadionuclideHalfLife")
    if not half_life or half_life <= 0:
        raise NoSuv("the half-life is absent")
    waited = moment - _injected(tracer, moment)
    if not timedelta(0) <= waited <= _MAX_WAIT:
        raise NoSuv("the times of injection and of the scan contradict each other")
    return math.exp(-math.log(2.0) * waited.total_seconds() / half_life)


def _moment(slices: tuple[Slice, ...], corrected: str) -> datetime:
    """Return the moment that the voxels are decay corrected to."""
    dataset = slices[0].dataset
    if corrected == "START":
        return _scan_start(slices)
    stated = _date_time(header.text(dataset, "DecayCorrectionDateTime"))  # enhanced PET (PS3.3 C.8.22)
    if header.text(dataset, "DecayCorrected").upper() == "YES" and stated is not None:
        return stated
    raise NoSuv(f"Decay Correction is {corrected[:16] or 'absent'}")


def _scan_start(slices: tuple[Slice, ...]) -> datetime:
    """Return when the scan began: the Series' time, unless post-processing gave the Series a later one."""
    acquired = [moment for one in slices if (moment := _at(one.dataset, "Acquisition")) is not None]
    series = _at(slices[0].dataset, "Series")
    if series is not None and (not acquired or series <= min(acquired)):
        return series
    ge = _date_time(str(header.private(slices[0].dataset, 0x0009, 0x0D, "GEMS_PETD_01") or ""))
    if ge is not None:
        return ge
    if not acquired:
        raise NoSuv("the time of the scan is absent")
    return min(acquired)


def _at(dataset: Dataset, what: str) -> datetime | None:
    return _date_time(header.text(dataset, f"{what}DateTime")) or _date_time(
        header.text(dataset, f"{what}Date") + header.text(dataset, f"{what}Time")
    )


def _injected(tracer: Dataset, moment: datetime) -> datetime:
    """Return when the tracer was given; a time without a date is the last such time before `moment`."""
    stated = _date_time(header.text(tracer, "RadiopharmaceuticalStartDateTime"))
    if stated is not None and timedelta(0) <= moment - stated <= _MAX_WAIT:
        return stated
    time = header.text(tracer, "RadiopharmaceuticalStartTime")
    on_the_day = _date_time(f"{moment:%Y%m%d}{time}") if time else stated and datetime.combine(moment, stated.time())
    if on_the_day is None:
        raise NoSuv("the time of injection is absent")
    return on_the_day if on_the_day <= moment else on_the_day - timedelta(days=1)


def _date_time(text: str) -> datetime | None:
    """Read a DT, or a DA and a TM written together, to the second at least; time zones are left out of account."""
    if len(text) < 12:
        return None
    try:
        found = DT(text)
    except (ValueError, OverflowError, TypeError):
        return None
    return found.replace(tzinfo=None) if isinstance(found, datetime) else None
