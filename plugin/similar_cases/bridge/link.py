"""Where the worker is, and how one request reaches it. Shared by all threads of the bridge.

A ``Link`` holds one address, replaced as a whole: a reader sees the old one or the new one, never a mixture.
Every wait is on a socket, so the interpreter that Orthanc's threads share is free meanwhile.
"""

import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from similar_cases import wire

CONNECT_SECONDS = 5.0


class WorkerAway(Exception):
    """The worker cannot be reached; the message says why, and a later try may succeed."""


class WorkerTooSlow(Exception):
    """The worker was reached and did not answer in time."""


@dataclass(frozen=True)
class WorkerAddress:
    """An address and the token that opens it."""

    url: str
    token: str = field(repr=False)


class Link:
    """The one address that the bridge's threads ask."""

    def __init__(self, address: WorkerAddress | None = None) -> None:
        self._address = address
        self._why_away = "the worker has not been started yet"

    def is_at(self, address: WorkerAddress) -> None:
        """Send requests to `address` from now on."""
        self._address = address

    def is_away(self, why: str) -> None:
        """Answer that the worker is away, and why, until it has an address again."""
        self._why_away, self._address = why, None

    def address(self) -> WorkerAddress:
        """Return where the worker is.

        Raises:
            WorkerAway: when it is not known.
        """
        address = self._address
        if address is None:
            raise WorkerAway(self._why_away)
        return address


class Deadline:
    """A moment that all the waits of one request share."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left.

        Raises:
            WorkerTooSlow: when none are.
        """
        seconds = self._at - time.monotonic()
        if seconds <= 0:
            raise WorkerTooSlow("the worker did not answer in time")
        return seconds


class Exchange:
    """One request to the worker and its answer; a context manager, which ends the connection."""

    def __init__(self, address: WorkerAddress, deadline: Deadline) -> None:
        parts = urlsplit(address.url)
        host, timeout = parts.hostname or "", min(CONNECT_SECONDS, deadline.left())
        self._connection = (
            http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=ssl.create_default_context())
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, parts.port, timeout=timeout)
        )
        self._address = address
        self._deadline = deadline
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> http.client.HTTPResponse:
        """Send a request, and return the answer with its body still to be read.

        Raises:
            WorkerAway: when the worker is not there, or hung up.
            WorkerTooSlow: when the deadline passed.
        """
        try:
            self._connection.connect()
            # http.client forgets its socket once it knows that the answer is the last one on it
            self._socket = self._connection.sock
        except OSError as error:
            raise WorkerAway(f"the worker at {self._address.url} is away: {error}") from error
        self._wait_no_longer_than_the_deadline()
        try:
            # who refuses a body for its length answers and hangs up without reading it: its answer comes all the same
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._connection.request(method, target, body, {**headers, wire.TOKEN_HEADER: self._address.token})
            self._wait_no_longer_than_the_deadline()
            return self._connection.getresponse()
        except TimeoutError as error:
            raise WorkerTooSlow("the worker did not answer in time") from error
        except (OSError, http.client.HTTPException) as error:
            raise WorkerAway(f"the worker at {self._address.url} hung up: {error}") from error

    def read(self, response: http.client.HTTPResponse, size: int) -> bytes:
        """Return the next bytes of the body, at most `size`; none at its end.

        Raises:
            WorkerAway: when the worker hung up within the body.
            WorkerTooSlow: when the deadline passed.
        """
        self._wait_no_longer_than_the_deadline()
        try:
            data = response.read(size)
        except TimeoutError as error:
            raise WorkerTooSlow("the worker did not end its answer in time") from error
        except (OSError, http.client.HTTPException) as error:
            raise WorkerAway(f"the worker hung up within its answer: {error}") from error
        if not data and response.length:
            raise WorkerAway(f"the worker hung up, {response.length} bytes before the end of its answer")
        return data

    def _wait_no_longer_than_the_deadline(self) -> None:
        left = self._deadline.left()
        # http.client closes it with the last byte, where the worker says that it hangs up
        if self._socket is not None and self._socket.fileno() >= 0:
            self._socket.settimeout(left)
