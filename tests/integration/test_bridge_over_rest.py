"""The same bridge outside of Orthanc, over the REST API of a running one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from orthanc_over_rest import ChangeType, OrthancException, OrthancOverRest
from orthanc_over_rest.__main__ import read_configuration
from orthanc_over_rest.rest_api import RestApi
from similar_cases import bridge, wire
from tests.integration.samples import tiny_instances
from tests.orthanc_server import CONFIG_DIR, ROOT, OrthancServer
from tests.processes import is_alive
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.orthanc
FAKE = Path(__file__).parents[1] / "fake_worker.py"


@contextmanager
def bridged(server: OrthancServer, folder: Path, timeout_seconds: int) -> Iterator[OrthancOverRest]:
    """The bridge before a plain Orthanc, with the stand-in for the worker."""
    configuration = {
        "HttpPort": server.process.http_port,
        "StorageDirectory": str(folder),
        wire.SECTION: {"WorkerCommand": [sys.executable, str(FAKE)], "TimeoutSeconds": timeout_seconds},
    }
    orthanc = OrthancOverRest(server.url, configuration, session=server.rest, poll_seconds=0.2)
    bridge.register(orthanc)
    with orthanc:
        wait_until(lambda: ask(orthanc, "/health").status_code == 200)
        yield orthanc


@pytest.fixture
def outside(plain_orthanc: OrthancServer, tmp_path: Path) -> Iterator[OrthancOverRest]:
    """A bridge that is in no hurry."""
    with bridged(plain_orthanc, tmp_path, PATIENCE_SECONDS) as orthanc:
        yield orthanc


def ask(outside: OrthancOverRest, route: str, method: str = "GET", **options: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(
            method, f"{outside.routes_url}{wire.DEFAULT_PREFIX}{route}", timeout=PATIENCE_SECONDS, **options
        )


def nudges(outside: OrthancOverRest) -> set[tuple[str, str, str]]:
    return {(one["kind"], one["level"], one["orthancId"]) for one in ask(outside, "/seen").json()["nudges"]}


def test_it_forwards(outside: OrthancOverRest) -> None:
    told = ask(outside, "/echo/a%20b", "POST", data=b"abc").json()
    assert (told["method"], told["length"], told["target"]) == ("POST", 3, "/similar-cases/echo/a%20b")
    meant = {"PatientName": "Müller^Jörg 李", "p": "50%", "q": "a+b=c&d"}
    assert ask(outside, "/echo", params=meant).json()["query"] == {name: [value] for name, value in meant.items()}
    assert ask(outside, "/status/404").json()["status"] == 404
    assert ask(outside, "/status/204").status_code == 204
    assert ask(outside, "/status/405").headers["Allow"] == "GET, PUT"
    assert len(ask(outside, "/bytes/50000000").content) == 50_000_000


def test_it_waits_no_longer_than_it_was_told(plain_orthanc: OrthancServer, tmp_path: Path) -> None:
    with bridged(plain_orthanc, tmp_path, 1) as impatient:
        assert ask(impatient, "/sleep/30").status_code == 504


def test_it_nudges(outside: OrthancOverRest, plain_orthanc: OrthancServer) -> None:
    plain_orthanc.upload_all(tiny_instances(2))
    series, study = plain_orthanc.get("/series")[0], plain_orthanc.get("/studies")[0]
    wait_until(lambda: ("stable", "series", series) in nudges(outside))
    plain_orthanc.delete(f"/studies/{study}")
    wait_until(lambda: {("deleted", "series", series), ("deleted", "study", study)} <= nudges(outside))


Told = list[tuple[int, str]]
START = ChangeType.ORTHANC_STARTED


def look(orthanc: OrthancOverRest, server: OrthancServer) -> Told:
    """Have changes told, and return what was, once the first look is over: it tells nothing itself."""
    told: Told = []
    orthanc.RegisterOnChangeCallback(lambda kind, level, resource: told.append((kind, resource)))
    wait_until(lambda: bool(server.upload_all(tiny_instances(1))) and any(kind != START for kind, _ in told))
    return told


def test_changes_before_its_start_are_not_told(plain_orthanc: OrthancServer) -> None:
    [before] = plain_orthanc.upload_all(tiny_instances(1))
    with OrthancOverRest(plain_orthanc.url, {}, session=plain_orthanc.rest, poll_seconds=0.1) as orthanc:
        told = look(orthanc, plain_orthanc)
        [after] = plain_orthanc.upload_all(tiny_instances(1))
        wait_until(lambda: (ChangeType.NEW_INSTANCE, after) in told)
    assert (ChangeType.NEW_INSTANCE, before) not in told
    assert told[-1] == (ChangeType.ORTHANC_STOPPED, "")


def test_rest_calls_are_named_as_in_the_sdk(plain_orthanc: OrthancServer) -> None:
    orthanc = RestApi(plain_orthanc.url, plain_orthanc.rest)
    orthanc.RestApiPost("/instances", tiny_instances(1)[0])
    assert b"Version" in orthanc.RestApiGet("/system")
    series = plain_orthanc.get("/series")[0]
    orthanc.RestApiPut(f"/series/{series}/metadata/1234", b"x")
    assert orthanc.RestApiGetAfterPlugins(f"/series/{series}/metadata/1234") == b"x"
    orthanc.RestApiDelete(f"/series/{series}")
    with pytest.raises(OrthancException, match="status 404"):
        orthanc.RestApiGet(f"/series/{series}")


def test_an_orthanc_that_went_away_is_asked_again(plain_orthanc: OrthancServer) -> None:
    with OrthancOverRest(plain_orthanc.url, {}, session=plain_orthanc.rest, poll_seconds=0.1) as orthanc:
        told = look(orthanc, plain_orthanc)
        plain_orthanc.process.restart()
        [after] = plain_orthanc.upload_all(tiny_instances(1))
        wait_until(lambda: (ChangeType.NEW_INSTANCE, after) in told)


def test_as_a_command_it_ends_with_its_worker(plain_orthanc: OrthancServer, tmp_path: Path) -> None:
    config = tmp_path / "section.json"
    config.write_text(f'{{"SimilarCases": {{"WorkerCommand": ["{sys.executable}", "{FAKE}"]}}}}')
    command = [sys.executable, "-m", "orthanc_over_rest", "--orthanc", plain_orthanc.url, "--config", str(config)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "plugin")}
    with (tmp_path / "log").open("w+") as log:
        running = subprocess.Popen([*command, "--storage", str(tmp_path)], env=environment, stderr=log)
        wait_until(lambda: "the worker answers" in (tmp_path / "log").read_text())
        worker = psutil.Process(running.pid).children()[0]
        running.send_signal(signal.SIGINT)
        assert running.wait(PATIENCE_SECONDS) == 0
    assert not is_alive(worker.pid)


def test_the_folder_of_configurations_is_read() -> None:
    configuration = read_configuration(CONFIG_DIR, "http://127.0.0.1:1234", Path("/tmp"))
    assert configuration["HttpPort"] == 1234
    assert wire.SECTION in configuration


def test_what_the_bridge_asks_of_its_host_is_there() -> None:
    asked = {name for name in vars(bridge.host.Orthanc) if name[0].isupper()}
    assert asked
    assert all(hasattr(OrthancOverRest, name) for name in asked)
