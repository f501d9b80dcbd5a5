"""What answers look like, for the API's document: one type an answer, and no name in it that is not declared here.

Names and kinds alone; the values are made in `plain_json`, `voxels` and the handlers. The routes' own tests hold every
answer against the document.
"""

from typing import Annotated, Any, NotRequired

from pydantic import BaseModel, ConfigDict, Field, RootModel, WithJsonSchema
from typing_extensions import TypedDict

from similar_cases.domain.case import SeriesState
from similar_cases.domain.region import Authorship
from similar_cases.index.feedback import Verdict
from similar_cases.index.rows import SeriesKind

_CLOSED = ConfigDict(extra="forbid")
UID_SCHEMA: dict[str, Any] = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)*$", "maxLength": 64}
Uid = Annotated[str, WithJsonSchema(UID_SCHEMA)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Triple = Annotated[list[float], Field(min_length=3, max_length=3)]
Pair = Annotated[list[float], Field(min_length=2, max_length=2)]
Index = Annotated[list[int], Field(min_length=3, max_length=3)]
Affine = Annotated[list[list[float]], Field(description="4 × 4, row by row: homogeneous (k, j, i) to LPS mm")]
Runs = Annotated[list[int], Field(description="lengths of runs in C order: outside first, then inside, in turn")]
Features = Annotated[dict[str, float], Field(description="radiomics by name; one that could not be computed is absent")]


class Problem(BaseModel):
    """What went wrong: the members of RFC 9457, and the class of the error as the table of statuses names it."""

    model_config = _CLOSED
    title: str = Field(description="what is wrong in general")
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="what was wrong here, and what to do")
    kind: str = Field(alias="class", description="class of the error")
    advice: str = Field(description="what helps in general")


class Closed(TypedDict):
    """An object without names but those that are declared."""

    __pydantic_config__ = _CLOSED  # type: ignore[misc]


class Nothing(Closed):
    """An empty object: taken, and done later."""


class Health(Closed):
    """The worker lives."""

    status: str
    version: str


class NudgeSent(Closed):
    """The bridge's word that something changed."""

    kind: Annotated[str, Field(pattern="^(stable|deleted)$")]
    level: str
    orthancId: str


class Space(Closed):
    """An embedding space that has vectors."""

    id: str
    model: str
    version: str
    level: str
    vectors: int


class Working(Closed):
    """A series that is being worked on, since seconds after 1970, UTC."""

    series: Uid
    since: float


class Queue(Closed):
    """Jobs that wait, and those at work."""

    waiting: int
    working: list[Working]


class Segmenter(Closed):
    """What turns hints into regions."""

    name: str
    version: str


class LastHour(Closed):
    """Series indexed in the last hour, and their seconds of work."""

    series: int
    seconds: float


class Links(Closed):
    """Where the archive stands, relative to the page."""

    orthanc: str
    dicomweb: str
    explorer: str


class ArchiveStatus(Closed):
    """How large the catalogue is, and what is being done."""

    version: str
    states: dict[SeriesState, int]
    series: dict[SeriesKind, int]
    cases: dict[str, int]
    results: int
    spaces: list[Space]
    queue: Queue
    segmenter: Segmenter
    last_hour: LastHour
    links: Links
    viewers: Annotated[dict[str, str], Field(description="address by name, with {study} and {series} for UIDs")]


class Facts(TypedDict):
    """What the headers say, as people read it."""

    __pydantic_config__ = _CLOSED  # type: ignore[misc]
    patient_id: NotRequired[str]
    patient_name: NotRequired[str]
    patient_sex: NotRequired[str]
    patient_age_years: NotRequired[float]
    study_date: NotRequired[str]
    study_description: NotRequired[str]
    modality: NotRequired[str]
    series_number: NotRequired[int]
    series_description: NotRequired[str]
    body_part_examined: NotRequired[str]
    manufacturer: NotRequired[str]


class SeriesStanding(Closed):
    """Where a series stands."""

    study: Uid
    series: Uid
    kind: SeriesKind
    modality: NotRequired[str]
    instances: int
    state: NotRequired[SeriesState]
    reason: NotRequired[str]
    attempts: int
    place: NotRequired[Annotated[int, Field(description="jobs that wait before it")]]
    timings: NotRequired[dict[str, float]]
    seconds: NotRequired[float]
    notes: NotRequired[list[str]]
    updated_at: float
    indexed_at: NotRequired[float]
    orthanc_id: NotRequired[str]
    about: NotRequired[Facts]


class SeriesPage(Closed):
    """A page of series, what changed last first, and how many there are in all."""

    series: list[SeriesStanding]
    total: int


class Concept(Closed):
    """A coded concept."""

    value: str
    scheme: str
    meaning: str


class KeyFrame(Closed):
    """An instance and, in one of several frames, the frame from 1."""

    instance: Uid
    frame: NotRequired[int]


class RegionFacts(Closed):
    """What is known of a region."""

    tracking_uid: Uid
    label: NotRequired[str]
    finding: NotRequired[Concept]
    finding_site: NotRequired[Concept]
    authorship: NotRequired[Authorship]
    origin: NotRequired[str]
    algorithm: NotRequired[str]
    quality: NotRequired[float]
    volume_ml: float
    centroid_lps: Triple
    seg: NotRequired[Uid]
    sr: NotRequired[Uid]


class CaseFacts(Facts):
    """One case: a region or a volume."""

    case: Uid
    level: str
    study: Uid
    series: Uid
    volume_number: int
    volume_label: NotRequired[str]
    key_frame: KeyFrame
    region: NotRequired[RegionFacts]


class DescribedCase(CaseFacts):
    """One case with its radiomics."""

    radiomics: NotRequired[Features]


class SeriesWithCases(SeriesStanding):
    """Where a series stands, and its cases."""

    cases: list[CaseFacts]


class DicomAttribute(Closed):
    """One attribute of the DICOM JSON Model (PS3.18 F.2)."""

    vr: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    Value: NotRequired[list[Any]]


class DicomItems(RootModel[list[dict[Annotated[str, Field(pattern="^[0-9A-F]{8}$")], DicomAttribute]]]):
    """One data set for each answer: tag → attribute."""


class OtherVolume(Closed):
    """A volume of the same series."""

    number: int
    label: str
    slices: int


class Grid(Closed):
    """Where voxels lie: axes (slice k, row j, column i)."""

    shape: Index
    spacing_mm: Triple
    affine: Affine
    frame_of_reference: str


class VolumeFacts(Grid):
    """What a viewer needs before the first voxel; value = stored × slope + intercept."""

    unit: str
    modality: str
    slope: float
    intercept: float
    range: Pair
    number: int
    label: str
    notes: list[str]
    volumes: list[OtherVolume]
    frames: list[KeyFrame]
    slices_per_request: int


class RegionMask(Closed):
    """A region's mask in the box from `lower_index` to `upper_index`, the latter not in it."""

    volume_number: int
    tracking_uid: Uid
    volume_ml: float
    centroid_lps: Triple
    lower_index: Index
    upper_index: Index
    size_mm: Triple
    voxels: int
    algorithm: str
    quality: float | None
    affine: Affine
    shape: Index
    runs: Runs


class Picture(Closed):
    """A slice, or a square of it: `voxels` are base64 of 16-bit signed integers, little-endian."""

    rows: int
    columns: int
    spacing_mm: Pair
    origin_index: Annotated[list[int], Field(min_length=2, max_length=2)]
    affine: Affine
    unit: str
    slope: float
    intercept: float
    range: Pair
    voxels: str
    runs: NotRequired[Runs]


class Word(Closed):
    """One user's word on one answer to one question."""

    asked_uid: Uid
    case_uid: Uid
    user: str
    asked_study_uid: Uid
    asked_series_uid: Uid
    asked_tracking_uid: str
    asked_prompts: dict[str, Any]
    case_series_uid: Uid
    case_tracking_uid: str
    verdict: Verdict
    rank: int | None
    score: float | None
    told_at: float


class Words(Closed):
    """Every word."""

    feedback: list[Word]


class WordKept(Closed):
    """What was kept, or taken back where the verdict is null."""

    asked_uid: Uid
    verdict: Verdict | None
