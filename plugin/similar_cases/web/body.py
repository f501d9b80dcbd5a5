"""What every JSON body shares, and the bodies of hints: points and boxes in LPS mm."""

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.prompts import BoxPrompt, PointPrompt, Polarity
from similar_cases.domain.references import require_uid

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


def read_body(kind: type[AnyBody], body: bytes) -> AnyBody:
    """Read a JSON body.

    Raises:
        InvalidRequest: with the place and the reason, for anything that cannot be understood.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequest(in_words(error)) from None


def in_words(error: ValidationError) -> str:
    """Return the first fault of a body in one line: where, and what."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in fault["loc"])[:80]
    return f"{place or 'body'}: {fault['msg'].removeprefix('Value error, ')}"
