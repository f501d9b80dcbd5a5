"""What changed in Orthanc, by its own REST API: the feed of changes, and which Series there are.

Orthanc numbers its changes. A deleted resource takes its lines along, and its deletion is no line, so who follows the
feed must also ask, from its own side, what still exists.
"""

import contextlib
import hashlib
import re
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import requests
from pydicom.filereader import read_partial

from similar_cases.domain.errors import InvalidRequest, InvalidUid, NotFound, PacsUnavailable
from similar_cases.domain.references import SeriesRef
from similar_cases.pacs.http import HttpAccess, http_session, translated

_PAGE = 200
_COLLECTIONS = {"patient": "patients", "study": "studies", "series": "series", "instance": "instances"}
_ORTHANC_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")
#: what ManufacturerModelName is asked of: the kinds of object that we make ourselves
_KINDS_OF_OURS = ("SEG", "SR")
_MANUFACTURER_MODEL_NAME = 0x00081090
#: so much of a file holds what comes up to there
_HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class Change:
    """One line of the feed.

    Attributes:
        kind: Orthanc's word, as ``StableSeries``, ``NewSeries``, ``NewInstance``.
        level: ``patient``, ``study``, ``series`` or ``instance``.
    """

    sequence: int
    kind: str
    level: str
    orthanc_id: str


@dataclass(frozen=True)
class ChangePage:
    """A stretch of the feed: go on from `last`; `is_done` tells that nothing lies behind."""

    changes: tuple[Change, ...]
    last: int
    is_done: bool


@dataclass(frozen=True, kw_only=True)
class OrthancSeries:
    """A Series as Orthanc knows it.

    Attributes:
        manufacturer_model_name: of SEG and SR, by which ours are known; empty for all others, which are not asked.
        is_stable: nothing came for the time StableAge.
    """

    orthanc_id: str
    study_orthanc_id: str
    patient_orthanc_id: str
    series: SeriesRef
    modality: str
    instance_count: int
    is_stable: bool
    manufacturer_model_name: str = ""


@dataclass(frozen=True)
class _Study:
    study_uid: str
    patient_orthanc_id: str


def orthanc_id_of(patient_id: str, study_uid: str = "", series_uid: str = "", sop_instance_uid: str = "") -> str:
    """Return the identifier that Orthanc gives the deepest level named: SHA-1 of the identifiers down to it.

    Spaces before a PatientID count, spaces behind it do not.

    >>> orthanc_id_of("")  # the patient without an ID
    'da39a3ee-5e6b4b0d-3255bfef-95601890-afd80709'
    """
    levels = [patient_id, study_uid, series_uid, sop_instance_uid]
    named = levels[: max((n + 1 for n, level in enumerate(levels) if level), default=1)]
    digest = hashlib.sha1("|".join(level.rstrip(" \0") for level in named).encode(), usedforsecurity=False).hexdigest()
    return "-".join(digest[start : start + 8] for start in range(0, 40, 8))


class OrthancFeed:
    """Orthanc's REST API, as far as we read it. Used from several threads; each has a session of its own.

    Only what Orthanc answers from its database, or gives as the bytes that it has, is asked for: where it parses a file
    for an answer (``/tags``, ``/content``, QIDO-RS), 60 nested sequences overflow its thread's stack (1.10.1, 1.13.0).

    Args:
        url: root of the REST API, as ``http://host:8042``.
        access: credentials and patience.
    """

    def __init__(self, url: str, access: HttpAccess | None = None) -> None:
        self._url = url.rstrip("/")
        self._access = access or HttpAccess()
        self._local = threading.local()

    def changes(self, since: int, limit: int = 1000) -> ChangePage:
        """Return up to `limit` changes behind number `since`.

        Raises:
            PacsUnavailable: when Orthanc does not answer; so for every method here.
        """
        page = self._get(f"/changes?since={since}&limit={limit}")
        changes = [
            Change(int(line["Seq"]), line["ChangeType"], line["ResourceType"].lower(), line["ID"])
            for line in page["Changes"]
        ]
        return ChangePage(tuple(changes), int(page["Last"]), bool(page["Done"]))

    def last_sequence(self) -> int:
        """Return the number of the newest change; a cursor beyond it belongs to another database."""
        return int(self._get("/changes?last")["Last"])

    def series(self, orthanc_id: str) -> OrthancSeries | None:
        """Return one Series, None where Orthanc has none under that identifier, or one whose UIDs are none."""
        try:
            told = self._get(f"/series/{checked_id(orthanc_id)}")
            study = _study_of(self._get(f"/studies/{told['ParentStudy']}"))
        except NotFound:
            return None
        return self._series(told, study)

    def all_series(self) -> Iterator[OrthancSeries]:
        """Yield every Series. What is stored or deleted meanwhile may be missed, and is told by the feed."""
        studies = {told["ID"]: _study_of(told) for told in self._pages("/studies")}
        for told in self._pages("/series"):
            study = studies.get(told["ParentStudy"])
            found = self._series(told, study) if study else self.series(told["ID"])
            if found:
                yield found

    def instances_of(self, series: SeriesRef) -> list[str]:
        """Return the SOP Instance UIDs of a Series, sorted; empty where Orthanc has no such Series."""
        return sorted(self._identifiers_in(series))

    def remove_instances(self, series: SeriesRef, sop_instance_uids: Collection[str]) -> None:
        """Delete Instances of one Series; those that are gone already are passed over."""
        there = self._identifiers_in(series)
        for uid in sorted(there.keys() & set(sop_instance_uids)):
            with contextlib.suppress(NotFound), translated(self._url):
                answer = self._session.delete(f"{self._url}/instances/{there[uid]}", timeout=self._access.timeout)
                answer.raise_for_status()

    def exists(self, level: str, orthanc_id: str) -> bool:
        """Tell whether Orthanc has a ``patient``, ``study``, ``series`` or ``instance`` under that identifier."""
        collection = _COLLECTIONS.get(level)
        if collection is None:
            raise InvalidRequest(f"no level of Orthanc: {level!r}; there are {', '.join(_COLLECTIONS)}")
        try:
            self._get(f"/{collection}/{checked_id(orthanc_id)}")
        except NotFound:
            return False
        return True

    def _series(self, told: dict[str, Any], study: _Study) -> OrthancSeries | None:
        tags = told["MainDicomTags"]
        modality = tags.get("Modality", "")
        try:
            series = SeriesRef(study.study_uid, tags.get("SeriesInstanceUID", ""))
        except InvalidUid:
            return None
        return OrthancSeries(
            orthanc_id=told["ID"],
            study_orthanc_id=told["ParentStudy"],
            patient_orthanc_id=study.patient_orthanc_id,
            series=series,
            modality=modality,
            instance_count=len(told["Instances"]),
            is_stable=bool(told["IsStable"]),
            manufacturer_model_name=self._model_name(told["Instances"][0]) if modality in _KINDS_OF_OURS else "",
        )

    def _identifiers_in(self, series: SeriesRef) -> dict[str, str]:
        """Return SOP Instance UID → identifier of all Instances of a Series."""
        found: dict[str, str] = {}
        for match in self._post("/tools/lookup", series.series_uid):
            if match["Type"] == "Series":
                found |= self._identifiers_under(match["ID"], series.study_uid)
        return found

    def _identifiers_under(self, series_orthanc_id: str, study_uid: str) -> dict[str, str]:
        """Return those under one identifier; none where it is of another Study, or gone by now."""
        try:
            study = _study_of(self._get(f"/studies/{self._get(f'/series/{series_orthanc_id}')['ParentStudy']}"))
            told = self._get(f"/series/{series_orthanc_id}/instances") if study.study_uid == study_uid else []
        except NotFound:
            return {}
        return {one["MainDicomTags"]["SOPInstanceUID"]: one["ID"] for one in told}

    def _model_name(self, instance_orthanc_id: str) -> str:
        try:
            head = self._head(f"/instances/{instance_orthanc_id}/file")
            found = read_partial(BytesIO(head), lambda tag, _vr, _length: tag > _MANUFACTURER_MODEL_NAME)
            return str(found.get("ManufacturerModelName") or "").rstrip(" \0")
        except PacsUnavailable:
            raise
        except Exception:  # gone by now, or bytes that no reader bears: certainly none of ours
            return ""

    def _head(self, path: str) -> bytes:
        with (
            translated(self._url),
            self._session.get(self._url + path, stream=True, timeout=self._access.timeout) as answer,
        ):
            answer.raise_for_status()
            return next(answer.iter_content(_HEAD_BYTES), b"")

    def _pages(self, collection: str) -> Iterator[dict[str, Any]]:
        """Yield every resource of a collection, each once, asking page by page until one brings nothing new."""
        seen: set[str] = set()
        since = 0
        while True:
            page = self._get(f"{collection}?expand&since={since}&limit={_PAGE}")
            fresh = [told for told in page if told["ID"] not in seen]
            if not fresh:
                return
            seen.update(told["ID"] for told in fresh)
            since += len(page)
            yield from fresh

    def _get(self, path: str) -> Any:
        with translated(self._url):
            answer = self._session.get(self._url + path, timeout=self._access.timeout)
            answer.raise_for_status()
            return answer.json()

    def _post(self, path: str, body: str) -> Any:
        with translated(self._url):
            answer = self._session.post(self._url + path, data=body.encode(), timeout=self._access.timeout)
            answer.raise_for_status()
            return answer.json()

    @property
    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = http_session(self._access)
        session: requests.Session = self._local.session
        return session


def checked_id(orthanc_id: str) -> str:
    """Return an identifier of Orthanc's that is one, as it may stand in a path.

    Raises:
        NotFound: for anything else.
    """
    if not _ORTHANC_ID.fullmatch(orthanc_id):
        raise NotFound(f"no identifier of Orthanc: {orthanc_id[:60]!r}")
    return orthanc_id


def _study_of(told: dict[str, Any]) -> _Study:
    return _Study(told["MainDicomTags"].get("StudyInstanceUID", ""), told["ParentPatient"])
