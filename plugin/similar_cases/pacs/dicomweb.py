"""An archive over DICOMweb: QIDO-RS and STOW-RS by dicomweb-client, WADO-RS as a stream within bounds.

Used from several threads; each has a session of its own, as requests asks.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Protocol

import requests
from dicomweb_client import DICOMwebClient
from pydicom import Dataset

from similar_cases.domain.errors import (
    IncompleteTransfer,
    InvalidUid,
    MalformedDicom,
    NotFound,
    PacsUnavailable,
    Refused,
    StoreFailed,
)
from similar_cases.domain.references import SeriesRef
from similar_cases.pacs.client import SeriesListing
from similar_cases.pacs.http import HttpAccess, http_session, translated
from similar_cases.pacs.multipart import BrokenMessage, boundary_of, parts_of
from similar_cases.pacs.parse import Bounds, parse_instance, series_of
from similar_cases.pacs.stored import batches_of, difference

_LOG = logging.getLogger(__name__)
# dicomweb-client wraps each request in retrying, which logs a traceback of what we translate and tell ourselves
logging.getLogger("retrying").setLevel(logging.ERROR)
_PAGE = 500
_CHUNK_BYTES = 1 << 16
#: the stored bytes as they are, whatever their transfer syntax (PS3.18 8.7.3.5.2)
_AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'

#: one answer of QIDO-RS in the DICOM JSON model (PS3.18 annex F)
DicomJson = dict[str, dict[str, Any]]


class RestSide(Protocol):
    """What an archive does by a REST API of its own: ``OrthancFeed``."""

    def instances_of(self, series: SeriesRef) -> list[str]:
        """Return the SOP Instance UIDs of a Series, sorted; empty where there is none."""
        ...

    def remove_instances(self, series: SeriesRef, sop_instance_uids: Collection[str]) -> None:
        """Delete Instances of one Series; those that are gone already are passed over."""
        ...


class DicomWebClient:
    """A ``PacsClient`` over DICOMweb.

    Args:
        url: root of the service, as ``http://host:8042/dicom-web``.
        access: credentials and patience.
        bounds: what one Series may cost.
        rest: the same archive by its own REST API, for what DICOMweb cannot do: list Instances without opening every
            file (where Orthanc does, for QIDO-RS, a hostile one brings it down), and take ours back.
    """

    def __init__(
        self,
        url: str,
        access: HttpAccess | None = None,
        bounds: Bounds | None = None,
        rest: RestSide | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._access = access or HttpAccess()
        self._bounds = bounds or Bounds()
        self._rest = rest
        self._local = threading.local()

    def search_series(self, study_uid: str | None = None) -> list[SeriesListing]:
        """Search for the Series of one Study, or of the archive, in the order of their UIDs."""
        fields = ["Modality", "NumberOfSeriesRelatedInstances"]
        search = self._client.search_for_series
        answers = self._search(
            lambda limit, offset: search(study_uid, fields=fields, limit=limit, offset=offset), "0020000E"
        )
        return [listing for _, answer in sorted(answers.items()) if (listing := _listing(answer, study_uid))]

    def search_instances(self, series: SeriesRef) -> list[str]:
        """Search for the SOP Instance UIDs of a Series, sorted; empty where the archive has no such Series."""
        if self._rest is not None:
            return self._rest.instances_of(series)
        search = self._client.search_for_instances
        answers = self._search(
            lambda limit, offset: search(series.study_uid, series.series_uid, limit=limit, offset=offset), "00080018"
        )
        return sorted(answers)

    def retrieve_series(self, series: SeriesRef) -> list[Dataset]:
        """Retrieve every Instance that is listed; what did not come, or not whole, is asked for again, one by one.

        Raises:
            NotFound: when the archive has no such Series.
            IncompleteTransfer: when Instances are still missing after the second asking.
            MalformedDicom: when an object comes twice in a form that cannot be parsed within the bounds.
            Refused: when the Series is larger than the bounds.
        """
        wanted = self.search_instances(series)
        if not wanted:
            raise NotFound(f"the archive has no series {series.series_uid}")
        self._bounds.check_instances(len(wanted))
        came = self._first_asking(series, wanted)
        missing = [uid for uid in wanted if uid not in came]
        if missing:
            _LOG.warning("%d of %d instances are asked for again: %s", len(missing), len(wanted), series.series_uid)
        for uid in missing:
            came[uid] = self._second_asking(series, uid)
        return [came[uid] for uid in wanted]

    def retrieve_instance(self, study_uid: str, sop_instance_uid: str) -> Dataset:
        """Retrieve one Instance of a Study; QIDO-RS tells its Series.

        Raises:
            NotFound: when the Study has no such Instance.
            IncompleteTransfer: when it is listed, and does not come.
            MalformedDicom: when it cannot be parsed within the bounds.
        """
        wanted = {"SOPInstanceUID": sop_instance_uid}
        try:
            with translated(self._url):
                found = self._client.search_for_instances(study_uid, search_filters=wanted, limit=1)
        except NotFound:
            found = []
        if not found:
            raise NotFound(f"the archive has no instance {sop_instance_uid} in study {study_uid}")
        series = SeriesRef(study_uid, str(_value(found[0], "0020000E")))
        return self._second_asking(series, sop_instance_uid)

    def store_instances(self, instances: Sequence[Dataset]) -> None:
        """Store `instances` in small batches and read each back."""
        for batch in batches_of(instances):
            self._store_batch(batch)
        for instance in instances:
            self._compare_with_stored(instance)

    @property
    def _session(self) -> requests.Session:
        """The session of the calling thread."""
        if not hasattr(self._local, "session"):
            self._local.session = http_session(self._access)
        session: requests.Session = self._local.session
        return session

    @property
    def _client(self) -> DICOMwebClient:
        """The client of the calling thread."""
        if not hasattr(self._local, "client"):
            client = DICOMwebClient(self._url, session=self._session, timeout=self._access.timeout)
            client.set_http_retry_params(retry=False)  # the session's adapter repeats
            client.set_chunk_size(1 << 30)  # a body sent whole can be sent again
            self._local.client = client
        known: DICOMwebClient = self._local.client
        return known

    def _search(self, ask: Callable[[int, int], list[DicomJson]], key: str) -> dict[str, DicomJson]:
        """Ask page by page until one brings nothing new: archives cut answers at limits of their own."""
        found: dict[str, DicomJson] = {}
        offset = 0
        while True:
            try:
                with translated(self._url):
                    page = ask(_PAGE, offset)
            except NotFound:
                return found
            fresh = {uid: answer for answer in page if (uid := str(_value(answer, key))) not in found}
            if not fresh:
                return found
            found |= fresh
            offset += len(page)

    def _first_asking(self, series: SeriesRef, wanted: Collection[str]) -> dict[str, Dataset]:
        """Retrieve the whole Series; what is broken or missing is left out, for the second asking tells the reason."""
        came: dict[str, Dataset] = {}
        size = 0
        try:
            for part in self._retrieve(f"/studies/{series.study_uid}/series/{series.series_uid}"):
                size += len(part)
                self._bounds.check_series_bytes(size)
                try:
                    instance = parse_instance(part, self._bounds)
                except MalformedDicom:
                    continue
                if instance.SOPInstanceUID in wanted and series_of(instance) == series:
                    came[str(instance.SOPInstanceUID)] = instance
        except (BrokenMessage, NotFound, PacsUnavailable, requests.RequestException) as error:
            _LOG.warning("series %s broke off: %s", series.series_uid, type(error).__name__)
        return came

    def _second_asking(self, series: SeriesRef, sop_instance_uid: str) -> Dataset:
        try:
            instance = self._retrieve_instance(series, sop_instance_uid)
        except (NotFound, BrokenMessage, requests.RequestException) as error:
            raise IncompleteTransfer(
                f"instance {sop_instance_uid} is listed, and does not come when asked for"
            ) from error
        except MalformedDicom as error:
            raise MalformedDicom(f"instance {sop_instance_uid}: {error}") from error
        if instance.SOPInstanceUID != sop_instance_uid or series_of(instance) != series:
            raise IncompleteTransfer(f"asked for instance {sop_instance_uid}, another one came")
        return instance

    def _retrieve_instance(self, series: SeriesRef, sop_instance_uid: str) -> Dataset:
        path = f"/studies/{series.study_uid}/series/{series.series_uid}/instances/{sop_instance_uid}"
        parts = list(self._retrieve(path))
        if len(parts) != 1:
            raise BrokenMessage(f"one instance was asked for, {len(parts)} came")
        return parse_instance(parts[0], self._bounds)

    def _retrieve(self, path: str) -> Iterator[bytes]:
        """Yield the files that WADO-RS answers with, each as soon as it is whole."""
        with self._session.get(
            self._url + path, headers={"Accept": _AS_STORED}, stream=True, timeout=self._access.timeout
        ) as answer:
            with translated(self._url):
                answer.raise_for_status()
            content_type = answer.headers.get("Content-Type", "")
            chunks = answer.iter_content(_CHUNK_BYTES)
            yield from parts_of(chunks, boundary_of(content_type), self._bounds.max_instance_bytes)

    def remove_instances(self, series: SeriesRef, sop_instance_uids: Collection[str]) -> None:
        """Take Instances of ours back; where the archive has DICOMweb alone they stay, as PS3.18 knows no deletion."""
        if self._rest is not None:
            self._rest.remove_instances(series, sop_instance_uids)

    def _store_batch(self, batch: list[Dataset]) -> None:
        try:
            with translated(self._url):
                answer = self._client.store_instances(batch)
        except PacsUnavailable as error:
            raise _store_failure(error) from error
        if failed := answer.get("FailedSOPSequence"):
            raise StoreFailed(_reasons(failed))

    def _compare_with_stored(self, instance: Dataset) -> None:
        uid = str(instance.SOPInstanceUID)
        try:
            stored = self._retrieve_instance(series_of(instance), uid)
        except (NotFound, BrokenMessage, Refused) as error:
            raise StoreFailed(f"instance {uid} was taken, and cannot be read back: {error}") from error
        except requests.RequestException as error:
            raise PacsUnavailable(f"the archive at {self._url} does not answer: {type(error).__name__}") from error
        if flaw := difference(instance, stored):
            raise StoreFailed(f"instance {uid} was stored otherwise than it was sent: {flaw}")


def _store_failure(error: PacsUnavailable) -> PacsUnavailable | StoreFailed:
    """Tell an archive that refused the objects (PS3.18 table 10.5.3-1) from one that is away."""
    answer = getattr(error.__cause__, "response", None)
    if answer is None or answer.status_code not in (400, 409, 413, 415):
        return error
    try:
        return StoreFailed(_reasons(Dataset.from_json(answer.json()).get("FailedSOPSequence", [])))
    except (ValueError, TypeError, KeyError):
        return StoreFailed(f"the archive refused with {answer.status_code}")


def _reasons(failed: Sequence[Dataset]) -> str:
    """Name the first refused Instances with their Failure Reason (0008,1197)."""
    told = [f"{item.get('ReferencedSOPInstanceUID', '?')} ({item.get('FailureReason', 0):#06x})" for item in failed]
    return f"the archive refused {len(told)} instances: {', '.join(told[:3])}"


def _listing(answer: DicomJson, study_uid: str | None) -> SeriesListing | None:
    """Read one answer; None for a Series whose UIDs are none, which nobody could ask for."""
    try:
        series = SeriesRef(str(_value(answer, "0020000D") or study_uid), str(_value(answer, "0020000E")))
    except InvalidUid:
        return None
    count = int(_value(answer, "00201209") or 0)
    return SeriesListing(series=series, modality=str(_value(answer, "00080060")), instance_count=count)


def _value(answer: DicomJson, tag: str) -> str | int:
    """Return the first value of an attribute, an empty string where it has none."""
    values = answer.get(tag, {}).get("Value") or [""]
    return values[0] if isinstance(values[0], (str, int)) else ""
