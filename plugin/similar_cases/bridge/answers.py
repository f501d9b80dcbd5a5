"""How an answer of the worker becomes an answer of Orthanc, within what Orthanc's Python SDK can say.

Measured on Orthanc 1.10.1 with plugin 4.0 and on 1.13.0 with plugin 7.1:

* ``AnswerBuffer`` says 200 alone; every other status with a body goes through ``SendHttpStatus``, whose arguments are
  ``(status, text, size)`` before plugin 4.2 and ``(status, bytes)`` since.
* 1.13.0 adds ``Content-Type: text/plain`` to what ``SendHttpStatus`` sends; a Content-Type of ours would stand twice.
* Statuses that Orthanc has no name for (308, 429, 431) and those that have a method of their own (301, 405) make
  ``SendHttpStatus`` raise, and the caller's connection hangs up.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from similar_cases import wire
from similar_cases.bridge.host import RestOutput

#: statuses that ``SendHttpStatus`` takes, of those that a worker may send
SENDABLE = frozenset(
    (200, 201, 202, 203, 204, 205, 207, 302, 303, 304, 307, *range(400, 405), *range(406, 416), 422, 423)
)
SENDABLE_ERRORS = frozenset((500, 501, 502, 503, 504, 505, 507))
#: what is said instead of a status that Orthanc has no name for
INSTEAD = {301: 307, 308: 307, 425: 503, 428: 409, 429: 503, 431: 400, 451: 403}

#: headers that belong to the connection between bridge and worker (RFC 9110 section 7.6.1), that Orthanc writes
#: itself, or that promise what Orthanc does not keep (ranges)
NOT_PASSED_ON = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "www-authenticate", "alt-svc", "set-cookie"),
        *("content-encoding", "content-length", "content-type", "date", "server"),
        "accept-ranges",
    )
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer that is to be sent.

    Attributes:
        status: HTTP status.
        body: the whole body; empty where `chunks` gives it.
        content_type: media type of the body.
        headers: further headers, as pairs, because a name may come twice.
        chunks: the body in parts, for one that is long.
    """

    status: int
    body: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    chunks: Iterator[bytes] | None = field(default=None, repr=False)


def refusal(status: int, why: str, *, retry_after_seconds: int | None = None) -> Answer:
    """Return the bridge's own answer to what it cannot forward: a problem (RFC 9457), as the worker's are."""
    headers: tuple[tuple[str, str], ...] = (("Cache-Control", "no-store"),)
    advice = "See Orthanc's log."
    if retry_after_seconds is not None:
        headers += (("Retry-After", str(retry_after_seconds)),)
        advice = f"Ask again after {retry_after_seconds} s."
    body = {
        "title": f"{HTTPStatus(status).phrase}.",
        "status": status,
        "detail": why,
        "class": "Bridge",
        "advice": advice,
    }
    return Answer(status=status, body=json.dumps(body).encode(), content_type=wire.PROBLEM, headers=headers)


def can_stream(output: RestOutput) -> bool:
    """Tell whether this SDK can send a body in parts (plugin 5.0 and later)."""
    return hasattr(output, "StartStreamAnswer")


def passed_on(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the headers of the worker's answer that the caller gets."""
    return tuple((name, value) for name, value in headers.items() if name.lower() not in NOT_PASSED_ON)


def sendable(status: int) -> int:
    """Return `status`, or the nearest one that Orthanc can say.

    >>> [sendable(status) for status in (204, 404, 429, 418, 599)]
    [204, 404, 503, 400, 500]
    """
    if status in SENDABLE or status in SENDABLE_ERRORS:
        return status
    return INSTEAD.get(status, 400 if 400 <= status < 500 else 500)


def send(output: RestOutput, answer: Answer, *, types_errors_itself: bool) -> None:
    """Send `answer`.

    Args:
        output: Orthanc's object of this request.
        answer: what to send.
        types_errors_itself: whether this Orthanc adds its own Content-Type to a status with a body.
    """
    for name, value in answer.headers:
        output.SetHttpHeader(name, value)
    if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
        output.SendMethodNotAllowed(dict(answer.headers).get("Allow", "GET"))
    elif answer.chunks is not None:
        _stream(output, answer.content_type, answer.chunks)
    elif answer.status == HTTPStatus.OK:
        output.AnswerBuffer(answer.body, answer.content_type or "application/octet-stream")
    elif answer.body and answer.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        if answer.content_type and not types_errors_itself:
            output.SetHttpHeader("Content-Type", answer.content_type)
        _send_status(output, sendable(answer.status), answer.body)
    else:
        output.SendHttpStatusCode(sendable(answer.status))


def _stream(output: Any, content_type: str, chunks: Iterator[bytes]) -> None:
    output.StartStreamAnswer(content_type or "application/octet-stream")
    for chunk in chunks:
        output.SendStreamChunk(chunk)


def _send_status(output: RestOutput, status: int, body: bytes) -> None:
    """Send a status with a body, by whichever arguments this SDK takes."""
    if can_stream(output):
        output.SendHttpStatus(status, body)
        return
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = ""  # the old SDK takes text alone; no error message of ours is binary
    try:
        output.SendHttpStatus(status, text, len(text.encode()))
    except Exception:  # a plugin between 4.2 and 5.0; its class of errors is the host module's own
        output.SendHttpStatus(status, body)
