"""What callers ask in a query string: QIDO's grammar becomes a SimilarityQuery.

Names of DICOM attributes are filters, in the query string as they are in QIDO-RS (PS3.18 8.3.4); names of our own have
a hyphen, which no keyword has.
"""

import re
from dataclasses import dataclass

from pydicom.datadict import keyword_for_tag, tag_for_keyword
from werkzeug.datastructures import MultiDict

from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.references import SeriesRef, require_uid
from similar_cases.domain.similarity import Filters, SimilarityQuery

DEFAULT_LIMIT = 10
#: largest offset that makes sense; beyond it nothing matches
MAX_OFFSET = 1_000_000
#: longest value of a parameter
MAX_VALUE = 1024
MAX_PARAMETERS = 64
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_NUMBER = re.compile(r"[0-9]{1,9}")
#: parameters of our own, and of QIDO's grammar, in a query string
OWN_PARAMETERS = (
    "limit", "offset", "includefield", "fuzzymatching", "accept", "age-min", "age-max", "include-same-patient",
    "tracking-uid", "volume-number", "weight",
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """Which further attributes an answer in dicom+json should carry: ``includefield`` of QIDO."""

    keywords: frozenset[str] = frozenset()
    everything: bool = False


def query_of_parameters(
    series: SeriesRef, parameters: "MultiDict[str, str]", max_limit: int
) -> tuple[SimilarityQuery, Wanted]:
    """Read the query string of the GET route.

    Raises:
        InvalidRequest: with the reason, for anything that cannot be understood.
    """
    _refuse_excess(parameters)
    query = SimilarityQuery(
        series=series,
        volume_number=_whole("volume-number", parameters, 0),
        tracking_uid=_tracking_uid(parameters.get("tracking-uid", "")),
        filters=_filters_of(parameters),
        weights=_weights(parameters.get("weight", "")),
        limit=min(_whole("limit", parameters, DEFAULT_LIMIT), max_limit),
        offset=min(_whole("offset", parameters, 0), MAX_OFFSET),
    )
    truth("fuzzymatching", parameters)
    return query, wanted_fields(parameters.getlist("includefield"))


def wanted_fields(values: list[str]) -> Wanted:
    """Read every ``includefield``: keywords or tags, several separated by commas, or ``all``.

    Raises:
        InvalidRequest: for what is neither a tag nor a keyword of the standard.

    >>> wanted_fields(["00180015,Manufacturer"]).keywords == {"BodyPartExamined", "Manufacturer"}
    True
    """
    names = [name for value in values for name in value.split(",")]
    if names == ["all"]:
        return Wanted(everything=True)
    return Wanted(frozenset(attribute_keyword(name.strip()) for name in names))


def refuse_repeats(parameters: "MultiDict[str, str]", allowed: tuple[str, ...]) -> None:
    """Refuse a parameter that a route does not know, or that stands twice.

    Raises:
        InvalidRequest: for the first one.
    """
    for name, values in parameters.lists():
        if name not in allowed:
            raise InvalidRequest(f"unknown parameter {name[:80]!r}; these are known: {', '.join(allowed)}")
        if len(values) > 1:
            raise InvalidRequest(f"parameter {name!r} stands twice")


def attribute_keyword(name: str) -> str:
    """Return the keyword of a keyword or a tag; the grammar of PS3.18 8.3.4.1.1, without nesting.

    Raises:
        InvalidRequest: for what is neither.
    """
    keyword = keyword_for_tag(int(name, 16)) if _TAG.fullmatch(name) else name
    if not keyword or tag_for_keyword(keyword) is None:
        raise InvalidRequest(f"neither a DICOM keyword nor a tag of eight hexadecimal digits: {name[:80]!r}")
    return keyword


def page_of(parameters: "MultiDict[str, str]", default: int, maximum: int) -> tuple[int, int]:
    """Return (limit, offset) of a list route."""
    return min(_whole("limit", parameters, default), maximum), min(_whole("offset", parameters, 0), MAX_OFFSET)


def truth(name: str, parameters: "MultiDict[str, str]") -> bool:
    """Return whether a parameter is ``true``; it may be absent, which is false.

    Raises:
        InvalidRequest: when it is neither ``true`` nor ``false``.
    """
    text = parameters.get(name, "false")
    if text not in ("true", "false"):
        raise InvalidRequest(f"{name} is true or false, got {text[:40]!r}")
    return text == "true"


def _refuse_excess(parameters: "MultiDict[str, str]") -> None:
    if len(parameters) > MAX_PARAMETERS:
        raise InvalidRequest(f"more than {MAX_PARAMETERS} parameters")
    for name, values in parameters.lists():
        if len(values) > 1 and name != "includefield":
            raise InvalidRequest(f"parameter {name[:80]!r} stands twice")
        if any(len(value) > MAX_VALUE for value in values):
            raise InvalidRequest(f"parameter {name[:80]!r} is longer than {MAX_VALUE} characters")


def _filters_of(parameters: "MultiDict[str, str]") -> Filters:
    attributes = []
    for name, value in parameters.items():
        if name in OWN_PARAMETERS:
            continue
        if "-" in name:
            raise InvalidRequest(f"unknown parameter {name[:80]!r}; these are known: {', '.join(OWN_PARAMETERS)}")
        attributes.append((attribute_keyword(name), value))
    return Filters(
        attributes=tuple(attributes),
        age_years=(_age("age-min", parameters), _age("age-max", parameters)),
        exclude_same_patient=not truth("include-same-patient", parameters),
    )


def _whole(name: str, parameters: "MultiDict[str, str]", default: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text):
        raise InvalidRequest(f"{name} is a whole number from 0, got {text[:40]!r}")
    return int(text)


def _age(name: str, parameters: "MultiDict[str, str]") -> float | None:
    text = parameters.get(name)
    return None if text is None else _decimal(name, text)


def _weights(text: str) -> tuple[tuple[str, float], ...]:
    """Read ``appearance:1,radiomics:0.5``."""
    pairs = [pair.partition(":") for pair in text.split(",") if text]
    if not all(name.strip() and colon for name, colon, _ in pairs):
        raise InvalidRequest(f"weight is as appearance:1,radiomics:0.5, got {text[:40]!r}")
    return tuple((name.strip(), _decimal("weight", number)) for name, _, number in pairs)


def _decimal(name: str, text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text.strip()):
        raise InvalidRequest(f"{name} is a number from 0, got {text[:40]!r}")
    return float(text)


def _tracking_uid(text: str) -> str:
    return require_uid(text) if text else ""


def decimal_of(name: str, parameters: "MultiDict[str, str]", default: float) -> float:
    """Return a parameter that is a number from 0.

    Raises:
        InvalidRequest: when it is none.
    """
    text = parameters.get(name)
    return default if text is None else _decimal(name, text)
