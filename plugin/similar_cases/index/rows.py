"""What goes into the catalogue and comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from similar_cases.domain.case import Case, SeriesState
from similar_cases.domain.description import EmbeddingSpace, Level
from similar_cases.domain.references import SeriesRef


class SeriesKind(StrEnum):
    """What a Series is to us."""

    #: images of a modality that is indexed
    IMAGE = "image"
    #: what others say about images: RTSTRUCT, SEG, SR, presentation state
    ANNOTATION = "annotation"
    #: our own SEG and SR; never a job, or we would run after ourselves
    OURS = "ours"
    #: everything else
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class SeriesSighting:
    """What the PACS tells of a Series when it becomes stable; Orthanc's identifiers are empty where there is none."""

    series: SeriesRef
    kind: SeriesKind
    modality: str
    instance_count: int
    series_orthanc_id: str = ""
    study_orthanc_id: str = ""
    patient_orthanc_id: str = ""


@dataclass(frozen=True, kw_only=True)
class SeriesRow:
    """One Series as the catalogue holds it; times in seconds since 1970, UTC.

    Attributes:
        state: None for a Series that never has a job (ours, other).
        reason: why it was refused or failed, or what the last attempt met.
        content_key: what the Series was last brought to: its Instances, their annotations, the pipeline.
        pipeline: fingerprint of the pipeline that indexed it.
        timings: seconds by step of the last ingestion.
        notes: what was mended or left out on the way.
    """

    series: SeriesRef
    kind: SeriesKind
    modality: str
    instance_count: int
    series_orthanc_id: str
    study_orthanc_id: str
    patient_orthanc_id: str
    state: SeriesState | None
    reason: str
    attempts: int
    content_key: str
    pipeline: str
    timings: Mapping[str, float]
    notes: tuple[str, ...]
    created_at: float
    updated_at: float
    indexed_at: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class IndexedSeries:
    """All that one ingestion puts into the catalogue, in one transaction."""

    series: SeriesRef
    content_key: str
    pipeline: str
    cases: tuple[Case, ...]
    timings: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SpaceStats:
    """How many vectors one EmbeddingSpace holds."""

    space: EmbeddingSpace
    vectors: int


@dataclass(frozen=True, kw_only=True)
class CatalogueStats:
    """How large the catalogue is."""

    series: Mapping[SeriesKind, int]
    states: Mapping[SeriesState, int]
    cases: Mapping[Level, int]
    spaces: tuple[SpaceStats, ...]
    results: int
    generation: int
