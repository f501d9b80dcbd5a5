"""Instances to Slices: each Frame with its plane in LPS mm."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from similar_cases.domain.errors import InvalidUid, MalformedDicom, TooLarge
from similar_cases.domain.geometry import FloatArray
from similar_cases.domain.references import FrameRef, require_uid
from similar_cases.volume import header, suitable
from similar_cases.volume.bounds import VolumeBounds

#: spacing of voxels outside this is no measurement of a person, mm
_MIN_SPACING_MM, _MAX_SPACING_MM = 0.005, 1000.0
#: row and column directions may be off unit length and right angle by so much, as decimals are cut
_DIRECTION_TOLERANCE = 1e-2
_MAX_SIDE = 65_535


@dataclass(frozen=True, eq=False, slots=True)
class Slice:
    """One Frame and its plane.

    Attributes:
        dataset: the Instance.
        frame_index: counts from 0, as decoders do.
        ref: how DICOM refers to it.
        groups: where its attributes stand, the nearest first: its functional groups, the shared ones, the Instance.
        origin_lps: (3,) centre of the first voxel, mm (PS3.3 C.7.6.2.1.1).
        row_direction: (3,) unit vector along which the column index grows.
        column_direction: (3,) unit vector along which the row index grows.
        spacing_mm: (between rows, between columns), as in Pixel Spacing.
        size: (rows, columns).
    """

    dataset: Dataset
    frame_index: int
    ref: FrameRef
    groups: tuple[Dataset, ...]
    origin_lps: FloatArray
    row_direction: FloatArray
    column_direction: FloatArray
    spacing_mm: tuple[float, float]
    size: tuple[int, int]

    @property
    def normal(self) -> FloatArray:
        """Unit vector (3,) along which slices are sorted: row direction × column direction."""
        return np.cross(self.row_direction, self.column_direction)

    def words(self, keyword: str) -> tuple[str, ...]:
        """Return a text attribute of this Frame, from wherever it stands."""
        return next((found for group in self.groups if (found := header.words(group, keyword))), ())

    def numbers(self, keyword: str, count: int) -> tuple[float, ...] | None:
        """Return `count` numbers of an attribute of this Frame, from wherever it stands."""
        return next((v for group in self.groups if (v := header.numbers(group, keyword, count)) is not None), None)

    def number(self, keyword: str) -> float | None:
        """Return one number of an attribute of this Frame, from wherever it stands."""
        return next((found for group in self.groups if (found := header.number(group, keyword)) is not None), None)


def slices_of(instances: Sequence[Dataset], bounds: VolumeBounds) -> tuple[list[Slice], Counter[str]]:
    """Read the Slices of all Instances, and count what was left out, by reason.

    Raises:
        MalformedDicom: an Instance that should be a slice breaks DICOM's rules.
        TooLarge: more Instances or Frames than `bounds` allow.
    """
    if len(instances) > bounds.max_instances:
        raise TooLarge(f"the series has {len(instances)} instances; at most {bounds.max_instances} are taken")
    found: list[Slice] = []
    left_out: Counter[str] = Counter()
    seen: set[tuple[str, int]] = set()
    for dataset in instances:
        for one in _slices_of_one(dataset, bounds):
            if isinstance(one, str):
                left_out[one] += 1
            elif (key := (one.ref.sop_instance_uid, one.frame_index)) in seen:
                left_out["an instance that came twice"] += 1
            else:
                seen.add(key)
                found.append(one)
        if len(found) > bounds.max_slices:
            raise TooLarge(f"the series has more than {bounds.max_slices} frames")
    return found, left_out


def _slices_of_one(dataset: Dataset, bounds: VolumeBounds) -> Iterator[Slice | str]:
    """Yield the Slices of one Instance, or the reason why there is none."""
    uid = header.text(dataset, "SOPInstanceUID")
    try:
        if reason := suitable.reason_against(dataset):
            yield reason
        elif "PerFrameFunctionalGroupsSequence" in dataset:
            yield from _enhanced(dataset, bounds)
        elif (header.whole(dataset, "NumberOfFrames") or 1) != 1:
            yield "a multi-frame image without functional groups, so without a position for each frame"
        else:
            yield _slice(dataset, 0, None, (dataset,))
    except (MalformedDicom, InvalidUid) as error:
        raise MalformedDicom(f"instance {uid or 'without a UID'}: {error}") from error


def _enhanced(dataset: Dataset, bounds: VolumeBounds) -> Iterator[Slice | str]:
    """Yield the Frames of an enhanced object (PS3.3 C.7.6.16)."""
    frames = header.items(dataset, "PerFrameFunctionalGroupsSequence")
    stated = header.whole(dataset, "NumberOfFrames") or 0
    if stated != len(frames):
        raise MalformedDicom(f"NumberOfFrames is {stated}, but {len(frames)} functional groups describe the frames")
    if stated > bounds.max_slices:
        raise TooLarge(f"an instance has {stated} frames; at most {bounds.max_slices} are taken")
    shared = _macros(header.item(dataset, "SharedFunctionalGroupsSequence"))
    for index, frame in enumerate(frames):
        groups = (*_macros(frame), *shared, dataset)
        types = next((found for group in groups if (found := header.words(group, "FrameType"))), ())
        technique = next((found for g in groups if (found := header.words(g, "VolumeBasedCalculationTechnique"))), ())
        yield suitable.reason_in(types + technique) or _slice(dataset, index, index + 1, groups)


def _macros(groups: Dataset | None) -> tuple[Dataset, ...]:
    """Return the single items of the functional group macros, standard ones alone."""
    if groups is None:
        return ()
    tags = [tag for tag in groups.keys() if not tag.is_private]  # noqa: SIM118  iterating a Dataset parses it
    return tuple(one for tag in tags if (one := header.item(groups, tag)) is not None)


def _slice(dataset: Dataset, index: int, number: int | None, groups: tuple[Dataset, ...]) -> Slice | str:
    position = _numbers(groups, "ImagePositionPatient", 3)
    orientation = _numbers(groups, "ImageOrientationPatient", 6)
    spacing = _numbers(groups, "PixelSpacing", 2)
    if position is None or orientation is None or spacing is None:
        return "an image without a place in the patient (Image Position, Image Orientation, Pixel Spacing)"
    row, column = _directions(orientation)
    return Slice(
        dataset=dataset,
        frame_index=index,
        ref=FrameRef(
            require_uid(header.text(dataset, "SOPClassUID")),
            require_uid(header.text(dataset, "SOPInstanceUID")),
            number,
        ),
        groups=groups,
        origin_lps=np.array(position),
        row_direction=row,
        column_direction=column,
        spacing_mm=_spacing(spacing),
        size=_size(dataset),
    )


def _numbers(groups: tuple[Dataset, ...], keyword: str, count: int) -> tuple[float, ...] | None:
    for group in groups:
        if (found := header.numbers(group, keyword, count)) is not None:
            return found
        if header.words(group, keyword):  # it says something, but not this
            raise MalformedDicom(f"{keyword} does not hold {count} numbers")
    return None


def _directions(orientation: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
    """Return exact unit vectors at a right angle; refuse what is not nearly so."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(row @ column)) > _DIRECTION_TOLERANCE:
        raise MalformedDicom("ImageOrientationPatient does not hold two unit vectors at a right angle")
    row = row / lengths[0]
    column = column - (column @ row) * row
    return row, column / np.linalg.norm(column)


def _spacing(spacing: tuple[float, ...]) -> tuple[float, float]:
    if not all(_MIN_SPACING_MM <= one <= _MAX_SPACING_MM for one in spacing):
        raise MalformedDicom(f"PixelSpacing {spacing[0]} × {spacing[1]} mm cannot be")
    return spacing[0], spacing[1]


def _size(dataset: Dataset) -> tuple[int, int]:
    rows, columns = header.whole(dataset, "Rows") or 0, header.whole(dataset, "Columns") or 0
    if not (1 <= rows <= _MAX_SIDE and 1 <= columns <= _MAX_SIDE):
        raise MalformedDicom(f"Rows × Columns is {rows} × {columns}")
    return rows, columns
