"""Forwards ``/similar-cases/*`` to the worker, and its answers back; never computes.

Runs in Orthanc's HTTP threads, several at a time. They share the interpreter, so each waits on a socket alone; none is
held beyond the timeout, and at most half of Orthanc's threads are held at a time, so that Orthanc's other routes answer
even when the worker does not. A request lies in Orthanc's memory until it is answered, so few long ones are let in.
"""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from similar_cases.bridge.answers import Answer, can_stream, passed_on, refusal, send
from similar_cases.bridge.config import BridgeConfig
from similar_cases.bridge.habits import Habits
from similar_cases.bridge.host import RestOutput
from similar_cases.bridge.link import Deadline, Exchange, Link, WorkerAway, WorkerTooSlow
from similar_cases.bridge.questions import headers_of, target_of

#: a series of images may come with a query
MAX_REQUEST_BYTES = 512 * 1024 * 1024
#: a request above this is a long one, of which at most so many are held at a time
LONG_FROM_BYTES, MAX_LONG_REQUESTS = 8 * 1024 * 1024, 2
#: without streaming, an answer lies in memory as a whole
MAX_ANSWER_BYTES = 256 * 1024 * 1024
CHUNK_BYTES = 256 * 1024
#: up to here an answer is sent whole, with its length, which keeps the caller's connection open
STREAM_FROM_BYTES = 1024 * 1024
RETRY_AFTER_SECONDS = 5


class Proxy:
    """Answers a request to our routes by asking the worker."""

    def __init__(self, config: BridgeConfig, link: Link, habits: Habits, log_error: Callable[[str], None]) -> None:
        self._config = config
        self._link = link
        self._habits = habits
        self._log_error = log_error
        self._free = threading.BoundedSemaphore(max(1, config.http_threads // 2))
        self._free_for_long = threading.BoundedSemaphore(MAX_LONG_REQUESTS)

    def answer(self, output: RestOutput, path: str, **request: Any) -> None:
        """Answer one request; Orthanc's REST callback."""
        if self._habits.is_rehearsal(request):
            self._send(output, self._habits.rehearse(request))
            return
        size = len(request.get("body") or b"")
        if size > MAX_REQUEST_BYTES:
            self._send(output, refusal(413, f"the request is longer than {MAX_REQUEST_BYTES} bytes"))
            return
        with ExitStack() as held:
            if not _taken(self._free, held):
                self._send(output, refusal(503, "too many requests wait for the worker", retry_after_seconds=1))
            elif size > LONG_FROM_BYTES and not _taken(self._free_for_long, held):
                why = "too many requests with images wait for the worker"
                self._send(output, refusal(503, why, retry_after_seconds=RETRY_AFTER_SECONDS))
            else:
                self._forward(output, path, request)

    def _forward(self, output: RestOutput, path: str, request: dict[str, Any]) -> None:
        with ExitStack() as open_connection:
            try:
                answer = self._ask(output, path, request, open_connection)
            except WorkerAway as away:
                answer = refusal(503, str(away), retry_after_seconds=RETRY_AFTER_SECONDS)
            except WorkerTooSlow as slow:
                answer = refusal(504, str(slow), retry_after_seconds=RETRY_AFTER_SECONDS)
            except Exception as error:
                self._log_error(f"Similar Cases: cannot forward a request: {error!r}")
                answer = refusal(502, "the request could not be forwarded; Orthanc's log tells why")
            self._send(output, answer)

    def _ask(self, output: RestOutput, path: str, request: dict[str, Any], stack: ExitStack) -> Answer:
        address = self._link.address()
        exchange = stack.enter_context(Exchange(address, Deadline(self._config.timeout_seconds)))
        target = target_of(
            path, request.get("get", {}), self._config.route_prefix, is_decoded=self._habits.decodes_arguments
        )
        credentials = self._config.caller_credentials
        headers = headers_of(request, authenticates=self._config.authenticates, credentials=credentials)
        response = exchange.ask(request["method"], target, headers, request.get("body"))
        return _answer_of(exchange, response, can_stream=can_stream(output))

    def _send(self, output: RestOutput, answer: Answer) -> None:
        send(output, answer, types_errors_itself=self._habits.types_errors_itself)


def _taken(room: threading.BoundedSemaphore, held: ExitStack) -> bool:
    """Take one place, given back with `held`, where there is one now."""
    if not room.acquire(blocking=False):
        return False
    held.callback(room.release)
    return True


def _answer_of(exchange: Exchange, response: http.client.HTTPResponse, *, can_stream: bool) -> Answer:
    """Return the worker's answer: in parts when it is long and the SDK can, else whole."""
    content_type, headers = response.getheader("Content-Type", ""), passed_on(dict(response.getheaders()))
    is_short = response.length is not None and response.length <= STREAM_FROM_BYTES
    if can_stream and response.status == http.HTTPStatus.OK and not is_short:
        # Orthanc ends a stream by closing the connection: only its length tells a caller that it was cut off
        length = () if response.length is None else (("Content-Length", str(response.length)),)
        chunks = _chunks(exchange, response)
        return Answer(status=200, content_type=content_type, headers=headers + length, chunks=chunks)
    body = _whole(exchange, response)
    return Answer(status=response.status, body=body, content_type=content_type, headers=headers)


def _chunks(exchange: Exchange, response: http.client.HTTPResponse) -> Iterator[bytes]:
    while chunk := exchange.read(response, CHUNK_BYTES):
        yield chunk


def _whole(exchange: Exchange, response: http.client.HTTPResponse) -> bytes:
    if (response.length or 0) > MAX_ANSWER_BYTES:
        raise WorkerAway(f"the answer is longer than {MAX_ANSWER_BYTES} bytes, which this Orthanc cannot stream")
    parts, size = [], 0
    for chunk in _chunks(exchange, response):
        parts.append(chunk)
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise WorkerAway(f"the answer is longer than {MAX_ANSWER_BYTES} bytes, which this Orthanc cannot stream")
    return b"".join(parts)
