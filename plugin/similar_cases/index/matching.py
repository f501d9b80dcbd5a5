"""Conditions on attributes as SQL (PS3.4 C.2.2.2)."""

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import ColumnElement, and_, exists, select

from similar_cases.domain.conditions import Condition, Match
from similar_cases.domain.errors import InvalidRequest
from similar_cases.index.encoding import folded_name
from similar_cases.index.schema import cases, series

_ESCAPE = "\\"

#: keyword → column of ``cases``
COLUMNS: Mapping[str, ColumnElement[str]] = MappingProxyType(
    {
        "StudyDate": cases.c.study_date,
        "StudyTime": cases.c.study_time,
        "AccessionNumber": cases.c.accession_number,
        "Modality": cases.c.modality,
        "Manufacturer": cases.c.manufacturer,
        "StudyDescription": cases.c.study_description,
        "SeriesDescription": cases.c.series_description,
        "ManufacturerModelName": cases.c.manufacturer_model_name,
        "PatientName": cases.c.patient_name_folded,
        "PatientID": cases.c.patient_id,
        "PatientBirthDate": cases.c.patient_birth_date,
        "PatientSex": cases.c.patient_sex,
        "BodyPartExamined": cases.c.body_part_examined,
        "StudyInstanceUID": cases.c.study_uid,
        "SeriesInstanceUID": cases.c.series_uid,
    }
)


def clause_of(condition: Condition) -> ColumnElement[bool]:
    """Return `condition` as a clause on ``cases``; a row that has no value there does not satisfy it.

    Raises:
        InvalidRequest: for an attribute that has no column.
    """
    if condition.match is Match.YEARS:
        return _years(*condition.values)
    if condition.keyword == "ModalitiesInStudy":
        same_study = and_(series.c.study_uid == cases.c.study_uid, _text(condition, series.c.modality))
        return exists(select(series.c.series_uid).where(same_study))
    if condition.keyword == "PatientName":
        return cases.c.patient_name_folded.like(f"%={_pattern(_folded(condition.values[0]))}=%", escape=_ESCAPE)
    column = COLUMNS.get(condition.keyword)
    if column is None:
        raise InvalidRequest(f"the catalogue keeps no {condition.keyword}")
    return _text(condition, column)


def _text(condition: Condition, column: ColumnElement[str]) -> ColumnElement[bool]:
    values = condition.values
    if condition.match is Match.LIST:
        return column.in_(values)
    if condition.match is Match.WILDCARD:
        return and_(column != "", column.like(_pattern(values[0]), escape=_ESCAPE))
    if condition.match is Match.RANGE:
        low, high = values
        bounds = [column >= low] * bool(low) + [column <= high] * bool(high)
        return and_(column != "", *bounds)
    return column == values[0]


def _years(low: str, high: str) -> ColumnElement[bool]:
    age = cases.c.patient_age_years
    bounds = [age >= float(low)] if low else []
    return and_(age.is_not(None), *bounds, *([age < float(high)] if high else []))


def _pattern(text: str) -> str:
    r"""Return DICOM's wildcards as those of LIKE.

    >>> print(_pattern("5%_a*?"))
    5\%\_a%_
    """
    for character in (_ESCAPE, "%", "_"):
        text = text.replace(character, _ESCAPE + character)
    return text.replace("*", "%").replace("?", "_")


def _folded(pattern: str) -> str:
    return folded_name(pattern)[1:-1]
