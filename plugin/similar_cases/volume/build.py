"""Instances of one Series to Volumes; the steps."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pydicom import Dataset

from similar_cases.domain.errors import InvalidRequest, MalformedDicom, NotAVolume, TooLarge
from similar_cases.domain.references import SeriesRef
from similar_cases.domain.volume import Volume
from similar_cases.volume import header
from similar_cases.volume.bounds import DEFAULT_BOUNDS, VolumeBounds
from similar_cases.volume.facts import series_facts
from similar_cases.volume.pixels import digest
from similar_cases.volume.plan import plan_volumes
from similar_cases.volume.quiet import quiet_pydicom
from similar_cases.volume.slices import slices_of
from similar_cases.volume.units import quantity_of
from similar_cases.volume.voxels import filled


def build_volumes(instances: Sequence[Dataset], bounds: VolumeBounds = DEFAULT_BOUNDS) -> list[Volume]:
    """Build every volume that the Instances of one Series hold, the largest stack first.

    The voxels' axes are (slice k, row j, column i): k follows the slices sorted along row direction × column
    direction, whatever their Instance Numbers; j follows the column direction of Image Orientation (Patient), i its
    row direction. CT comes in Hounsfield units; PET in SUV by body weight where it can be computed; MR as it is.

    Args:
        instances: of one Series, in any order. They are consumed: the pixel data of each is freed as soon as it is
            decoded, so that the peak is the volumes in float32 and what is still encoded. No other attribute changes.
        bounds: what one Series may ask for.

    Returns:
        Volumes numbered from 0; what told them apart is their `label`, what was mended or left out their `notes`.

    Raises:
        NotAVolume: localizer, secondary capture, colour, too few slices …; with the reason.
        MalformedDicom: an object breaks its own rules: cut off, nested too deeply, impossible values.
        TooLarge: over `bounds`.
    """
    try:
        with quiet_pydicom():
            return _build(instances, bounds)
    except RecursionError as error:
        raise MalformedDicom("its sequences are nested too deeply to be read") from error
    except MemoryError as error:
        raise TooLarge("the series does not fit into the memory of the worker") from error
    except InvalidRequest as error:  # the domain's own checks, met by a hostile header
        raise MalformedDicom(str(error)) from error


def _build(instances: Sequence[Dataset], bounds: VolumeBounds) -> list[Volume]:
    if not instances:
        raise NotAVolume("the series has no instances")
    series = _series_of(instances)
    slices, left_out = slices_of(instances, bounds)
    plans, unused = plan_volumes(slices, series, bounds, digest)
    left_out.update(unused)
    if not plans:
        raise NotAVolume(_reason(left_out))
    quantities = [quantity_of(plan.slices) for plan in plans]
    arrays = filled(plans, quantities)
    volumes = [
        Volume(
            array=array,
            geometry=plan.geometry,
            unit=quantity.unit,
            series=series,
            facts=series_facts(plan.slices[0].dataset),
            frames=plan.frames,
            number=number,
            label=plan.label,
            notes=(*plan.notes, *filter(None, (quantity.note,))),
        )
        for number, (plan, quantity, array) in enumerate(zip(plans, quantities, arrays, strict=True))
    ]
    if left_out:
        volumes[0] = replace(volumes[0], notes=(*volumes[0].notes, f"left out: {_listed(left_out)}"))
    return volumes


def _series_of(instances: Sequence[Dataset]) -> SeriesRef:
    found = {(header.text(one, "StudyInstanceUID"), header.text(one, "SeriesInstanceUID")) for one in instances}
    if len(found) > 1:
        raise MalformedDicom(f"the instances belong to {len(found)} different series")
    [(study, series)] = found
    for name, uid in (("Study", study), ("Series", series)):
        if not uid:
            raise MalformedDicom(f"{name}InstanceUID is absent or empty")
    return SeriesRef(study, series)


def _reason(left_out: Counter[str]) -> str:
    """Tell why there is no volume, the commonest reason first."""
    if len(left_out) == 1 and left_out.total() == 1:
        return f"makes no volume: {next(iter(left_out))}"
    return f"makes no volume: {_listed(left_out)}"


def _listed(left_out: Counter[str]) -> str:
    reasons = left_out.most_common()
    told = "; ".join(reason if count == 1 else f"{count} × {reason}" for reason, count in reasons[:4])
    return told + (f"; and {len(reasons) - 4} more reasons" if len(reasons) > 4 else "")
