"""What bridge, worker and page agree on: routes, headers, environment, messages. Standard library alone.

Every route stands under the prefix that the site chose (``/similar-cases`` unless told otherwise) in Orthanc, and
under the same prefix in the worker, so that the bridge forwards a path as it came.
"""

import json
from dataclasses import dataclass
from typing import Self

#: the section of orthanc.json that the bridge reads
SECTION = "SimilarCases"
#: where the worker's routes begin
DEFAULT_PREFIX = "/similar-cases"

#: header in which the bridge shows the token that it shares with the worker
TOKEN_HEADER = "X-Similar-Cases-Token"
#: header in which the bridge tells who asks, as Orthanc authenticated them, percent-encoded; absent where Orthanc asks
#: for no password
USER_HEADER = "X-Similar-Cases-User"
#: path that a reverse proxy in front of Orthanc takes away; X-Forwarded-Host and -Proto tell the rest of the address
FORWARDED_PREFIX_HEADER = "X-Forwarded-Prefix"

#: environment that the bridge sets for a worker that it starts itself
ENV_TOKEN = "SIMILAR_CASES_WEB__TOKEN"
ENV_HOST = "SIMILAR_CASES_WEB__HOST"
ENV_PORT = "SIMILAR_CASES_WEB__PORT"
ENV_PREFIX = "SIMILAR_CASES_WEB__PREFIX"
ENV_ORTHANC_URL = "SIMILAR_CASES_PACS__ORTHANC_URL"
ENV_ORTHANC_AUTHORIZATION = "SIMILAR_CASES_PACS__AUTHORIZATION"
ENV_MODALITIES = "SIMILAR_CASES_WORKER__MODALITIES"
ENV_CALLER_CREDENTIALS = "SIMILAR_CASES_WEB__CALLER_CREDENTIALS"
ENV_DATA_DIR = "SIMILAR_CASES_INDEX__DATA_DIR"

#: flag with which the worker ends when its standard input closes, so that it never outlives the bridge
FLAG_STAY_WITH_PARENT = "--stay-with-parent"

# Routes, below the prefix. `{study}` and `{series}` are UIDs.
ROUTE_PAGE = "/"
ROUTE_ASSET = "/page/{name}"
ROUTE_HEALTH = "/health"
ROUTE_NUDGE = "/nudge"
ROUTE_STATUS = "/status"
# The archive as the worker sees it: apart from /series, which is QIDO-RS's name for a search over all series
ROUTE_SERIES = "/archive/series"
ROUTE_SERIES_ONE = "/archive/series/{series}"
ROUTE_SERIES_RETRY = "/archive/series/{series}/retry"
ROUTE_SERIES_HURRY = "/archive/series/{series}/hurry"
# Find similar, in the shapes of QIDO-RS's searches (PS3.18 10.6), with the parameter similar-to …
ROUTE_SIMILAR_STUDIES = "/studies"
ROUTE_SIMILAR_SERIES = "/series"
ROUTE_SIMILAR_STUDY_SERIES = "/studies/{study}/series"
# … and below what is asked about
ROUTE_STUDY_SIMILAR = "/studies/{study}/similar"
ROUTE_FRAME_SIMILAR = "/studies/{study}/series/{series}/instances/{instance}/frames/{frame}/similar"
ROUTE_SERIES_SIMILAR = "/studies/{study}/series/{series}/similar"
ROUTE_SIMILAR = "/similar"
ROUTE_METRICS = "/metrics"
# What there is to ask: for tools, for people, for DICOMweb's clients
ROUTE_OPENAPI = "/openapi.json"
ROUTE_API = "/api"
ROUTE_CAPABILITIES = "/capabilities"
# What the page looks at
ROUTE_VOLUME = "/studies/{study}/series/{series}/volumes/{volume}"
ROUTE_SLICES = "/studies/{study}/series/{series}/volumes/{volume}/slices"
ROUTE_SERIES_PICTURE = "/studies/{study}/series/{series}/picture"
ROUTE_REGION_ONE = "/studies/{study}/series/{series}/regions/{region}"
ROUTE_REGION = "/region"
ROUTE_CASE = "/cases/{case}"
ROUTE_CASE_PICTURE = "/cases/{case}/picture"
ROUTE_FEEDBACK = "/feedback"

#: media types that the similar routes answer in
JSON = "application/json"
DICOM_JSON = "application/dicom+json"
DICOM_XML = 'multipart/related; type="application/dicom+xml"'
#: voxels: 16-bit signed integers, little-endian
VOXELS = "application/octet-stream"
CSV = "text/csv"
#: errors (RFC 9457)
PROBLEM = "application/problem+json"

#: the private creator of the attributes of ours in dicom+json (PS3.5 section 7.8.1)
PRIVATE_CREATOR = "SIMILAR CASES 1.0"


@dataclass(frozen=True)
class Nudge:
    """The bridge's word to the worker that something changed; never the truth itself, which is read from the PACS.

    Attributes:
        kind: ``stable`` or ``deleted``.
        level: ``patient``, ``study``, ``series`` or ``instance``.
        orthanc_id: Orthanc's own identifier of the resource; empty: look at all that changed since the last time.

    >>> Nudge.from_json(Nudge("stable", "series", "abc").to_json()).level
    'series'
    """

    kind: str
    level: str
    orthanc_id: str

    def to_json(self) -> bytes:
        """Return the message's body."""
        return json.dumps({"kind": self.kind, "level": self.level, "orthancId": self.orthanc_id}).encode()

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Read a message's body.

        Raises:
            ValueError: when it is no nudge.
        """
        try:
            fields = json.loads(body)
            nudge = cls(str(fields["kind"]), str(fields["level"]), str(fields["orthancId"]))
        except (KeyError, TypeError, UnicodeDecodeError) as error:
            raise ValueError(f"not a nudge: {error}") from error
        if nudge.kind not in ("stable", "deleted"):
            raise ValueError(f"not a nudge: kind {nudge.kind!r}")
        return nudge
