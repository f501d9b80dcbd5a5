"""RegionGrowing: points, a box or a rough mask → a mask, by classic means, on a CPU, the same every time.

CT and MR: rays go out from each positive point in all directions and end at the first strong edge. Along a ray a
hazard adds up, of the edge's strength, of unlikeness to the voxels round the points, and of length alone; it is
averaged over neighbouring rays, and the ray ends where it reaches one. A region is so kept compact, and a gap in an
edge leaks only as far as its neighbours allow. PET: the connected voxels above a share of the local peak over the
background. Both: negative points cut spheres out (of Apollonius: three times nearer to the negative than to any
positive point), what is then cut off falls away, holes are filled.

The constants were chosen by one-click trials on soft-tissue sarcomas (14 patients for CT and MR, 27 for PET) and on
balls in noise made by code; 9 other patients measure them (tests/unit/segment/test_real_annotations.py).
"""

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.errors import SegmentationFailed
from similar_cases.domain.prompts import PromptSet
from similar_cases.domain.region import AlgorithmIdentity, Authorship, Region
from similar_cases.domain.volume import Volume, VoxelUnit
from similar_cases.segment.backends.region_rays import RayRecipe, grow_by_rays
from similar_cases.segment.backends.region_seeds import Seeds, seeds_of
from similar_cases.segment.backends.region_shape import finish, spanned
from similar_cases.segment.backends.region_uptake import UptakeRecipe, grow_by_uptake

_PET = frozenset({VoxelUnit.SUVBW, VoxelUnit.BQML})


@dataclass(frozen=True)
class RegionGrowing:
    """The deterministic reference `Segmenter`."""

    rays: RayRecipe = field(default_factory=RayRecipe)
    uptake: UptakeRecipe = field(default_factory=UptakeRecipe)

    @property
    def identity(self) -> AlgorithmIdentity:
        """Name, version, and every constant that changes a mask."""
        parameters = [
            (f"{part}.{item.name}", f"{getattr(recipe, item.name):g}")
            for part, recipe in (("rays", self.rays), ("uptake", self.uptake))
            for item in fields(recipe)
        ]
        return AlgorithmIdentity("RegionGrowing", "1", tuple(sorted(parameters)))

    def segment(self, volume: Volume, prompts: PromptSet) -> Region:
        """Return the Region that `prompts` point at; see `Segmenter`."""
        seeds = seeds_of(volume, prompts, self.rays.reach_mm)
        image = volume.array[seeds.window]
        grown, quality = self._grow(image, seeds, volume)
        mask, box = finish(grown, seeds)
        if not mask.any():
            raise SegmentationFailed("nothing was found at the points; place them well inside, or draw a box")
        lower = [part.start + axis.start for part, axis in zip(seeds.window, box, strict=True)]
        return self._region(volume, prompts, mask, lower, quality)

    def _grow(self, image: NDArray[np.float32], seeds: Seeds, volume: Volume) -> tuple[NDArray[np.bool_], float]:
        if not np.isfinite(image).all():
            image = np.nan_to_num(image)
        if volume.unit in _PET:
            return grow_by_uptake(image, seeds, self.uptake)
        return grow_by_rays(image, seeds, self.rays, is_hu=volume.unit is VoxelUnit.HU)

    def _region(
        self, volume: Volume, prompts: PromptSet, mask: NDArray[np.bool_], lower: list[int], quality: float
    ) -> Region:
        """Make the Region of a mask on a box of the volume that begins at `lower` (k, j, i)."""
        tight = spanned(mask)
        cropped = np.ascontiguousarray(mask[tight])
        k, j, i = (start + axis.start for start, axis in zip(lower, tight, strict=True))
        depth, rows, columns = cropped.shape
        return Region(
            mask=cropped,
            geometry=volume.geometry.crop((k, j, i), (depth, rows, columns)),
            lower_index=(k, j, i),
            tracking_uid=prompts.tracking_uid,
            label=prompts.label,
            finding=prompts.finding,
            finding_site=prompts.finding_site,
            authorship=Authorship.SEMIAUTOMATIC,
            origin=prompts.origin,
            source_sop_instance_uid=prompts.source_sop_instance_uid,
            algorithm=self.identity,
            quality=round(float(np.clip(quality, 0.0, 1.0)), 4),
        )
