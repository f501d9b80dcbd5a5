"""Voxels on a grid made into DICOM image Instances (CT, MR, PT), byte for byte the same each time."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
)

from similar_cases.domain.case import derived_uid
from similar_cases.domain.geometry import VolumeGeometry

#: what writes these objects, in their file meta information (PS3.10 7.1)
_IMPLEMENTATION_CLASS_UID = UID(derived_uid("similar-cases", "demo", "implementation"))


@dataclass(frozen=True, kw_only=True)
class SeriesHeader:
    """What the headers of one Series say beside the voxels. Dates and times as DICOM writes them.

    Attributes:
        modality: ``CT``, ``MR`` or ``PT``.
        study_key: tells Studies of one patient apart; Series with the same patient and key share Study and
            Frame of Reference.
        series_key: tells Series of one Study apart.
        character_set: Specific Character Set (0008,0005), a backslash between several values.
    """

    modality: str
    patient_id: str
    patient_name: str
    patient_sex: str = "O"
    patient_birth_date: str = "19600101"
    study_key: str = "1"
    series_key: str = "1"
    study_date: str = "20240115"
    study_time: str = "101500"
    study_description: str = "Phantom"
    series_description: str = ""
    series_number: int = 1
    body_part_examined: str = "CHEST"
    laterality: str = ""
    manufacturer: str = "Similar Cases Phantoms"
    manufacturer_model_name: str = "Phantom"
    character_set: str = "ISO_IR 192"

    @property
    def study_uid(self) -> str:
        """Study Instance UID."""
        return derived_uid("demo study", self.patient_id, self.study_key)

    @property
    def series_uid(self) -> str:
        """Series Instance UID."""
        return derived_uid("demo series", self.study_uid, self.modality, self.series_key)

    @property
    def frame_of_reference_uid(self) -> str:
        """Frame of Reference UID, one for the whole Study."""
        return derived_uid("demo frame of reference", self.study_uid)

    def sop_instance_uid(self, instance_number: int) -> str:
        """SOP Instance UID of the Instance with that number."""
        return derived_uid("demo instance", self.series_uid, instance_number)


def image_series(array: NDArray[np.float32], geometry: VolumeGeometry, header: SeriesHeader) -> list[Dataset]:
    """Return one Instance a slice k, Explicit VR Little Endian, with file meta information.

    Args:
        array: (slices, rows, columns), HU for CT, arbitrary from 0 for MR, Bq/ml for PT.
        geometry: the grid, LPS mm; axis k may be oblique to the slices, as a tilted gantry makes it.
        header: what the attributes say.
    """
    add_modality = _MODALITIES[header.modality]
    instances = []
    for k, plane in enumerate(array):
        instance = _general_attributes(header, k + 1)
        _add_plane(instance, geometry, k)
        add_modality(instance, plane)
        if header.modality == "PT":
            instance.NumberOfSlices = len(array)
        instances.append(with_file_meta(instance))
    return instances


def with_file_meta(instance: Dataset) -> Dataset:
    """Give `instance` the file meta information of Explicit VR Little Endian, and return it."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = instance.SOPClassUID
    meta.MediaStorageSOPInstanceUID = instance.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _IMPLEMENTATION_CLASS_UID
    instance.file_meta = meta
    return instance


def patient_and_study(header: SeriesHeader) -> Dataset:
    """Return a Dataset with the Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1)."""
    dataset = Dataset()
    sets = header.character_set.split("\\")
    dataset.SpecificCharacterSet = sets if len(sets) > 1 else sets[0]
    dataset.PatientName = header.patient_name
    dataset.PatientID = header.patient_id
    dataset.PatientBirthDate = header.patient_birth_date
    dataset.PatientSex = header.patient_sex
    dataset.StudyInstanceUID = header.study_uid
    dataset.StudyDate = header.study_date
    dataset.StudyTime = header.study_time
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = header.study_key[:16]
    dataset.AccessionNumber = ""
    dataset.StudyDescription = header.study_description
    return dataset


def _general_attributes(header: SeriesHeader, instance_number: int) -> Dataset:
    instance = patient_and_study(header)
    instance.Modality = header.modality
    instance.SeriesInstanceUID = header.series_uid
    instance.SeriesNumber = header.series_number
    instance.SeriesDescription = header.series_description
    instance.SeriesDate = instance.AcquisitionDate = instance.ContentDate = header.study_date
    instance.SeriesTime = instance.AcquisitionTime = instance.ContentTime = header.study_time
    instance.BodyPartExamined = header.body_part_examined
    if header.laterality:
        instance.Laterality = header.laterality
    instance.PatientPosition = "HFS"
    instance.FrameOfReferenceUID = header.frame_of_reference_uid
    instance.PositionReferenceIndicator = ""
    instance.Manufacturer = header.manufacturer
    instance.ManufacturerModelName = header.manufacturer_model_name
    instance.SoftwareVersions = "1"
    instance.SOPInstanceUID = header.sop_instance_uid(instance_number)
    instance.InstanceNumber = instance_number
    instance.AcquisitionNumber = 1
    return instance


def _add_plane(instance: Dataset, geometry: VolumeGeometry, k: int) -> None:
    """Add the Image Plane module (PS3.3 C.7.6.2) of slice `k`."""
    _, row_spacing, column_spacing = geometry.spacing_mm
    along_row = geometry.affine[:3, 2] / column_spacing  # towards growing column indices
    along_column = geometry.affine[:3, 1] / row_spacing
    normal = np.cross(along_row, along_column)
    instance.ImageOrientationPatient = [_decimal(v) for v in (*along_row, *along_column)]
    position = geometry.index_to_lps([k, 0, 0])[0]
    instance.ImagePositionPatient = [_decimal(v) for v in position]
    instance.PixelSpacing = [_decimal(row_spacing), _decimal(column_spacing)]
    instance.SliceThickness = _decimal(abs(float(normal @ geometry.affine[:3, 0])))
    instance.SliceLocation = _decimal(float(normal @ position))


def _decimal(value: float) -> str:
    """Write a DS of at most 16 characters (PS3.5 6.2) that is the nearest to `value`.

    >>> _decimal(0.1234567890123456), _decimal(-0.0), _decimal(-1 / 3)
    ('0.12345678901235', '0.0', '-0.3333333333333')
    """
    for digits in range(16, 5, -1):
        text = repr(float(f"{value + 0.0:.{digits}g}"))
        if len(text) <= 16:
            return text
    return f"{value:.8e}"


def _add_pixels(instance: Dataset, stored: NDArray[np.int64], *, is_signed: bool, bits_stored: int) -> None:
    instance.SamplesPerPixel = 1
    instance.PhotometricInterpretation = "MONOCHROME2"
    instance.Rows, instance.Columns = stored.shape
    instance.BitsAllocated, instance.BitsStored, instance.HighBit = 16, bits_stored, bits_stored - 1
    instance.PixelRepresentation = int(is_signed)
    instance.PixelData = stored.astype("<i2" if is_signed else "<u2").tobytes()


def _add_ct(instance: Dataset, plane: NDArray[np.float32]) -> None:
    instance.SOPClassUID = CTImageStorage
    instance.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    instance.RescaleIntercept, instance.RescaleSlope, instance.RescaleType = "-1024", "1", "HU"
    instance.KVP = "120"
    stored = np.clip(np.rint(plane.astype(np.float64)) + 1024, 0, 4095).astype(np.int64)
    _add_pixels(instance, stored, is_signed=False, bits_stored=12)


def _add_mr(instance: Dataset, plane: NDArray[np.float32]) -> None:
    instance.SOPClassUID = MRImageStorage
    instance.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    instance.ScanningSequence, instance.SequenceVariant, instance.ScanOptions = "SE", "NONE", ""
    instance.MRAcquisitionType = "2D"
    instance.RepetitionTime, instance.EchoTime, instance.EchoTrainLength = "600", "12", "1"
    instance.MagneticFieldStrength = "1.5"
    stored = np.clip(np.rint(plane.astype(np.float64)), 0, 65535).astype(np.int64)
    _add_pixels(instance, stored, is_signed=False, bits_stored=16)


def _add_pt(instance: Dataset, plane: NDArray[np.float32]) -> None:
    """Add PET attributes (PS3.3 C.8.9); each slice has its own Rescale Slope, as scanners write it."""
    instance.SOPClassUID = PositronEmissionTomographyImageStorage
    instance.ImageType = ["ORIGINAL", "PRIMARY"]
    instance.PatientWeight = "70"
    instance.Units, instance.CountsSource, instance.DecayCorrection = "BQML", "EMISSION", "START"
    instance.SeriesType = ["STATIC", "IMAGE"]
    instance.CorrectedImage = ["DECY", "ATTN", "SCAT"]
    instance.CollimatorType = "NONE"
    instance.FrameReferenceTime, instance.ActualFrameDuration = "0", "180000"
    instance.DecayFactor, instance.ImageIndex = "1", instance.InstanceNumber
    del instance.PatientPosition  # the two code sequences stand in its place (PS3.3 C.8.4.6)
    instance.PatientOrientationCodeSequence = Sequence([_code("102538003", "SCT", "recumbent")])
    instance.PatientOrientationCodeSequence[0].PatientOrientationModifierCodeSequence = Sequence(
        [_code("40199007", "SCT", "supine")]
    )
    instance.PatientGantryRelationshipCodeSequence = Sequence([_code("102540008", "SCT", "headfirst")])
    instance.RadiopharmaceuticalInformationSequence = Sequence([_radiopharmaceutical(instance)])
    slope = max(float(plane.max()), 1.0) / 32767
    slope_text = _decimal(slope)
    instance.RescaleIntercept, instance.RescaleSlope = "0", slope_text
    stored = np.clip(np.rint(plane.astype(np.float64) / float(slope_text)), 0, 32767).astype(np.int64)
    _add_pixels(instance, stored, is_signed=True, bits_stored=16)


def _radiopharmaceutical(instance: Dataset) -> Dataset:
    """FDG, 350 MBq, injected an hour before the series (PS3.3 C.8.9.2)."""
    hour = (int(instance.SeriesTime[:2]) - 1) % 24
    item = Dataset()
    item.RadionuclideCodeSequence = Sequence([_code("77004003", "SCT", "^18^Fluorine")])
    item.RadiopharmaceuticalCodeSequence = Sequence([_code("35321007", "SCT", "Fluorodeoxyglucose F^18^")])
    item.Radiopharmaceutical = "FDG"
    item.RadiopharmaceuticalStartTime = f"{hour:02d}{instance.SeriesTime[2:6]}"
    item.RadiopharmaceuticalVolume = "5"
    item.RadionuclideTotalDose = "350000000"
    item.RadionuclideHalfLife = "6586.2"
    item.RadionuclidePositronFraction = "0.97"
    return item


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


_MODALITIES: dict[str, Callable[[Dataset, NDArray[np.float32]], None]] = {"CT": _add_ct, "MR": _add_mr, "PT": _add_pt}
