"""What callers ask in a query string: QIDO's grammar becomes a SimilarityQuery.

Names of DICOM attributes are filters, in the query string as they are in QIDO-RS (PS3.18 8.3.4); names of our own have
a hyphen, which no keyword has.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from pydicom.datadict import keyword_for_tag, tag_for_keyword
from werkzeug.datastructures import MultiDict

from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.references import SeriesRef, require_uid
from similar_cases.domain.similarity import Filters, Per, SimilarityQuery
from similar_cases.web.private import private_keyword

DEFAULT_LIMIT = 10
#: largest offset that makes sense; beyond it nothing matches
MAX_OFFSET = 1_000_000
#: longest value of a parameter
MAX_VALUE = 1024
MAX_PARAMETERS = 64
#: longest name of a ranking
MAX_RANK_BY = 128
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_NUMBER = re.compile(r"[0-9]{1,9}")
#: parameters of our own, and of QIDO's grammar, in a query string
COMMON_PARAMETERS = (
    "limit", "offset", "includefield", "fuzzymatching", "accept", "charset", "age-min", "age-max",
    "include-same-patient", "rank-by", "weight",
)  # fmt: skip
#: and those that only some routes take
OWN_PARAMETERS = (*COMMON_PARAMETERS, "similar-to", "tracking-uid", "volume-number")


@dataclass(frozen=True)
class Wanted:
    """Which further attributes an answer in dicom+json should carry: ``includefield`` of QIDO."""

    keywords: frozenset[str] = frozenset()
    everything: bool = False

    def wants(self, keyword: str) -> bool:
        """Tell whether an attribute that is not in every answer stands in this one."""
        return self.everything or keyword in self.keywords


@dataclass(frozen=True, kw_only=True)
class About:
    """What a query string asks about: a volume of a Series, a Region by its Tracking UID, or a whole Study."""

    study: str = ""
    series: SeriesRef | None = None
    tracking_uid: str = ""
    volume_number: int = 0


def about_series(series: SeriesRef, parameters: "MultiDict[str, str]") -> About:
    """Return the Series that a path names, or the Region of it that ``tracking-uid`` does.

    Raises:
        InvalidRequest: when a parameter cannot be understood.
    """
    tracking = parameters.get("tracking-uid", "")
    return About(
        series=series,
        tracking_uid=require_uid(tracking) if tracking else "",
        volume_number=volume_number(parameters),
    )


def volume_number(parameters: "MultiDict[str, str]") -> int:
    """Return the number of the volume in its Series, 0 where none is told.

    Raises:
        InvalidRequest: when it is no number.
    """
    return _whole("volume-number", parameters, 0)


def query_of_parameters(
    about: About, parameters: "MultiDict[str, str]", max_limit: int, one_per: Per = Per.CASE
) -> tuple[SimilarityQuery, Wanted]:
    """Read the query string of a GET route.

    Raises:
        InvalidRequest: with the reason, for anything that cannot be understood.
    """
    query = SimilarityQuery(
        study=about.study,
        series=about.series,
        volume_number=about.volume_number,
        tracking_uid=about.tracking_uid,
        filters=_filters_of(parameters),
        rank_by=parameters.get("rank-by", "")[:MAX_RANK_BY],
        weights=_weights(parameters.get("weight", "")),
        one_per=one_per,
        limit=min(_whole("limit", parameters, DEFAULT_LIMIT), max_limit),
        offset=min(_whole("offset", parameters, 0), MAX_OFFSET),
    )
    truth("fuzzymatching", parameters)
    return query, wanted_fields(parameters.getlist("includefield"))


def refuse_unknown(parameters: "MultiDict[str, str]", known: Collection[str]) -> None:
    """Refuse more, longer or repeated parameters than QIDO's grammar has, and names of our own that are not known.

    Raises:
        InvalidRequest: for the first one.
    """
    _refuse_excess(parameters)
    for name in parameters:
        if name not in known and (name in OWN_PARAMETERS or "-" in name):
            raise InvalidRequest(f"unknown parameter {name[:80]!r}; these are known here: {', '.join(known)}")


def wanted_fields(values: list[str]) -> Wanted:
    """Read every ``includefield``: keywords or tags, several separated by commas, or ``all``.

    Raises:
        InvalidRequest: for what is neither a tag nor a keyword, of the standard or of our private dictionary.

    >>> wanted_fields(["00180015,Manufacturer"]).keywords == {"BodyPartExamined", "Manufacturer"}
    True
    """
    names = [name for value in values for name in value.split(",")]
    if names == ["all"]:
        return Wanted(everything=True)
    stripped = [name.strip() for name in names]
    return Wanted(frozenset(private_keyword(name) or attribute_keyword(name) for name in stripped))


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
        if name not in OWN_PARAMETERS:
            attributes.append((attribute_keyword(name), value))
    return Filters(
        attributes=tuple(attributes),
        age_years=(_age("age-min", parameters), _age("age-max", parameters)),
        exclude_same_patient=not truth("include-same-patient", parameters),
    )


def _whole(name: str, parameters: "MultiDict[str, str]", default: int) -> int:
    text = parameters.get(name)
    return default if text is None else whole(name, text)


def whole(name: str, text: str) -> int:
    """Return a number of a path or a parameter.

    Raises:
        InvalidRequest: when it is no whole number from 0, or has more than nine digits.
    """
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


def decimal_of(name: str, parameters: "MultiDict[str, str]", default: float) -> float:
    """Return a parameter that is a number from 0.

    Raises:
        InvalidRequest: when it is none.
    """
    text = parameters.get(name)
    return default if text is None else _decimal(name, text)
