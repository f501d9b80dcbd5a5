"""PET: the connected voxels above a share of the local peak over the background."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from similar_cases.segment.backends.region_seeds import Seeds
from similar_cases.segment.backends.region_shape import distances_mm


@dataclass(frozen=True)
class UptakeRecipe:
    """Where the threshold lies: background + `share` · (peak − background)."""

    #: the peak is sought so far from a positive point
    peak_within_mm: float = 15.0
    #: percentile that counts as the peak; the maximum alone is noise
    peak_percentile: float = 98.0
    #: percentile of the window round the points that counts as background
    background_percentile: float = 20.0
    background_within_mm: float = 80.0
    share: float = 0.35
    #: bridges thinner than twice this are opened
    opening_mm: float = 3.0


def grow_by_uptake(image: NDArray[np.float32], seeds: Seeds, recipe: UptakeRecipe) -> tuple[NDArray[np.bool_], float]:
    """Return the voxels of `image`, the window, above the threshold and connected to a centre.

    Where a centre lies in a cold core, the part nearest to it counts. Thin bridges are opened.

    Returns:
        The mask, and the contrast of what lies inside it to what lies round it, 0 to 1.
    """
    whole = slice(0, image.shape[0]), slice(0, image.shape[1]), slice(0, image.shape[2])
    away = distances_mm(seeds.centres, seeds.spacing_mm, whole)
    near = image[away <= max(recipe.peak_within_mm, float(seeds.spacing_mm.max()))]
    if seeds.box is not None:
        near = image[tuple(slice(int(a), int(b) + 1) for a, b in zip(*seeds.box, strict=True))].ravel()
    peak = float(np.percentile(near, recipe.peak_percentile))
    background = float(np.percentile(image[away <= recipe.background_within_mm], recipe.background_percentile))
    mask = image >= background + recipe.share * (peak - background)
    mask = _opened(mask, seeds, recipe.opening_mm)
    labels, _ = ndimage.label(mask)
    hot = [centre for centre in seeds.centres if labels[tuple(centre)]] or [_nearest_hot(mask, away)]
    region = np.asarray(np.isin(labels, [labels[tuple(voxel)] for voxel in hot]))
    ring = ndimage.binary_dilation(region, iterations=2) & ~region
    inside, outside = float(image[region].mean()), float(image[ring].mean()) if ring.any() else background
    return region, max(0.0, inside - outside) / max(abs(inside), 1e-6)


def _nearest_hot(mask: NDArray[np.bool_], away: NDArray[np.float32]) -> tuple[int, ...]:
    """Return the voxel above the threshold that is nearest to a centre."""
    return tuple(int(n) for n in np.unravel_index(int(np.where(mask, away, np.inf).argmin()), mask.shape))


def _opened(mask: NDArray[np.bool_], seeds: Seeds, radius_mm: float) -> NDArray[np.bool_]:
    """Open bridges; a mask with no part thick enough stays as it is."""
    core = ndimage.distance_transform_edt(mask, sampling=seeds.spacing_mm) > radius_mm
    if not core.any():
        return mask
    return np.asarray(mask & (ndimage.distance_transform_edt(~core, sampling=seeds.spacing_mm) <= radius_mm))
