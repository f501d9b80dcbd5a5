"""What the bridge learns about this build of Orthanc by asking itself."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest

from similar_cases.bridge.habits import Habits


@contextmanager
def orthanc_that(habits: Habits, *, decodes: bool, adds_type: bool) -> Iterator[str]:
    """A server that hands requests to the bridge as one or the other Orthanc does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name, _, value = urlsplit(self.path).query.partition("=")
            request = {
                "headers": {key.lower(): text for key, text in self.headers.items()},
                "get": {name: unquote(value) if decodes else value},
            }
            assert habits.is_rehearsal(request)
            answer = habits.rehearse(request)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            if adds_type:
                self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("decodes", [True, False])
@pytest.mark.parametrize("adds_type", [True, False])
def test_both_habits_are_found_out(decodes: bool, adds_type: bool):
    habits = Habits()
    with orthanc_that(habits, decodes=decodes, adds_type=adds_type) as url:
        assert habits.find_out(url, "/similar-cases/health", "Bearer x")
    assert (habits.decodes_arguments, habits.types_errors_itself) == (decodes, adds_type)


def test_nobody_else_can_rehearse():
    habits = Habits()
    assert not habits.is_rehearsal({"headers": {}})
    assert not habits.is_rehearsal({"headers": {"x-similar-cases-rehearsal": "gu\u00e9ss"}})


def test_an_orthanc_that_cannot_be_asked_leaves_the_habits_unknown():
    habits = Habits()
    assert not habits.find_out("http://127.0.0.1:1", "/similar-cases/health", "")
    assert habits.decodes_arguments is None
