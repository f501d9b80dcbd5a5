"""Balls in noise, and how well they were found."""

import numpy as np

from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.prompts import PointPrompt, Polarity
from similar_cases.domain.references import FrameRef, SeriesRef
from similar_cases.domain.volume import SeriesFacts, Volume, VoxelUnit


def ball_volume(
    radius_mm,
    *,
    shape=(40, 128, 128),
    spacing_mm=(2.0, 0.9, 0.8),
    unit=VoxelUnit.HU,
    background=40.0,
    noise=12.0,
    contrast=80.0,
    second_at=None,
):
    """A volume with a ball in its middle and, on wish, an equal one at `second_at`; and the mask of the first."""
    affine = np.eye(4)
    affine[:3, :3] = np.diag(spacing_mm[::-1])[:, [2, 1, 0]]
    affine[:3, 3] = (-30.0, 12.0, -200.0)
    array = np.random.default_rng(7).normal(background, noise, shape).astype(np.float32)
    truth = _ball(shape, spacing_mm, [n // 2 for n in shape], radius_mm)
    array[truth] += contrast
    if second_at is not None:
        array[_ball(shape, spacing_mm, second_at, radius_mm) & ~truth] += contrast
    volume = Volume(
        array=array,
        geometry=VolumeGeometry(affine, shape, "1.2.3.4"),
        unit=unit,
        series=SeriesRef("1.2.3", "1.2.3.1"),
        facts=SeriesFacts(),
        frames=tuple(FrameRef("1.2.840.10008.5.1.4.1.1.2", f"1.2.3.1.{k + 1}") for k in range(shape[0])),
    )
    return volume, truth


def _ball(shape, spacing_mm, centre, radius_mm):
    k, j, i = (((np.arange(n) - c) * s) ** 2 for n, c, s in zip(shape, centre, spacing_mm, strict=True))
    return k[:, None, None] + j[None, :, None] + i[None, None, :] <= radius_mm**2


def point(volume, index, polarity=Polarity.POSITIVE):
    """A point prompt at the centre of the voxel (k, j, i)."""
    return PointPrompt(tuple(volume.geometry.index_to_lps(index)[0]), polarity)


def dice(a, b):
    """Overlap of two masks, 0 to 1."""
    return 2 * np.count_nonzero(a & b) / max(1, np.count_nonzero(a) + np.count_nonzero(b))
