"""HTTP as an archive is asked: one session, its credentials, its patience."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from similar_cases.domain.errors import NotFound, PacsUnavailable


@dataclass(frozen=True, kw_only=True)
class HttpAccess:
    """How an archive is spoken to.

    Attributes:
        authorization: value of the Authorization header, empty for none; see ``basic_authorization``.
        connect_seconds: patience for a connection.
        read_seconds: patience for the next byte.
        retries: how often a request is repeated after a failed connection or 502, 503, 504; the waits double.
        ca_file: certificates to trust instead of the public ones.
    """

    authorization: str = field(default="", repr=False)
    connect_seconds: float = 5.0
    read_seconds: float = 60.0
    retries: int = 4
    ca_file: str = ""

    @property
    def timeout(self) -> tuple[float, float]:
        """The two patiences as requests takes them."""
        return self.connect_seconds, self.read_seconds


def basic_authorization(username: str, password: str) -> str:
    """Return the Authorization header's value (RFC 7617).

    >>> basic_authorization("Aladdin", "open sesame")
    'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='
    """
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def http_session(access: HttpAccess) -> requests.Session:
    """Return a session that repeats what failed in passing, and that does not ask for compressed answers.

    Orthanc 1.10.1 compresses what it serves to whoever takes it, which costs 9 s for 150 slices of CT; without, 0.4 s.
    """
    session = requests.Session()
    session.trust_env = False  # neither a .netrc nor a proxy of the environment stands between us and the archive
    session.headers["Accept-Encoding"] = "identity"
    if access.authorization:
        session.headers["Authorization"] = access.authorization
    if access.ca_file:
        session.verify = access.ca_file
    patience = Retry(
        total=access.retries,
        backoff_factor=0.2,
        status_forcelist=(502, 503, 504),
        allowed_methods=None,  # every request of ours may be repeated: the same bytes under the same UID
        raise_on_status=False,
        respect_retry_after_header=False,  # an archive may ask for an hour; jobs have a patience of their own
    )
    session.mount("http://", _OneMediaType(max_retries=patience))
    session.mount("https://", _OneMediaType(max_retries=patience))
    return session


class _OneMediaType(HTTPAdapter):
    """Asks for DICOM JSON alone where dicomweb-client would take JSON too: Orthanc logs an error for each list."""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        if request.headers.get("Accept") == "application/dicom+json, application/json":
            request.headers["Accept"] = "application/dicom+json"
        return super().send(request, *args, **options)


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Turn what requests raises into words of ours.

    Raises:
        NotFound: for 404 and 410.
        PacsUnavailable: for every other failure; the message says what to check.
    """
    try:
        yield
    except requests.HTTPError as error:
        status = error.response.status_code
        if status in (404, 410):
            raise NotFound(f"the archive at {url} has nothing there") from error
        hint = "; check the credentials" if status in (401, 403) else ""
        raise PacsUnavailable(f"the archive at {url} answered {status}{hint}") from error
    except (
        requests.RequestException,
        ValueError,
    ) as error:  # ValueError: the body is no JSON
        raise PacsUnavailable(f"the archive at {url} does not answer: {type(error).__name__}") from error
