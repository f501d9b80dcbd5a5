"""One Frame as a Volume of one slice: a picture in the unit of its series, without the series."""

import numpy as np
from pydicom import Dataset

from similar_cases.domain.case import derived_uid
from similar_cases.domain.errors import InvalidRequest, MalformedDicom, NotAVolume, NotFound, TooLarge
from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.references import SeriesRef
from similar_cases.domain.volume import Volume
from similar_cases.volume.bounds import DEFAULT_BOUNDS, VolumeBounds
from similar_cases.volume.facts import series_facts
from similar_cases.volume.plan import VolumePlan
from similar_cases.volume.quiet import quiet_pydicom
from similar_cases.volume.slices import Slice, slices_of
from similar_cases.volume.stacks import frame_of_reference
from similar_cases.volume.units import quantity_of
from similar_cases.volume.voxels import filled


def build_slice(instance: Dataset, frame_number: int | None = None, bounds: VolumeBounds = DEFAULT_BOUNDS) -> Volume:
    """Build a Volume of one slice from one Frame: decoded and rescaled as ``build_volumes`` does it.

    Args:
        instance: is consumed: its pixel data is freed.
        frame_number: counts from 1; None for a single-frame object.
        bounds: what one Instance may ask for.

    Returns:
        a Volume of shape (1, rows, columns) on the Frame's own plane.

    Raises:
        NotAVolume: when the Instance is no slice.
        NotFound: when it has no such Frame.
        MalformedDicom: when it breaks its own rules.
    """
    try:
        with quiet_pydicom():
            return _build(instance, frame_number, bounds)
    except RecursionError as error:
        raise MalformedDicom("its sequences are nested too deeply to be read") from error
    except MemoryError as error:
        raise TooLarge("the frame does not fit into the memory of the worker") from error
    except InvalidRequest as error:  # the domain's own checks, met by a hostile header
        raise MalformedDicom(str(error)) from error


def _build(instance: Dataset, frame_number: int | None, bounds: VolumeBounds) -> Volume:
    slices, left_out = slices_of([instance], bounds)
    if not slices:
        raise NotAVolume(f"no slice: {next(iter(left_out), 'the instance has no frame')}")
    one = next((found for found in slices if found.ref.frame_number == frame_number), None)
    if one is None:
        raise NotFound(f"the instance has no frame {frame_number}")
    series = SeriesRef(str(instance.StudyInstanceUID), str(instance.SeriesInstanceUID))
    plan = _plan(one, series)
    quantity = quantity_of((one,))
    [array] = filled([plan], [quantity])
    return Volume(
        array=array,
        geometry=plan.geometry,
        unit=quantity.unit,
        series=series,
        facts=series_facts(instance),
        frames=plan.frames,
    )


def _plan(one: Slice, series: SeriesRef) -> VolumePlan:
    affine = np.eye(4)
    affine[:3, 0] = one.normal * _depth_mm(one)
    affine[:3, 1] = one.column_direction * one.spacing_mm[0]
    affine[:3, 2] = one.row_direction * one.spacing_mm[1]
    affine[:3, 3] = one.origin_lps
    uid = frame_of_reference(one) or derived_uid("frame-of-reference", series.series_uid)
    return VolumePlan(
        slices=(one,),
        steps=np.zeros(1, dtype=np.intp),
        shifts_voxels=np.zeros((1, 2)),
        geometry=VolumeGeometry(affine, (1, *one.size), uid),
        frames=(one.ref,),
        label="",
        notes=(),
    )


def _depth_mm(one: Slice) -> float:
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        depth = one.number(keyword)
        if depth and 0.005 <= abs(depth) <= 1000:
            return abs(depth)
    return 1.0
