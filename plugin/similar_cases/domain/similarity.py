"""Asking and answering: what is sought, what came near, and why."""

from dataclasses import dataclass, field
from enum import StrEnum

from similar_cases.domain.case import Case
from similar_cases.domain.prompts import Prompt
from similar_cases.domain.references import SeriesRef


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


@dataclass(frozen=True, kw_only=True)
class SimilarityQuery:
    """What similar cases are sought for: exactly one of a Series, a Region, or prompts in a Series.

    Attributes:
        series: the Series asked about; with `prompts`, the Series in which they lie.
        tracking_uid: asks about that Region.
        prompts: asks about the Region that they give, segmented there and then.
        weights: (name of a part, weight) pairs; parts left out keep the ranking's own weight.
        one_per: leaves out Cases of a Series, or of a Study, whose more similar Case is in the answer already.
    """

    series: SeriesRef | None = None
    volume_number: int = 0
    tracking_uid: str = ""
    prompts: tuple[Prompt, ...] = ()
    filters: Filters = field(default_factory=Filters)
    weights: tuple[tuple[str, float], ...] = ()
    one_per: Per = Per.CASE
    limit: int = 10
    offset: int = 0


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


@dataclass(frozen=True, kw_only=True)
class SimilarCase:
    """One answer: the Case, its rank from 1, its score in named parts, and the reasons in words."""

    case: Case
    rank: int
    similarity: Similarity
    reasons: tuple[str, ...] = ()


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
