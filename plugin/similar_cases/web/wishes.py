"""What answers should be near to, in a JSON body: a place, radiomics features."""

from typing import Annotated

from pydantic import Field, model_validator

from similar_cases.domain.similarity import FeatureWish, Place
from similar_cases.web.body import Body, PointLps

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class PlaceBody(Body):
    """Where answers should lie: exactly one of the three."""

    lps: PointLps | None = Field(default=None, strict=False, description="A point in the series asked about, LPS mm.")
    relative: tuple[Share, Share, Share] | None = Field(
        default=None, strict=False, description="Where in the volume, (k, j, i), each from 0 to 1."
    )
    body: PointLps | None = Field(
        default=None, strict=False, description="A body coordinate, mm, of the model that this site runs."
    )

    @model_validator(mode="after")
    def _one(self) -> "PlaceBody":
        if sum(place is not None for place in (self.lps, self.relative, self.body)) != 1:
            raise ValueError("exactly one of lps, relative and body")
        return self

    def place(self) -> Place:
        """Return it in the domain's words."""
        return Place(point_lps=self.lps, relative=self.relative, body=self.body)


class FeatureBody(Body):
    """A radiomics feature that answers should be near to: at a value, at a percentile, or as what is asked about."""

    name: str = Field(min_length=1, max_length=128, description="class_Feature in pyradiomics' words.")
    value: float | None = Field(
        default=None, allow_inf_nan=False, description="In the feature's own unit, such as mm³ of shape_VoxelVolume."
    )
    percentile: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = Field(
        default=None, description="Where the value should stand among the regions of each case's modality."
    )
    weight: float = Field(
        default=1.0, gt=0, le=1e6, allow_inf_nan=False, description="How much it counts among the features named."
    )

    @model_validator(mode="after")
    def _at_most_one(self) -> "FeatureBody":
        if self.value is not None and self.percentile is not None:
            raise ValueError("either value or percentile, not both; neither for the value of what is asked about")
        return self

    def wish(self) -> FeatureWish:
        """Return it in the domain's words."""
        if self.percentile is not None:
            return FeatureWish(self.name, self.percentile, is_percentile=True, weight=self.weight)
        return FeatureWish(self.name, self.value, weight=self.weight)
