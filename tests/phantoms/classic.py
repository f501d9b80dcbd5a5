"""Classic series made by code, an instance a slice, from which the other phantoms are made."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
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
INTERCEPT = -1024


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
    template = header_of(name, sop_class, start)
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
    set_pixels(dataset, values(grid.points_of(k))[None])
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def header_of(name: str, sop_class: str, number: int) -> Dataset:
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


def set_pixels(dataset: Dataset, values: np.ndarray) -> None:
    """Store (frames, rows, columns) values as signed 16 bits with the rescale of CT."""
    stored = np.rint(values - INTERCEPT).astype("<i2")
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape[1:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, INTERCEPT
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
