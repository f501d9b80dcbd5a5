"""A child that is kept alive, and ended."""

import json
import os
import signal
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.waiting import wait_until

from similar_cases import wire
from similar_cases.bridge import supervise
from similar_cases.bridge.link import Link, WorkerAway
from similar_cases.bridge.supervise import Supervisor, WorkerPlan, rotate

FAKE = Path(__file__).parents[2] / "fake_worker.py"


class Watched:
    """A supervisor with a fake worker."""

    def __init__(self, folder: Path, *command: str) -> None:
        self.lines: list[str] = []
        self.ready = 0
        self.link = Link(None)
        environment = {"PATH": os.environ["PATH"], wire.ENV_MODALITIES: "CT"}
        self.plan = WorkerPlan(
            command=command or (sys.executable, str(FAKE)),
            environment=environment,
            data_dir=folder / "data",
            prefix=wire.DEFAULT_PREFIX,
        )
        self.supervisor = Supervisor(self.plan, self.link, self.lines.append, self.is_ready)

    def is_ready(self) -> None:
        self.ready += 1

    def ask(self, route: str) -> Any:
        address = self.link.address()
        request = urllib.request.Request(
            f"{address.url}{wire.DEFAULT_PREFIX}{route}", headers={wire.TOKEN_HEADER: address.token}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def pid(self) -> int:
        return int(self.ask("/seen")["pid"])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(supervise, "POLL_SECONDS", 0.02)


@pytest.fixture
def watched(tmp_path: Path, quick: None):
    made = Watched(tmp_path)
    made.supervisor.start()
    wait_until(lambda: made.ready == 1)
    yield made
    made.supervisor.stop()


def test_the_child_gets_a_port_a_token_and_the_environment(watched: Watched):
    environment = watched.ask("/seen")["environment"]
    address = watched.link.address()
    assert address.url == f"http://127.0.0.1:{environment[wire.ENV_PORT]}"
    assert environment[wire.ENV_HOST] == "127.0.0.1"
    assert environment[wire.ENV_TOKEN] == address.token
    assert environment[wire.ENV_MODALITIES] == "CT"
    assert len(address.token) >= 32


def test_its_output_goes_to_a_file(watched: Watched):
    assert "fake worker" in watched.plan.log_path.read_text()


def test_a_child_that_is_killed_is_started_again(watched: Watched):
    first = watched.pid()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: watched.ready == 2)
    assert watched.pid() != first
    assert any("ended with status -9" in line for line in watched.lines)


def test_stop_ends_the_child(watched: Watched):
    pid = watched.pid()
    started = time.monotonic()
    watched.supervisor.stop()
    assert time.monotonic() - started < supervise.END_BY_ITSELF_SECONDS, "it ended by itself"
    assert not psutil.pid_exists(pid)


def test_a_held_child_is_ended_by_force(watched: Watched, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(supervise, "END_BY_ITSELF_SECONDS", 0.2)
    monkeypatch.setattr(supervise, "END_AFTER_SIGNAL_SECONDS", 0.2)
    pid = watched.pid()
    os.kill(pid, signal.SIGSTOP)
    watched.supervisor.stop()
    wait_until(lambda: not psutil.pid_exists(pid))


def test_a_program_that_is_not_there_is_named_and_tried_again(tmp_path: Path, quick: None):
    watched = Watched(tmp_path, "/nowhere/similar-cases")
    watched.supervisor.start()
    wait_until(lambda: len(watched.lines) >= 2)
    with pytest.raises(WorkerAway, match=r"/nowhere/similar-cases.*WorkerCommand"):
        watched.link.address()
    watched.supervisor.stop()


def test_pauses_grow_while_a_child_dies_at_once(tmp_path: Path, quick: None):
    watched = Watched(tmp_path, sys.executable, "-c", "raise SystemExit(3)")
    watched.supervisor.start()
    wait_until(lambda: sum("ended with status 3" in line for line in watched.lines) >= 3)
    watched.supervisor.stop()
    assert watched.ready == 0


def test_a_long_log_is_moved_aside_while_the_child_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(supervise, "LOG_BYTES", 10)
    log = tmp_path / "worker.log"
    with log.open("ab") as written:
        written.write(b"0123456789a")
        written.flush()
        rotate(log)
        written.write(b"next")
    assert (tmp_path / "worker.log.1").read_bytes() == b"0123456789a"
    assert log.read_bytes() == b"next"


def test_a_log_that_is_not_there_is_no_trouble(tmp_path: Path):
    rotate(tmp_path / "absent.log")
