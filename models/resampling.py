"""Brings training volumes to a grid that is no finer than a network needs, so that the prepared file stays small."""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk


def coarsened(
    image: sitk.Image, labels: sitk.Image, wanted_mm: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, list[float], tuple[float, ...]]:
    """Return voxels and labels (k, j, i), the spacing mm (i, j, k), and the first voxel's place (x, y, z), LPS mm.

    The grid covers what `image` covers, along its axes, with spacings of `wanted_mm` (i, j, k) where it is finer.
    """
    old = image.GetSpacing()
    size = [max(1, round(n * s / max(s, t))) for n, s, t in zip(image.GetSize(), old, wanted_mm, strict=True)]
    spacing = [n * s / m for n, s, m in zip(image.GetSize(), old, size, strict=True)]
    offset = [(new - s) / 2 / s for new, s in zip(spacing, old, strict=True)]
    origin = image.TransformContinuousIndexToPhysicalPoint(offset)
    grid = (size, sitk.Transform(), sitk.sitkLinear, origin, spacing, image.GetDirection())
    if spacing[0] > 1.5 * old[0]:
        image = sitk.SmoothingRecursiveGaussian(image, [max(1e-3, 0.35 * new) for new in spacing])
    voxels = sitk.GetArrayFromImage(sitk.Resample(image, *grid))
    drawn = sitk.GetArrayFromImage(sitk.Resample(labels, *grid[:2], sitk.sitkNearestNeighbor, *grid[3:]))
    return voxels, drawn.astype(np.uint8), spacing, origin
