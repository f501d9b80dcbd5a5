"""What an archive answers to a caller's own credentials is what counts, for some seconds."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from similar_cases.domain.errors import NotFound, PacsUnavailable
from similar_cases.pacs.caller_rights import CallerRights
from similar_cases.pacs.http import HttpAccess

A, B, C = (f"{letter * 8}-11111111-22222222-33333333-44444444" for letter in "abc")


@dataclass
class Archive:
    """Answers with a status by user and series."""

    statuses: dict[tuple[str, str], int] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def archive() -> Iterator[Archive]:
    held = Archive()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            user, series = self.headers.get("Token", ""), self.path.split("/")[2]
            assert self.headers.get("Authorization") is None
            assert self.headers.get("Cookie") is None
            held.asked.append((user, series))
            self.send_response(held.statuses.get((user, series), 200))
            self.send_header("Content-Length", "2")
            self.send_header("Set-Cookie", f"who={user}; Path=/")
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    held.url = f"http://127.0.0.1:{server.server_port}"
    yield held
    server.shutdown()
    server.server_close()
    thread.join()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rights(archive: Archive, clock: Clock) -> CallerRights:
    # our own credentials must not let others in
    return CallerRights(archive.url, HttpAccess(authorization="Basic b3Vycw==", retries=0), seconds=30, clock=clock)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_the_archive_refuses_is_left_out(archive, rights, status):
    archive.statuses["ann", B] = status
    assert rights.readable({"token": "ann"}, [A, B, C]) == {A, C}
    assert rights.readable({"token": "bob"}, [A, B, C]) == {A, B, C}
    assert rights.readable({}, []) == frozenset()


def test_an_answer_counts_for_some_seconds_and_for_one_caller(archive, rights, clock):
    assert rights.readable({"token": "ann"}, [A]) == {A}
    archive.statuses["ann", A] = 403
    clock.now = 29
    assert rights.readable({"token": "ann"}, [A, B]) == {A, B}
    assert archive.asked == [("ann", A), ("ann", B)]
    clock.now = 31
    assert rights.readable({"token": "ann"}, [A]) == frozenset()


@pytest.mark.parametrize("status", [302, 500])
def test_neither_yes_nor_no_is_no_right(archive, rights, status):
    archive.statuses["ann", A] = status
    with pytest.raises(PacsUnavailable):
        rights.readable({"token": "ann"}, [A])
    archive.statuses.clear()
    assert rights.readable({"token": "ann"}, [A]) == {A}, "a fault is not remembered"


def test_what_is_no_identifier_is_not_asked(archive, rights):
    with pytest.raises(NotFound):
        rights.readable({"token": "ann"}, ["../../system"])
    assert not archive.asked
