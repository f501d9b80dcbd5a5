"""What this build of Orthanc does in its own way, found out by asking it once.

Two habits depend on how Orthanc and its web server were built, not on a version that could be compared: whether the
arguments of a GET arrive decoded, and whether Orthanc adds a Content-Type to a status with a body. So after the start
the bridge sends one request to itself, through Orthanc's own HTTP server, and looks at what comes and what goes.
"""

import http.client
import secrets
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from similar_cases.bridge.answers import Answer, refusal

_HEADER = "X-Similar-Cases-Rehearsal"
#: decoded once it is %41; a server that decodes nothing leaves it as it is
_ARGUMENT = "%2541"
_SECONDS = 10.0


class Habits:
    """The two habits; before the rehearsal, what does least harm.

    Attributes:
        decodes_arguments: whether GET's arguments arrive decoded; None while that is not known.
        types_errors_itself: whether Orthanc adds a Content-Type to a status with a body. While that is not known ours
            is sent: twice is a blemish, none would let a browser guess.
    """

    def __init__(self) -> None:
        self.decodes_arguments: bool | None = None
        self.types_errors_itself = False
        self._secret = secrets.token_urlsafe(24)

    def is_rehearsal(self, request: Mapping[str, Any]) -> bool:
        """Tell whether this request is the bridge's own."""
        sent = request.get("headers", {}).get(_HEADER.lower(), "")
        return secrets.compare_digest(sent.encode(), self._secret.encode())

    def rehearse(self, request: Mapping[str, Any]) -> Answer:
        """Look at how the argument arrived, and return an error to be sent."""
        self.decodes_arguments = request.get("get", {}).get("argument") != _ARGUMENT
        return refusal(404, "a rehearsal")

    def find_out(self, orthanc_url: str, route: str, authorization: str) -> bool:
        """Send the request through Orthanc, and look at the answer; False when Orthanc cannot be asked.

        Args:
            orthanc_url: Orthanc's own address on the loopback interface.
            route: a path that the bridge answers.
            authorization: value of the Authorization header that Orthanc takes; may be empty.
        """
        headers = {_HEADER: self._secret, **({"Authorization": authorization} if authorization else {})}
        connection = _connection(orthanc_url)
        try:
            connection.request("GET", f"{route}?argument={_ARGUMENT}", headers=headers)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        types = response.headers.get_all("Content-Type", [])
        self.types_errors_itself = len(types) > 1
        return self.decodes_arguments is not None


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    host = parts.hostname or "127.0.0.1"
    if parts.scheme == "https":
        # our own process, over the loopback interface: its certificate is made out to another name
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(host, parts.port, timeout=_SECONDS, context=context)
    return http.client.HTTPConnection(host, parts.port, timeout=_SECONDS)
