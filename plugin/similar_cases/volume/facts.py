"""What the headers of a Series say of the patient, the study and the scanner."""

import re
from datetime import date

from pydicom import Dataset

from similar_cases.domain.volume import SeriesFacts
from similar_cases.volume import header
from similar_cases.volume.quiet import quiet_pydicom

#: days in each unit of AS (PS3.5 section 6.2)
_DAYS = {"D": 1.0, "W": 7.0, "M": 365.2425 / 12, "Y": 365.2425}
_AGE = re.compile(r"(\d{1,3})([DWMY])")
_MAX_AGE_YEARS = 130.0


def series_facts(dataset: Dataset) -> SeriesFacts:
    """Read the facts from one Instance; what is absent or cannot be read is empty, and nothing raises for a value.

    The patient's name keeps all its component groups, decoded by Specific Character Set (PS3.5 section 6.2.1).

    Raises:
        MalformedDicom: only where sequences are nested deeper than Python's stack.

    >>> from pydicom import Dataset
    >>> image = Dataset()
    >>> image.PatientName, image.PatientBirthDate, image.StudyDate = "Yamada^Tarou=山田^太郎", "19800615", "20200614"
    >>> facts = series_facts(image)
    >>> facts.patient_name, round(facts.patient_age_years)
    ('Yamada^Tarou=山田^太郎', 40)
    """
    with quiet_pydicom():
        return SeriesFacts(
            patient_id=header.text(dataset, "PatientID"),
            patient_name=header.text(dataset, "PatientName"),
            patient_sex=header.text(dataset, "PatientSex"),
            patient_birth_date=header.text(dataset, "PatientBirthDate"),
            patient_age_years=_age_years(dataset),
            study_date=header.text(dataset, "StudyDate"),
            study_time=header.text(dataset, "StudyTime"),
            study_description=header.text(dataset, "StudyDescription"),
            accession_number=header.text(dataset, "AccessionNumber"),
            modality=header.text(dataset, "Modality"),
            series_number=header.whole(dataset, "SeriesNumber"),
            series_description=header.text(dataset, "SeriesDescription"),
            body_part_examined=header.text(dataset, "BodyPartExamined") or _anatomic_region(dataset),
            manufacturer=header.text(dataset, "Manufacturer"),
            manufacturer_model_name=header.text(dataset, "ManufacturerModelName"),
        )


def _age_years(dataset: Dataset) -> float | None:
    stated = _AGE.fullmatch(header.text(dataset, "PatientAge").upper())
    if stated:
        years = int(stated[1]) * _DAYS[stated[2]] / _DAYS["Y"]
    else:
        born = _date(header.text(dataset, "PatientBirthDate"))
        seen = next(
            filter(None, (_date(header.text(dataset, f"{at}Date")) for at in ("Study", "Series", "Acquisition"))), None
        )
        if born is None or seen is None:
            return None
        years = (seen - born).days / _DAYS["Y"]
    return years if 0 <= years <= _MAX_AGE_YEARS else None


def _date(text: str) -> date | None:
    """Read a DA, also in the form with dots of ACR-NEMA (PS3.5 section 6.2, note)."""
    digits = text.replace(".", "")
    if not re.fullmatch(r"[0-9]{8}", digits):
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def _anatomic_region(dataset: Dataset) -> str:
    """Return the meaning of Anatomic Region Sequence: enhanced objects have it instead of Body Part Examined."""
    shared = header.item(dataset, "SharedFunctionalGroupsSequence")
    anatomy = header.item(shared, "FrameAnatomySequence") if shared is not None else None
    region = header.item(anatomy if anatomy is not None else dataset, "AnatomicRegionSequence")
    return header.text(region, "CodeMeaning").upper() if region is not None else ""
