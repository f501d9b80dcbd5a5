"""The JSON body of ``POST /similar``: what is asked about, and what an answer must satisfy."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.references import SeriesRef
from similar_cases.domain.similarity import Filters, SimilarityQuery
from similar_cases.web.ask import (
    DEFAULT_LIMIT,
    MAX_OFFSET,
    MAX_PARAMETERS,
    MAX_VALUE,
    Wanted,
    attribute_keyword,
    wanted_fields,
)
from similar_cases.web.body import Body, HintsBody, Uid, read_body


class FiltersBody(Body):
    """What an answer must satisfy."""

    attributes: dict[str, str] = Field(default={}, max_length=MAX_PARAMETERS)
    age_min: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    age_max: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    include_same_patient: bool = False

    def filters(self) -> Filters:
        """Return them in the domain's words."""
        return Filters(
            attributes=tuple((attribute_keyword(name), value[:MAX_VALUE]) for name, value in self.attributes.items()),
            age_years=(self.age_min, self.age_max),
            exclude_same_patient=not self.include_same_patient,
        )


class SimilarBody(HintsBody):
    """Body of ``POST /similar``: a series; or a region of it; or points, a box and a mask in it."""

    study: Uid
    series: Uid
    volume_number: int = Field(default=0, ge=0, le=100_000)
    tracking_uid: Uid | None = None
    filters: FiltersBody = FiltersBody()
    weights: dict[str, Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]] = Field(default={}, max_length=32)
    limit: int = Field(default=DEFAULT_LIMIT, ge=0)
    offset: int = Field(default=0, ge=0, le=MAX_OFFSET)
    includefield: tuple[str, ...] = Field(default=(), max_length=256, strict=False)

    @model_validator(mode="after")
    def _one_question(self) -> "SimilarBody":
        if self.tracking_uid and (self.points or self.box or self.mask):
            raise ValueError("either tracking_uid, or points, a box and a mask, not both")
        return self

    def query(self, max_limit: int) -> SimilarityQuery:
        """Return it in the domain's words."""
        return SimilarityQuery(
            series=SeriesRef(self.study, self.series),
            volume_number=self.volume_number,
            tracking_uid=self.tracking_uid or "",
            prompts=self.prompts(),
            filters=self.filters.filters(),
            weights=tuple(self.weights.items()),
            limit=min(self.limit, max_limit),
            offset=self.offset,
        )


def query_of_body(body: bytes, parameters: Mapping[str, Any], max_limit: int) -> tuple[SimilarityQuery, Wanted]:
    """Read the body of the POST route; its query string may hold ``accept`` and ``charset`` alone.

    Raises:
        InvalidRequest: with the place and the reason, for anything that cannot be understood.
    """
    for name in parameters:
        if name not in ("accept", "charset"):
            raise InvalidRequest(f"unknown parameter {name[:80]!r}; this route takes a JSON body, accept and charset")
    asked = read_body(SimilarBody, body)
    return asked.query(max_limit), wanted_fields(list(asked.includefield))
