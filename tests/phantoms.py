"""Awkward DICOM made by code: what hospitals send, without a patient and without a file.

Each phantom is a Series as pydicom Datasets with their file meta information, ready for C-STORE, for STOW-RS or for
`build_volumes`; `to_bytes` writes one as a file. `AWKWARD` lists them with what must become of each; `raw_objects`
holds what no library would write. Sizes are small; the content is a function of the place in LPS mm (`tissue_hu`), so
that every voxel of a built volume can be checked where it lies.
"""

import struct
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian

from similar_cases.domain.case import derived_uid

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
PT = "1.2.840.10008.5.1.4.1.1.128"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

#: row direction, column direction
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
#: centre and radius of the one lesion, LPS mm
LESION_LPS, LESION_RADIUS_MM = (24.0, 20.0, 16.0), 8.0
_INTERCEPT = -1024


def tissue_hu(points_lps: np.ndarray) -> np.ndarray:
    """Return the phantom's value at points (..., 3) in LPS mm: a ramp that tells each place, and a bright lesion."""
    ramp = points_lps @ np.array([1.0, 2.0, 3.0]) - 200.0
    inside = np.linalg.norm(points_lps - np.array(LESION_LPS), axis=-1) < LESION_RADIUS_MM
    return ramp + 150.0 * inside


def ramp_hu(points_lps: np.ndarray) -> np.ndarray:
    """Return a value linear in the place: linear interpolation gives it exactly."""
    return points_lps @ np.array([1.0, 2.0, 3.0]) - 200.0


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where the slices of a phantom lie; `shear_mm` moves each next slice along the column direction."""

    shape: tuple[int, int, int] = (12, 32, 40)
    spacing_mm: tuple[float, float, float] = (2.5, 1.5, 1.25)
    orientation: tuple[float, ...] = AXIAL
    origin_lps: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shear_mm: float = 0.0

    def origin_of(self, k: int) -> np.ndarray:
        """Return the centre of slice k's first voxel, LPS mm."""
        row, column = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        step = np.cross(row, column) * self.spacing_mm[0] + column * self.shear_mm
        return np.array(self.origin_lps) + k * step

    def points_of(self, k: int) -> np.ndarray:
        """Return the centres (rows, columns, 3) of slice k's voxels, LPS mm."""
        row, column = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        j, i = np.mgrid[: self.shape[1], : self.shape[2]]
        return (
            self.origin_of(k) + (j * self.spacing_mm[1])[..., None] * column + (i * self.spacing_mm[2])[..., None] * row
        )


def series(
    name: str,
    *,
    sop_class: str = CT,
    grid: Grid | None = None,
    values: Callable[[np.ndarray], np.ndarray] = tissue_hu,
    start: int = 0,
    **attributes: object,
) -> list[Dataset]:
    """Return one classic Series: an Instance for each slice of `grid`, with `attributes` on each.

    `name` gives the UIDs; `start` is the first Instance Number less one, and keeps the Instances of a second call
    with the same name apart.
    """
    where = grid or Grid()
    template = _header(name, sop_class, start)
    template.ImageOrientationPatient = [round(float(v), 9) for v in where.orientation]
    template.PixelSpacing = list(where.spacing_mm[1:])
    template.SliceThickness = where.spacing_mm[0]
    return [
        _instance(template, name, where, k, number=start + k, values=values, attributes=attributes)
        for k in range(where.shape[0])
    ]


def _instance(
    template: Dataset,
    name: str,
    grid: Grid,
    k: int,
    *,
    number: int,
    values: Callable[[np.ndarray], np.ndarray],
    attributes: dict[str, object],
) -> Dataset:
    dataset = Dataset()  # copied, as setting forty attributes ten thousand times takes a quarter of a minute
    dataset.update({element.tag: copy(element) for element in template})
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.update({element.tag: copy(element) for element in template.file_meta})
    dataset.SOPInstanceUID = derived_uid("phantom", name, "instance", number)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.InstanceNumber = number + 1
    dataset.ImagePositionPatient = [round(float(v), 6) for v in grid.origin_of(k)]
    _set_pixels(dataset, values(grid.points_of(k))[None])
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def _header(name: str, sop_class: str, number: int) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = derived_uid("phantom", name, "instance", number)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.StudyInstanceUID = derived_uid("phantom", name, "study")
    dataset.SeriesInstanceUID = series_uid(name)
    dataset.FrameOfReferenceUID = derived_uid("phantom", name, "frame of reference")
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = f"Phantom^{name}"
    dataset.PatientID = f"PHANTOM-{name}"
    dataset.PatientBirthDate, dataset.PatientSex = "19600229", "O"
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID, dataset.AccessionNumber = "20240229", "081500", "1", ""
    dataset.SeriesDate, dataset.SeriesTime = "20240229", "081600"
    dataset.AcquisitionDate, dataset.AcquisitionTime = "20240229", "081700"
    dataset.ReferringPhysicianName = ""
    dataset.Manufacturer, dataset.ManufacturerModelName = "Phantoms", "By code"
    dataset.Modality = {CT: "CT", ENHANCED_CT: "CT", PT: "PT", SECONDARY_CAPTURE: "OT"}.get(sop_class, "MR")
    dataset.SeriesNumber, dataset.InstanceNumber, dataset.AcquisitionNumber = 1, number + 1, 1
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PositionReferenceIndicator = ""
    return dataset


def _set_pixels(dataset: Dataset, values: np.ndarray) -> None:
    """Store (frames, rows, columns) values as signed 16 bits with the rescale of CT."""
    stored = np.rint(values - _INTERCEPT).astype("<i2")
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape[1:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, _INTERCEPT
    if dataset.Modality == "CT":
        dataset.RescaleType = "HU"
    dataset.PixelData = stored.tobytes()


def series_uid(name: str) -> str:
    """Return the Series Instance UID of the phantom of that name."""
    return derived_uid("phantom", name, "series")


def to_bytes(dataset: Dataset) -> bytes:
    """Write a Dataset as a DICOM file."""
    out = BytesIO()
    dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


# --- geometry ---------------------------------------------------------------------------------------------------


def oblique(name: str = "oblique") -> list[Dataset]:
    """A double oblique stack, its Instance Numbers against the order of its slices."""
    row, column = rotated((0.3, -0.5, 0.2))[:2]
    found = series(name, grid=Grid(orientation=(*row, *column), origin_lps=(-30.0, 12.0, 5.0)), sop_class=MR)
    for one in found:
        one.InstanceNumber = 100 - one.InstanceNumber
    return found[5:] + found[:5]


def rotated(angles: Sequence[float]) -> np.ndarray:
    """Return an orthonormal right-handed matrix (3, 3) whose rows are directions, from three angles in radians."""
    found = np.eye(3)
    for axis, angle in enumerate(angles):
        turn = np.eye(3)
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        found = turn @ found
    return found


def gantry_tilt(name: str = "gantry-tilt", values: Callable[[np.ndarray], np.ndarray] = tissue_hu) -> list[Dataset]:
    """A CT with a gantry tilted by 20°: the table moves along z, the slices lean, so that the stack is sheared."""
    angle = np.radians(20.0)
    orientation = (1.0, 0.0, 0.0, 0.0, float(np.cos(angle)), float(-np.sin(angle)))
    # the table's step of 2.5 mm along z, seen in the slice's own axes
    grid = Grid(
        orientation=orientation,
        spacing_mm=(2.5 * float(np.cos(angle)), 1.5, 1.25),
        shear_mm=-2.5 * float(np.sin(angle)),
    )
    return series(name, grid=grid, values=values, GantryDetectorTilt=20.0)


def missing_slices(name: str = "missing-slices") -> list[Dataset]:
    """A CT that lost slices 4 and 5 of 14 on the way."""
    found = series(name, grid=Grid(shape=(14, 32, 40)))
    return found[:4] + found[6:]


def long_gap(name: str = "long-gap") -> list[Dataset]:
    """A CT of chest and pelvis with nothing between them."""
    return series(name, grid=Grid(shape=(6, 32, 40))) + series(
        name, grid=Grid(shape=(8, 32, 40), origin_lps=(0.0, 0.0, 120.0)), start=6
    )


def two_spacings(name: str = "two-spacings") -> list[Dataset]:
    """A CT with 2.5 mm slices, then 7 mm slices."""
    return series(name, grid=Grid(shape=(6, 32, 40))) + series(
        name, grid=Grid(shape=(6, 32, 40), spacing_mm=(7.0, 1.5, 1.25), origin_lps=(0.0, 0.0, 12.5 + 7.0)), start=6
    )


def irregular(name: str = "irregular") -> list[Dataset]:
    """Slices at distances that follow no grid."""
    found = series(name, grid=Grid(shape=(8, 16, 16)))
    for one, z in zip(found, (0.0, 1.0, 4.0, 4.5, 9.0, 17.0, 19.0, 30.0), strict=True):
        one.ImagePositionPatient = [0.0, 0.0, z]
    return found


def mixed_orientations(name: str = "mixed-orientations") -> list[Dataset]:
    """An axial and a sagittal stack, and one coronal image, in one Series."""
    return (
        series(name, sop_class=MR)
        + series(name, sop_class=MR, grid=Grid(shape=(8, 24, 40), orientation=SAGITTAL), start=20)
        + series(name, sop_class=MR, grid=Grid(shape=(1, 24, 40), orientation=CORONAL), start=40)
    )


def no_frame_of_reference(name: str = "no-frame-of-reference") -> list[Dataset]:
    """A CT that says not in which frame its millimetres count."""
    found = series(name)
    for one in found:
        del one.FrameOfReferenceUID
    return found


# --- several volumes in one series ------------------------------------------------------------------------------


def three_phases(name: str = "three-phases") -> list[Dataset]:
    """A CT with native, arterial and venous phase at the same positions; the lesion takes up contrast."""
    found: list[Dataset] = []
    for phase in range(3):
        found += series(
            name,
            values=lambda at, more=50.0 * phase: tissue_hu(at) + more * (tissue_hu(at) > ramp_hu(at)),
            start=100 * phase,
            AcquisitionNumber=phase + 1,
            AcquisitionTime=f"08{20 + phase}00",
        )
    return found


def three_phases_unexplained(name: str = "three-phases-unexplained") -> list[Dataset]:
    """Three phases that no attribute tells apart; only their Instance Numbers follow an order."""
    found: list[Dataset] = []
    for phase in range(3):
        found += series(name, values=lambda at, more=10.0 * phase: tissue_hu(at) + more, start=100 * phase)
    return found


def echoes(name: str = "echoes") -> list[Dataset]:
    """An MR with two echoes, magnitude and phase of each: four volumes by two attributes."""
    found: list[Dataset] = []
    for number, (echo, part) in enumerate([(5.0, "M"), (5.0, "P"), (12.0, "M"), (12.0, "P")]):
        found += series(
            name,
            sop_class=MR,
            values=lambda at, more=100.0 * number: tissue_hu(at) + more,
            start=100 * number,
            EchoTime=echo,
            ImageType=["ORIGINAL", "PRIMARY", part],
        )
    return found


def diffusion(name: str = "diffusion") -> list[Dataset]:
    """An MR with three b-values."""
    found: list[Dataset] = []
    for number, b_value in enumerate((0.0, 400.0, 800.0)):
        found += series(
            name,
            sop_class=MR,
            values=lambda at, less=b_value / 10: tissue_hu(at) - less,
            start=100 * number,
            DiffusionBValue=b_value,
        )
    return found


def duplicated_positions(name: str = "duplicated-positions") -> list[Dataset]:
    """A CT of which every image came twice, under a new UID and a new time."""
    return series(name) + series(name, start=50, AcquisitionTime="093000", ContentTime="093000")


def one_duplicate(name: str = "one-duplicate") -> list[Dataset]:
    """A CT of which one image came twice."""
    return series(name) + series(name, start=50)[4:5]


# --- pixels -----------------------------------------------------------------------------------------------------


def monochrome1(name: str = "monochrome1", sop_class: str = CT) -> list[Dataset]:
    """Images to be shown inverted."""
    return series(name, sop_class=sop_class, PhotometricInterpretation="MONOCHROME1")


def padded_ct(name: str = "padded-ct") -> list[Dataset]:
    """A CT whose corners hold a padding value, written unsigned although pixels are signed (as scanners do)."""
    found = series(name)
    for one in found:
        stored = np.frombuffer(one.PixelData, "<i2").reshape(one.Rows, one.Columns).copy()
        stored[:4, :4] = -2000
        one.PixelData = stored.tobytes()
        one.add_new(0x00280120, "US", 63536)
    return found


def pet(name: str = "pet", **attributes: object) -> list[Dataset]:
    """A PET in Bq/ml with a slope of its own for each slice, injected before midnight and scanned after it."""
    found = series(name, sop_class=PT, values=lambda at: tissue_hu(at) + 2000.0, **attributes)
    for k, one in enumerate(found):
        stored = np.frombuffer(one.PixelData, "<i2").astype(float) + _INTERCEPT  # the wanted Bq/ml
        one.RescaleSlope, one.RescaleIntercept = round(0.5 + 0.01 * k, 4), 0
        one.PixelData = np.rint(stored / float(one.RescaleSlope)).astype("<i2").tobytes()
        one.Units, one.DecayCorrection = attributes.get("Units", "BQML"), attributes.get("DecayCorrection", "START")
        one.PatientWeight = attributes.get("PatientWeight", 70.0)
        one.SeriesDate = one.AcquisitionDate = "20240301"
        one.SeriesTime = one.AcquisitionTime = "003000"
        tracer = Dataset()
        tracer.RadiopharmaceuticalStartTime = "233000"
        tracer.RadionuclideTotalDose, tracer.RadionuclideHalfLife = 350e6, 6586.2
        one.RadiopharmaceuticalInformationSequence = DicomSequence([tracer])
    return found


def truncated_pixels(name: str = "truncated-pixels") -> list[Dataset]:
    """A CT of which one object was cut off."""
    found = series(name)
    found[3].PixelData = found[3].PixelData[: len(found[3].PixelData) // 3 & ~1]
    return found


# --- no volumes -------------------------------------------------------------------------------------------------


def colour(name: str = "colour") -> list[Dataset]:
    """Parametric colour maps under an MR SOP Class."""
    found = series(name, sop_class=MR)
    for one in found:
        one.SamplesPerPixel, one.PhotometricInterpretation, one.PlanarConfiguration = 3, "RGB", 0
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 8, 8, 7, 0
        one.PixelData = bytes(one.Rows * one.Columns * 3)
        del one.RescaleSlope, one.RescaleIntercept
    return found


def localizer(name: str = "localizer") -> list[Dataset]:
    """A three-plane localizer."""
    found: list[Dataset] = []
    for number, orientation in enumerate((AXIAL, SAGITTAL, CORONAL)):
        grid = Grid(shape=(5, 32, 40), orientation=orientation)
        kind = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        found += series(name, sop_class=MR, grid=grid, start=10 * number, ImageType=kind)
    return found


def scout_and_ct(name: str = "scout-and-ct") -> list[Dataset]:
    """A CT with its scout in the same Series."""
    scout = Grid(shape=(1, 64, 64), orientation=CORONAL)
    return series(name) + series(name, grid=scout, start=90, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])


def secondary_capture(name: str = "secondary-capture") -> list[Dataset]:
    """Screens saved as Secondary Capture, with positions copied from the CT."""
    return series(name, sop_class=SECONDARY_CAPTURE, ImageType=["DERIVED", "SECONDARY"])


def one_slice(name: str = "one-slice") -> list[Dataset]:
    """A single CT image."""
    return series(name, grid=Grid(shape=(1, 32, 40)))


def projections(name: str = "projections") -> list[Dataset]:
    """Rotating maximum intensity projections."""
    return series(name, sop_class=MR, ImageType=["DERIVED", "SECONDARY", "PROJECTION IMAGE", "MIP"])


def zero_spacing(name: str = "zero-spacing") -> list[Dataset]:
    """A CT whose pixels have no size."""
    return series(name, PixelSpacing=[0.0, 0.0])


def contradictory_frames(name: str = "contradictory-frames") -> list[Dataset]:
    """An enhanced object that promises four billion frames."""
    [found] = enhanced(name, sop_class=ENHANCED_CT)
    found.add_new(0x00280008, "IS", "2147483647")
    return [found]


# --- multi-frame ------------------------------------------------------------------------------------------------


def enhanced(
    name: str = "enhanced-ct", *, sop_class: str = ENHANCED_CT, temporal_positions: int = 1, grid: Grid | None = None
) -> list[Dataset]:
    """One enhanced multi-frame object; its frames run backwards through the stack."""
    where = grid or Grid()
    dataset = _header(name, sop_class, 0)
    order = [(t, k) for t in range(temporal_positions) for k in reversed(range(where.shape[0]))]
    _set_pixels(dataset, np.stack([tissue_hu(where.points_of(k)) + 100.0 * t for t, k in order]))
    dataset.NumberOfFrames = len(order)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        if keyword in dataset:
            del dataset[keyword]
    shared = Dataset()
    shared.PixelMeasuresSequence = DicomSequence(
        [_item(PixelSpacing=list(where.spacing_mm[1:]), SliceThickness=where.spacing_mm[0])]
    )
    shared.PlaneOrientationSequence = DicomSequence(
        [_item(ImageOrientationPatient=[round(float(v), 9) for v in where.orientation])]
    )
    scale = {
        "RescaleSlope": 1,
        "RescaleIntercept": _INTERCEPT,
        "RescaleType": "HU" if sop_class == ENHANCED_CT else "US",
    }
    shared.PixelValueTransformationSequence = DicomSequence([_item(**scale)])
    dataset.SharedFunctionalGroupsSequence = DicomSequence([shared])
    frames: list[Dataset] = []
    for t, k in order:
        frame = Dataset()
        position = [round(float(v), 6) for v in where.origin_of(k)]
        frame.PlanePositionSequence = DicomSequence([_item(ImagePositionPatient=position)])
        content = _item(StackID="1", InStackPositionNumber=k + 1, TemporalPositionIndex=t + 1)
        content.DimensionIndexValues = [1, k + 1, t + 1]
        frame.FrameContentSequence = DicomSequence([content])
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = DicomSequence(frames)
    return [dataset]


def _item(**attributes: object) -> Dataset:
    found = Dataset()
    for keyword, value in attributes.items():
        setattr(found, keyword, value)
    return found


# --- people -----------------------------------------------------------------------------------------------------

#: name of the phantom: (Specific Character Set, the name as DICOM writes it in all groups)
NAMES: dict[str, tuple[str | list[str], str]] = {
    "name-japanese": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "name-japanese-kana": (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    "name-korean": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    "name-chinese": ("GB18030", "Wang^XiaoDong=王^小东"),
    "name-arabic": ("ISO_IR 127", "قباني^لنزار"),
    "name-cyrillic": ("ISO_IR 144", "Люкceмбypг"),
    "name-greek": ("ISO_IR 126", "Διονυσιος"),
    "name-utf8": ("ISO_IR 192", "Buc^Jérôme"),
}


def named(name: str) -> list[Dataset]:
    """A small CT of a patient whose name needs its character set."""
    charset, person = NAMES[name]
    found = series(name, grid=Grid(shape=(4, 16, 16)))
    for one in found:
        one.SpecificCharacterSet, one.PatientName = charset, person
    return found


# --- many, and hostile ------------------------------------------------------------------------------------------


def many_instances(count: int = 10_000, name: str = "many-instances") -> list[Dataset]:
    """Very many tiny slices, 0.5 mm apart."""
    return series(
        name, grid=Grid(shape=(count, 4, 4), spacing_mm=(0.5, 10.0, 10.0)), values=lambda at: at[..., 2] % 500
    )


def nested_bomb(depth: int = 20_000, *, defined_length: bool = False, tag: int = 0x52009229) -> bytes:
    """A file with a sequence nested `depth` times, in the place of the functional groups of an enhanced CT.

    With `defined_length` a lazy reader meets the bomb only when it asks for the sequence.
    """
    [whole] = enhanced("nested-bomb")
    for keyword in ("SharedFunctionalGroupsSequence", "PixelData"):
        del whole[keyword]
    plain = to_bytes(whole)
    head = struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, b"SQ", 0)
    if defined_length:
        body = b""
        for _ in range(depth):
            item = struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body
            body = head + struct.pack("<I", len(item)) + item
    else:
        opening = head + b"\xff\xff\xff\xff" + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        closing = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
        body = opening * depth + closing * depth
    return plain + body


def truncated_file() -> bytes:
    """A CT file that ends in the middle of its pixels."""
    whole = to_bytes(series("truncated-file")[0])
    return whole[: len(whole) * 2 // 3]


def raw_objects() -> dict[str, bytes]:
    """Return what no library would write, as files by name; each must be refused with a reason, and crash nothing."""
    return {
        "nested-bomb": nested_bomb(),
        "nested-bomb-defined": nested_bomb(2_000, defined_length=True),
        "truncated-file": truncated_file(),
    }


@dataclass(frozen=True)
class Awkward:
    """A phantom and what must become of it: how many volumes, or 0 and words of the reason."""

    make: Callable[[], list[Dataset]] = field(repr=False)
    volumes: int
    reason: str = ""


#: by name; each value makes a fresh Series
AWKWARD: dict[str, Awkward] = {
    "plain-ct": Awkward(lambda: series("plain-ct"), 1),
    "oblique": Awkward(oblique, 1),
    "gantry-tilt": Awkward(gantry_tilt, 1),
    "missing-slices": Awkward(missing_slices, 1),
    "long-gap": Awkward(long_gap, 2),
    "two-spacings": Awkward(two_spacings, 2),
    "irregular": Awkward(irregular, 0, "irregular distances"),
    "mixed-orientations": Awkward(mixed_orientations, 2),
    "no-frame-of-reference": Awkward(no_frame_of_reference, 1),
    "three-phases": Awkward(three_phases, 3),
    "three-phases-unexplained": Awkward(three_phases_unexplained, 3),
    "echoes": Awkward(echoes, 4),
    "diffusion": Awkward(diffusion, 3),
    "duplicated-positions": Awkward(duplicated_positions, 1),
    "one-duplicate": Awkward(one_duplicate, 1),
    "monochrome1-ct": Awkward(lambda: monochrome1("monochrome1-ct"), 1),
    "monochrome1-mr": Awkward(lambda: monochrome1("monochrome1-mr", MR), 1),
    "padded-ct": Awkward(padded_ct, 1),
    "pet": Awkward(pet, 1),
    "enhanced-ct": Awkward(enhanced, 1),
    "enhanced-mr": Awkward(lambda: enhanced("enhanced-mr", sop_class=ENHANCED_MR, temporal_positions=3), 3),
    "truncated-pixels": Awkward(truncated_pixels, 0, "cut off"),
    "colour": Awkward(colour, 0, "colour"),
    "localizer": Awkward(localizer, 0, "localizer"),
    "scout-and-ct": Awkward(scout_and_ct, 1),
    "secondary-capture": Awkward(secondary_capture, 0, "Secondary Capture"),
    "one-slice": Awkward(one_slice, 0, "at 3 positions at least"),
    "projections": Awkward(projections, 0, "projection"),
    "zero-spacing": Awkward(zero_spacing, 0, "PixelSpacing"),
    "contradictory-frames": Awkward(contradictory_frames, 0, "NumberOfFrames"),
    **{name: Awkward(lambda name=name: named(name), 1) for name in NAMES},
}
