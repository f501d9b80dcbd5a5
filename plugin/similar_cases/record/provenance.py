"""Who made an object, when, and under which UID.

Everything here is a function of the inputs. No clock is read: the dates and times of what is written are those of the
source series, because the same inputs must give the same bytes under the same UID, however often a job is repeated.
When something was really computed, the worker's catalogue tells.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from importlib.metadata import version
from io import BytesIO

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from similar_cases.domain.case import derived_uid
from similar_cases.domain.description import fingerprint
from similar_cases.record.codes import PRIVATE_SCHEME
from similar_cases.record.source import SourceHeader

MANUFACTURER = "Similar Cases project"
#: what tells our own objects from those of others
MODEL = "Similar Cases"
#: stands where a constructor wants a UID that is set later
UID_TO_COME = "2.25.0"

#: counted up whenever the rules by which objects are written change
_RULES = 1


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


class Role(StrEnum):
    """Which of the two objects of a Region; the values are Modality."""

    #: the mask
    SEG = "SEG"
    #: what was measured
    SR = "SR"


_SERIES_DESCRIPTIONS = {Role.SEG: "Similar Cases regions", Role.SR: "Similar Cases measurements"}


def plain_code(value: str, scheme: str, meaning: str) -> Dataset:
    """Return an item of a code sequence (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def finish(instance: Dataset, header: SourceHeader, tracking_uid: str, settings: RecorderSettings) -> None:
    """Complete a SEG or an SR: patient, series, dates, equipment and, last, the UID that its bytes ask for."""
    role = Role(instance.Modality)
    instance.SpecificCharacterSet = "ISO_IR 192"
    instance.update(header.patient_and_study)
    _add_series(instance, header, role, settings)
    instance.InstanceNumber = _instance_number(tracking_uid)
    for date in ("SeriesDate", "ContentDate", "InstanceCreationDate"):
        setattr(instance, date, header.date)
    for time in ("SeriesTime", "ContentTime", "InstanceCreationTime"):
        setattr(instance, time, header.time)
    instance.update(_equipment(settings))
    instance.ContentQualification = settings.content_qualification.value
    instance.ContributingEquipmentSequence = [*_acquisition(header), _processing(settings)]
    if role is Role.SR:
        instance.CodingSchemeIdentificationSequence = [_private_scheme()]
    _give_uid(instance)


def _add_series(instance: Dataset, header: SourceHeader, role: Role, settings: RecorderSettings) -> None:
    """One source Series has one Series of each role from each version of the software.

    Its number is over 9000 and keeps the order of the source Series: 9041 and 9042 for the fourth.
    """
    number = header.series_number if 0 <= header.series_number < 10_000_000 else 0
    instance.SeriesNumber = 9000 + 10 * number + (1 if role is Role.SEG else 2)
    instance.SeriesInstanceUID = result_series_uid(role, header.series_uid, settings)
    instance.SeriesDescription = f"{_SERIES_DESCRIPTIONS[role]} of {header.modality} series {header.series_number}"[:64]


def result_series_uid(role: Role, source_series_uid: str, settings: RecorderSettings) -> str:
    """Return the Series in which the results of a source Series stand."""
    return derived_uid(role, source_series_uid, settings.fingerprint, settings.software_version)


def _instance_number(tracking_uid: str) -> int:
    """Return 1 to 999 999 999, the same for the same Region; the order has no meaning."""
    return 1 + int(sha256(tracking_uid.encode()).hexdigest(), 16) % 999_999_999


def _equipment(settings: RecorderSettings) -> Dataset:
    item = Dataset()
    item.Manufacturer, item.ManufacturerModelName = MANUFACTURER, MODEL
    item.SoftwareVersions, item.DeviceSerialNumber = settings.software_version, settings.device_serial_number
    return item


def _acquisition(header: SourceHeader) -> list[Dataset]:
    """The scanner, as far as its maker is known (PS3.3 C.12.1; IHE AI Results asks for it)."""
    if "Manufacturer" not in header.equipment:
        return []
    item = Dataset()
    item.update(header.equipment)
    item.PurposeOfReferenceCodeSequence = [plain_code("109101", "DCM", "Acquisition Equipment")]
    item.ContributionDescription = "Acquired the source images"
    return [item]


def _processing(settings: RecorderSettings) -> Dataset:
    item = _equipment(settings)
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
    instance.SOPInstanceUID = UID_TO_COME
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
