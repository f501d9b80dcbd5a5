"""A stand-in for the worker, of the standard library alone: what the bridge is promised is HTTP, and this speaks it.

Started as ``python3 tests/fake_worker.py serve --stay-with-parent`` with the variables that the bridge sets, also in a
chroot that holds no package of ours. It writes down what it was asked (``GET {prefix}/seen``).
"""

import hashlib
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ENV = "SIMILAR_CASES_"
TOKEN_HEADER = "X-Similar-Cases-Token"


class Worker(ThreadingHTTPServer):
    """Listens where it was told, and remembers."""

    daemon_threads = True

    def __init__(self, environment: dict[str, str]) -> None:
        host, port = environment.get(ENV + "WEB__HOST", "127.0.0.1"), int(environment.get(ENV + "WEB__PORT", "0"))
        self.prefix = environment.get(ENV + "WEB__PREFIX", "/similar-cases")
        self.token = environment[ENV + "WEB__TOKEN"]
        self.environment = {name: value for name, value in environment.items() if name.startswith(ENV)}
        self.nudges: list[dict[str, Any]] = []
        #: who asks for /hold is counted here, and waits there
        self.held, self.let_go = threading.Semaphore(0), threading.Event()
        super().__init__((host, port), Handler)


class Handler(BaseHTTPRequestHandler):
    """The routes: what each does is in its name."""

    server: Worker
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get(TOKEN_HEADER) != self.server.token:
            self.reply(401, b"{}", "application/json")
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        route = parts.path.removeprefix(self.server.prefix)
        name, _, argument = route.strip("/").partition("/")
        getattr(self, f"route_{name or 'page'}", self.route_unknown)(argument, parts.query, body)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def route_page(self, _: str, query: str, __: bytes) -> None:
        self.reply(200, f"<!doctype html><p>{query}".encode(), "text/html; charset=utf-8")

    def route_health(self, *_: Any) -> None:
        self.reply(200, b'{"status": "ok"}', "application/json")

    def route_nudge(self, _: str, __: str, body: bytes) -> None:
        self.server.nudges.append({**json.loads(body), "at": time.time()})
        self.reply(204)

    def route_seen(self, *_: Any) -> None:
        seen = {"nudges": self.server.nudges, "environment": self.server.environment, "pid": os.getpid()}
        self.reply(200, json.dumps(seen).encode(), "application/json")

    def route_echo(self, argument: str, query: str, body: bytes) -> None:
        told = {
            "method": self.command,
            "target": self.path,
            "query": parse_qs(query, keep_blank_values=True),
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": hashlib.sha256(body).hexdigest(),
            "length": len(body),
        }
        self.reply(200, json.dumps(told).encode(), "application/json")

    def route_status(self, argument: str, *_: Any) -> None:
        status = int(argument)
        body = b"" if status in (204, 304) else json.dumps({"status": status, "name": "Jürgen"}).encode()
        self.reply(status, body, "application/json", {"ETag": '"1"', "Warning": '299 - "partial"', "Allow": "GET, PUT"})

    def route_headers(self, *_: Any) -> None:
        self.reply(
            200,
            b"<p>",
            "text/html",
            {
                "Cache-Control": "private, max-age=60",
                "Content-Disposition": 'attachment; filename="a.csv"',
                "Content-Security-Policy": "default-src 'self'",
                "ETag": '"abc"',
                "Warning": '299 - "partial"',
                "Set-Cookie": "a=b",
                "Keep-Alive": "timeout=999",
            },
        )

    def route_bytes(self, argument: str, query: str, _: bytes) -> None:
        """So many bytes; ?how=chunked without their number, ?how=short hangs up at the half."""
        size, block = int(argument), bytes(range(256)) * 256
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        if query == "how=chunked":
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(size))
        self.end_headers()
        left = size // 2 if query == "how=short" else size
        while left > 0:
            left -= self.wfile.write(block[:left])
        if query == "how=short":
            self.wfile.flush()
            self.close_connection = True

    def route_sleep(self, argument: str, *_: Any) -> None:
        time.sleep(float(argument))
        self.reply(200, b"awake", "text/plain")

    def route_hold(self, *_: Any) -> None:
        """An answer that comes when the test says so."""
        self.server.held.release()
        self.server.let_go.wait()
        self.reply(200, b"let go", "text/plain")

    def route_die(self, *_: Any) -> None:
        os._exit(7)

    def route_unknown(self, *_: Any) -> None:
        self.reply(404, b'{"error": "no such route"}', "application/json")

    def reply(
        self, status: int, body: bytes = b"", content_type: str = "", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if content_type:
            self.send_header("Content-Type", content_type)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: Any) -> None:  # noqa: A002
        """Keep quiet."""


def end_with_parent() -> None:
    """End when the pipe of the parent closes."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    if "--stay-with-parent" in sys.argv:
        threading.Thread(target=end_with_parent, daemon=True).start()
    sys.stdout.write(f"fake worker {os.getpid()}\n")
    sys.stdout.flush()
    Worker(dict(os.environ)).serve_forever()


if __name__ == "__main__":
    main()
