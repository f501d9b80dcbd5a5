"""`Segmenter` by the trained network: a click, several, a box or a mask becomes a Region at the right scale."""

import weakref
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from similar_cases.domain.errors import SegmentationFailed
from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.prompts import BoxPrompt, MaskPrompt, PointPrompt, Polarity, PromptSet
from similar_cases.domain.region import AlgorithmIdentity, Authorship, Region
from similar_cases.domain.volume import Volume, VoxelUnit
from similar_cases.models.shipped import shipped_bundle
from similar_cases.segment.backends.promptable.look import Found, Grid, Hints
from similar_cases.segment.backends.promptable.network import load_network
from similar_cases.segment.backends.promptable.zoom import Looker, ZoomRecipe
from similar_cases.segment.planes import mask_on_grid


@dataclass(frozen=True, eq=False)
class Told:
    """The prompts, on the volume's grid.

    Attributes:
        inside, outside: (n, 3) int voxels (k, j, i) that must be in the mask, and must not.
        box: (2, 3) int first and last voxel of what the region may fill; None for all.
        drawn: a mask so far on a box of the volume's grid; None for none.
    """

    inside: NDArray[np.int64]
    outside: NDArray[np.int64]
    box: NDArray[np.int64] | None
    drawn: MaskPrompt | None


class PromptableSegmenter:
    """The bundle in `folder` (None for the one that is shipped), on `device`. May be shared by threads.

    Raises:
        InvalidSettings: when the bundle is incomplete or its weights have another hash.
    """

    def __init__(self, folder: Path | None = None, device: str = "cpu", recipe: ZoomRecipe | None = None) -> None:
        network, metadata = load_network(folder or shipped_bundle("promptable"), device)
        self._looker = Looker(network=network, recipe=recipe or ZoomRecipe(), device=device)
        self._quick = replace(self._looker, recipe=replace(self._looker.recipe, looks=2, mirrored=False))
        parameters = [(one.name, f"{getattr(self._looker.recipe, one.name):g}") for one in fields(ZoomRecipe)]
        parameters.append(("weights_sha256", str(metadata["weights_sha256"])[:16]))
        self._on_device = weakref.WeakKeyDictionary[Volume, torch.Tensor]()
        self._identity = AlgorithmIdentity(
            name="Promptable U-Net", version=str(metadata["version"]), parameters=tuple(sorted(parameters))
        )

    @property
    def identity(self) -> AlgorithmIdentity:
        """Name, version, how it looks, and the beginning of the weights' hash."""
        return self._identity

    def segment(self, volume: Volume, prompts: PromptSet) -> Region:
        """Return the Region that `prompts` point at, in the grid of `volume`.

        Raises:
            SegmentationFailed: when no positive prompt lies inside the volume, a voxel is asked for both in and out,
                or nothing was found there.
        """
        return self._region(volume, prompts, self._looker)

    def propose(self, volume: Volume, prompts: PromptSet) -> Region:
        """Return the Region as `segment` does, with fewer looks: for finding what there is, many times a volume."""
        return self._region(volume, prompts, self._quick)

    def _region(self, volume: Volume, prompts: PromptSet, looker: Looker) -> Region:
        told = told_of(prompts, volume.geometry)
        grid = self._prepared(volume)
        found = looker.mask(grid, _hints_of(told, volume.geometry))
        mask, lower = as_told(found, told)
        if not mask.any():
            raise SegmentationFailed("nothing was found at the points; place them well inside, or draw a box")
        region = Region.from_mask(
            mask,
            volume.geometry.crop(lower, mask.shape),
            tracking_uid=prompts.tracking_uid,
            label=prompts.label,
            finding=prompts.finding,
            finding_site=prompts.finding_site,
            authorship=Authorship.SEMIAUTOMATIC,
            origin=prompts.origin,
            source_sop_instance_uid=prompts.source_sop_instance_uid,
            algorithm=self._identity,
            quality=round(found.quality, 4),
        )
        k, j, i = (int(n) for n in lower + region.lower_index)
        return replace(region, lower_index=(k, j, i))

    def _prepared(self, volume: Volume) -> Grid:
        """Return the volume as the network reads it; on a GPU it goes there once, and stays as long as the volume."""
        affine = torch.from_numpy(np.array(volume.geometry.affine))
        hounsfield = volume.unit is VoxelUnit.HU
        if self._looker.device == "cpu":
            return Grid(volume.array, affine, hounsfield)
        voxels = self._on_device.get(volume)
        if voxels is None:
            voxels = torch.as_tensor(np.array(volume.array), device=self._looker.device)
            self._on_device[volume] = voxels
        return Grid(voxels, affine, hounsfield)


def told_of(prompts: PromptSet, geometry: VolumeGeometry) -> Told:
    """Return the prompts on the grid of a volume.

    Raises:
        SegmentationFailed: when none that is positive lies inside the volume, or a voxel is asked for both in and out.
    """
    told = Told(
        inside=_voxels(prompts, Polarity.POSITIVE, geometry),
        outside=_voxels(prompts, Polarity.NEGATIVE, geometry),
        box=_box_of(prompts, geometry),
        drawn=mask_on_grid([prompt for prompt in prompts.prompts if isinstance(prompt, MaskPrompt)], geometry),
    )
    if not len(told.inside) and told.box is None and told.drawn is None:
        raise SegmentationFailed("no positive point, box or mask lies inside the volume; click inside the image")
    if {tuple(voxel) for voxel in told.inside} & {tuple(voxel) for voxel in told.outside}:
        raise SegmentationFailed("a positive and a negative point lie in the same voxel")
    return told


def _voxels(prompts: PromptSet, polarity: Polarity, geometry: VolumeGeometry) -> NDArray[np.int64]:
    """Return the voxels (n, 3) of the points of one polarity that lie in the volume."""
    points = [one.point_lps for one in prompts.prompts if isinstance(one, PointPrompt) and one.polarity is polarity]
    within = [point for point in points if geometry.contains_lps(point)]
    index = np.rint(geometry.lps_to_index(np.reshape(within, (-1, 3)))).astype(np.int64)
    return np.asarray(np.clip(index, 0, np.asarray(geometry.shape) - 1))


def _box_of(prompts: PromptSet, geometry: VolumeGeometry) -> NDArray[np.int64] | None:
    """Return the first and last voxel (2, 3) of the smallest box of voxels that holds all box prompts; None for none.

    Raises:
        SegmentationFailed: when it lies outside the volume.
    """
    corners = [
        (x, y, z)
        for box in prompts.prompts
        if isinstance(box, BoxPrompt)
        for x, y, z in product(*zip(box.lower_lps, box.upper_lps, strict=True))
    ]
    if not corners:
        return None
    index = geometry.lps_to_index(corners)
    lower = np.clip(np.ceil(index.min(axis=0)), 0, None)
    upper = np.clip(np.floor(index.max(axis=0)), None, np.asarray(geometry.shape) - 1)
    if (upper < lower).any():
        raise SegmentationFailed("the box holds no voxel of the volume")
    return np.stack((lower, upper)).astype(np.int64)


def _hints_of(told: Told, geometry: VolumeGeometry) -> Hints:
    drawn = told.drawn
    return Hints(
        positive=torch.from_numpy(geometry.index_to_lps(told.inside)),
        negative=torch.from_numpy(geometry.index_to_lps(told.outside)),
        box=None if told.box is None else _corners_of(told.box, geometry),
        previous=Grid(drawn.mask, torch.from_numpy(np.array(drawn.geometry.affine))) if drawn else None,
    )


def _corners_of(box: NDArray[np.int64], geometry: VolumeGeometry) -> torch.Tensor:
    """Return the (2, 3) corners, LPS mm, of the box along the axes of LPS round a box of voxels."""
    lps = geometry.index_to_lps(list(product(*box.T)))
    return torch.from_numpy(np.stack((lps.min(axis=0), lps.max(axis=0))))


def as_told(found: Found, told: Told) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Set the voxels clicked as inside; clear those clicked as outside, and those out of the box.

    Returns:
        The mask (k, j, i) on a box of the volume's grid that holds all of it, and where the box begins.
    """
    corners = np.concatenate([told.inside, found.lower_index[None], found.lower_index[None] + found.mask.shape - 1])
    lower = corners.min(axis=0)
    mask = np.zeros(corners.max(axis=0) - lower + 1, dtype=bool)
    mask[tuple(slice(a, a + n) for a, n in zip(found.lower_index - lower, found.mask.shape, strict=True))] = found.mask
    if told.box is not None:
        window = tuple(slice(max(0, a), max(0, b + 1)) for a, b in (told.box - lower).T)
        kept = np.zeros_like(mask)
        kept[window] = mask[window]
        mask = kept
    mask[tuple((told.inside - lower).T)] = True
    outside = told.outside - lower
    mask[tuple(outside[((outside >= 0) & (outside < mask.shape)).all(axis=1)].T)] = False
    return mask, lower
