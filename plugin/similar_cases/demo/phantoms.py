"""Phantoms: CT, MR and PET series made by code, each with one lesion of a known kind, place and mask."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from scipy import ndimage

from similar_cases.demo.image_series import SeriesHeader, image_series
from similar_cases.domain.geometry import FloatArray, VolumeGeometry
from similar_cases.domain.prompts import PointLps

_AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class LesionKind(StrEnum):
    """What the lesion of a phantom looks like."""

    #: a smooth sphere of one intensity
    SOLID = "solid"
    #: a bright rim round a dark core of 0.6 radius
    NECROTIC = "necrotic"
    #: a body with rays to 1.6 radius
    SPICULATED = "spiculated"
    #: a sphere with very bright grains
    CALCIFIED = "calcified"
    #: a faint, mottled sphere
    GROUND_GLASS = "ground-glass"
    #: nothing; its mask is empty
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Phantom:
    """One series with one lesion. Equal phantoms give equal bytes.

    Attributes:
        shape: number of (slices, rows, columns).
        spacing_mm: distance along (k, j, i), mm; the first one along the patient's axis where the gantry is tilted.
        centre_lps: where the grid's middle lies, LPS mm.
        orientation: row and column direction cosines (PS3.3 C.7.6.2.1.1).
        gantry_tilt_degrees: slices are displaced along the column direction as a tilted gantry does.
        lesion_lps: centre of the lesion, LPS mm.
        lesion_radius_mm: its radius; spikes reach farther.
        noise: standard deviation of the grain, as a part of the contrast between tissues.
        seed: of the grain and of the lesion's irregularities.
        study_key, series_key: as in ``SeriesHeader``.

    >>> phantom = Phantom(kind=LesionKind.SOLID, shape=(20, 64, 64))
    >>> mask = lesion_mask(phantom)
    >>> bool(mask[10, 32, 42]), round(float(mask.sum()) * phantom.geometry.voxel_volume_mm3 / 1000)
    (True, 14)
    """

    kind: LesionKind = LesionKind.SOLID
    modality: str = "CT"
    shape: tuple[int, int, int] = (32, 96, 96)
    spacing_mm: tuple[float, float, float] = (3.0, 2.0, 2.0)
    centre_lps: PointLps = (0.0, 0.0, 0.0)
    orientation: tuple[float, float, float, float, float, float] = _AXIAL
    gantry_tilt_degrees: float = 0.0
    lesion_lps: PointLps = (20.0, 0.0, 0.0)
    lesion_radius_mm: float = 15.0
    noise: float = 0.05
    seed: int = 0
    patient_id: str = "PHANTOM-1"
    patient_name: str = "Phantom^One"
    patient_sex: str = "O"
    patient_birth_date: str = "19600101"
    study_key: str = "1"
    series_key: str = "1"
    study_date: str = "20240115"
    series_number: int = 1
    body_part_examined: str = "CHEST"
    character_set: str = "ISO_IR 192"

    @property
    def header(self) -> SeriesHeader:
        """What the headers of the series say."""
        return SeriesHeader(
            modality=self.modality,
            patient_id=self.patient_id,
            patient_name=self.patient_name,
            patient_sex=self.patient_sex,
            patient_birth_date=self.patient_birth_date,
            study_key=self.study_key,
            series_key=self.series_key,
            study_date=self.study_date,
            series_description=f"{self.modality} {self.kind} lesion",
            series_number=self.series_number,
            body_part_examined=self.body_part_examined,
            character_set=self.character_set,
        )

    @property
    def geometry(self) -> VolumeGeometry:
        """The grid of the series, LPS mm."""
        row, column = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        tilt = np.tan(np.radians(self.gantry_tilt_degrees))
        step = (np.cross(row, column) + tilt * column) * self.spacing_mm[0]
        affine = np.eye(4)
        affine[:3, :3] = np.column_stack((step, column * self.spacing_mm[1], row * self.spacing_mm[2]))
        affine[:3, 3] = np.array(self.centre_lps) - affine[:3, :3] @ (np.array(self.shape) // 2)
        return VolumeGeometry(affine, self.shape, self.header.frame_of_reference_uid)


def phantom_series(phantom: Phantom) -> list[Dataset]:
    """Return the Instances of the phantom in the order of their slices, each with file meta information."""
    return image_series(phantom_array(phantom), phantom.geometry, phantom.header)


def phantom_array(phantom: Phantom) -> NDArray[np.float32]:
    """Return the voxels (slices, rows, columns): HU for CT, from 0 up for MR, Bq/ml for PET."""
    scale = _SCALES[phantom.modality]
    random = np.random.default_rng([phantom.seed, _KINDS.index(phantom.kind)])
    voxels = _body(phantom, random) * np.float32(scale.tissue - scale.air) + np.float32(scale.air)
    box = _lesion_box(phantom)
    texture = _lesion_texture(phantom, random) * (scale.lesion - scale.air) + scale.air
    voxels[box] = np.where(_mask_in_box(phantom), texture, voxels[box])
    grain = np.float32(phantom.noise * abs(scale.lesion - scale.tissue))
    voxels += random.standard_normal(phantom.shape, dtype=np.float32) * grain
    return np.asarray(np.maximum(voxels, np.float32(scale.lowest)), dtype=np.float32)


def lesion_mask(phantom: Phantom) -> NDArray[np.bool_]:
    """Return the lesion's exact mask (slices, rows, columns): every voxel whose centre lies inside."""
    mask = np.zeros(phantom.shape, dtype=bool)
    if phantom.kind is not LesionKind.NONE:
        mask[_lesion_box(phantom)] = _mask_in_box(phantom)
    return mask


def phantom_archive(count: int, seed: int = 0) -> Iterator[Phantom]:
    """Yield `count` phantoms of as many patients: five kinds of lesion by three modalities, in turns.

    Patients of the same kind and modality differ in place, size, grain and age, as patients do; the one at `n` and
    the one at `n` + 15 are each other's similar cases.
    """
    kinds = [kind for kind in LesionKind if kind is not LesionKind.NONE]
    for number in range(count):
        random = np.random.default_rng([seed, number])
        x, y, z = random.uniform((-40, -25, -15), (40, 25, 15))
        yield Phantom(
            kind=kinds[number % len(kinds)],
            modality=("CT", "MR", "PT")[number // len(kinds) % 3],
            lesion_lps=(round(float(x), 1), round(float(y), 1), round(float(z), 1)),
            lesion_radius_mm=round(float(random.uniform(9, 16)), 1),
            seed=int(random.integers(2**31)),
            patient_id=f"PHANTOM-{seed}-{number + 1:04d}",
            patient_name=f"Phantom^Number {number + 1}",
            patient_sex="FMO"[int(random.integers(3))],
            patient_birth_date=f"{int(random.integers(1935, 2005))}0615",
            study_date=f"20{int(random.integers(18, 25))}0304",
        )


@dataclass(frozen=True)
class _Scale:
    """Intensities of a modality; `lowest` is what its numbers cannot fall below."""

    air: float
    tissue: float
    lesion: float
    lowest: float


_SCALES = {
    "CT": _Scale(-1000.0, 20.0, 110.0, -1024.0),
    "MR": _Scale(10.0, 300.0, 700.0, 0.0),
    "PT": _Scale(0.0, 4000.0, 22000.0, 0.0),
}
_KINDS = list(LesionKind)
#: reach of the longest spike, in radii
_LONGEST = 1.6


def _lesion_box(phantom: Phantom) -> tuple[slice, slice, slice]:
    """Return the (k, j, i) box that the longest spike stays within; it may be empty."""
    reach = phantom.lesion_radius_mm * _LONGEST
    corners = np.array(phantom.lesion_lps) + reach * (np.indices((2, 2, 2)).reshape(3, -1).T * 2 - 1)
    indices = phantom.geometry.lps_to_index(corners)
    lower = np.clip(np.floor(indices.min(axis=0)).astype(int), 0, phantom.shape)
    upper = np.clip(np.ceil(indices.max(axis=0)).astype(int) + 1, 0, phantom.shape)
    k, j, i = (slice(int(low), int(high)) for low, high in zip(lower, upper, strict=True))
    return k, j, i


def _mask_in_box(phantom: Phantom) -> NDArray[np.bool_]:
    offset, distance = _from_lesion(phantom)
    inside = distance <= phantom.lesion_radius_mm * _reach(phantom, offset, distance)
    return inside & (phantom.kind is not LesionKind.NONE)


def _from_lesion(phantom: Phantom) -> tuple[FloatArray, FloatArray]:
    """Return offset (…, 3) and distance (…) from the lesion's centre of every voxel centre in its box, mm."""
    axes = [np.arange(part.start, part.stop) for part in _lesion_box(phantom)]
    indices = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    positions = phantom.geometry.index_to_lps(indices).reshape(*indices.shape)
    offset = positions - np.array(phantom.lesion_lps)
    return offset, np.linalg.norm(offset, axis=-1)


def _reach(phantom: Phantom, offset: FloatArray, distance: FloatArray) -> FloatArray:
    """Return how far the lesion reaches in each voxel's direction, in radii."""
    if phantom.kind is not LesionKind.SPICULATED:
        return np.ones_like(distance)
    random = np.random.default_rng([phantom.seed, 1])
    rays = random.standard_normal((24, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    directions = offset / np.maximum(distance, 1e-9)[..., None]
    nearest = (directions @ rays.T).max(axis=-1)  # cosine to the nearest ray
    return np.asarray(0.8 + (_LONGEST - 0.8) * np.clip((nearest - 0.9) / 0.1, 0, 1), dtype=np.float64)


def _body(phantom: Phantom, random: np.random.Generator) -> NDArray[np.float32]:
    """Return an elliptic body with mottled tissue: 0 for air, about 1 for tissue."""
    _, rows, columns = phantom.shape
    j, i = np.ogrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    inside = (j**2 + i**2 <= 0.85**2).astype(np.float32)
    tissue = 1 + np.float32(0.02) * _mottle(phantom, phantom.shape, random, 6.0)
    return np.asarray(inside * tissue, dtype=np.float32)


def _lesion_texture(phantom: Phantom, random: np.random.Generator) -> FloatArray:
    """Return the lesion's texture in its box: 1 is the lesion's own intensity, 0 that of air."""
    _, distance = _from_lesion(phantom)
    relative = distance / phantom.lesion_radius_mm
    mottle = _mottle(phantom, relative.shape, random, 3.0)
    contrast = _SCALES[phantom.modality]
    tissue = (contrast.tissue - contrast.air) / (contrast.lesion - contrast.air)
    match phantom.kind:
        case LesionKind.NECROTIC:
            return np.where(relative < 0.6, tissue - 0.6 * (1 - tissue), 1.0)
        case LesionKind.CALCIFIED:
            return np.where(mottle > 1.2, 1.0 + 4.0 * (1 - tissue), 0.5 + 0.5 * tissue)
        case LesionKind.GROUND_GLASS:
            return np.asarray(tissue + (1 - tissue) * (0.35 + 0.25 * mottle), dtype=np.float64)
        case _:
            return np.ones_like(relative)


def _mottle(
    phantom: Phantom, shape: tuple[int, ...], random: np.random.Generator, size_mm: float
) -> NDArray[np.float32]:
    """Return smooth noise of mean 0 and standard deviation 1 whose grains are about `size_mm` wide."""
    widths = [size_mm / spacing / 2 for spacing in phantom.spacing_mm]
    grain = ndimage.gaussian_filter(random.standard_normal(shape, dtype=np.float32), widths)
    deviation = float(grain.std()) if grain.size else 0.0
    return np.asarray(grain / np.float32(max(deviation, 1e-12)), dtype=np.float32)
