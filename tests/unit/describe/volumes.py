"""Volumes and Regions made by formula, for the tests of describing."""

import numpy as np
from scipy.ndimage import gaussian_filter

from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.references import FrameRef, SeriesRef
from similar_cases.domain.region import Region
from similar_cases.domain.volume import SeriesFacts, Volume, VoxelUnit

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


def volume_of(
    array: np.ndarray,
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
    *,
    unit: VoxelUnit = VoxelUnit.HU,
    directions: np.ndarray | None = None,
) -> Volume:
    """Wrap (k, j, i) voxels; `directions` has the unit vectors of k, j and i as its columns, LPS."""
    axes = np.eye(3)[::-1].T if directions is None else directions
    affine = np.eye(4)
    affine[:3, :3] = axes * np.array(spacing_mm)
    affine[:3, 3] = (-31.0, 12.5, 400.0)
    return Volume(
        array=np.asarray(array, dtype=np.float32),
        geometry=VolumeGeometry(affine, array.shape, "1.2.3"),
        unit=unit,
        series=SeriesRef("1.2.4", "1.2.5"),
        facts=SeriesFacts(modality={VoxelUnit.HU: "CT", VoxelUnit.SUVBW: "PT"}.get(unit, "MR")),
        frames=tuple(FrameRef(CT_IMAGE, f"1.2.5.{k}") for k in range(array.shape[0])),
    )


def texture(shape: tuple[int, int, int], seed: int = 0, scale: float = 300.0) -> np.ndarray:
    """Return smooth noise about 0 of standard deviation of about a fifth of `scale`."""
    return gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.0) * scale


def region_of(volume: Volume, mask: np.ndarray) -> Region:
    return Region.from_mask(mask, volume.geometry, tracking_uid="1.2.6")


def ball(volume: Volume, centre: tuple[float, float, float], radius_mm: float) -> Region:
    """Return the Region of the voxels whose centres lie within `radius_mm` of the index `centre` (k, j, i)."""
    grid = np.stack(np.indices(volume.geometry.shape), axis=-1)
    apart_mm = (grid - np.array(centre)) * np.array(volume.geometry.spacing_mm)
    return region_of(volume, np.linalg.norm(apart_mm, axis=-1) <= radius_mm)
