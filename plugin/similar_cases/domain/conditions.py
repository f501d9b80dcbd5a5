"""Conditions on the attributes of a Case, as the catalogue understands them: QIDO's matching, parsed."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Match(StrEnum):
    """How a stored value is compared; PS3.4 C.2.2.2 by its own names."""

    #: single value matching: equal to the one value
    SINGLE = "single"
    #: list matching: equal to any of the values
    LIST = "list"
    #: wildcard matching: ``*`` is any run of characters, none included, ``?`` is one character
    WILDCARD = "wildcard"
    #: range matching: two values, compared as text, each inclusive, empty for open
    RANGE = "range"
    #: two numbers of years as text, the lower inclusive, the upper exclusive, empty for open
    YEARS = "years"


@dataclass(frozen=True)
class Attribute:
    """An attribute that Cases can be filtered by: its tag as eight hexadecimal digits, and its VR."""

    tag: str
    vr: str


@dataclass(frozen=True)
class Condition:
    """One condition on one attribute; a Case that has no value there does not satisfy it.

    PatientName is compared without regard to case (PS3.4 C.2.2.2.1), everything else as it stands. ModalitiesInStudy
    asks for a Series of the same Study that has the Modality.

    Attributes:
        keyword: a key of `ATTRIBUTES`.
        values: one for SINGLE and WILDCARD, at least one for LIST, two for RANGE and YEARS.
    """

    keyword: str
    match: Match
    values: tuple[str, ...]

    @property
    def ignores_case(self) -> bool:
        """Whether letters match in either case."""
        return ATTRIBUTES[self.keyword].vr == "PN"


#: the attributes that an answer can be filtered by
ATTRIBUTES: Mapping[str, Attribute] = MappingProxyType(
    {
        "StudyDate": Attribute("00080020", "DA"),
        "StudyTime": Attribute("00080030", "TM"),
        "AccessionNumber": Attribute("00080050", "SH"),
        "Modality": Attribute("00080060", "CS"),
        "ModalitiesInStudy": Attribute("00080061", "CS"),
        "Manufacturer": Attribute("00080070", "LO"),
        "StudyDescription": Attribute("00081030", "LO"),
        "SeriesDescription": Attribute("0008103E", "LO"),
        "ManufacturerModelName": Attribute("00081090", "LO"),
        "PatientName": Attribute("00100010", "PN"),
        "PatientID": Attribute("00100020", "LO"),
        "PatientBirthDate": Attribute("00100030", "DA"),
        "PatientSex": Attribute("00100040", "CS"),
        "PatientAge": Attribute("00101010", "AS"),
        "BodyPartExamined": Attribute("00180015", "CS"),
        "StudyInstanceUID": Attribute("0020000D", "UI"),
        "SeriesInstanceUID": Attribute("0020000E", "UI"),
    }
)
