"""Every route, declared once: what it takes, what it answers, in which status.

Flask's rules (``api``), the OpenAPI document (``openapi``) and the capabilities (``capabilities``) are made from this
table, so none of them can say what another does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from similar_cases import wire
from similar_cases.domain.case import SeriesState
from similar_cases.domain.conditions import ATTRIBUTES
from similar_cases.web import answer_schemas, schemas, sent_along
from similar_cases.web.ask import DEFAULT_LIMIT, MAX_OFFSET, MAX_RANK_BY, MAX_VALUE
from similar_cases.web.question import SimilarBody
from similar_cases.web.said import FeedbackBody, RegionBody

HTML, METRICS, OPENAPI = "text/html", "text/plain", "application/vnd.oai.openapi+json"
WADL = "application/vnd.sun.wadl+xml"
MAX_SERIES = 500

_WHOLE: Mapping[str, Any] = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
_AGE: Mapping[str, Any] = {"type": "number", "minimum": 0, "maximum": 999_999}
_TEXT: Mapping[str, Any] = {"type": "string", "maxLength": MAX_VALUE}
_TRUTH: Mapping[str, Any] = {"type": "boolean", "default": False}
#: what stands in braces in a path
PATH_PARAMETERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "study": ("Study Instance UID", schemas.UID_SCHEMA),
    "series": ("Series Instance UID", schemas.UID_SCHEMA),
    "instance": ("SOP Instance UID", schemas.UID_SCHEMA),
    "frame": ("number of the frame, from 1", {**_WHOLE, "minimum": 1}),
    "volume": ("number of the volume in its series, from 0", _WHOLE),
    "region": ("Tracking UID", schemas.UID_SCHEMA),
    "case": ("UID of a case", schemas.UID_SCHEMA),
    "name": ("name of a file of the page", {"type": "string", "pattern": "^[a-z0-9.-]+$"}),
}


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a query string."""

    name: str
    meaning: str
    schema: Mapping[str, Any]
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method on one path.

    Attributes:
        name: of the handler, and of the operation in the document.
        method: GET or POST; HEAD comes with GET, OPTIONS with every path.
        path: below the prefix.
        group: what it belongs to.
        summary: what it does, in one line.
        parameters: of the query string.
        body: of a POST, as JSON.
        also_takes: media types of further bodies, which the summary tells.
        status: of an answer with a body.
        content: media type → type of the body, None where no schema tells it.
        may_be_empty: answers 204, too.
        is_cached: answers 304, too, to a browser that has it.
        problems: further statuses, each with a `Problem`.
        is_open: takes requests without the token.
    """

    name: str
    method: Literal["GET", "POST"] = "GET"
    path: str
    group: str
    summary: str
    parameters: tuple[Parameter, ...] = ()
    body: type[Any] | None = None
    also_takes: tuple[str, ...] = ()
    status: int = 200
    content: Mapping[str, type[Any] | None]
    may_be_empty: bool = False
    is_cached: bool = False
    problems: tuple[int, ...] = ()
    is_open: bool = False

    def __post_init__(self) -> None:
        """Refuse a body of a kind that is no model."""
        assert self.body is None or issubclass(self.body, BaseModel) or hasattr(self.body, "__required_keys__")


def _parameter(name: str, meaning: str, schema: Mapping[str, Any], *, required: bool = False) -> Parameter:
    return Parameter(name=name, meaning=meaning, schema=schema, required=required)


ACCEPT = _parameter("accept", "media type; wins over the header Accept", _TEXT)
CHARSET = _parameter("charset", "character set; everything is sent in UTF-8", _TEXT)
LIMIT = _parameter("limit", "length of the page, cut to the site's bound", {**_WHOLE, "default": DEFAULT_LIMIT})
OFFSET = _parameter("offset", f"answers before the page; cut to {MAX_OFFSET}", {**_WHOLE, "default": 0})
FILTERS = tuple(
    _parameter(keyword, f"filter by {attribute.tag[:4]},{attribute.tag[4:]} with QIDO's matching", _TEXT)
    for keyword, attribute in ATTRIBUTES.items()
)
SIMILAR_PARAMETERS = (
    LIMIT,
    OFFSET,
    _parameter("includefield", "further attributes: keywords or tags by commas, or all", _TEXT),
    _parameter("fuzzymatching", "accepted; names match without regard to case, not by sound", _TRUTH),
    ACCEPT,
    CHARSET,
    _parameter("age-min", "years", _AGE),
    _parameter("age-max", "years, completed ones counted", _AGE),
    _parameter("include-same-patient", "lets the same patient's cases in", _TRUTH),
    _parameter(
        "rank-by", "name of a ranking; the site's own where absent", {"type": "string", "maxLength": MAX_RANK_BY}
    ),
    _parameter("weight", "weights of the score's parts: appearance:1,radiomics:0.5", _TEXT),
    *FILTERS,
)
TRACKING_UID = _parameter("tracking-uid", "asks about that region of the series", schemas.UID_SCHEMA)
VOLUME_NUMBER = _parameter("volume-number", "which volume of a series that holds several", {**_WHOLE, "default": 0})
SIMILAR_TO = _parameter(
    "similar-to", "UID of a series, a region (Tracking UID), a case or a study", schemas.UID_SCHEMA, required=True
)
SERIES = _parameter("series", "words on answers to questions about that series alone", schemas.UID_SCHEMA)

#: what `find similar` answers in
SIMILAR_CONTENT: Mapping[str, type[Any] | None] = {
    wire.JSON: answer_schemas.SimilarAnswer,
    wire.DICOM_JSON: schemas.DicomItems,
    wire.DICOM_XML: None,
}
_SIMILAR_PROBLEMS = (400, 404, 406, 409, 413, 422, 502, 503)
_LOOK_PROBLEMS = (400, 404, 422, 502, 503)


def _similar(name: str, path: str, summary: str, *further: Parameter) -> Operation:
    return Operation(
        name=name,
        path=path,
        group="find similar",
        summary=summary,
        parameters=(*further, *SIMILAR_PARAMETERS),
        content=SIMILAR_CONTENT,
        may_be_empty=True,
        problems=_SIMILAR_PROBLEMS,
    )


_FIND = (
    _similar(
        "series_similar", wire.ROUTE_SERIES_SIMILAR, "cases similar to a series, or to one of its regions",
        TRACKING_UID, VOLUME_NUMBER,
    ),
    _similar("study_similar", wire.ROUTE_STUDY_SIMILAR, "cases similar to a study"),
    _similar("frame_similar", wire.ROUTE_FRAME_SIMILAR, "cases similar to what a frame shows"),
    _similar(
        "similar_studies", wire.ROUTE_SIMILAR_STUDIES, "search the studies that hold something similar",
        SIMILAR_TO, VOLUME_NUMBER,
    ),
    _similar(
        "similar_series", wire.ROUTE_SIMILAR_SERIES, "search the series that hold something similar",
        SIMILAR_TO, VOLUME_NUMBER,
    ),
    _similar(
        "similar_study_series", wire.ROUTE_SIMILAR_STUDY_SERIES, "search the series of one study",
        SIMILAR_TO, VOLUME_NUMBER,
    ),
    Operation(
        name="similar", method="POST", path=wire.ROUTE_SIMILAR, group="find similar",
        summary="cases similar to what the body asks about, or to DICOM that is sent along and not stored",
        parameters=(ACCEPT, CHARSET), body=SimilarBody, also_takes=sent_along.MEDIA_TYPES,
        content=SIMILAR_CONTENT, may_be_empty=True,
        problems=(*_SIMILAR_PROBLEMS, 415),
    ),
)  # fmt: skip
_ARCHIVE = (
    Operation(
        name="status", path=wire.ROUTE_STATUS, group="archive", summary="how large the catalogue is, and the queue",
        content={wire.JSON: schemas.ArchiveStatus},
    ),
    Operation(
        name="series_list", path=wire.ROUTE_SERIES, group="archive", summary="series, what changed last first",
        parameters=(
            _parameter("state", "in that state alone", {"type": "string", "enum": [one.value for one in SeriesState]}),
            _parameter("study", "of that study alone", schemas.UID_SCHEMA),
            _parameter("annotations", "series of annotations, too", _TRUTH),
            _parameter("limit", f"length of the page, cut to {MAX_SERIES}", {**_WHOLE, "default": 50}),
            OFFSET,
        ),
        content={wire.JSON: schemas.SeriesPage}, problems=(400,),
    ),
    Operation(
        name="series_one", path=wire.ROUTE_SERIES_ONE, group="archive", summary="one series with its cases",
        content={wire.JSON: schemas.SeriesWithCases}, problems=(400, 404),
    ),
    Operation(
        name="retry", method="POST", path=wire.ROUTE_SERIES_RETRY, group="archive",
        summary="do everything for a series anew, before all others",
        body=schemas.Nothing, status=202, content={wire.JSON: schemas.Nothing}, problems=(400, 404, 409, 413, 415),
    ),
    Operation(
        name="hurry", method="POST", path=wire.ROUTE_SERIES_HURRY, group="archive",
        summary="put the job of a series before all others",
        body=schemas.Nothing, status=202, content={wire.JSON: schemas.Nothing}, problems=(400, 404, 413, 415),
    ),
)  # fmt: skip
_LOOK = (
    Operation(
        name="volume", path=wire.ROUTE_VOLUME, group="look", summary="where the voxels of a volume lie",
        content={wire.JSON: schemas.VolumeFacts}, is_cached=True, problems=_LOOK_PROBLEMS,
    ),
    Operation(
        name="slices", path=wire.ROUTE_SLICES, group="look", summary="voxels of slices: 16-bit integers, little-endian",
        parameters=(
            _parameter("first", "number of the first slice, from 0", _WHOLE, required=True),
            _parameter("last", "number of the last slice", _WHOLE, required=True),
        ),
        content={wire.VOXELS: None}, is_cached=True, problems=(*_LOOK_PROBLEMS, 413),
    ),
    Operation(
        name="series_picture", path=wire.ROUTE_SERIES_PICTURE, group="look",
        summary="one slice of a series, indexed or not",
        content={wire.JSON: schemas.Picture}, problems=_LOOK_PROBLEMS,
    ),
    Operation(
        name="region_known", path=wire.ROUTE_REGION_ONE, group="look", summary="the mask of a known region",
        content={wire.JSON: schemas.RegionMask}, problems=_LOOK_PROBLEMS,
    ),
    Operation(
        name="region_at", method="POST", path=wire.ROUTE_REGION, group="look",
        summary="the region that hints show, segmented there and then; nothing is stored",
        body=RegionBody, content={wire.JSON: schemas.RegionMask}, problems=(*_LOOK_PROBLEMS, 413, 415),
    ),
    Operation(
        name="case", path=wire.ROUTE_CASE, group="look", summary="one case with its radiomics",
        content={wire.JSON: schemas.DescribedCase}, problems=(400, 404),
    ),
    Operation(
        name="picture", path=wire.ROUTE_CASE_PICTURE, group="look",
        summary="the slice that shows a case, with its region",
        parameters=(
            _parameter("side-mm", "cuts out a square of that side", {"type": "number", "minimum": 0, "maximum": 2000}),
            _parameter("instance", "another instance of its series", schemas.UID_SCHEMA),
            _parameter("frame", "of that instance, from 1", {**_WHOLE, "minimum": 1}),
        ),
        content={wire.JSON: schemas.Picture}, is_cached=True, problems=_LOOK_PROBLEMS,
    ),
)  # fmt: skip
_FEEDBACK = (
    Operation(
        name="feedback", path=wire.ROUTE_FEEDBACK, group="feedback", summary="what people said of answers",
        parameters=(SERIES, ACCEPT), content={wire.JSON: schemas.Words, wire.CSV: None}, problems=(400, 406),
    ),
    Operation(
        name="tell", method="POST", path=wire.ROUTE_FEEDBACK, group="feedback",
        summary="keep a user's word on an answer, or take it back",
        body=FeedbackBody, content={wire.JSON: schemas.WordKept}, problems=(400, 404, 413, 415),
    ),
)  # fmt: skip
_SERVICE = (
    Operation(
        name="page", path=wire.ROUTE_PAGE, group="service", summary="the page for people", content={HTML: None},
    ),
    Operation(
        name="asset", path=wire.ROUTE_ASSET, group="service", summary="a file of the page",
        content={"text/javascript": None, "text/css": None, "image/svg+xml": None, HTML: None},
        is_cached=True, problems=(404,),
    ),
    Operation(
        name="health", path=wire.ROUTE_HEALTH, group="service", summary="the worker lives", is_open=True,
        content={wire.JSON: schemas.Health},
    ),
    Operation(
        name="nudge", method="POST", path=wire.ROUTE_NUDGE, group="service", summary="the bridge's word of a change",
        body=schemas.NudgeSent, status=202, content={wire.JSON: schemas.Nothing}, problems=(400, 413),
    ),
    Operation(
        name="metrics", path=wire.ROUTE_METRICS, group="service", summary="measures in Prometheus' text format",
        content={METRICS: None},
    ),
    Operation(
        name="openapi", path=wire.ROUTE_OPENAPI, group="service", summary="this document (OpenAPI 3.1)",
        content={wire.JSON: None}, is_cached=True,
    ),
    Operation(
        name="reading", path=wire.ROUTE_API, group="service", summary="this document, to be read by people",
        content={HTML: None}, is_cached=True,
    ),
    Operation(
        name="capabilities", path=wire.ROUTE_CAPABILITIES, group="service",
        summary="the capabilities (PS3.18 8.9), which OPTIONS on the root answers, too",
        parameters=(ACCEPT,), content={WADL: None, wire.JSON: None}, is_cached=True, problems=(400, 406),
    ),
)  # fmt: skip
OPERATIONS: tuple[Operation, ...] = (*_FIND, *_ARCHIVE, *_LOOK, *_FEEDBACK, *_SERVICE)
