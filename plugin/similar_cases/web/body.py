"""What every JSON body shares, and the bodies of hints: points, boxes and masks in LPS mm."""

import math
from typing import Annotated, TypeVar

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator

from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.prompts import BoxPrompt, MaskPrompt, PointPrompt, Polarity, Prompt
from similar_cases.domain.references import require_uid
from similar_cases.web.schemas import UID_SCHEMA

Coordinate = Annotated[float, Field(ge=-1e5, le=1e5, allow_inf_nan=False)]
PointLps = tuple[Coordinate, Coordinate, Coordinate]
Row = tuple[Coordinate, Coordinate, Coordinate, Coordinate]
Side = Annotated[int, Field(ge=1, le=65_536)]
#: a mask is at most so large: 512 slices of 512 × 512
MAX_MASK_VOXELS = 2**27
MAX_RUNS = 500_000


def _uid_or_value_error(text: str) -> str:
    try:
        return require_uid(text)
    except InvalidRequest as error:
        raise ValueError(str(error)) from None


Uid = Annotated[str, AfterValidator(_uid_or_value_error), WithJsonSchema(UID_SCHEMA)]


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


class MaskBody(Body):
    """A mask as ``POST /region`` answers it: runs in a box, whose `affine` maps (k, j, i) to LPS mm."""

    affine: tuple[Row, Row, Row, Row] = Field(strict=False)
    shape: tuple[Side, Side, Side] = Field(strict=False)
    runs: tuple[Annotated[int, Field(ge=0, le=MAX_MASK_VOXELS)], ...] = Field(max_length=MAX_RUNS, strict=False)

    @model_validator(mode="after")
    def _fits(self) -> "MaskBody":
        voxels = math.prod(self.shape)
        if voxels > MAX_MASK_VOXELS:
            raise ValueError(f"a mask of {voxels} voxels; at most {MAX_MASK_VOXELS}")
        if sum(self.runs) != voxels:
            raise ValueError(f"the runs hold {sum(self.runs)} voxels, the shape {voxels}")
        return self

    def prompt(self) -> MaskPrompt:
        """Return it in the domain's words."""
        inside = np.arange(len(self.runs)) % 2 == 1
        mask = np.repeat(inside, self.runs).reshape(self.shape)
        return MaskPrompt(mask, VolumeGeometry(np.asarray(self.affine), self.shape, ""))


class HintsBody(Body):
    """What shows a region: points, a box, and the mask so far; a mask alone is the region."""

    points: tuple[PointBody, ...] = Field(default=(), max_length=256, strict=False)
    box: BoxBody | None = None
    mask: MaskBody | None = None

    def prompts(self) -> tuple[Prompt, ...]:
        """Return the hints in the domain's words."""
        others = [other.prompt() for other in (self.box, self.mask) if other]
        return (*(point.prompt() for point in self.points), *others)


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
