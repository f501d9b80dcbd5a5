# ruff: noqa: N802 - the names are the SDK's
"""Serves registered REST callbacks over HTTP, handing them what Orthanc hands them."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

RestCallback = Callable[..., None]


class RestOutput:
    """Where a callback writes its answer; as in plugin 5.0 and later, streaming included."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._handler = handler
        self._headers: list[tuple[str, str]] = []

    def SetHttpHeader(self, key: str, value: str, /) -> None:
        """Add a header."""
        self._headers.append((key, value))

    def AnswerBuffer(self, answer: bytes | str, mime_type: str, /) -> None:
        """Send status 200 with a body."""
        self._send(HTTPStatus.OK, answer.encode() if isinstance(answer, str) else answer, mime_type)

    def SendHttpStatusCode(self, status: int, /) -> None:
        """Send a status without a body."""
        self._send(status, b"")

    def SendHttpStatus(self, status: int, body: bytes, /) -> None:
        """Send a status with a body."""
        self._send(status, body)

    def SendMethodNotAllowed(self, allowed: str, /) -> None:
        """Send status 405 with the header Allow alone."""
        self._headers = [("Allow", allowed)]
        self._send(HTTPStatus.METHOD_NOT_ALLOWED, b"")

    def StartStreamAnswer(self, mime_type: str, /) -> None:
        """Send status 200 and the headers; the body follows in chunks."""
        self._head(HTTPStatus.OK, mime_type, {"Connection": "close"})

    def SendStreamChunk(self, chunk: bytes, /) -> None:
        """Send the next part of the body."""
        self._handler.wfile.write(chunk)

    def _send(self, status: int, body: bytes, mime_type: str = "") -> None:
        self._head(status, mime_type, {} if status in (204, 304) else {"Content-Length": str(len(body))})
        self._handler.wfile.write(body)

    def _head(self, status: int, mime_type: str, more: Mapping[str, str]) -> None:
        self._handler.send_response(status)
        typed = (("Content-Type", mime_type),) if mime_type else ()
        for name, value in (*self._headers, *typed, *more.items()):
            self._handler.send_header(name, value)
        self._handler.end_headers()


class RouteServer(ThreadingHTTPServer):
    """An HTTP server on the loopback interface for registered callbacks.

    Args:
        port: 0 takes a free one; ``server_port`` tells which.
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        self._routes: list[tuple[re.Pattern[str], RestCallback]] = []
        super().__init__(("127.0.0.1", port), _Handler)

    def register(self, pattern: str, callback: RestCallback) -> None:
        """Have `callback` answer the paths that match `pattern` as a whole."""
        self._routes.append((re.compile(pattern), callback))

    def callback_of(self, path: str) -> tuple[RestCallback, tuple[str, ...]] | None:
        """Return the callback of a path and the groups of its pattern, or None."""
        for pattern, callback in self._routes:
            if match := pattern.fullmatch(path):
                return callback, tuple(group or "" for group in match.groups())
        return None


class _Handler(BaseHTTPRequestHandler):
    """One request, taken apart as Orthanc 1.10.1 does: the path decoded, the arguments of a GET as they came."""

    server: RouteServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer by the callback of the path."""
        parts = urlsplit(self.path)
        path = re.sub("/+", "/", unquote(parts.path)).rstrip("/") or "/"
        found = self.server.callback_of(path)
        output = RestOutput(self)
        if found is None:
            output.SendHttpStatus(HTTPStatus.NOT_FOUND, b"no such route here; Orthanc's own are at Orthanc")
            return
        callback, groups = found
        callback(output, path, groups=groups, **self._request(parts.query))

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _request(self, query: str) -> dict[str, object]:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request: dict[str, object] = {"method": self.command, "headers": headers}
        if self.command == "GET":
            pairs = (pair.partition("=") for pair in query.split("&") if pair)
            request["get"] = {name: value for name, _, value in pairs}
        elif self.command in ("POST", "PUT"):
            request["body"] = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return request

    def log_message(self, format: str, *values: object) -> None:  # noqa: A002
        """Leave the log to what is registered."""
