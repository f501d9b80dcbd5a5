"""Starts the worker as a child of Orthanc, starts it again when it dies, and ends it with Orthanc.

The child's standard input is a pipe that only this process holds: whatever way Orthanc ends, kill -9 included, the pipe
closes and the child ends by itself. Its output goes to a file, not through a pipe, so that it never waits for Orthanc.
"""

import http.client
import os
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from similar_cases import wire
from similar_cases.bridge.link import Deadline, Exchange, Link, WorkerAddress, WorkerAway, WorkerTooSlow

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
#: a worker that lived this long is started again at once
HEALTHY_SECONDS = 60.0
END_BY_ITSELF_SECONDS = 5.0
END_AFTER_SIGNAL_SECONDS = 2.0
LOG_BYTES = 10 * 1024 * 1024
POLL_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class WorkerPlan:
    """How the worker is started.

    Attributes:
        command: program and first arguments.
        environment: all variables of the child but host, port and token.
        data_dir: folder of the worker; its log lies there.
        prefix: where its routes begin.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    data_dir: Path
    prefix: str

    @property
    def log_path(self) -> Path:
        """Return where the worker's output goes."""
        return self.data_dir / "worker.log"


class Supervisor:
    """One thread that keeps one child alive.

    Args:
        plan: how the child is started.
        link: is told where the child listens, and when it is away.
        log: writes a line to Orthanc's log.
        on_ready: called whenever a child has begun to answer.
    """

    def __init__(
        self, plan: WorkerPlan, link: Link, log: Callable[[str], None], on_ready: Callable[[], None] = lambda: None
    ) -> None:
        self._plan = plan
        self._link = link
        self._log = log
        self._on_ready = on_ready
        self._token = secrets.token_urlsafe(32)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_alive, name="similar-cases-supervise", daemon=True)

    def start(self) -> None:
        """Start the child soon."""
        self._thread.start()

    def stop(self) -> None:
        """End the child: its standard input closes; a signal follows where that is not enough."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(END_BY_ITSELF_SECONDS + 2 * END_AFTER_SIGNAL_SECONDS + 1)

    def _keep_alive(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            started = time.monotonic()
            why = self._run_once()
            if self._stopping.is_set():
                return
            pause = FIRST_PAUSE_SECONDS if time.monotonic() - started > HEALTHY_SECONDS else pause
            self._link.is_away(f"the worker is being started again: {why}")
            self._log(f"the worker {why}; it is started again in {pause:.0f} s; its log is {self._plan.log_path}")
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _run_once(self) -> str:
        """Run one child from its start to its end, and return why it ended."""
        address = WorkerAddress(f"http://127.0.0.1:{_free_port()}", self._token)
        try:
            child = self._spawn(address)
        except OSError as error:
            return f"could not be started ({error}); see WorkerCommand in {wire.SECTION}"
        self._link.is_at(address)
        try:
            self._watch(child, address)
        finally:
            _end(child)
        return f"ended with status {child.returncode}"

    def _spawn(self, address: WorkerAddress) -> subprocess.Popen[bytes]:
        self._plan.data_dir.mkdir(parents=True, exist_ok=True)
        environment = {
            **self._plan.environment,
            wire.ENV_HOST: "127.0.0.1",
            wire.ENV_PORT: address.url.rpartition(":")[2],
            wire.ENV_TOKEN: address.token,
        }
        rotate(self._plan.log_path)
        with self._plan.log_path.open("ab") as log:
            # a session of its own: Ctrl-C in Orthanc's terminal reaches Orthanc, which ends its worker in good order
            return subprocess.Popen(  # noqa: S603
                [*self._plan.command, "serve", wire.FLAG_STAY_WITH_PARENT],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    def _watch(self, child: subprocess.Popen[bytes], address: WorkerAddress) -> None:
        started, is_ready = time.monotonic(), False
        self._log(f"the worker is starting, process {child.pid}")
        while not self._stopping.wait(POLL_SECONDS) and child.poll() is None:
            rotate(self._plan.log_path)
            if not is_ready and answers(address, self._plan.prefix):
                is_ready = True
                self._log(f"the worker answers, {time.monotonic() - started:.1f} s after its start")
                self._on_ready()


def answers(address: WorkerAddress, prefix: str) -> bool:
    """Tell whether the worker's health route says that it is ready."""
    try:
        with Exchange(address, Deadline(2)) as exchange:
            response = exchange.ask("GET", prefix + wire.ROUTE_HEALTH, {}, None)
            exchange.read(response, 65536)
            return response.status == http.client.OK
    except (WorkerAway, WorkerTooSlow):
        return False


def rotate(log: Path) -> None:
    """Move a log that has grown too long aside, once; the child writes on at the beginning of the emptied file.

    The child holds the file open in append mode, so it is copied and emptied, not renamed.
    """
    try:
        if log.stat().st_size > LOG_BYTES:
            shutil.copyfile(log, log.with_name(log.name + ".1"))
            os.truncate(log, 0)
    except OSError:
        return  # a full disk must not end the worker


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.stdin is not None:
        child.stdin.close()
    for ask, seconds in (
        (None, END_BY_ITSELF_SECONDS),
        (child.terminate, END_AFTER_SIGNAL_SECONDS),
        (child.kill, None),
    ):
        if ask is not None:
            ask()
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
