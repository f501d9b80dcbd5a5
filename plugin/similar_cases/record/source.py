"""What SEG and SR take over from the headers of their source Series: patient, study, scanner, date and time."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from unicodedata import category

from pydicom import DataElement, Dataset
from pydicom import config as pydicom_config
from pydicom.datadict import dictionary_VR
from pydicom.multival import MultiValue
from pydicom.valuerep import validate_value

from similar_cases.volume.header import items, value_of, whole

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
_TYPE_3 = (
    "IssuerOfPatientID",
    "TypeOfPatientID",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "StudyDescription",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "TimezoneOffsetFromUTC",
)
#: what identifies is taken as it is, however ill-formed: another value would be another patient or study
_IDENTIFYING = frozenset(("PatientID", "PatientName", "StudyInstanceUID", "AccessionNumber"))
_EQUIPMENT = (
    "Manufacturer",
    "ManufacturerModelName",
    "InstitutionName",
    "StationName",
    "DeviceSerialNumber",
    "SoftwareVersions",
)
_COMPRESSION = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
#: attributes of which a list of values is no error
_LISTS = frozenset(("SoftwareVersions", "LossyImageCompressionRatio", "LossyImageCompressionMethod"))
_SEXES = frozenset(("M", "F", "O"))


@dataclass(frozen=True, eq=False, kw_only=True)
class SourceHeader:
    """What is taken over, valid and in UTF-8.

    Attributes:
        patient_and_study: Patient, General Study and Patient Study modules (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2).
        equipment: who made the scanner, and where it stands; may be empty.
        compression: set where the source was compressed with loss, as what is derived from it must tell (C.7.6.1.1.5).
        date, time: DA and TM of the Series, else of the Study, else the earliest that DICOM can write.
    """

    patient_and_study: Dataset
    equipment: Dataset
    compression: Dataset
    series_uid: str
    series_number: int
    modality: str
    date: str
    time: str

    @property
    def study_uid(self) -> str:
        """Study Instance UID, in which SEG and SR are stored."""
        return str(self.patient_and_study.StudyInstanceUID)

    def nameless(self) -> Dataset:
        """Return what highdicom asks of a source image at the levels of patient, study and series, without the patient.

        highdicom writes a patient's name that it finds odd into its log; so it gets none, and the true ones are set
        afterwards (``provenance.finish``).
        """
        image = Dataset()
        for keyword in _TYPE_2:
            setattr(image, keyword, "")
        image.StudyInstanceUID, image.SeriesInstanceUID, image.Modality = self.study_uid, self.series_uid, self.modality
        return image


def header_of(source: Sequence[Dataset]) -> SourceHeader:
    """Read the header of a Series from the Instance with the smallest SOP Instance UID, whatever the order of `source`.

    A value that breaks its VR is left out, unless it identifies the patient or the study. Text is decoded by the
    source's own Specific Character Set and written as ISO_IR 192, which has every character (PS3.5 6.1.2.3).
    """
    first = min(source, key=lambda instance: str(instance.SOPInstanceUID))
    date, time = _date_and_time(first)
    return SourceHeader(
        patient_and_study=_patient_and_study(first),
        equipment=_copied(first, _EQUIPMENT),
        compression=_copied(first, _COMPRESSION) if _text(first, "LossyImageCompression") == "01" else Dataset(),
        series_uid=str(first.SeriesInstanceUID),
        series_number=whole(first, "SeriesNumber") or 0,
        modality=_text(first, "Modality") or "OT",
        date=date,
        time=time,
    )


def _patient_and_study(first: Dataset) -> Dataset:
    header = Dataset()
    for keyword in _TYPE_2:
        setattr(header, keyword, "")
    header.update(_copied(first, ("StudyInstanceUID", *_TYPE_2, *_TYPE_3)))
    if header.PatientSex not in _SEXES:
        header.PatientSex = ""
    methods = [_copied(item, ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")) for item in _methods(first)]
    if methods:
        header.DeidentificationMethodCodeSequence = methods
    if not methods and "DeidentificationMethod" not in header:  # YES asks for one of them (PS3.3 C.7.1.1)
        header.pop("PatientIdentityRemoved", None)
    return header


def _methods(first: Dataset) -> list[Dataset]:
    return [item for item in items(first, "DeidentificationMethodCodeSequence") if _text(item, "CodeValue")]


def _copied(source: Dataset, keywords: Sequence[str]) -> Dataset:
    copied = Dataset()
    for keyword in keywords:
        text = _text(source, keyword)
        if text and (keyword in _IDENTIFYING or _is_valid(keyword, text)):
            copied.add(_unchecked(keyword, text))
    return copied


def _unchecked(keyword: str, text: str) -> DataElement:
    """Return an element that pydicom does not validate: it would write an identifier that it finds odd into its log."""
    return DataElement(keyword, dictionary_VR(keyword), text, validation_mode=pydicom_config.IGNORE)


def _text(source: Dataset, keyword: str) -> str:
    """Return an attribute's text, several values with backslashes between, without control characters."""
    value = value_of(source, keyword)
    values = value if isinstance(value, MultiValue) else (value,)
    text = ""
    with suppress(LookupError, ValueError):  # a PersonName decodes its bytes here, by whatever set the source names
        text = "\\".join(str(one) for one in values if one is not None)
    return "".join(letter for letter in text if category(letter) not in ("Cc", "Cs")).strip()


def _is_valid(keyword: str, text: str) -> bool:
    vr = dictionary_VR(keyword)
    is_list, is_range = "\\" in text and keyword not in _LISTS, "-" in text and vr in ("DA", "TM")
    if is_list or is_range:
        return False
    try:
        for value in text.split("\\"):
            validate_value(vr, value, pydicom_config.RAISE)
    except ValueError:
        return False
    return True


def _date_and_time(first: Dataset) -> tuple[str, str]:
    for level in ("Series", "Study"):
        date, time = _text(first, f"{level}Date"), _text(first, f"{level}Time")
        if date and _is_valid("StudyDate", date):
            return date, time if time and _is_valid("StudyTime", time) else "000000"
    return "19000101", "000000"
