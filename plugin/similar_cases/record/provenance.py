"""Who made an object, from what, when, and under which UID.

Everything here is a function of the inputs. No clock is read: the dates and times of what is written are those of the
source series, because the same inputs must give the same bytes under the same UID, however often a job is repeated.
When something was really computed, the worker's catalogue tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from importlib.metadata import version
from io import BytesIO

from pydicom import Dataset, dcmwrite
from pydicom import config as pydicom_config
from pydicom.datadict import dictionary_VR
from pydicom.dataset import FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.uid import UID, ExplicitVRLittleEndian
from pydicom.valuerep import validate_value

from similar_cases.domain.case import derived_uid
from similar_cases.domain.description import fingerprint
from similar_cases.record.codes import PRIVATE_SCHEME

MANUFACTURER = "Similar Cases project"
#: what tells our own objects from those of others
MODEL = "Similar Cases"

#: counted up whenever the rules by which objects are written change
_RULES = 1

_PATIENT = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "TypeOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "PatientSpeciesDescription",
    "PatientBreedDescription",
    "ResponsiblePerson",
    "ResponsiblePersonRole",
    "ResponsibleOrganization",
)
_STUDY = (
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "StudyDescription",
    "ReferringPhysicianName",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "TimezoneOffsetFromUTC",
)
#: present even where the source has no value (Type 2 in PS3.3 C.7.1.1 and C.7.2.1)
_TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
#: what identifies is taken as it is, however ill-formed: another value would be another patient or study
_IDENTIFYING = frozenset(("PatientID", "StudyInstanceUID", "AccessionNumber"))
_EQUIPMENT = (
    "Manufacturer",
    "ManufacturerModelName",
    "InstitutionName",
    "StationName",
    "DeviceSerialNumber",
    "SoftwareVersions",
)
_SEXES = frozenset(("M", "F", "O"))


class ContentQualification(StrEnum):
    """What the content is fit for (PS3.3 C.8.13.2.1.1)."""

    #: it may be used clinically; only where the site has declared so
    PRODUCT = "PRODUCT"
    #: it must not be used for care
    RESEARCH = "RESEARCH"
    #: made for service
    SERVICE = "SERVICE"


@dataclass(frozen=True, kw_only=True)
class RecorderSettings:
    """What a site may choose of the objects that are written.

    Attributes:
        device_serial_number: tells one installation from another.
        software_version: ours, as pip knows it.
    """

    content_qualification: ContentQualification = ContentQualification.RESEARCH
    device_serial_number: str = "1"
    software_version: str = field(default_factory=lambda: version("similar-cases"))

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with the rules and choices, not with each release."""
        return fingerprint([_RULES, self.content_qualification, self.device_serial_number])

    @property
    def device_uid(self) -> str:
        """The observer's UID (TID 1004)."""
        return derived_uid("similar-cases", "device", self.device_serial_number)


def is_ours(instance: Dataset) -> bool:
    """Tell whether Similar Cases wrote `instance`."""
    return bool(instance.get("ManufacturerModelName", "") == MODEL)


def header_of(source: Sequence[Dataset]) -> Dataset:
    """Return the patient, study and equipment attributes of a Series, and its date and time, valid and in UTF-8.

    They are read from the Instance with the smallest SOP Instance UID, so that the order of `source` does not count.
    A value that breaks its VR is left out, unless it identifies the patient or the study. Text is decoded by the
    source's own Specific Character Set and written as ISO_IR 192, which has every character (PS3.5 6.1.2.3).
    """
    first = min(source, key=lambda instance: str(instance.SOPInstanceUID))
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 192"
    for keyword in _TYPE_2:
        setattr(header, keyword, "")
    for keyword in (*_PATIENT, *_STUDY, *_EQUIPMENT):
        _copy(first, header, keyword)
    if header.PatientSex not in _SEXES:
        header.PatientSex = ""
    header.SeriesDate, header.SeriesTime = _date_and_time(first)
    header.SeriesInstanceUID = str(first.SeriesInstanceUID)
    header.SeriesNumber = _series_number(first)
    header.Modality = _text(first, "Modality") or "OT"
    return header


def _copy(source: Dataset, header: Dataset, keyword: str) -> None:
    text = _text(source, keyword)
    if text and (keyword in _IDENTIFYING or _is_valid(keyword, text)):
        setattr(header, keyword, text)


def _text(source: Dataset, keyword: str) -> str:
    value = source.get(keyword)
    if isinstance(value, MultiValue):
        value = value[0] if value else None
    return "" if value is None else str(value).strip("\0 ")


def _is_valid(keyword: str, text: str) -> bool:
    try:
        validate_value(dictionary_VR(keyword), text, pydicom_config.RAISE)
    except ValueError:
        return False
    return True


def _date_and_time(first: Dataset) -> tuple[str, str]:
    """Return the Series' date and time, else the Study's, else the earliest that DICOM can write."""
    for level in ("Series", "Study"):
        date, time = _text(first, f"{level}Date"), _text(first, f"{level}Time")
        if date and _is_valid("StudyDate", date):
            return date, time if time and _is_valid("StudyTime", time) else "000000"
    return "19000101", "000000"


def _series_number(first: Dataset) -> int:
    try:
        return int(_text(first, "SeriesNumber") or 0)
    except ValueError:
        return 0


class Role(StrEnum):
    """Which of the two objects of a Region."""

    #: the mask
    SEG = "SEG"
    #: what was measured
    SR = "SR"


_SERIES_DESCRIPTIONS = {Role.SEG: "Similar Cases regions", Role.SR: "Similar Cases measurements"}


def series_uid(header: Dataset, role: Role, settings: RecorderSettings) -> str:
    """Return the UID of the one Series of that role that a source Series gets from this version of the software."""
    return derived_uid(role, header.SeriesInstanceUID, settings.fingerprint, settings.software_version)


def series_number(header: Dataset, role: Role) -> int:
    """Return a number over 9000 that keeps the order of the source Series: 9041 and 9042 for the fourth."""
    source = header.SeriesNumber if 0 <= header.SeriesNumber < 10_000_000 else 0
    return 9000 + 10 * int(source) + (1 if role is Role.SEG else 2)


def series_description(header: Dataset, role: Role) -> str:
    """Return what a list of Series shows: whose it is, and of which Series."""
    return f"{_SERIES_DESCRIPTIONS[role]} of {header.Modality} series {header.SeriesNumber}"[:64]


def instance_number(tracking_uid: str) -> int:
    """Return 1 to 999 999 999, the same for the same Region; the order has no meaning."""
    return 1 + int(sha256(tracking_uid.encode()).hexdigest(), 16) % 999_999_999


def plain_code(value: str, scheme: str, meaning: str) -> Dataset:
    """Return an item of a code sequence (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def finish(instance: Dataset, header: Dataset, settings: RecorderSettings) -> None:
    """Give `instance` its dates, equipment and, last, the UID that its bytes ask for."""
    instance.SpecificCharacterSet = "ISO_IR 192"
    instance.InstanceCreationDate, instance.InstanceCreationTime = header.SeriesDate, header.SeriesTime
    if "TimezoneOffsetFromUTC" in header:
        instance.TimezoneOffsetFromUTC = header.TimezoneOffsetFromUTC
    instance.ContributingEquipmentSequence = [*_acquisition(header), _processing(settings)]
    if instance.Modality == Role.SR:
        instance.CodingSchemeIdentificationSequence = [_private_scheme()]
    _give_uid(instance)


def _acquisition(header: Dataset) -> list[Dataset]:
    """The scanner, as far as its name is known (PS3.3 C.12.1, IHE AI Results asks for it)."""
    if not header.get("Manufacturer"):
        return []
    item = Dataset()
    for keyword in _EQUIPMENT:
        if keyword in header:
            item[keyword] = header[keyword]
    item.PurposeOfReferenceCodeSequence = [plain_code("109101", "DCM", "Acquisition Equipment")]
    item.ContributionDescription = "Acquired the source images"
    return [item]


def _processing(settings: RecorderSettings) -> Dataset:
    item = Dataset()
    item.Manufacturer, item.ManufacturerModelName = MANUFACTURER, MODEL
    item.SoftwareVersions, item.DeviceSerialNumber = settings.software_version, settings.device_serial_number
    item.PurposeOfReferenceCodeSequence = [plain_code("109102", "DCM", "Processing Equipment")]
    item.ContributionDescription = "Segmented and described the region"
    return item


def _private_scheme() -> Dataset:
    item = Dataset()
    item.CodingSchemeDesignator, item.CodingSchemeName = PRIVATE_SCHEME, "Similar Cases codes"
    item.CodingSchemeResponsibleOrganization = MANUFACTURER
    item.CodingSchemeVersion = str(_RULES)
    return item


def _give_uid(instance: Dataset) -> None:
    """Derive the SOP Instance UID from all other bytes: other content, other UID; same content, same UID."""
    instance.SOPInstanceUID = ""
    content = BytesIO()
    dcmwrite(content, instance, implicit_vr=False, little_endian=True)
    instance.SOPInstanceUID = derived_uid(instance.Modality, sha256(content.getvalue()).hexdigest())
    instance.file_meta = _file_meta(instance)


def _file_meta(instance: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = instance.SOPClassUID
    meta.MediaStorageSOPInstanceUID = instance.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(derived_uid("similar-cases", "implementation"))
    meta.ImplementationVersionName = "SIMILAR_CASES"
    return meta
