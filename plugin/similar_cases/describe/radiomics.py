"""Radiomics of a Region by pyradiomics, cropped to the Region's box, each feature with its validity.

The only door to the package ``radiomics``. Its log is silenced on import: it writes a traceback for every feature that
a small region does not have, which here is a reason in `RadiomicsVector.missing`.
"""

import logging
import math
import warnings
from dataclasses import dataclass, replace
from importlib.metadata import version

import numpy as np
import radiomics
import SimpleITK as sitk
from numpy.typing import NDArray
from radiomics import cShape, firstorder, glcm, gldm, glrlm, glszm, ngtdm, shape
from threadpoolctl import ThreadpoolController

from similar_cases.describe.mesh import CubeVolumes, mesh_of
from similar_cases.domain.description import RadiomicsRecipe, RadiomicsVector
from similar_cases.domain.errors import DescriptionFailed, InvalidSettings
from similar_cases.domain.region import Region
from similar_cases.domain.volume import Volume

_CUBE_VOLUMES = CubeVolumes.measured_by(cShape.calculate_coefficients)


class _Shape(shape.RadiomicsShape):  # type: ignore[misc]
    """pyradiomics' shape features, made of what ``describe.mesh`` measures: the same values, sooner."""

    __module__ = shape.__name__  # names its log, which is silenced

    def _initSegmentBasedCalculation(self) -> None:  # noqa: N802 - the hook of pyradiomics
        self.pixelSpacing = np.array(self.inputImage.GetSpacing()[::-1])
        self.maskArray = np.pad(sitk.GetArrayFromImage(self.inputMask) == self.label, 1)
        self.labelledVoxelCoordinates = np.nonzero(self.maskArray)
        mesh = mesh_of(self.maskArray, self.pixelSpacing, cShape.calculate_coefficients, _CUBE_VOLUMES)
        self.SurfaceArea, self.Volume, self.diameters = mesh.area_mm2, mesh.volume_mm3, mesh.diameters_mm
        self.eigenValues = _variances(np.argwhere(self.maskArray) * self.pixelSpacing)


def _variances(points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the variances (3,) of points (n, 3) along their principal axes, ascending."""
    off = (points_mm - points_mm.mean(axis=0)) / np.sqrt(len(points_mm))
    variances = np.linalg.eigvals(off.T.copy() @ off)
    variances[(variances < 0) & (variances > -1e-10)] = 0.0  # rounding, as pyradiomics has it
    return np.asarray(np.sort(variances))


_CLASSES = {
    "shape": _Shape,
    "firstorder": firstorder.RadiomicsFirstOrder,
    "glcm": glcm.RadiomicsGLCM,
    "glrlm": glrlm.RadiomicsGLRLM,
    "glszm": glszm.RadiomicsGLSZM,
    "gldm": gldm.RadiomicsGLDM,
    "ngtdm": ngtdm.RadiomicsNGTDM,
}


def feature_names(*classes: str) -> tuple[str, ...]:
    """Return the names ``class_Feature`` of feature `classes`, in order; deprecated features are left out.

    >>> len(feature_names("shape")), feature_names("ngtdm")[0]
    (14, 'ngtdm_Busyness')
    """
    return tuple(
        f"{name}_{feature}"
        for name in classes
        for feature, deprecated in _CLASSES[name].getFeatureNames().items()
        if not deprecated
    )


#: every feature of the seven classes
ALL_107 = feature_names(*_CLASSES)
#: the features of RadiomicsRetrieval (arXiv 2507.08546, section 2.2): 14 shape, 18 first-order, 24 GLCM, 16 GLSZM
PAPER_72 = feature_names("shape", "firstorder", "glcm", "glszm")

#: pyradiomics answers these with a made-up constant where the Region has one grey level (docs of each feature)
_UNDEFINED_WHEN_FLAT = frozenset(
    {
        "firstorder_Kurtosis",
        "firstorder_Skewness",
        "glcm_Correlation",
        "glcm_Imc1",
        "glcm_Imc2",
        "glcm_MCC",
        "ngtdm_Busyness",
        "ngtdm_Coarseness",
        "ngtdm_Complexity",
        "ngtdm_Contrast",
        "ngtdm_Strength",
    }
)
#: a box has at most this many times `RadiomicsRecipe.max_voxels` voxels: scattered Regions have large, empty boxes
_BOX_FACTOR = 16

radiomics.logger.setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True)
class _Grid:
    """An isotropic grid that lies on a Volume's, both cornered at the same point, as pyradiomics lays it.

    Attributes:
        ratio: (k, j, i), new spacing over the Volume's.
        first: (k, j, i) of the first voxel of the box, counted in the new grid over the whole Volume.
        size: voxels of the box along (k, j, i).
    """

    ratio: tuple[float, float, float]
    first: tuple[int, int, int]
    size: tuple[int, int, int]

    @classmethod
    def round_box(cls, region: Region, ratio: tuple[float, float, float]) -> "_Grid":
        """Return the smallest grid whose voxels cover the box of `region`, one voxel more on each side."""
        lows, sizes = np.array(region.lower_index), np.array(region.mask.shape)
        first = np.floor(lows / ratio).astype(int)
        last = np.ceil((lows + sizes) / ratio).astype(int)
        return cls(ratio, tuple(first.tolist()), tuple((last - first).tolist()))

    def indices(self, axis: int) -> NDArray[np.float64]:
        """Return where its voxels' centres lie along `axis`, as fractional indices of the Volume."""
        counted = self.first[axis] + np.arange(self.size[axis], dtype=np.float64)
        return np.asarray((counted + 0.5) * self.ratio[axis] - 0.5)


class RadiomicsExtractor:
    """Computes a RadiomicsVector under one recipe; holds no state between Regions, and may be shared by threads."""

    def __init__(self, recipe: RadiomicsRecipe) -> None:
        """Refuse a recipe that cannot be followed.

        Raises:
            InvalidSettings: for an unknown class, or not exactly one of bin count and bin width.
        """
        unknown = [name for name in recipe.classes if name not in _CLASSES]
        if unknown:
            raise InvalidSettings(f"unknown radiomics classes {unknown}; known are {', '.join(_CLASSES)}")
        if (recipe.bin_count is None) == (recipe.bin_width is None):
            raise InvalidSettings("a radiomics recipe has either a bin count or a bin width")
        self._recipe = replace(recipe, library=f"pyradiomics-cuda {version('pyradiomics-cuda')}")
        self._threads = ThreadpoolController()

    @property
    def recipe(self) -> RadiomicsRecipe:
        """The recipe, with the library that computes."""
        return self._recipe

    @property
    def names(self) -> tuple[str, ...]:
        """The features that a vector can have, in order."""
        return feature_names(*self._recipe.classes)

    def extract(self, volume: Volume, region: Region) -> RadiomicsVector:
        """Return the features of `region` in `volume`; what cannot be computed is absent, with its reason.

        Values depend on the spacing and the order of the axes (k, j, i), not on where the grid lies or how it is
        turned. They equal those computed on the whole Volume: only the Region's box is resampled, on the grid that the
        whole Volume would get.

        Raises:
            DescriptionFailed: when not one feature can be computed.
        """
        voxels, mask, spacing_mm, notes = _prepare(volume, region, self._recipe)
        image, inside = _sitk_image(voxels, spacing_mm), _sitk_image(mask.astype(np.uint8), spacing_mm)
        # the GLCM's matrices are small: threads only wait for each other (1.04 s, not 0.15 s, on a busy machine)
        with self._threads.limit(limits=1, user_api="blas"):
            values, missing = self._compute(image, inside)
        if _is_flat(voxels, mask, self._recipe):
            missing |= dict.fromkeys(_UNDEFINED_WHEN_FLAT & values.keys(), "undefined where there is one grey level")
        kept = {name: values[name] for name in self.names if name in values and name not in missing}
        if not kept:
            raise DescriptionFailed("no radiomics feature can be computed: " + "; ".join(sorted(set(missing.values()))))
        return RadiomicsVector(
            kept, self._recipe, {name: missing[name] for name in self.names if name in missing}, notes
        )

    def _compute(self, image: sitk.Image, mask: sitk.Image) -> tuple[dict[str, float], dict[str, str]]:
        values: dict[str, float] = {}
        missing: dict[str, str] = {}
        for name in self._recipe.classes:
            try:
                computed = _execute(name, image, mask, self._recipe)
            except Exception as error:  # whatever a class of pyradiomics breaks with, the others go on
                missing |= dict.fromkeys(feature_names(name), f"{name} failed: {type(error).__name__}: {error}"[:200])
                continue
            values |= {key: value for key, value in computed.items() if math.isfinite(value)}
            missing |= {key: "no finite value for this region" for key in feature_names(name) if key not in values}
        return values, missing


def _execute(name: str, image: sitk.Image, mask: sitk.Image, recipe: RadiomicsRecipe) -> dict[str, float]:
    binning = {"binCount": recipe.bin_count} if recipe.bin_count is not None else {"binWidth": recipe.bin_width}
    # divisions by zero are how pyradiomics finds out that a feature is undefined; they come back as NaN
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        computed = _CLASSES[name](image, mask, **binning).execute()
    return {f"{name}_{feature}": float(np.real(value)) for feature, value in computed.items()}


def _prepare(
    volume: Volume, region: Region, recipe: RadiomicsRecipe
) -> tuple[NDArray[np.float64], NDArray[np.bool_], tuple[float, float, float], tuple[str, ...]]:
    """Return voxels, mask, spacing (k, j, i) and notes of the Region's box, resampled as the recipe says."""
    wanted_mm, notes = _spacing_of(region, recipe)
    spacing_mm = volume.geometry.spacing_mm
    if wanted_mm is None or np.allclose(spacing_mm, wanted_mm, rtol=1e-5):
        return volume.array[region.slices_in(volume)].astype(np.float64), region.mask, spacing_mm, notes
    k, j, i = (wanted_mm / old for old in spacing_mm)
    grid = _Grid.round_box(region, (k, j, i))
    mask = _resample_mask(region, grid)
    if not mask.any():
        mask = _cover_mask(region, grid)
        notes = (*notes, f"thinner than {wanted_mm:g} mm: the voxels that its own voxels lie in stand for it")
    return _resample_voxels(volume, region, grid), mask, (wanted_mm, wanted_mm, wanted_mm), notes


def _spacing_of(region: Region, recipe: RadiomicsRecipe) -> tuple[float | None, tuple[str, ...]]:
    """Return the spacing to resample to, coarser than the recipe's where the Region is over the bound."""
    if recipe.max_voxels is None:
        return recipe.spacing_mm, ()
    voxel_mm3 = region.geometry.voxel_volume_mm3
    inside, box = int(np.count_nonzero(region.mask)), region.mask.size
    crowd = max(inside / recipe.max_voxels, box / (recipe.max_voxels * _BOX_FACTOR))
    least_mm = math.ceil((crowd * voxel_mm3) ** (1 / 3) * 100) / 100
    if (crowd <= 1) if recipe.spacing_mm is None else (least_mm <= recipe.spacing_mm):
        return recipe.spacing_mm, ()
    usual = "its own grid" if recipe.spacing_mm is None else f"{recipe.spacing_mm:g} mm"
    return least_mm, (f"resampled to {least_mm:g} mm, not {usual}: over {recipe.max_voxels} voxels",)


def _resample_mask(region: Region, grid: _Grid) -> NDArray[np.bool_]:
    """Take the nearest voxel of the Region's mask for each voxel of `grid`; outside its box there is none."""
    padded = np.pad(region.mask, 1)
    nearest = [
        np.clip(np.floor(grid.indices(axis) + 0.5).astype(int) - region.lower_index[axis] + 1, 0, size + 1)
        for axis, size in enumerate(region.mask.shape)
    ]
    return padded[np.ix_(*nearest)]


def _cover_mask(region: Region, grid: _Grid) -> NDArray[np.bool_]:
    """Mark each voxel of `grid` in which the centre of a voxel of the Region lies."""
    centres = np.argwhere(region.mask) + region.lower_index + 0.5
    cells = np.floor(centres / grid.ratio).astype(int) - grid.first
    mask = np.zeros(grid.size, dtype=bool)
    mask[tuple(np.clip(cells, 0, np.array(grid.size) - 1).T)] = True
    return mask


def _resample_voxels(volume: Volume, region: Region, grid: _Grid) -> NDArray[np.float64]:
    """Interpolate linearly on `grid`, in the Volume's index space, from the box and what the kernel reaches beyond."""
    box = region.slices_in(volume, margin=math.ceil(max(grid.ratio)) + 1)
    source = sitk.GetImageFromArray(volume.array[box].astype(np.float64))
    source.SetOrigin([float(part.start) for part in reversed(box)])
    target = sitk.ResampleImageFilter()
    target.SetInterpolator(sitk.sitkLinear)
    target.SetSize(list(reversed(grid.size)))
    target.SetOutputSpacing(list(reversed(grid.ratio)))
    target.SetOutputOrigin([float(grid.indices(axis)[0]) for axis in (2, 1, 0)])
    return np.asarray(sitk.GetArrayFromImage(target.Execute(source)))


def _sitk_image(array: NDArray[np.generic], spacing_mm: tuple[float, float, float]) -> sitk.Image:
    """Wrap an array (k, j, i); pyradiomics reads the spacing alone, so direction and origin stay at their defaults."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(list(reversed(spacing_mm)))
    return image


def _is_flat(voxels: NDArray[np.float64], mask: NDArray[np.bool_], recipe: RadiomicsRecipe) -> bool:
    """Tell whether all voxels inside fall into one grey level."""
    inside = voxels[mask]
    if recipe.bin_width is None:
        return bool(inside.min() == inside.max())
    return bool(inside.min() // recipe.bin_width == inside.max() // recipe.bin_width)
