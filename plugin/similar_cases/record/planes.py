"""Where the frames of a SEG lie: on the source's own, or, where a Volume was resampled, on the Volume's slices."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from similar_cases.domain.errors import MalformedDicom
from similar_cases.domain.geometry import FloatArray
from similar_cases.domain.references import FrameRef
from similar_cases.domain.region import Region
from similar_cases.domain.volume import Volume
from similar_cases.volume import header

#: how far a source frame may lie off its slice, in voxels, and still be it: volumes leave planes where they are that
#: lie up to a tenth of a voxel off the regular grid, as scanners round positions
_SAME_PLACE_VOXELS = 0.15
#: direction cosines, and ratios of spacings, that differ by less are the same
_SAME = 1.1e-3


@dataclass(frozen=True, eq=False)
class FramePlane:
    """Where one frame lies (PS3.3 C.7.6.2).

    Attributes:
        position_lps: (3,) centre of the first voxel, LPS mm.
        orientation: (6,) direction cosines of a row (towards growing columns) and of a column.
        spacing_mm: (2,) between rows, between columns (Pixel Spacing's order).
        size: number of (rows, columns).
    """

    position_lps: FloatArray
    orientation: FloatArray
    spacing_mm: FloatArray
    size: tuple[int, int]

    def is_slice(self, slice_plane: "FramePlane", slice_spacing_mm: float) -> bool:
        """Tell whether this source frame has the very pixels of a Volume's slice that lies at `slice_plane`."""
        row, column = slice_plane.orientation[:3], slice_plane.orientation[3:]
        axes = np.stack(
            [np.cross(row, column) / slice_spacing_mm, *np.stack([column, row]) / slice_plane.spacing_mm[:, None]]
        )
        return (
            self.size == slice_plane.size
            and float(np.abs(axes @ (self.position_lps - slice_plane.position_lps)).max()) < _SAME_PLACE_VOXELS
            and np.allclose(self.orientation, slice_plane.orientation, atol=_SAME, rtol=0)
            and np.allclose(self.spacing_mm, slice_plane.spacing_mm, rtol=_SAME, atol=0)
        )


@dataclass(frozen=True, eq=False)
class MaskPlanes:
    """The frames of one Region's SEG, none of them empty.

    Attributes:
        masks: (frames, rows, columns) bool, over whole planes.
        planes, sources: where each frame lies, and the source Frame that it belongs to.
        preserved: whether the pixels are the source's own (Spatial Locations Preserved, PS3.3 C.7.6.16.2.6).
        slice_spacing_mm: between neighbouring slices of the Volume.
        slice_thickness_mm: the source's, or the spacing where it tells none.
    """

    masks: NDArray[np.bool_]
    planes: tuple[FramePlane, ...]
    sources: tuple[FrameRef, ...]
    preserved: bool
    slice_spacing_mm: float
    slice_thickness_mm: float


def mask_planes(images: Mapping[str, Dataset], volume: Volume, region: Region) -> MaskPlanes:
    """Lay the Region's mask on the source's frames, or on the Volume's slices where one of them is no source frame.

    Args:
        images: the source Instances by SOP Instance UID; headers suffice.
        volume: the Volume that `region` lies in.
        region: whose slices without a voxel give no frame.

    Raises:
        MalformedDicom: when a Frame that the Volume names is not among `images`.
    """
    slices = [k for k in range(region.mask.shape[0]) if region.mask[k].any()]
    numbers = [region.lower_index[0] + k for k in slices]
    sources = tuple(volume.frames[k] for k in numbers)
    wanted = tuple(_plane_of_slice(volume, k) for k in numbers)
    found = tuple(_plane_of_frame(_image(images, source), source) for source in sources)
    spacing = volume.geometry.spacing_mm[0]
    preserved = all(f is not None and f.is_slice(w, spacing) for f, w in zip(found, wanted, strict=True))
    return MaskPlanes(
        masks=_whole_planes(volume, region, slices),
        planes=tuple(f for f in found if f is not None) if preserved else wanted,
        sources=sources,
        preserved=preserved,
        slice_spacing_mm=spacing,
        slice_thickness_mm=_thickness(_image(images, sources[0]), sources[0]) or spacing,
    )


def _image(images: Mapping[str, Dataset], source: FrameRef) -> Dataset:
    try:
        return images[source.sop_instance_uid]
    except KeyError:
        raise MalformedDicom(
            f"the volume names instance {source.sop_instance_uid}, which is not in its series"
        ) from None


def _whole_planes(volume: Volume, region: Region, slices: list[int]) -> NDArray[np.bool_]:
    _, rows, columns = volume.geometry.shape
    _, j, i = region.lower_index
    _, height, width = region.mask.shape
    masks = np.zeros((len(slices), rows, columns), dtype=np.bool_)
    masks[:, j : j + height, i : i + width] = region.mask[slices]
    return masks


def _plane_of_slice(volume: Volume, k: int) -> FramePlane:
    """Return where slice `k` of the Volume lies."""
    geometry = volume.geometry
    _, row_spacing, column_spacing = geometry.spacing_mm
    along_row = geometry.affine[:3, 2] / column_spacing
    along_column = geometry.affine[:3, 1] / row_spacing
    return FramePlane(
        position_lps=geometry.index_to_lps([k, 0, 0])[0],
        orientation=np.concatenate([along_row, along_column]),
        spacing_mm=np.array([row_spacing, column_spacing]),
        size=geometry.shape[1:],
    )


def _plane_of_frame(image: Dataset, source: FrameRef) -> FramePlane | None:
    """Return where a source Frame says it lies; None where it does not say."""
    position = _numbers(image, source, "PlanePositionSequence", "ImagePositionPatient", 3)
    orientation = _numbers(image, source, "PlaneOrientationSequence", "ImageOrientationPatient", 6)
    spacing = _numbers(image, source, "PixelMeasuresSequence", "PixelSpacing", 2)
    rows, columns = header.whole(image, "Rows"), header.whole(image, "Columns")
    if position is None or orientation is None or spacing is None or rows is None or columns is None:
        return None
    return FramePlane(np.array(position), np.array(orientation), np.array(spacing), (rows, columns))


def _thickness(image: Dataset, source: FrameRef) -> float:
    """Return a Frame's Slice Thickness, mm; 0 where it has none that is positive."""
    found = _numbers(image, source, "PixelMeasuresSequence", "SliceThickness", 1)
    return max(0.0, found[0]) if found else 0.0


def _numbers(image: Dataset, source: FrameRef, macro: str, keyword: str, count: int) -> tuple[float, ...] | None:
    """Return numbers of a Frame: from its own functional group, the shared one, or the root (PS3.3 C.7.6.16)."""
    own = header.items(image, "PerFrameFunctionalGroupsSequence")
    index = (source.frame_number or 1) - 1
    groups = (*own[index : index + 1], *header.items(image, "SharedFunctionalGroupsSequence"))
    holders = (header.item(group, macro) for group in groups)
    for holder in (*(h for h in holders if h is not None), image):
        found = header.numbers(holder, keyword, count)
        if found is not None:
            return found
    return None
