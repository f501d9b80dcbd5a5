"""Voxels and masks on their way to the browser: 16-bit integers with a slope and an intercept, and runs."""

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.region import Region
from similar_cases.domain.volume import Volume, VoxelUnit

#: the range of values is taken over at most about this many voxels, evenly strided
_SAMPLE = 1_000_000
_LOW, _HIGH = -32768, 32767


@dataclass(frozen=True)
class Scale:
    """How voxels become 16-bit integers: value = stored × slope + intercept."""

    slope: float
    intercept: float

    def stored(self, values: NDArray[np.float32]) -> NDArray[np.int16]:
        """Return `values` as little-endian 16-bit integers of the same shape; what is no number becomes the lowest.

        >>> Scale(0.5, 10.0).stored(np.array([10.0, 11.0, np.nan], np.float32)).tolist()
        [0, 2, -32768]
        """
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = (values - np.float32(self.intercept)) / np.float32(self.slope)
            whole = np.clip(np.rint(np.nan_to_num(scaled, nan=_LOW)), _LOW, _HIGH)
        return np.asarray(whole, dtype="<i2")


def scale_of(volume: Volume) -> Scale:
    """Return the scale that loses nothing where that can be: Hounsfield units as they are, whole numbers as they are.

    Everything else is spread over all 65 536 steps between its lowest and its highest value.
    """
    if volume.unit is VoxelUnit.HU:
        return Scale(1.0, 0.0)
    finite = np.isfinite(volume.array)
    low = float(np.min(volume.array, initial=np.inf, where=finite))
    high = float(np.max(volume.array, initial=-np.inf, where=finite))
    if not low < high:
        return Scale(1.0, low if np.isfinite(low) else 0.0)
    sample = sample_of(volume)
    is_whole = high - low <= _HIGH - _LOW and bool(np.all(sample == np.rint(sample)))
    slope = 1.0 if is_whole else (high - low) / (_HIGH - _LOW)
    return Scale(slope, low - _LOW * slope)


def sample_of(volume: Volume) -> NDArray[np.float32]:
    """Return finite voxels of all the volume, (n,)."""
    values = volume.array.ravel()[:: max(1, volume.array.size // _SAMPLE)]
    return values[np.isfinite(values)]


def range_of(volume: Volume) -> list[float]:
    """Return what the darkest and the brightest hundredth of the voxels begin at: a window where no unit gives one."""
    sample = sample_of(volume)
    low, high = (float(one) for one in np.percentile(sample, (1, 99))) if sample.size else (0.0, 1.0)
    return [low, high if high > low else low + 1.0]


def geometry_json(geometry: VolumeGeometry) -> dict[str, Any]:
    """Return a grid: `affine` maps homogeneous (k, j, i) to LPS mm, row by row."""
    return {
        "shape": list(geometry.shape),
        "spacing_mm": list(geometry.spacing_mm),
        "affine": _affine_json(geometry),
        "frame_of_reference": geometry.frame_of_reference_uid,
    }


def _affine_json(geometry: VolumeGeometry) -> list[list[float]]:
    return [[float(value) for value in row] for row in geometry.affine]


def volume_json(volume: Volume, volumes: list[Volume], scale: Scale) -> dict[str, Any]:
    """Return what a viewer needs before the first voxel."""
    return {
        **geometry_json(volume.geometry),
        "unit": volume.unit.value,
        "modality": volume.facts.modality,
        "slope": scale.slope,
        "intercept": scale.intercept,
        "range": range_of(volume),
        "number": volume.number,
        "label": volume.label,
        "notes": list(volume.notes),
        "volumes": [{"number": one.number, "label": one.label, "slices": one.geometry.shape[0]} for one in volumes],
        "frames": [
            {"instance": frame.sop_instance_uid, "frame": frame.frame_number}
            if frame.frame_number
            else {"instance": frame.sop_instance_uid}
            for frame in volume.frames
        ],
    }


def region_mask_json(region: Region) -> dict[str, Any]:
    """Return a Region's mask: the box round it in its volume, and runs in it."""
    upper = [low + size for low, size in zip(region.lower_index, region.mask.shape, strict=True)]
    sides = [size * step for size, step in zip(region.mask.shape, region.geometry.spacing_mm, strict=True)]
    return {
        "tracking_uid": region.tracking_uid,
        "volume_ml": region.volume_ml,
        "centroid_lps": list(region.centroid_lps),
        "lower_index": list(region.lower_index),
        "upper_index": upper,
        "size_mm": sides,
        "voxels": int(np.count_nonzero(region.mask)),
        "algorithm": f"{region.algorithm.name} {region.algorithm.version}" if region.algorithm else "",
        "quality": region.quality,
        "affine": _affine_json(region.geometry),
        "shape": list(region.mask.shape),
        "runs": runs_of(region.mask),
    }


def plane_json(plane: Volume, mask: NDArray[np.bool_] | None, side_mm: float, middle_lps: Any) -> dict[str, Any]:
    """Return a slice, or the square of `side_mm` round `middle_lps` (x, y, z) in it, with its mask.

    Args:
        plane: a Volume of one slice.
        mask: (rows, columns) bool.
        side_mm: 0 for the whole slice.
        middle_lps: LPS mm.
    """
    part = _square(plane.geometry, side_mm, middle_lps)
    values = plane.array[0][part]
    scale = scale_of(plane)
    body = {
        "rows": values.shape[0],
        "columns": values.shape[1],
        "spacing_mm": list(plane.geometry.spacing_mm[1:]),
        "origin_index": [part[0].start, part[1].start],
        "affine": _affine_json(plane.geometry.crop((0, part[0].start, part[1].start), (1, *values.shape))),
        "unit": plane.unit.value,
        "slope": scale.slope,
        "intercept": scale.intercept,
        "range": range_of(plane),
        "voxels": base64.b64encode(scale.stored(values).tobytes()).decode(),
    }
    if mask is not None:
        body["runs"] = runs_of(mask[part])
    return body


def _square(geometry: VolumeGeometry, side_mm: float, middle_lps: Any) -> tuple[slice, slice]:
    if side_mm <= 0:
        return slice(0, geometry.shape[1]), slice(0, geometry.shape[2])
    middle = geometry.lps_to_index(middle_lps)[0][1:]
    parts = []
    for at, size, step in zip(middle, geometry.shape[1:], geometry.spacing_mm[1:], strict=True):
        half = side_mm / step / 2
        low = int(np.clip(np.floor(at - half), 0, size - 1))
        parts.append(slice(low, int(np.clip(np.ceil(at + half) + 1, low + 1, size))))
    return parts[0], parts[1]


def runs_of(mask: NDArray[np.bool_]) -> list[int]:
    """Return the lengths of the runs of a mask in C order: outside first, then inside, in turn.

    >>> runs_of(np.array([[0, 1, 1], [1, 0, 0]], bool)), runs_of(np.array([1, 0], bool))
    ([1, 3, 2], [0, 1, 1])
    """
    flat = mask.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths
