"""Which Series a caller may read, asked of Orthanc with the caller's own credentials.

Rights are the archive's: whatever decides there (the authorization plugin's labels and profiles, a filter in Lua or
Python, a proxy's token) decides here too, since the same person puts the same question. One small request a Series,
several at a time; what was answered is kept for some seconds, so that a page of answers costs little, and a right that
was taken away ends soon.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.cookiejar import DefaultCookiePolicy

import requests

from similar_cases.domain.errors import PacsUnavailable
from similar_cases.pacs.http import HttpAccess, http_session, translated
from similar_cases.pacs.orthanc_changes import checked_id

#: requests at a time, answers that are kept, and for how long
_AT_ONCE, _MOST, SECONDS = 8, 100_000, 30.0
_REFUSED = (401, 403, 404)


class CallerRights:
    """Orthanc's word on who may read what. May be shared by threads.

    Args:
        url: root of the REST API, as ``http://host:8042``.
        access: patience and certificates; our own credentials in it are not used.
        seconds: how long an answer counts.
        clock: seconds, ever growing.
    """

    def __init__(
        self, url: str, access: HttpAccess, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url.rstrip("/")
        self._access = replace(access, authorization="")
        self._seconds = seconds
        self._clock = clock
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="rights")
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[float, bool]] = {}

    def readable(self, credentials: Mapping[str, str], orthanc_ids: Collection[str]) -> frozenset[str]:
        """Return those of `orthanc_ids`, Orthanc's identifiers of Series, that the caller may read.

        Args:
            credentials: the caller's headers; none where they showed none.
            orthanc_ids: what is asked about.

        Raises:
            PacsUnavailable: when Orthanc does not answer, or answers neither yes nor no.
        """
        caller = hashlib.sha256(repr(sorted(credentials.items())).encode()).hexdigest()
        known = self._remembered(caller, orthanc_ids)
        unknown = sorted(set(orthanc_ids) - known.keys())
        told = dict(zip(unknown, self._pool.map(lambda one: self._asked(credentials, one), unknown), strict=True))
        self._remember(caller, told)
        return frozenset(one for one, may in (known | told).items() if may)

    def _asked(self, credentials: Mapping[str, str], orthanc_id: str) -> bool:
        address = f"{self._url}/series/{checked_id(orthanc_id)}/metadata"
        with translated(self._url):
            answer = self._session.get(
                address, headers=dict(credentials), timeout=self._access.timeout, allow_redirects=False
            )
            if answer.status_code in _REFUSED:
                return False
            answer.raise_for_status()
        if answer.status_code != requests.codes.ok:
            raise PacsUnavailable(f"the archive at {self._url} answered {answer.status_code} to a question of rights")
        return True

    def _remembered(self, caller: str, orthanc_ids: Collection[str]) -> dict[str, bool]:
        since = self._clock() - self._seconds
        with self._lock:
            held = {one: self._known.get((caller, one)) for one in orthanc_ids}
        return {one: found[1] for one, found in held.items() if found is not None and found[0] > since}

    def _remember(self, caller: str, told: Mapping[str, bool]) -> None:
        now = self._clock()
        with self._lock:
            if len(self._known) + len(told) > _MOST:
                self._known.clear()
            self._known |= {(caller, one): (now, may) for one, may in told.items()}

    @property
    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            session = http_session(self._access)
            # what Orthanc hands one caller must not speak for the next
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
            self._local.session = session
        held: requests.Session = self._local.session
        return held
