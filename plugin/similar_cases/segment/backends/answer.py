"""What segmenters of others share: prompts as points, which is what they take, and a found mask as a Region."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from similar_cases.domain.errors import SegmentationFailed
from similar_cases.domain.geometry import FloatArray, VolumeGeometry
from similar_cases.domain.prompts import ClassPrompt, MaskPrompt, PromptSet
from similar_cases.domain.region import AlgorithmIdentity, Authorship, Region
from similar_cases.domain.volume import Volume
from similar_cases.segment.backends.promptable.look import Found
from similar_cases.segment.backends.promptable.segmenter import Told, as_told, told_of


@dataclass(frozen=True, eq=False)
class Points:
    """Prompts as points, (n, 3) LPS mm, inside and outside of what is meant; at least one is inside."""

    inside_lps: FloatArray
    outside_lps: FloatArray


def classes_of(prompts: PromptSet) -> tuple[ClassPrompt, ...]:
    """Return the class prompts of a set."""
    return tuple(one for one in prompts.prompts if isinstance(one, ClassPrompt))


def has_place(prompts: PromptSet) -> bool:
    """Tell whether a set says where to look, and not only what for."""
    return any(not isinstance(one, ClassPrompt) for one in prompts.prompts)


def refuse_classes(prompts: PromptSet, name: str) -> None:
    """Raise SegmentationFailed where a set says nothing but a class, for a segmenter that knows none."""
    if not has_place(prompts):
        raise SegmentationFailed(f"{name} knows no classes; place a point inside what is meant")


def points_of(told: Told, geometry: VolumeGeometry) -> Points:
    """Return points for what was told: a box's middle where no point lies inside, and the deepest voxel of a mask."""
    inside = [geometry.index_to_lps(told.inside)]
    if not len(told.inside) and told.drawn is not None:
        inside.append(_deepest(told.drawn))
    elif not len(told.inside) and told.box is not None:
        inside.append(geometry.index_to_lps(told.box.mean(axis=0)))
    return Points(np.concatenate(inside), geometry.index_to_lps(told.outside))


def region_of(
    found: Found, volume: Volume, prompts: PromptSet, algorithm: AlgorithmIdentity, *, has_quality: bool = False
) -> Region:
    """Return a found mask as a Region, voxels that were clicked set or cleared as they were told.

    Raises:
        SegmentationFailed: when nothing was found.
    """
    mask, lower = as_told(found, told_of(prompts, volume.geometry)) if has_place(prompts) else (
        found.mask, found.lower_index
    )  # fmt: skip
    if not mask.any():
        raise SegmentationFailed("nothing was found there; place the points well inside")
    is_of_class = bool(classes_of(prompts)) and not has_place(prompts)
    region = Region.from_mask(
        mask,
        volume.geometry.crop(lower, mask.shape),
        tracking_uid=prompts.tracking_uid,
        label=prompts.label,
        finding=prompts.finding,
        finding_site=prompts.finding_site,
        authorship=Authorship.AUTOMATIC if is_of_class else Authorship.SEMIAUTOMATIC,
        origin=prompts.origin,
        source_sop_instance_uid=prompts.source_sop_instance_uid,
        algorithm=algorithm,
        quality=round(found.quality, 4) if has_quality else None,
    )
    k, j, i = (int(n) for n in lower + region.lower_index)
    return replace(region, lower_index=(k, j, i))


def keep_components_at(mask: NDArray[np.bool_], indices: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Keep the connected parts (26 neighbours) of a mask that hold one of (n, 3) indices; none of them clears all."""
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    within = indices[((indices >= 0) & (indices < mask.shape)).all(axis=1)]
    kept = np.unique(labels[tuple(within.T)])
    return np.asarray(np.isin(labels, kept[kept > 0]))


def _deepest(drawn: MaskPrompt) -> FloatArray:
    """Return the voxel (1, 3), LPS mm, that lies deepest in a mask; of several, the first."""
    depth = ndimage.distance_transform_edt(np.pad(drawn.mask, 1), sampling=drawn.geometry.spacing_mm)[1:-1, 1:-1, 1:-1]
    return drawn.geometry.index_to_lps(np.unravel_index(int(np.argmax(depth)), drawn.mask.shape))
