"""Segment everything: a Series that nobody annotated gives Regions too, found without a hint.

Points are laid over the body, first where something stands out from what is round it, then where no point is near yet;
each gives a mask. Masks are kept by the segmenter's estimate of their quality and by how little they change under a
moved click, of several over one thing the best, and put in order: what stands out clearly, and is sure, comes first
(Kirillov et al. 2023, arXiv 2304.02643, section 5, laid out in three dimensions). Nothing is drawn by chance.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from similar_cases.domain.case import derived_uid
from similar_cases.domain.errors import SegmentationFailed
from similar_cases.domain.prompts import PointLps, PointPrompt, PromptOrigin, PromptSet
from similar_cases.domain.region import Authorship, Region
from similar_cases.domain.volume import Volume, VoxelUnit
from similar_cases.segment.segmenter import Segmenter

#: voxels of the coarse copy in which points are sought, mm
_COARSE_MM = 5.0
#: what stands out is sought at these sizes, coarse voxels
_SIGMAS = (1.0, 2.0, 4.0)
#: share of the points that go to what stands out; the others fill the gaps
_STANDING_OUT = 0.5
#: how often the others move to the middle of their parts
_MOVES = 6
#: no two points are nearer, mm
_APART_MM = 15.0
#: CT over this is body, HU; other modalities by their share of the 99th percentile
_BODY_HU, _BODY_SHARE = -300.0, 0.12


@dataclass(frozen=True, kw_only=True)
class EverythingRecipe:
    """How much is looked for; every number changes what is found.

    Attributes:
        points: at most so many are looked at; each costs a segmentation.
        regions: at most so many Regions are kept; each costs one more segmentation, and its description.
        quality: the segmenter's estimate that a mask must reach, where it makes one; chosen on three training patients.
        stability: Dice of a mask with what a moved click gives, that it must reach.
        overlap: Dice over which two masks are of one thing.
        smallest_ml, largest_ml: what is smaller is noise, what is larger is the body.
    """

    points: int = 8
    regions: int = 4
    quality: float = 0.3
    stability: float = 0.6
    overlap: float = 0.4
    smallest_ml: float = 0.05
    largest_ml: float = 3000.0


@runtime_checkable
class Proposer(Protocol):
    """A Segmenter that can also answer more quickly, and less finely."""

    def propose(self, volume: Volume, prompts: PromptSet) -> Region:
        """Return a Region as ``Segmenter.segment`` does."""
        ...


@dataclass(frozen=True, eq=False)
class Candidate:
    """A mask that a point gave; `clarity` 0 to 1 is how much it differs from what is round it."""

    point_lps: PointLps
    region: Region
    clarity: float

    @property
    def worth(self) -> float:
        """Quality as far as it is known, times clarity."""
        return (1.0 if self.region.quality is None else self.region.quality) * self.clarity


def segment_everything(
    volume: Volume, segmenter: Segmenter, recipe: EverythingRecipe, keep_going: Callable[[], None] = lambda: None
) -> list[Region]:
    """Return the Regions that are found without a hint, the clearest and surest first, at most ``recipe.regions``.

    Args:
        volume: any CT, MR or PT.
        segmenter: asked once a point, and once more a Region kept; its ``propose`` where it is a Proposer.
        recipe: what it may cost.
        keep_going: called before each point; raises when the work is for nothing by now.
    """
    if recipe.points <= 0 or recipe.regions <= 0:
        return []
    candidates: list[Candidate] = []
    for point in points_in(volume, recipe.points):
        keep_going()
        found = _at(volume, point, segmenter)
        if found is not None and _is_kept(found, recipe):
            candidates.append(Candidate(point, found, clarity(volume, found)))
    regions: list[Region] = []
    for one in _apart(sorted(candidates, key=lambda one: (-one.worth, one.point_lps)), recipe.overlap):
        keep_going()
        if len(regions) == recipe.regions:
            break
        moved = _at(volume, moved_point(one, volume), segmenter)
        if moved is not None and overlap_of(moved, one.region) >= recipe.stability:
            regions.append(one.region)
    return regions


def found_again(volume: Volume, tracking_uid: str, segmenter: Segmenter, recipe: EverythingRecipe) -> Region | None:
    """Return one of the Regions that `segment_everything` gave, by one segmentation; None where none has that UID."""
    points = points_in(volume, recipe.points)
    there = next((point for point in points if prompts_at(volume, point).tracking_uid == tracking_uid), None)
    return None if there is None else _at(volume, there, segmenter)


def prompts_at(volume: Volume, point: PointLps) -> PromptSet:
    """Return the prompt of one point; its Region's UID follows from Volume and point."""
    uid = derived_uid("everything", volume.series.series_uid, volume.number, *(f"{c:.3f}" for c in point))
    return PromptSet(prompts=(PointPrompt(point),), tracking_uid=uid, origin=PromptOrigin.ALGORITHM)


def points_in(volume: Volume, count: int) -> list[PointLps]:
    """Return at most `count` points in the body, LPS mm, what stands out most first; none where there is no body."""
    steps = [max(1, round(_COARSE_MM / side)) for side in volume.geometry.spacing_mm]
    coarse = np.nan_to_num(volume.array[tuple(slice(step // 2, None, step) for step in steps)])
    coarse = ndimage.gaussian_filter(coarse, 0.5)
    body = body_in(coarse, volume.unit)
    if not body.any():
        return []
    sides = np.array([side * step for side, step in zip(volume.geometry.spacing_mm, steps, strict=True)])
    chosen: list[NDArray[np.float64]] = []
    for place in _standing_out(coarse, body):
        if len(chosen) >= count * _STANDING_OUT:
            break
        if all(np.linalg.norm((place - other) * sides) >= _APART_MM for other in chosen):
            chosen.append(place.astype(np.float64))
    chosen += _between(np.argwhere(body), sides, chosen, count - len(chosen))
    index = np.array(chosen).reshape(-1, 3) * steps + np.array(steps) // 2
    return [(float(x), float(y), float(z)) for x, y, z in volume.geometry.index_to_lps(index)]


def body_in(coarse: NDArray[np.float32], unit: VoxelUnit) -> NDArray[np.bool_]:
    """Return where a body is in a coarse copy (k, j, i): its largest part, holes such as lungs filled by slices."""
    level = _BODY_HU if unit is VoxelUnit.HU else _BODY_SHARE * float(np.percentile(coarse, 99.0))
    labels, count = ndimage.label(coarse > level)
    if not count:
        return np.zeros(coarse.shape, dtype=bool)
    largest = labels == 1 + int(np.bincount(labels.ravel())[1:].argmax())
    return np.stack([ndimage.binary_fill_holes(plane) for plane in largest])


def clarity(volume: Volume, region: Region) -> float:
    """Return 0 to 1: how far the median inside lies from that in the shell round it, in spreads of both."""
    box = region.slices_in(volume, margin=3)
    inside = np.zeros([axis.stop - axis.start for axis in box], dtype=bool)
    first = [low - axis.start for low, axis in zip(region.lower_index, box, strict=True)]
    inside[tuple(slice(a, a + n) for a, n in zip(first, region.mask.shape, strict=True))] = region.mask
    shell = ndimage.binary_dilation(inside, iterations=3) & ~inside
    voxels = np.nan_to_num(volume.array[box])
    if not shell.any():
        return 0.0
    within, around = voxels[inside], voxels[shell]
    spread = float(np.hypot(within.std(), around.std())) or 1.0
    return float(np.tanh(abs(float(np.median(within)) - float(np.median(around))) / spread))


def overlap_of(one: Region, other: Region) -> float:
    """Return the Dice coefficient of two Regions of one Volume."""
    low = np.maximum(one.lower_index, other.lower_index)
    high = np.minimum(np.add(one.lower_index, one.mask.shape), np.add(other.lower_index, other.mask.shape))
    if (high <= low).any():
        return 0.0
    both = np.logical_and(*(_part(region, low, high) for region in (one, other)))
    return 2.0 * int(both.sum()) / (int(one.mask.sum()) + int(other.mask.sum()))


def moved_point(one: Candidate, volume: Volume) -> PointLps:
    """Return another voxel inside a candidate: halfway from its point to the deepest voxel, or beside the deepest."""
    sides = volume.geometry.spacing_mm
    depth = ndimage.distance_transform_edt(np.pad(one.region.mask, 1), sampling=sides)[1:-1, 1:-1, 1:-1]
    deepest = np.array(np.unravel_index(int(depth.argmax()), depth.shape)) + one.region.lower_index
    clicked = volume.geometry.lps_to_index(one.point_lps)[0]
    inside = np.argwhere(one.region.mask) + one.region.lower_index
    apart = np.linalg.norm((inside - clicked) * sides, axis=1)
    wanted = max(0.35 * float(depth.max()), min(sides))
    reached = inside[np.argmin(np.abs(apart - wanted) + 0.1 * np.linalg.norm((inside - deepest) * sides, axis=1))]
    x, y, z = volume.geometry.index_to_lps(reached)[0]
    return float(x), float(y), float(z)


def _at(volume: Volume, point: PointLps, segmenter: Segmenter) -> Region | None:
    prompts = prompts_at(volume, point)
    try:
        asked = segmenter.propose if isinstance(segmenter, Proposer) else segmenter.segment
        return replace(asked(volume, prompts), authorship=Authorship.AUTOMATIC)
    except SegmentationFailed:
        return None


def _is_kept(region: Region, recipe: EverythingRecipe) -> bool:
    sure = region.quality is None or region.quality >= recipe.quality
    return sure and recipe.smallest_ml <= region.volume_ml <= recipe.largest_ml


def _apart(candidates: list[Candidate], overlap: float) -> Iterator[Candidate]:
    """Yield the candidates, best first, that are not of the same thing as a better one."""
    better: list[Candidate] = []
    for one in candidates:
        if all(overlap_of(one.region, other.region) < overlap for other in better):
            better.append(one)
            yield one


def _part(region: Region, low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.bool_]:
    begin = low - region.lower_index
    part = region.mask[tuple(slice(int(a), int(b)) for a, b in zip(begin, high - region.lower_index, strict=True))]
    return np.asarray(part, dtype=bool)


def _standing_out(coarse: NDArray[np.float32], body: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (n, 3) coarse voxels that are the middle of a blob, bright or dark, strongest first (Lindeberg 1998)."""
    smooth = [ndimage.gaussian_filter(coarse, sigma) for sigma in (*_SIGMAS, 2 * _SIGMAS[-1])]
    blobs = np.stack([np.abs(fine - rough) for fine, rough in pairwise(smooth)])
    strength = (blobs / np.maximum(blobs[:, body].std(axis=1), 1e-6)[:, None, None, None]).max(axis=0)
    peaks = (ndimage.maximum_filter(strength, 3) == strength) & ndimage.binary_erosion(body)
    places = np.argwhere(peaks)
    return np.asarray(places[np.argsort(-strength[peaks], kind="stable")])


def _between(
    inside: NDArray[np.int64], sides: NDArray[np.float64], chosen: list[NDArray[np.float64]], count: int
) -> list[NDArray[np.float64]]:
    """Return at most `count` of (n, 3) voxels that share with `chosen` what they leave, each in the middle of its part.

    They begin as far as can be from `chosen` and from each other, which is at the skin, and move to the middle of the
    voxels nearest to them (Lloyd 1982): the large thing that stands out nowhere has its point inside.
    """
    places = inside * sides
    fixed = np.array(chosen).reshape(-1, 3) * sides
    found = _far_apart(places, fixed, count)
    for _ in range(_MOVES if len(found) else 0):
        owner = cKDTree(np.concatenate([fixed, found])).query(places)[1] - len(fixed)
        own = [places[owner == number] for number in range(len(found))]
        found = np.array([part.mean(axis=0) if len(part) else place for part, place in zip(own, found, strict=True)])
    kept: list[NDArray[np.float64]] = []
    for place in found:
        voxel = inside[int(np.linalg.norm(places - place, axis=1).argmin())].astype(np.float64)
        if all(np.linalg.norm((voxel - other) * sides) >= _APART_MM for other in (*chosen, *kept)):
            kept.append(voxel)
    return kept


def _far_apart(places: NDArray[np.float64], fixed: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return at most `count` of (n, 3) places, mm, each as far as can be from `fixed` and those before it."""
    near = np.full(len(places), np.inf)
    for other in fixed:
        near = np.minimum(near, np.linalg.norm(places - other, axis=1))
    found: list[NDArray[np.float64]] = []
    for _ in range(max(0, count)):
        middle = places.mean(axis=0)
        best = int(np.linalg.norm(places - middle, axis=1).argmin()) if np.isinf(near).all() else int(near.argmax())
        if near[best] < _APART_MM:
            break
        found.append(places[best])
        near = np.minimum(near, np.linalg.norm(places - places[best], axis=1))
    return np.array(found).reshape(-1, 3)
