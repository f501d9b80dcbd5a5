"""Asking and answering: what is sought, what came near, and why."""

from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite

from similar_cases.domain.case import Case
from similar_cases.domain.description import Level
from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.prompts import PointLps, Prompt
from similar_cases.domain.references import FrameRef, SeriesRef


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What an answer must satisfy; an empty tuple or None asks nothing.

    Attributes:
        attributes: (DICOM keyword, value) pairs with QIDO's matching (PS3.4 C.2.2.2: single value, list of UID,
            wildcard ``*`` and ``?``, range ``20200101-20201231``).
        age_years: lower and upper bound, each inclusive, None for open.
    """

    attributes: tuple[tuple[str, str], ...] = ()
    age_years: tuple[float | None, float | None] = (None, None)
    exclude_same_patient: bool = True


class Per(StrEnum):
    """What an answer holds one of: every Case, or the most similar Case of each Series or of each Study alone."""

    CASE = "case"
    SERIES = "series"
    STUDY = "study"


@dataclass(frozen=True)
class Place:
    """Where something is sought: exactly one of the three is set.

    Attributes:
        point_lps: a point in the query's Series, LPS mm.
        relative: where in its Volume, (k, j, i) each from 0 to 1, as `Location.relative`.
        body: a body coordinate, as `Location.body`.
    """

    point_lps: PointLps | None = None
    relative: tuple[float, float, float] | None = None
    body: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        """Refuse none, two, or what is no place."""
        given = [place for place in (self.point_lps, self.relative, self.body) if place is not None]
        if len(given) != 1 or len(given[0]) != 3 or not all(isfinite(value) for value in given[0]):
            raise InvalidRequest(
                "a place is three finite numbers: a point in LPS mm, or relative to the volume, or body"
            )
        if self.relative is not None and not all(0.0 <= value <= 1.0 for value in self.relative):
            raise InvalidRequest("a relative place is (k, j, i), each from 0 to 1")


@dataclass(frozen=True)
class FeatureWish:
    """A radiomics feature that answers should be near to.

    Attributes:
        name: ``class_Feature`` in pyradiomics' words.
        value: in the feature's own unit, or a percentile from 0 to 100; None for the value of the Region asked about.
        weight: over 0; how much it counts among the features named.
    """

    name: str
    value: float | None = None
    is_percentile: bool = False
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no value can be near to."""
        if self.value is not None and not isfinite(self.value):
            raise InvalidRequest(f"the value of {self.name[:80]} is no finite number")
        if self.is_percentile and (self.value is None or not 0.0 <= self.value <= 100.0):
            raise InvalidRequest(f"the percentile of {self.name[:80]} is a number from 0 to 100")
        if not (isfinite(self.weight) and self.weight > 0):
            raise InvalidRequest(f"the weight of {self.name[:80]} is a number over 0")


@dataclass(frozen=True, kw_only=True)
class SimilarityQuery:
    """What similar cases are sought for. Every part may be given alone; those that are given count together.

    Attributes:
        study: asks about every Volume of that Study; empty where `series` is given.
        series: the Series asked about; with `prompts`, the Series in which they lie.
        tracking_uid: asks about that Region.
        prompts: asks about the Region that they give, segmented there and then.
        sent: DICOM files (PS3.10) that came with the query and are not kept: images of a Series that the archive need
            not have, or a SEG, RTSTRUCT or SR that shows a Region in them or in `series`.
        place: where answers should lie.
        features: radiomics features that answers should be near to.
        text: words on what is sought.
        like: Cases, Regions or Series, by UID, that answers should look like.
        unlike: such that they should not look like.
        rank_by: name of a Ranking; empty for the site's own.
        level: what is sought, Regions or Series; None for the level of what is asked about.
        weights: (name of a part, weight) pairs; parts left out keep the ranking's own weight.
        one_per: leaves out Cases of a Series, or of a Study, whose more similar Case is in the answer already.
        frozen: names the ordered list that an earlier answer was a page of (`SimilarityAnswer.frozen`).
    """

    study: str = ""
    series: SeriesRef | None = None
    volume_number: int = 0
    tracking_uid: str = ""
    prompts: tuple[Prompt, ...] = ()
    sent: tuple[bytes, ...] = field(default=(), repr=False)
    place: Place | None = None
    features: tuple[FeatureWish, ...] = ()
    text: str = field(default="", repr=False)
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    rank_by: str = ""
    level: Level | None = None
    filters: Filters = field(default_factory=Filters)
    weights: tuple[tuple[str, float], ...] = ()
    one_per: Per = Per.CASE
    limit: int = 10
    offset: int = 0
    frozen: str = ""


@dataclass(frozen=True, order=True)
class Candidate:
    """A raw neighbour: a Case's UID and its cosine to the query, -1 to 1."""

    similarity: float
    case_uid: str


@dataclass(frozen=True)
class ScorePart:
    """One named part of a score: its value in 0 to 1, and its weight in the total."""

    name: str
    value: float
    weight: float


@dataclass(frozen=True)
class Similarity:
    """A score in 0 to 1 and the parts that it was made of; a part that could not be computed is absent."""

    score: float
    parts: tuple[ScorePart, ...]


@dataclass(frozen=True)
class AgreeingFeature:
    """A radiomics feature that both sides have: its values, and their percentiles (0 to 1) in their populations."""

    name: str
    asked: float
    found: float
    asked_percentile: float
    found_percentile: float


@dataclass(frozen=True)
class MatchedFrames:
    """A slice of what was asked about, and the slice of the answer that it matches best.

    Attributes:
        asked: None where its Frame is not known.
        similarity: cosine of the two; None where they stand for their Cases and were not compared.
    """

    asked: FrameRef | None
    found: FrameRef
    similarity: float | None


@dataclass(frozen=True)
class Certainty:
    """How far an answer lies from chance.

    Attributes:
        chance: share of random pairs of the archive that are at least as similar, 0 to 1.
        pairs: how many random pairs were compared.
        candidates: how many Cases passed the filters.
    """

    chance: float
    pairs: int
    candidates: int


@dataclass(frozen=True, kw_only=True)
class SimilarCase:
    """One answer: the Case, its rank from 1, its score in named parts, and the reasons in words.

    Attributes:
        features: the radiomics features that agree most, best first.
        matches: which slices matched, best first.
        certainty: None where the archive is too small to tell chance.
    """

    case: Case
    rank: int
    similarity: Similarity
    reasons: tuple[str, ...] = ()
    features: tuple[AgreeingFeature, ...] = ()
    matches: tuple[MatchedFrames, ...] = ()
    certainty: Certainty | None = None


@dataclass(frozen=True, kw_only=True)
class SimilarityAnswer:
    """The page of answers that was asked for, and how many candidates passed the filters."""

    cases: tuple[SimilarCase, ...]
    candidates: int
    remaining: int
    #: the Region that the prompts gave, as (volume ml, centroid LPS mm), None for other queries
    segmented: tuple[float, tuple[float, float, float]] | None = None
    #: the Case asked about, with its description; for prompts, as it was segmented and described there and then
    asked: Case | None = None
    #: name of the Ranking, and the weights of the parts that it gave
    ranking: str = ""
    weights: tuple[tuple[str, float], ...] = ()
    #: names the ordered list that this is a page of; a query that gives it back goes on in the same list
    frozen: str = ""
