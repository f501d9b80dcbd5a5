"""A Region: one volumetric ROI, a mask on a geometry."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.errors import InvalidRequest, SegmentationFailed
from similar_cases.domain.geometry import VolumeGeometry, read_only
from similar_cases.domain.prompts import PointLps, PromptOrigin
from similar_cases.domain.volume import Volume


class Authorship(StrEnum):
    """Who drew the mask; the values are SegmentAlgorithmType (PS3.3 C.8.20.4)."""

    #: an expert drew it, and it is kept as drawn
    MANUAL = "MANUAL"
    #: a person's or an annotation's hint, an algorithm's mask
    SEMIAUTOMATIC = "SEMIAUTOMATIC"
    #: nobody's hint
    AUTOMATIC = "AUTOMATIC"


@dataclass(frozen=True)
class AlgorithmIdentity:
    """What TID 4019 asks of an algorithm. `parameters` are (name, value) pairs, sorted by name."""

    name: str
    version: str
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Region:
    """One volumetric ROI in one Volume, held as the box round its voxels.

    Attributes:
        mask: (slices, rows, columns) bool, read-only; the box, at least one voxel set.
        geometry: the box's grid, LPS mm.
        lower_index: where the box begins in the Volume, (k, j, i).
        quality: the segmenter's own estimate in 0 to 1; None for an expert's mask.

    >>> grid = VolumeGeometry(np.eye(4)[[2, 1, 0, 3]], (4, 5, 6), "1.2.3")
    >>> whole = np.zeros((4, 5, 6), bool)
    >>> whole[1:3, 2, 3:5] = True
    >>> region = Region.from_mask(whole, grid, tracking_uid="1.2.4")
    >>> region.lower_index, region.mask.shape, region.centroid_lps
    ((1, 2, 3), (2, 1, 2), (3.5, 2.0, 1.5))
    """

    mask: NDArray[np.bool_]
    geometry: VolumeGeometry
    lower_index: tuple[int, int, int]
    tracking_uid: str
    label: str = field(default="", repr=False)
    finding: CodedConcept | None = None
    finding_site: CodedConcept | None = None
    authorship: Authorship = Authorship.SEMIAUTOMATIC
    origin: PromptOrigin = PromptOrigin.USER
    source_sop_instance_uid: str = ""
    algorithm: AlgorithmIdentity | None = None
    quality: float | None = None

    def __post_init__(self) -> None:
        """Freeze the mask; refuse an empty one."""
        mask = read_only(self.mask, np.bool_)
        if mask.shape != self.geometry.shape:
            raise InvalidRequest(f"a mask of shape {mask.shape} on a grid of shape {self.geometry.shape}")
        if not mask.any():
            raise SegmentationFailed("the region is empty")
        object.__setattr__(self, "mask", mask)

    @classmethod
    def from_mask(
        cls, mask: NDArray[np.bool_], grid: VolumeGeometry, *, tracking_uid: str, **known: object
    ) -> "Region":
        """Make a Region of a `mask` (slices, rows, columns) over a whole `grid`; `known` are other attributes."""
        if not mask.any():
            raise SegmentationFailed("the region is empty")
        spans = [np.flatnonzero(mask.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
        lower = tuple(int(span[0]) for span in spans)
        box = tuple(slice(int(span[0]), int(span[-1]) + 1) for span in spans)
        cropped = np.ascontiguousarray(mask[box])
        k, j, i = cropped.shape
        return cls(
            mask=cropped,
            geometry=grid.crop(lower, (k, j, i)),
            lower_index=lower,  # type: ignore[arg-type]
            tracking_uid=tracking_uid,
            **known,  # type: ignore[arg-type]
        )

    @property
    def volume_ml(self) -> float:
        """Volume of the voxels inside, ml."""
        return float(np.count_nonzero(self.mask) * self.geometry.voxel_volume_mm3 / 1000.0)

    @property
    def centroid_lps(self) -> PointLps:
        """Mean of the voxel centres inside, LPS mm (x, y, z)."""
        # voxels are counted in each plane: a list of them takes hundreds of megabytes where a body is the Region
        counts = [np.count_nonzero(self.mask, axis=others) for others in ((1, 2), (0, 2), (0, 1))]
        mean = np.array([float(np.arange(len(one)) @ one) / float(one.sum()) for one in counts])
        x, y, z = self.geometry.index_to_lps(mean)[0]
        return float(x), float(y), float(z)

    def slices_in(self, volume: Volume, margin: int = 0) -> tuple[slice, slice, slice]:
        """Return the box in `volume`, widened by `margin` voxels a side and cut at the border, as (k, j, i) slices."""
        starts = (max(0, low - margin) for low in self.lower_index)
        ends = (
            min(n, low + size + margin)
            for n, low, size in zip(volume.geometry.shape, self.lower_index, self.mask.shape, strict=True)
        )
        k, j, i = (slice(start, end) for start, end in zip(starts, ends, strict=True))
        return k, j, i

    def full_mask(self, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
        """Return the mask over the whole Volume of `shape` (slices, rows, columns)."""
        whole = np.zeros(shape, dtype=bool)
        whole[tuple(slice(low, low + n) for low, n in zip(self.lower_index, self.mask.shape, strict=True))] = self.mask
        return whole
