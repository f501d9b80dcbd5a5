"""An expert's mask → the Region, as drawn."""

import numpy as np

from similar_cases.domain.errors import SegmentationFailed
from similar_cases.domain.prompts import MaskPrompt, PromptSet
from similar_cases.domain.region import Authorship, Region
from similar_cases.domain.volume import Volume
from similar_cases.segment.planes import mask_on_grid


def region_of_expert(volume: Volume, prompts: PromptSet) -> Region:
    """Return the Region that an expert's mask is, voxel by voxel as `read_prompts` read it.

    Raises:
        SegmentationFailed: when the set holds no expert's mask, or the mask has no voxel in `volume`.
    """
    masks = [prompt for prompt in prompts.prompts if isinstance(prompt, MaskPrompt)]
    if not prompts.is_expert_mask or not masks:
        raise SegmentationFailed("the prompts hold no expert's mask; they are for a segmenter")
    drawn = mask_on_grid(masks, volume.geometry)
    if drawn is None:
        raise SegmentationFailed(_reason(masks, volume))
    lower = np.round(volume.geometry.lps_to_index(drawn.geometry.affine[:3, 3])[0])
    k, j, i = (int(n) for n in lower)
    return Region(
        mask=drawn.mask,
        geometry=drawn.geometry,
        lower_index=(k, j, i),
        tracking_uid=prompts.tracking_uid,
        label=prompts.label,
        finding=prompts.finding,
        finding_site=prompts.finding_site,
        authorship=Authorship.MANUAL,
        origin=prompts.origin,
        source_sop_instance_uid=prompts.source_sop_instance_uid,
    )


def _reason(masks: list[MaskPrompt], volume: Volume) -> str:
    """Tell why masks have no voxel in a volume."""
    centres = [mask.geometry.index_to_lps((np.asarray(mask.mask.shape) - 1) / 2)[0] for mask in masks]
    if not any(volume.geometry.contains_lps(centre) for centre in centres):
        return "the contours or segments lie outside the volume"
    return "the contours or segments hold no voxel centre: they are empty, or thinner than a voxel"
