"""What the answer to `find similar` looks like, for the API's document; see ``schemas``."""

from typing import Annotated, NotRequired

from pydantic import Field

from similar_cases.web.schemas import CaseFacts, Closed, Features, Fraction, KeyFrame, Triple


class Part(Closed):
    """One named part of a score, and its weight in the total."""

    name: str
    value: Fraction
    weight: float


class AgreeingFeature(Closed):
    """A radiomics feature that both have, with percentiles among the regions of each one's modality."""

    name: str
    asked: float
    found: float
    asked_percentile: Fraction
    found_percentile: Fraction


class MatchedFrames(Closed):
    """A slice of what was asked about, and the slice of the answer that matches it best."""

    asked: NotRequired[KeyFrame]
    found: KeyFrame
    similarity: NotRequired[float]


class Certainty(Closed):
    """How far an answer lies from chance: the share of random pairs that are at least as similar."""

    chance: Fraction
    pairs: int
    candidates: int


class FoundCase(CaseFacts):
    """One answer: a case, its rank from 1, its score in named parts, and the reasons in words."""

    rank: Annotated[int, Field(ge=1)]
    score: Fraction
    parts: list[Part]
    reasons: list[str]
    features: NotRequired[list[AgreeingFeature]]
    matches: NotRequired[list[MatchedFrames]]
    certainty: NotRequired[Certainty]
    orthanc_id: NotRequired[str]


class SegmentedRegion(Closed):
    """The region that hints gave there and then."""

    volume_ml: float
    centroid_lps: Triple


class AskedAbout(Closed):
    """What was asked about, as it was described."""

    radiomics: NotRequired[Features]


class SimilarAnswer(Closed):
    """A page of similar cases, the most similar first."""

    cases: list[FoundCase]
    candidates: Annotated[int, Field(description="how many passed the filters")]
    remaining: Annotated[int, Field(description="how many stand behind this page")]
    ranking: Annotated[str, Field(description="name of the ranking")]
    weights: Annotated[dict[str, float], Field(description="weights of the parts that counted")]
    list: Annotated[str, Field(description="names the frozen list that this is a page of")]
    segmented: NotRequired[SegmentedRegion]
    asked: NotRequired[AskedAbout]
