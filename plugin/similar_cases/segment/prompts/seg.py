"""DICOM Segmentations → prompts (PS3.3 C.8.20).

Frames are placed one by one by their own plane, so that left-out empty frames, irregular distances, single frames and
grids that are not the image's need no special way.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.utils import iter_pixels

from similar_cases.domain.case import derived_uid
from similar_cases.domain.errors import MalformedDicom
from similar_cases.domain.geometry import FloatArray
from similar_cases.domain.prompts import PromptOrigin, PromptSet
from similar_cases.domain.volume import Volume
from similar_cases.segment.planes import PlaneMask, empty_mask, paste_planes
from similar_cases.segment.prompts.attributes import (
    code,
    first,
    integer,
    items,
    numbers,
    reading,
    required_integer,
    text,
    uid,
)
from similar_cases.volume.quiet import quiet_pydicom

MAX_SEGMENTS = 2_000
MAX_FRAMES = 200_000
MAX_ROWS = 4_096
#: where a FRACTIONAL voxel counts as inside, of its maximum
_INSIDE = 0.5


@dataclass(frozen=True, eq=False)
class _Frame:
    """One frame's place: index in the pixel data, the segment it is of (None: every), and its plane in LPS mm."""

    index: int
    segment: int | None
    affine: FloatArray


def read_seg(annotation: Dataset, volume: Volume) -> list[PromptSet]:
    """Return one set with an expert's mask for each segment, in the order of segment numbers.

    FRACTIONAL voxels count from half of the maximum on. Voxels are read at the voxel centres of `volume`.

    Raises:
        MalformedDicom: when the object cannot be read or passes the bounds.
    """
    segments = {
        number: item
        for item in items(annotation, "SegmentSequence", MAX_SEGMENTS)
        # a label map's background is described as segment 0 (C.8.20.2)
        if (number := required_integer(item, "SegmentNumber")) > 0
    }
    frames = _frames(annotation)
    kept: dict[int, list[PlaneMask]] = defaultdict(list)
    for frame, pixels in zip(frames, _pixels(annotation, len(frames)), strict=True):
        for number, mask in _masks(annotation, frame, pixels):
            if mask.any() and number in segments:
                kept[number].append(PlaneMask(mask, frame.affine))
    return [
        _prompt_set(annotation, number, segments[number], kept.get(number, []), volume) for number in sorted(segments)
    ]


def _prompt_set(
    annotation: Dataset, number: int, segment: Dataset, planes: list[PlaneMask], volume: Volume
) -> PromptSet:
    """Return what one segment gives; an empty mask where it has no voxel in the volume."""
    source = uid(annotation, "SOPInstanceUID")
    where = np.stack([plane.affine[:3, 3] for plane in planes]) if planes else volume.geometry.index_to_lps((0, 0, 0))
    mask = paste_planes(planes, volume.geometry) or empty_mask(volume.geometry, volume.geometry.lps_to_index(where))
    return PromptSet(
        prompts=(mask,),
        tracking_uid=uid(segment, "TrackingUID") or derived_uid(source, number),
        label=text(segment, "SegmentLabel"),
        finding=code(segment, "SegmentedPropertyTypeCodeSequence"),
        finding_site=code(segment, "AnatomicRegionSequence") or code(segment, "PrimaryAnatomicStructureSequence"),
        origin=PromptOrigin.SEG,
        source_sop_instance_uid=source,
        is_expert_mask=True,
    )


def _frames(annotation: Dataset) -> list[_Frame]:
    """Return the frames with their planes; each plane's depth is the distance between planes."""
    count = required_integer(annotation, "NumberOfFrames")
    rows, columns = required_integer(annotation, "Rows"), required_integer(annotation, "Columns")
    groups = items(annotation, "PerFrameFunctionalGroupsSequence", MAX_FRAMES)
    if not 0 < count == len(groups):
        raise MalformedDicom(f"NumberOfFrames is {count}, and {len(groups)} frames are described")
    if not (0 < rows <= MAX_ROWS and 0 < columns <= MAX_ROWS):
        raise MalformedDicom(f"frames of {rows} × {columns}; up to {MAX_ROWS} rows and columns are read")
    shared = first(annotation, "SharedFunctionalGroupsSequence")
    is_labelmap = text(annotation, "SegmentationType") == "LABELMAP"
    planes = [_plane(group, shared) for group in groups]
    distance = _distance_between(planes, _group(groups[0], shared, "PixelMeasuresSequence"))
    return [
        _Frame(n, None if is_labelmap else _segment_of(group, shared), _with_depth(plane, distance))
        for n, (group, plane) in enumerate(zip(groups, planes, strict=True))
    ]


def _group(group: Dataset, shared: Dataset, keyword: str) -> Dataset:
    """Return a functional group's item: the frame's own, else the one that all frames share."""
    return first(group, keyword) or first(shared, keyword)


def _segment_of(group: Dataset, shared: Dataset) -> int:
    return required_integer(_group(group, shared, "SegmentIdentificationSequence"), "ReferencedSegmentNumber")


def _plane(group: Dataset, shared: Dataset) -> FloatArray:
    """Return a frame's affine (PS3.3 C.7.6.2.1.1), with the unit normal as depth."""
    position = numbers(_group(group, shared, "PlanePositionSequence"), "ImagePositionPatient")
    orientation = numbers(_group(group, shared, "PlaneOrientationSequence"), "ImageOrientationPatient")
    spacing = numbers(_group(group, shared, "PixelMeasuresSequence"), "PixelSpacing")
    if len(position) != 3 or len(orientation) != 6 or len(spacing) != 2 or (spacing <= 0).any():
        raise MalformedDicom("a frame lacks its position, orientation or pixel spacing")
    along_row, along_column = orientation[:3], orientation[3:]
    normal = np.cross(along_row, along_column)
    if abs(np.linalg.norm(normal) - 1) > 1e-2:
        raise MalformedDicom("a frame's row and column directions are not at right angles")
    affine = np.eye(4)
    affine[:3, :3] = np.stack([normal, along_column * spacing[0], along_row * spacing[1]], axis=1)
    affine[:3, 3] = position
    return affine


def _with_depth(plane: FloatArray, distance: float) -> FloatArray:
    affine = plane.copy()
    affine[:3, 0] *= distance
    return affine


def _distance_between(planes: list[FloatArray], measures: Dataset) -> float:
    """Return the distance between planes, mm: as told, else the smallest one found, else the thickness."""
    told = numbers(measures, "SpacingBetweenSlices")
    thickness = numbers(measures, "SliceThickness")
    depths = np.unique(np.round([plane[:3, 3] @ planes[0][:3, 0] for plane in planes], 3))
    if len(told) and told[0] > 0:
        return float(told[0])
    if len(depths) > 1:
        return float(np.diff(depths).min())
    return float(thickness[0]) if len(thickness) and thickness[0] > 0 else 1.0


def _pixels(annotation: Dataset, count: int) -> Iterator[NDArray[np.integer]]:
    """Give the frames' stored values, (rows, columns), one at a time.

    Raises:
        MalformedDicom: when they cannot be decoded.
    """
    with reading("PixelData"):
        is_bits = (
            integer(annotation, "BitsAllocated") == 1 and not annotation.file_meta.TransferSyntaxUID.is_encapsulated
        )
        frames = _bit_frames(annotation, count) if is_bits else iter_pixels(annotation, raw=True)
    for n in range(count):
        with reading("PixelData"), quiet_pydicom():
            pixels = next(frames, None)
        if pixels is None:
            raise MalformedDicom(f"{n} of {count} frames are there")
        yield pixels


def _bit_frames(annotation: Dataset, count: int) -> Iterator[NDArray[np.integer]]:
    """Give frames of single bits, the first voxel in the lowest (PS3.5 8.1.1); a frame may begin within a byte."""
    size = annotation.Rows * annotation.Columns
    for n in range(count):
        first, last = n * size, (n + 1) * size
        octets = np.frombuffer(annotation.PixelData, np.uint8)[first // 8 : -(-last // 8)]
        bits = np.unpackbits(octets, bitorder="little")[first % 8 : first % 8 + size]
        yield bits.reshape(annotation.Rows, annotation.Columns)


def _masks(annotation: Dataset, frame: _Frame, pixels: NDArray[np.integer]) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Give (segment number, mask) of what a frame holds."""
    if frame.segment is None:
        yield from ((int(label), pixels == label) for label in np.unique(pixels) if label)
    else:
        yield frame.segment, _inside(annotation)(pixels)


def _inside(annotation: Dataset) -> Callable[[NDArray[np.integer]], NDArray[np.bool_]]:
    """Return what tells the voxels of a segment."""
    if text(annotation, "SegmentationType") != "FRACTIONAL":
        return lambda pixels: pixels > 0
    most = integer(annotation, "MaximumFractionalValue") or 255
    return lambda pixels: pixels >= _INSIDE * most
