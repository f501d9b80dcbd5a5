"""CT and MR: rays from the positive points that end at the first strong edge."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from similar_cases.domain.geometry import FloatArray
from similar_cases.segment.backends.region_seeds import Seeds, Window

#: directions on a sphere: so many angles from the pole, and so many round it
_POLAR, _ROUND = 24, 48
#: of a voxel of the working grid: the step along a ray, and the smoothing of what is compared with the seeds
_STEP, _SMOOTHING = 2 / 3, 0.8
_MOST_STEPS = 60
#: how far beyond a ray's end the crest of its edge is sought, in voxels of the working grid
_CREST = 3.0
#: edges weaker by no more than this are as strong
_AS_CLEAR = -0.1
#: of the ellipsoid that fills a box: what a region holds at least, and how far it may go beyond
_LEAST_OF_BOX, _MOST_OF_BOX = 0.7, 1.2


@dataclass(frozen=True)
class RayRecipe:
    """How far a ray goes. Hazards per step are per voxel of the working grid, of about `grid_mm`."""

    #: how far a ray may go, mm
    reach_mm: float = 120.0
    #: spacing of the working grid, mm
    grid_mm: float = 3.0
    #: spacing of the grid that small regions are sought on, mm
    fine_grid_mm: float = 1.0
    #: a region of a smaller mean radius than this is taken from the fine grid, mm
    refine_below_mm: float = 12.0
    #: … and one smaller than this where its edges are about as strong there, mm
    fine_if_clear_mm: float = 20.0
    #: share of the contrast that counts there: a small lesion is fainter
    fine_contrast: float = 0.4
    #: … and any whose edges are stronger there by so much
    prefer_small: float = 0.15
    #: change that is noise, in medians of the change of the window
    noise_floor: float = 1.0
    #: hazard of a voxel that is quite unlike the seeds
    unlikeness: float = 0.15
    #: hazard of a voxel on a strong edge
    edge: float = 1.05
    #: hazard of a millimetre
    length: float = 0.009
    #: HU beyond which a voxel is only unlike the seeds, however far: air and bone must not hide other edges
    contrast_hu: float = 200.0
    #: where there are no HU: share of the foreground's median that its contrast is taken for at least
    least_contrast: float = 0.5
    #: share of the contrast that makes a strong edge, per voxel
    strong_edge: float = 0.3
    #: share of the contrast that seeds' noise is taken for at least
    least_noise: float = 0.08
    edge_power: float = 1.5
    #: rays within about this angle share their hazard
    smooth_degrees: float = 30.0
    #: voxels of the working grid round a centre that tell what the region looks like
    seed_radius: float = 2.0


@dataclass(frozen=True, eq=False)
class _Sphere:
    """Directions on a grid of angles, and the average over neighbouring ones."""

    smooth_degrees: float

    @cached_property
    def directions(self) -> FloatArray:
        """(n, 3) unit vectors (k, j, i), by polar angle, then round it."""
        polar = (np.arange(_POLAR) + 0.5) * np.pi / _POLAR
        around = np.arange(_ROUND) * 2 * np.pi / _ROUND
        theta, phi = (axis.ravel() for axis in np.meshgrid(polar, around, indexing="ij"))
        return np.stack([np.cos(theta), np.sin(theta) * np.sin(phi), np.sin(theta) * np.cos(phi)], axis=1)

    @cached_property
    def weights(self) -> FloatArray:
        """(n, n) weights of an average over neighbouring directions, each by its solid angle."""
        between = np.degrees(np.arccos(np.clip(self.directions @ self.directions.T, -1, 1)))
        share = np.exp(-0.5 * (between / self.smooth_degrees) ** 2) * self.solid_angle
        return np.asarray(share / share.sum(axis=1, keepdims=True))

    @property
    def solid_angle(self) -> FloatArray:
        """(n,) share of the sphere that each direction stands for."""
        ring = np.sqrt(1 - self.directions[:, 0] ** 2)
        return np.asarray(ring / ring.sum())

    def at(self, values: FloatArray, offsets: FloatArray) -> FloatArray:
        """Interpolate `values` (n,) of the directions at offsets (m, 3) from the centre, mm."""
        length = np.maximum(np.linalg.norm(offsets, axis=1), 1e-9)
        polar = np.arccos(np.clip(offsets[:, 0] / length, -1, 1)) * _POLAR / np.pi - 0.5
        around = np.arctan2(offsets[:, 1], offsets[:, 2]) % (2 * np.pi) * _ROUND / (2 * np.pi)
        table = values.reshape(_POLAR, _ROUND)
        table = np.concatenate([table, table[:, :1]], axis=1)
        return np.asarray(ndimage.map_coordinates(table, [polar, around], order=1, mode="nearest"))


@dataclass(frozen=True, eq=False)
class _Working:
    """A part of the window on a coarser grid: block means, and the change over one voxel of `grid_mm`.

    `lower` is where the part begins in the window, `blocks` how many of its voxels one of these holds,
    `spacing_mm` the window's.
    """

    image: NDArray[np.float32]
    change: NDArray[np.float32]
    lower: FloatArray
    blocks: FloatArray
    spacing_mm: FloatArray
    grid_mm: float
    noise: float
    contrast: float

    def sample(self, array: NDArray[np.float32], voxels: FloatArray) -> FloatArray:
        """Interpolate at (..., 3) fractional voxels of the window."""
        there = self._there(voxels)
        return np.asarray(
            ndimage.map_coordinates(array, np.moveaxis(there, -1, 0), order=1, mode="nearest", output=np.float64)
        )

    def is_outside(self, voxels: FloatArray) -> NDArray[np.bool_]:
        """Tell which (..., 3) fractional voxels of the window lie beyond the grid."""
        there = self._there(voxels)
        return np.asarray(((there < -0.5) | (there > np.asarray(self.image.shape) - 0.5)).any(axis=-1))

    def _there(self, voxels: FloatArray) -> FloatArray:
        return np.asarray((voxels - self.lower - (self.blocks - 1) / 2) / self.blocks)


def grow_by_rays(
    image: NDArray[np.float32], seeds: Seeds, recipe: RayRecipe, *, is_hu: bool
) -> tuple[NDArray[np.bool_], float]:
    """Return the voxels of `image`, the window, that rays from the centres reach, and the edges' strength, 0 to 1."""
    image, contrast = _contrast(image, seeds, recipe, is_hu=is_hu)
    sphere = _Sphere(recipe.smooth_degrees)
    whole = slice(0, seeds.shape[0]), slice(0, seeds.shape[1]), slice(0, seeds.shape[2])
    working = _working(image, whole, seeds.spacing_mm, recipe.grid_mm, contrast)
    mask = np.zeros(seeds.shape, dtype=bool)
    qualities = []
    for centre in seeds.centres:
        radii, quality = _radii(working, centre, recipe, sphere)
        finer = _finer(image, centre, seeds, recipe, contrast * recipe.fine_contrast)
        if finer is not None:
            small = _radii(finer, centre, recipe, sphere)
            if _is_small(float(radii @ sphere.solid_angle), small[1] - quality, recipe):
                radii, quality = small
        if seeds.box is not None:
            radii = _fitted_to_box(radii, centre, seeds, sphere)
        _fill_star(mask, centre, radii, seeds, sphere)
        qualities.append(quality)
    return mask, float(np.mean(qualities))


def _contrast(
    image: NDArray[np.float32], seeds: Seeds, recipe: RayRecipe, *, is_hu: bool
) -> tuple[NDArray[np.float32], float]:
    """Return the window, in HU cut to what tells soft tissues apart, and the contrast that edges are measured by."""
    if is_hu:
        near = [image[_around(centre, 2 * recipe.grid_mm, seeds)] for centre in seeds.centres]
        middle = float(np.median(np.concatenate([part.ravel() for part in near])))
        return np.clip(image, middle - recipe.contrast_hu, middle + recipe.contrast_hu), recipe.contrast_hu
    sample = image[::2, ::4, ::4].ravel()
    low, high = np.percentile(sample, [0.5, 99.5])
    foreground = sample[sample > low + 0.1 * (high - low)]
    if not len(foreground):
        return image, 1.0
    tenth, median, ninetieth = np.percentile(foreground, [10, 50, 90])
    return image, max(float(ninetieth - tenth), recipe.least_contrast * abs(float(median)), 1e-6)


def _is_small(mean_mm: float, clearer: float, recipe: RayRecipe) -> bool:
    """Tell whether the fine grid serves better, by the mean radius on the coarse one and how much clearer edges are."""
    if mean_mm < recipe.refine_below_mm:
        return True
    return clearer > (_AS_CLEAR if mean_mm < recipe.fine_if_clear_mm else recipe.prefer_small)


def _finer(
    image: NDArray[np.float32], centre: NDArray[np.int64], seeds: Seeds, recipe: RayRecipe, contrast: float
) -> _Working | None:
    """Return a finer grid round a centre; None where the voxels are too large for one."""
    grid_mm = max(recipe.fine_grid_mm, min(seeds.spacing_mm))
    if grid_mm > recipe.grid_mm / 2:
        return None
    near = _around(centre, _MOST_STEPS * _STEP * grid_mm, seeds)
    return _working(image, near, seeds.spacing_mm, grid_mm, contrast)


def _around(centre: NDArray[np.int64], reach_mm: float, seeds: Seeds) -> Window:
    """Return the part of the window within reach of a voxel."""
    reach = np.ceil(reach_mm / seeds.spacing_mm).astype(np.int64)
    k, j, i = (
        slice(max(0, int(c - r)), min(n, int(c + r) + 1)) for c, r, n in zip(centre, reach, seeds.shape, strict=True)
    )
    return k, j, i


def _working(
    image: NDArray[np.float32], part: Window, spacing_mm: FloatArray, grid_mm: float, contrast: float
) -> _Working:
    """Average blocks of a part of the window to voxels of about `grid_mm`, and take the smoothed image's change."""
    array = image[part]
    blocks = np.clip(np.rint(grid_mm / spacing_mm), 1, array.shape).astype(np.int64)
    coarse = _block_means(array, blocks)
    spacing = spacing_mm * blocks
    smooth = ndimage.gaussian_filter(coarse, grid_mm / spacing, mode="nearest")
    slopes = (np.gradient(smooth, s, axis=n) for n, s in enumerate(spacing) if smooth.shape[n] > 1)
    steepness = np.sqrt(sum((slope**2 for slope in slopes), np.zeros_like(smooth)))
    return _Working(
        image=ndimage.gaussian_filter(coarse, _SMOOTHING * grid_mm / spacing, mode="nearest"),
        change=np.asarray(steepness * grid_mm, dtype=np.float32),
        noise=float(np.median(steepness)) * grid_mm,
        lower=np.array([axis.start for axis in part], dtype=np.float64),
        blocks=blocks.astype(np.float64),
        spacing_mm=spacing_mm,
        grid_mm=grid_mm,
        contrast=contrast,
    )


def _block_means(array: NDArray[np.float32], blocks: NDArray[np.int64]) -> NDArray[np.float32]:
    """Average whole blocks; voxels that fill no block at the far ends are left out."""
    for axis, block in enumerate(blocks):
        size = int(block)
        along = np.moveaxis(array, axis, 0)[: array.shape[axis] // size * size]
        # adding strided views is several times faster than a mean over a short axis
        array = np.moveaxis(sum((along[n::size] for n in range(1, size)), along[::size]) / np.float32(size), 0, axis)
    return np.ascontiguousarray(array, dtype=np.float32)


def _radii(
    working: _Working, centre: NDArray[np.int64], recipe: RayRecipe, sphere: _Sphere
) -> tuple[FloatArray, float]:
    """Return how far the ray of each direction goes, mm, and the edges' mean strength where they end, 0 to 1."""
    step = working.grid_mm * _STEP
    reach: FloatArray = np.arange(1, int(min(recipe.reach_mm, _MOST_STEPS * step) / step) + 1, dtype=np.float64) * step
    voxels = centre + sphere.directions[:, None, :] * reach[None, :, None] / working.spacing_mm
    image, change = working.sample(working.image, voxels), working.sample(working.change, voxels)
    edge = np.asarray(
        np.clip((change - recipe.noise_floor * working.noise) / working.contrast / recipe.strong_edge, 0, 1),
        dtype=np.float64,
    )
    hazard = recipe.unlikeness * _unlikeness(image, reach, working, recipe) + recipe.edge * edge**recipe.edge_power
    hazard = hazard / working.grid_mm + recipe.length
    hazard[working.is_outside(voxels)] = 1.0
    total = sphere.weights @ np.cumsum(hazard * step, axis=1)
    passed = np.minimum((total < 1).sum(axis=1), len(reach) - 1)
    rays = np.arange(len(passed))
    before = np.where(passed > 0, total[rays, passed - 1], 0.0)
    share = np.clip((1 - before) / np.maximum(total[rays, passed] - before, 1e-9), 0, 1)
    quality = float(edge[rays, passed] @ sphere.solid_angle)
    radii = (passed + share) * step
    onward = 1 + sphere.weights @ (_to_crest(change, passed, round(_CREST / _STEP)) * step / radii)
    return radii * onward, quality


def _to_crest(change: FloatArray, passed: NDArray[np.intp], ahead: int) -> FloatArray:
    """Return how many steps beyond where a ray ended its edge is steepest: rays end at an edge's foot."""
    steps = np.minimum(passed[:, None] + np.arange(ahead + 1), change.shape[1] - 1)
    return np.asarray(np.take_along_axis(change, steps, axis=1).argmax(axis=1), dtype=np.float64)


def _unlikeness(image: FloatArray, reach: FloatArray, working: _Working, recipe: RayRecipe) -> FloatArray:
    """Return how unlike the voxels round the centre each sample is, 0 to 1: one at three times their spread."""
    near = image[:, reach <= recipe.seed_radius * working.grid_mm]
    middle = float(np.median(near))
    noise = max(1.4826 * float(np.median(np.abs(near - middle))), recipe.least_noise * working.contrast)
    return np.asarray(np.minimum(((image - middle) / (3 * noise)) ** 2, 1.0))


def _fitted_to_box(radii: FloatArray, centre: NDArray[np.int64], seeds: Seeds, sphere: _Sphere) -> FloatArray:
    """Keep rays between a share of the ellipsoid that fills the box and the box: the region is about as large."""
    assert seeds.box is not None
    half = np.maximum((seeds.box[1] - seeds.box[0] + 1) / 2 * seeds.spacing_mm, seeds.spacing_mm / 2)
    ellipsoid = 1 / np.linalg.norm(sphere.directions / half, axis=1)
    to_side = 1 / np.abs(sphere.directions / half).max(axis=1)
    return np.asarray(np.clip(radii, _LEAST_OF_BOX * ellipsoid, np.minimum(to_side, _MOST_OF_BOX * ellipsoid)))


def _fill_star(
    mask: NDArray[np.bool_], centre: NDArray[np.int64], radii: FloatArray, seeds: Seeds, sphere: _Sphere
) -> None:
    """Set the voxels that lie nearer to a centre than the ray of their direction goes."""
    part = _around(centre, float(radii.max()), seeds)
    axes = [(np.arange(s.start, s.stop) - c) * mm for s, c, mm in zip(part, centre, seeds.spacing_mm, strict=True)]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    away = np.linalg.norm(offsets, axis=-1)
    inside = away <= radii.min()
    unsure = ~inside & (away <= radii.max())
    inside[unsure] = away[unsure] <= sphere.at(radii, offsets[unsure])
    mask[part] |= inside
