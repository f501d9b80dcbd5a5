"""Planned volumes to voxels: decoded, rescaled, mended; one float32 array a volume and no second copy."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut

from similar_cases.domain.errors import MalformedDicom
from similar_cases.domain.volume import VoxelUnit
from similar_cases.volume import header
from similar_cases.volume.pixels import release_pixels, stored_frames
from similar_cases.volume.plan import VolumePlan
from similar_cases.volume.slices import Slice
from similar_cases.volume.units import Quantity

#: what lies outside the measured field: air in CT, nothing elsewhere
_BACKGROUND = {VoxelUnit.HU: -1024.0}
#: a padding value that means tissue (a wrong attribute, and common) is not believed; Hounsfield units
_TISSUE_HU = (-900.0, 3071.0)

Place = tuple[int, int]


@dataclass(frozen=True)
class _Scaling:
    """How stored values of one Frame become numbers."""

    slope: float
    intercept: float
    inverted_from: float | None
    padding: tuple[float, float] | None


def filled(plans: Sequence[VolumePlan], quantities: Sequence[Quantity]) -> list[NDArray[np.float32]]:
    """Decode every plan's voxels; each Instance is decoded once and its pixel data freed at once.

    Returns:
        for each plan (slices, rows, columns) float32 in its quantity's unit.

    Raises:
        MalformedDicom: pixels that cannot be decoded.
    """
    arrays = [np.empty(plan.geometry.shape, dtype=np.float32) for plan in plans]
    datasets: dict[int, Dataset] = {}
    places: dict[int, dict[int, list[Place]]] = defaultdict(lambda: defaultdict(list))
    for number, plan in enumerate(plans):
        for index, one in enumerate(plan.slices):
            datasets[id(one.dataset)] = one.dataset
            places[id(one.dataset)][one.frame_index].append((number, index))
    for key, dataset in datasets.items():
        wanted = sorted(places[key])
        for frame_index, stored in zip(wanted, stored_frames(dataset, wanted), strict=True):
            for number, index in places[key][frame_index]:
                _place(plans[number], index, stored, quantities[number], arrays[number])
        release_pixels(dataset)
    for plan, array in zip(plans, arrays, strict=True):
        _fill_gaps(array, plan.steps)
    return arrays


def _place(
    plan: VolumePlan, index: int, stored: NDArray[np.integer], quantity: Quantity, array: NDArray[np.float32]
) -> None:
    """Write one Frame into its slice of `array`."""
    one, target = plan.slices[index], array[plan.steps[index]]
    shift = plan.shifts_voxels[index]
    background = _BACKGROUND.get(quantity.unit, 0.0)
    if target.shape == stored.shape:
        _scale(one, stored, quantity, background, target)
        return
    values = np.empty(stored.shape, dtype=np.float32)
    _scale(one, stored, quantity, background, values)
    target.fill(background)
    _paste(values, (float(shift[0]), float(shift[1])), target)


def _scale(
    one: Slice, stored: NDArray[np.integer], quantity: Quantity, background: float, target: NDArray[np.float32]
) -> None:
    """Write stored values as numbers of `quantity` into `target` (rows, columns)."""
    scaling = _scaling(one, quantity)
    if scaling is None:
        target[...] = apply_modality_lut(stored, one.dataset)
    elif scaling.inverted_from is not None:
        np.subtract(np.float32(scaling.inverted_from), stored, out=target, casting="unsafe")
        target *= np.float32(scaling.slope)
        target += np.float32(scaling.intercept)
    else:
        np.multiply(stored, np.float32(scaling.slope), out=target, casting="unsafe")
        target += np.float32(scaling.intercept)
    if scaling is not None and scaling.padding is not None:
        low, high = scaling.padding
        target[(stored >= low) & (stored <= high)] = background


def _scaling(one: Slice, quantity: Quantity) -> _Scaling | None:
    """Read how one Frame is rescaled; None where a Modality LUT must be applied instead (PS3.3 C.11.1)."""
    slope, intercept = one.number("RescaleSlope"), one.number("RescaleIntercept")
    if slope is None and header.item(one.dataset, "ModalityLUTSequence") is not None:
        return None
    slope, intercept = 1.0 if slope is None else slope, intercept or 0.0
    if slope == 0:
        raise MalformedDicom(f"instance {one.ref.sop_instance_uid}: RescaleSlope is 0, so its pixels say nothing")
    # MONOCHROME1 says how to show a value, not what it is. Hounsfield units and uptake are what they are; where the
    # unit is arbitrary, light must mean the same in every volume, so stored values are turned round.
    turned = quantity.unit is VoxelUnit.ARBITRARY and one.words("PhotometricInterpretation") == ("MONOCHROME1",)
    low, high = _stored_range(one.dataset)
    padding = _padding(one.dataset)
    if padding is not None and quantity.unit is VoxelUnit.HU:
        hu = sorted(value * slope + intercept for value in padding)
        if _TISSUE_HU[0] < hu[1] and hu[0] < _TISSUE_HU[1]:
            padding = None
    return _Scaling(slope * quantity.factor, intercept * quantity.factor, low + high if turned else None, padding)


def _stored_range(dataset: Dataset) -> tuple[float, float]:
    bits = header.whole(dataset, "BitsStored") or 16
    signed = header.whole(dataset, "PixelRepresentation") == 1
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)


def _padding(dataset: Dataset) -> tuple[float, float] | None:
    """Return the lowest and the highest stored value that is padding (PS3.3 C.7.5.1.1.2), None where there is none."""
    ends = [header.whole(dataset, word) for word in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if ends[0] is None:
        return None
    signed = header.whole(dataset, "PixelRepresentation") == 1
    bits = header.whole(dataset, "BitsAllocated") or 16
    found = [
        # written as US where the pixels are SS, as many do: -2000 came as 63536
        float(end - 2**bits if signed and end >= 2 ** (bits - 1) else end)
        for end in ends
        if end is not None
    ]
    return min(found), max(found)


def _paste(values: NDArray[np.float32], shift: tuple[float, float], target: NDArray[np.float32]) -> None:
    """Write `values` into the larger `target`, moved by `shift` voxels (rows, columns), linearly interpolated.

    >>> import numpy as np
    >>> wide = np.zeros((1, 4), np.float32)
    >>> _paste(np.array([[8.0, 4.0]], np.float32), (0.0, 1.5), wide)
    >>> wide.tolist()  # the outer half voxels repeat the border
    [[0.0, 8.0, 6.0, 4.0]]
    """
    for axis in (0, 1):
        part = shift[axis] % 1.0
        if part > 1e-6:
            edge = [(1, 1) if at == axis else (0, 0) for at in (0, 1)]
            padded = np.pad(values, edge, mode="edge")
            before, after = (padded[:-1], padded[1:]) if axis == 0 else (padded[:, :-1], padded[:, 1:])
            values = np.float32(part) * before + np.float32(1.0 - part) * after
    row, column = (int(at // 1.0) for at in shift)
    part_of = target[row : row + values.shape[0], column : column + values.shape[1]]
    part_of[...] = values[: part_of.shape[0], : part_of.shape[1]]


def _fill_gaps(array: NDArray[np.float32], steps: NDArray[np.intp]) -> None:
    """Interpolate linearly the slices that no Frame gives."""
    for low, high in pairwise(steps.tolist()):
        for k in range(low + 1, high):
            weight = np.float32((k - low) / (high - low))
            np.multiply(array[low], 1 - weight, out=array[k])
            array[k] += weight * array[high]
