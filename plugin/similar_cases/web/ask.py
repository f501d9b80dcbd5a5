"""What callers ask: QIDO's grammar in a query string, or a JSON body, become a SimilarityQuery.

Names of DICOM attributes are filters, in the query string as they are in QIDO-RS (PS3.18 8.3.4); names of our own have
a hyphen, which no keyword has.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydicom.datadict import keyword_for_tag, tag_for_keyword
from werkzeug.datastructures import MultiDict

from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.prompts import BoxPrompt, PointPrompt, Polarity, Prompt
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
    return Wanted(frozenset(_keyword(name.strip()) for name in names))


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
        attributes.append((_keyword(name), value))
    return Filters(
        attributes=tuple(attributes),
        age_years=(_age("age-min", parameters), _age("age-max", parameters)),
        exclude_same_patient=not truth("include-same-patient", parameters),
    )


def _keyword(name: str) -> str:
    """Return the keyword of a keyword or a tag; the grammar of PS3.18 8.3.4.1.1, without nesting."""
    keyword = keyword_for_tag(int(name, 16)) if _TAG.fullmatch(name) else name
    if not keyword or tag_for_keyword(keyword) is None:
        raise InvalidRequest(f"neither a DICOM keyword nor a tag of eight hexadecimal digits: {name[:80]!r}")
    return keyword


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


Coordinate = Annotated[float, Field(ge=-1e5, le=1e5, allow_inf_nan=False)]
PointLps = tuple[Coordinate, Coordinate, Coordinate]


def _uid_or_value_error(text: str) -> str:
    try:
        return require_uid(text)
    except InvalidRequest as error:
        raise ValueError(str(error)) from None


Uid = Annotated[str, AfterValidator(_uid_or_value_error)]


class Body(BaseModel):
    """What every JSON body shares: frozen, strict, and no name that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


AnyBody = TypeVar("AnyBody", bound=Body)


class PointBody(Body):
    """A point in LPS mm, inside the region or, with `positive` false, outside."""

    lps: PointLps = Field(strict=False)
    positive: bool = True

    def prompt(self) -> PointPrompt:
        """Return it in the domain's words."""
        return PointPrompt(self.lps, Polarity.POSITIVE if self.positive else Polarity.NEGATIVE)


class BoxBody(Body):
    """A box round the region, its corners in LPS mm."""

    lower_lps: PointLps = Field(strict=False)
    upper_lps: PointLps = Field(strict=False)

    def prompt(self) -> BoxPrompt:
        """Return it in the domain's words."""
        return BoxPrompt(self.lower_lps, self.upper_lps)


class FiltersBody(Body):
    """What an answer must satisfy."""

    attributes: dict[str, str] = Field(default={}, max_length=MAX_PARAMETERS)
    age_min: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    age_max: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    include_same_patient: bool = False

    def filters(self) -> Filters:
        """Return them in the domain's words."""
        return Filters(
            attributes=tuple((_keyword(name), value[:MAX_VALUE]) for name, value in self.attributes.items()),
            age_years=(self.age_min, self.age_max),
            exclude_same_patient=not self.include_same_patient,
        )


class SimilarBody(Body):
    """Body of ``POST /similar``: a series; or a region of it; or points and a box in it."""

    study: Uid
    series: Uid
    volume_number: int = Field(default=0, ge=0, le=100_000)
    tracking_uid: Uid | None = None
    points: tuple[PointBody, ...] = Field(default=(), max_length=256, strict=False)
    box: BoxBody | None = None
    filters: FiltersBody = FiltersBody()
    weights: dict[str, Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]] = Field(default={}, max_length=32)
    limit: int = Field(default=DEFAULT_LIMIT, ge=0)
    offset: int = Field(default=0, ge=0, le=MAX_OFFSET)
    includefield: tuple[str, ...] = Field(default=(), max_length=256, strict=False)

    @model_validator(mode="after")
    def _one_question(self) -> "SimilarBody":
        if self.tracking_uid and (self.points or self.box):
            raise ValueError("either tracking_uid, or points and a box, not both")
        return self

    def query(self, max_limit: int) -> SimilarityQuery:
        """Return it in the domain's words."""
        prompts: list[Prompt] = [point.prompt() for point in self.points]
        if self.box:
            prompts.append(self.box.prompt())
        return SimilarityQuery(
            series=SeriesRef(self.study, self.series),
            volume_number=self.volume_number,
            tracking_uid=self.tracking_uid or "",
            prompts=tuple(prompts),
            filters=self.filters.filters(),
            weights=tuple(self.weights.items()),
            limit=min(self.limit, max_limit),
            offset=self.offset,
        )


def query_of_body(body: bytes, parameters: Mapping[str, Any], max_limit: int) -> tuple[SimilarityQuery, Wanted]:
    """Read the body of the POST route; its query string may hold ``accept`` alone.

    Raises:
        InvalidRequest: with the place and the reason, for anything that cannot be understood.
    """
    for name in parameters:
        if name != "accept":
            raise InvalidRequest(f"unknown parameter {name[:80]!r}; this route takes a JSON body, and accept")
    asked = read_body(SimilarBody, body)
    return asked.query(max_limit), wanted_fields(list(asked.includefield))


def read_body(kind: type[AnyBody], body: bytes) -> AnyBody:
    """Read a JSON body.

    Raises:
        InvalidRequest: with the place and the reason, for anything that cannot be understood.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequest(in_words(error)) from None


def decimal_of(name: str, parameters: "MultiDict[str, str]", default: float) -> float:
    """Return a parameter that is a number from 0.

    Raises:
        InvalidRequest: when it is none.
    """
    text = parameters.get(name)
    return default if text is None else _decimal(name, text)


def in_words(error: ValidationError) -> str:
    """Return the first fault of a body in one line: where, and what."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in fault["loc"])[:80]
    return f"{place or 'body'}: {fault['msg'].removeprefix('Value error, ')}"
