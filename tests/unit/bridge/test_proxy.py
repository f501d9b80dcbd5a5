"""Requests forwarded to a worker over real HTTP, answers given to what Orthanc's SDK was measured to do."""

import hashlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.bridge_doubles import TOKEN, NewOutput, OldOutput, config_of
from tests.fake_worker import Worker

from similar_cases import wire
from similar_cases.bridge import proxy as proxy_module
from similar_cases.bridge.habits import Habits
from similar_cases.bridge.link import Link, WorkerAddress
from similar_cases.bridge.proxy import Proxy

PREFIX = wire.DEFAULT_PREFIX


class Bench:
    """A proxy before a worker."""

    def __init__(self, address: WorkerAddress | None, **section: Any) -> None:
        self.errors: list[str] = []
        self.link = Link(address)
        self.habits = Habits()
        self.proxy = Proxy(config_of(section, HttpThreadsCount=4), self.link, self.habits, self.errors.append)

    def ask(self, output: OldOutput, path: str, method: str = "GET", **request: Any) -> OldOutput:
        self.habits.types_errors_itself = isinstance(output, NewOutput)
        self.proxy.answer(output, PREFIX + path, method=method, groups=(), headers={}, **request)
        return output


@pytest.fixture
def bench(address: WorkerAddress) -> Bench:
    return Bench(address, TimeoutSeconds=30)


def test_method_query_and_body_arrive(bench: Bench, output: OldOutput):
    body = bytes(range(256)) * 1000
    told = json.loads(bench.ask(output, "/echo/x", "PUT", get={"a": "1"}, body=body).body)
    assert output.status == 200
    assert (told["method"], told["query"]) == ("PUT", {"a": ["1"]})
    assert told["body"] == hashlib.sha256(body).hexdigest()
    assert output.header("Content-Type") == "application/json"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_every_method_that_orthanc_lets_through(bench: Bench, output: OldOutput, method: str):
    assert json.loads(bench.ask(output, "/echo", method).body)["method"] == method


@pytest.mark.parametrize("status", [202, 204, 304, 400, 404, 406, 409, 413, 422, 500, 503])
def test_a_status_is_kept_with_its_body(bench: Bench, output: OldOutput, status: int):
    bench.ask(output, f"/status/{status}")
    assert output.status == status
    assert output.header("ETag") == '"1"'
    if status in (204, 304):
        assert output.body == b""
    else:
        assert json.loads(output.body) == {"status": status, "name": "Jürgen"}
        assert output.header("Content-Type") == ("text/plain" if isinstance(output, NewOutput) else "application/json")


@pytest.mark.parametrize(("said", "sent"), [(301, 307), (405, 405), (418, 400), (429, 503), (431, 400), (599, 500)])
def test_a_status_that_orthanc_cannot_say_becomes_the_nearest(bench: Bench, output: OldOutput, said: int, sent: int):
    assert bench.ask(output, f"/status/{said}").status == sent
    assert output.header("Allow") == "GET, PUT"


def test_headers_that_matter_pass_and_the_connections_own_do_not(bench: Bench, output: OldOutput):
    bench.ask(output, "/headers")
    assert output.header("Cache-Control") == "private, max-age=60"
    assert output.header("Content-Disposition") == 'attachment; filename="a.csv"'
    assert output.header("Content-Security-Policy") == "default-src 'self'"
    assert output.header("Warning") == '299 - "partial"'
    assert output.header("Content-Type") == "text/html"
    assert {name.lower() for name, _ in output.headers}.isdisjoint(
        {"set-cookie", "keep-alive", "content-length", "date"}
    )


@pytest.mark.parametrize("how", ["length", "chunked"])
def test_a_long_answer_comes_whole(bench: Bench, output: OldOutput, how: str):
    size = 5_000_000
    bench.ask(output, f"/bytes/{size}", get={"how": how})
    assert len(output.body) == size
    assert output.body[:256] == bytes(range(256))
    if isinstance(output, NewOutput):
        assert max(output.chunks) <= proxy_module.CHUNK_BYTES
        assert output.header("Content-Length") == (str(size) if how == "length" else None)


def test_a_short_answer_is_not_streamed(bench: Bench):
    output = NewOutput()
    bench.ask(output, "/bytes/1000")
    assert (len(output.body), output.chunks) == (1000, [])


def test_a_worker_that_hangs_up_within_its_answer_is_no_success(bench: Bench, output: OldOutput):
    if isinstance(output, NewOutput):  # the status is out already: the caller must see a broken connection
        with pytest.raises(Exception, match="hung up"):
            bench.ask(output, "/bytes/5000000", get={"how": "short"})
    else:
        assert bench.ask(output, "/bytes/5000000", get={"how": "short"}).status == 503


def test_an_answer_beyond_memory_is_refused_where_it_cannot_be_streamed(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(proxy_module, "MAX_ANSWER_BYTES", 1000)
    assert bench.ask(OldOutput(), "/bytes/2000").status == 503
    assert bench.ask(OldOutput(), "/bytes/2000", get={"how": "chunked"}).status == 503


def test_a_request_that_is_too_long_is_refused(bench: Bench, output: OldOutput, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(proxy_module, "MAX_REQUEST_BYTES", 10)
    assert bench.ask(output, "/echo", "POST", body=b"x" * 11).status == 413
    assert "10 bytes" in json.loads(output.body)["detail"]


def test_an_absent_worker_is_a_503_with_the_reason(output: OldOutput):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        bench = Bench(WorkerAddress(f"http://127.0.0.1:{nobody.getsockname()[1]}", TOKEN))
        bench.ask(output, "/health")
    assert output.status == 503
    assert "is away" in json.loads(output.body)["detail"]
    assert output.header("Retry-After") == "5"


def test_a_worker_that_has_not_started_says_so(output: OldOutput):
    assert "not been started" in json.loads(Bench(None).ask(output, "/health").body)["detail"]
    assert output.status == 503


def test_a_slow_worker_holds_a_thread_no_longer_than_the_timeout(address: WorkerAddress, output: OldOutput):
    started = time.monotonic()
    Bench(address, TimeoutSeconds=1).ask(output, "/sleep/30")
    assert output.status == 504
    assert time.monotonic() - started < 15
    assert "in time" in json.loads(output.body)["detail"]


@pytest.fixture
def asking():
    """Asks in threads of their own, which all end with the test."""
    with ThreadPoolExecutor(4) as threads:
        yield threads


def test_a_held_worker_holds_at_most_half_of_the_threads(
    worker: Worker, address: WorkerAddress, asking: ThreadPoolExecutor
):
    bench = Bench(address, TimeoutSeconds=60)  # of 4 threads
    held = [asking.submit(bench.ask, OldOutput(), "/hold") for _ in range(2)]
    for _ in held:
        worker.held.acquire()
    assert [bench.ask(OldOutput(), "/hold").status for _ in range(2)] == [503, 503]
    worker.let_go.set()
    assert [one.result().status for one in held] == [200, 200]
    assert bench.ask(OldOutput(), "/health").status == 200


def test_few_long_requests_are_held_at_a_time(
    worker: Worker, address: WorkerAddress, asking: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(proxy_module, "LONG_FROM_BYTES", 10)
    monkeypatch.setattr(proxy_module, "MAX_LONG_REQUESTS", 1)
    bench = Bench(address, TimeoutSeconds=60)  # of 4 threads, 2 of which may wait for the worker
    held = asking.submit(bench.ask, OldOutput(), "/hold", "POST", body=b"x" * 11)
    worker.held.acquire()
    refused = bench.ask(OldOutput(), "/echo", "POST", body=b"x" * 11)
    assert (refused.status, refused.header("Retry-After")) == (503, "5")
    assert "with images" in json.loads(refused.body)["detail"]
    assert bench.ask(OldOutput(), "/echo", "POST", body=b"x" * 10).status == 200
    worker.let_go.set()
    assert held.result().status == 200
    assert bench.ask(OldOutput(), "/echo", "POST", body=b"x" * 11).status == 200


def test_a_wrong_token_is_the_workers_word(worker: Worker, output: OldOutput):
    bench = Bench(WorkerAddress(f"http://127.0.0.1:{worker.server_port}", "wrong"))
    assert bench.ask(output, "/health").status == 401


def test_an_error_of_ours_is_logged_and_answered(bench: Bench, output: OldOutput, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(proxy_module, "target_of", lambda *_, **__: 1 / 0)
    assert bench.ask(output, "/health").status == 502
    assert "ZeroDivisionError" in bench.errors[0]


def test_a_token_never_stands_in_an_answer_or_a_representation(address: WorkerAddress):
    assert TOKEN not in repr(address)
