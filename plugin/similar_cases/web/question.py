"""The JSON body of ``POST /similar``: what is asked about, and what an answer must satisfy."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from similar_cases.domain.description import Level
from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.references import SeriesRef
from similar_cases.domain.similarity import Filters, Per, SimilarityQuery
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
from similar_cases.web.wishes import FeatureBody, PlaceBody


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
    """Body of ``POST /similar``. What is given counts together; each alone is a question, too.

    A study; or a series, a region of it, or points, a box and a mask in it; a place; radiomics; text; examples.
    """

    study: Uid | None = Field(default=None, description="Study Instance UID; alone it asks about every volume of it.")
    series: Uid | None = Field(default=None, description="Series Instance UID; needs its study.")
    volume_number: int = Field(default=0, ge=0, le=100_000, description="Which volume of a series that holds several.")
    tracking_uid: Uid | None = Field(default=None, description="Asks about that region.")
    at: PlaceBody | None = Field(default=None, description="Where answers should lie.")
    radiomics: tuple[FeatureBody, ...] = Field(
        default=(), max_length=256, strict=False, description="Radiomics features that answers should be near to."
    )
    text: str = Field(default="", max_length=2000, description="Words on what is sought.")
    like: tuple[Uid, ...] = Field(
        default=(), max_length=64, strict=False, description="Cases, regions or series that answers should look like."
    )
    unlike: tuple[Uid, ...] = Field(
        default=(), max_length=64, strict=False, description="Such that answers should not look like."
    )
    rank_by: str = Field(default="", max_length=128, description="Name of a ranking; empty for the site's own.")
    level: Level | None = Field(
        default=None, strict=False, description="region or series: what is sought; the level of what is asked about."
    )
    one_per: Per = Field(
        default=Per.CASE, strict=False, description="case, series or study: one answer of each at the most."
    )
    filters: FiltersBody = FiltersBody()
    weights: dict[str, Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]] = Field(
        default={}, max_length=32, description="Weight of parts of the score by name."
    )
    limit: int = Field(default=DEFAULT_LIMIT, ge=0, description="How many answers a page has at the most.")
    offset: int = Field(default=0, ge=0, le=MAX_OFFSET, description="How many answers stand before the page.")
    list: str = Field(
        default="", max_length=64, description="The list of an earlier answer, of which this is another page."
    )
    includefield: tuple[str, ...] = Field(
        default=(), max_length=256, strict=False, description="Further attributes in dicom+json."
    )

    @model_validator(mode="after")
    def _one_question(self) -> "SimilarBody":
        if self.tracking_uid and (self.points or self.box or self.mask):
            raise ValueError("either tracking_uid, or points, a box and a mask, not both")
        if self.series and not self.study:
            raise ValueError("a series needs its study")
        return self

    def query(self, max_limit: int) -> SimilarityQuery:
        """Return it in the domain's words."""
        series = SeriesRef(self.study, self.series) if self.study and self.series else None
        return SimilarityQuery(
            # beside a region of its own the study says nothing more
            study=self.study or "" if series is None and not self.tracking_uid else "",
            series=series,
            volume_number=self.volume_number,
            tracking_uid=self.tracking_uid or "",
            prompts=self.prompts(),
            place=self.at.place() if self.at else None,
            features=tuple(feature.wish() for feature in self.radiomics),
            text=self.text,
            like=self.like,
            unlike=self.unlike,
            rank_by=self.rank_by,
            level=self.level,
            one_per=self.one_per,
            filters=self.filters.filters(),
            weights=tuple(self.weights.items()),
            limit=min(self.limit, max_limit),
            offset=self.offset,
            frozen=self.list,
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
