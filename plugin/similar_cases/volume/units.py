"""What the numbers of a volume mean, and the factor that makes them so."""

from dataclasses import dataclass

from similar_cases.domain.volume import VoxelUnit
from similar_cases.volume import header, suitable
from similar_cases.volume.slices import Slice
from similar_cases.volume.suv import NoSuv, suv_factor


@dataclass(frozen=True)
class Quantity:
    """The unit of a volume's voxels; rescaled values are multiplied by `factor` to be in it."""

    unit: VoxelUnit
    factor: float = 1.0
    note: str = ""


#: the manufacturer's own factors from counts (Philips, PS private)
_PHILIPS = (0x7053, "Philips PET Private Group")
_PHILIPS_SUV, _PHILIPS_ACTIVITY = 0x00, 0x09


def quantity_of(slices: tuple[Slice, ...]) -> Quantity:
    """Tell what the values of a volume are, from the headers of its Slices."""
    modality = suitable.modality_of(slices[0].dataset)
    if modality == "CT":
        return _of_ct(slices[0])
    return _of_pet(slices) if modality == "PT" else Quantity(VoxelUnit.ARBITRARY)


def _of_ct(one: Slice) -> Quantity:
    """Hounsfield units are Rescale Type HU, or none told (PS3.3 C.8.2.1); a map of something else is not."""
    kind = (one.words("RescaleType") or ("",))[0].upper()
    if kind not in ("", "HU", "HU_MOD"):
        return Quantity(VoxelUnit.ARBITRARY, note=f"values of Rescale Type {kind[:16]} are not Hounsfield units")
    if one.number("RescaleIntercept") is None and header.item(one.dataset, "ModalityLUTSequence") is None:
        return Quantity(VoxelUnit.ARBITRARY, note="no rescale to Hounsfield units is given")
    return Quantity(VoxelUnit.HU)


def _of_pet(slices: tuple[Slice, ...]) -> Quantity:
    """Standardised uptake by body weight where it can be computed, else the activity as it came."""
    units = _pet_units(slices[0])
    kind = (slices[0].words("SUVType") or ("BW",))[0].upper()
    if units == "GML":  # absent SUVType means body weight (PS3.3 C.8.9.1)
        if kind in ("", "BW"):
            return Quantity(VoxelUnit.SUVBW)
        return Quantity(VoxelUnit.ARBITRARY, note=f"uptake by {kind[:16]}, not by body weight")
    if units == "CNTS":
        return _of_counts(slices)
    if units != "BQML":
        return Quantity(VoxelUnit.ARBITRARY, note=f"PET values in {units[:16] or 'no unit'} are kept as they are")
    return _of_activity(slices, 1.0)


def _pet_units(one: Slice) -> str:
    """Return Units (PS3.3 C.8.9.1.1.3), or Rescale Type, where enhanced PET has them."""
    return next((found[0].upper() for word in ("Units", "RescaleType") if (found := one.words(word)) and found[0]), "")


def _of_counts(slices: tuple[Slice, ...]) -> Quantity:
    """Philips keeps, beside counts, its factors to uptake and to activity."""
    factors = [
        header.private(slices[0].dataset, _PHILIPS[0], at, _PHILIPS[1]) for at in (_PHILIPS_SUV, _PHILIPS_ACTIVITY)
    ]
    suv, activity = (_positive(factor) for factor in factors)
    if suv:
        return Quantity(VoxelUnit.SUVBW, suv)
    if activity:
        return _of_activity(slices, activity)
    return Quantity(VoxelUnit.ARBITRARY, note="PET counts without the factor that would make them activity")


def _of_activity(slices: tuple[Slice, ...], factor: float) -> Quantity:
    try:
        return Quantity(VoxelUnit.SUVBW, factor * suv_factor(slices))
    except NoSuv as reason:
        return Quantity(VoxelUnit.BQML, factor, f"no standardised uptake: {reason}")


def _positive(value: object) -> float | None:
    try:
        found = float(str(value))
    except ValueError:
        return None
    return found if 0 < found < 1e15 else None
