"""The parent's side of the job process: starts it, starts it again when it dies, ends it when a job takes too long."""

import logging
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from similar_cases.jobs.queue import Job
from similar_cases.pipeline.worklist import DIED, STOPPED, Worklist
from similar_cases.worker.identity import dead_workers, worker_id
from similar_cases.worker.patience import Patience

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5
#: how long the child may take to end by itself
_GRACE_SECONDS = 5.0
#: a child that lived so long had a good start
_GOOD_START_SECONDS = 60.0
#: above 0 the kernel, when it is out of memory, ends the child before Orthanc, and before its own parent
_OOM_SCORE_ADJ = 500


@dataclass(frozen=True, kw_only=True)
class ChildRules:
    """How the job process is started, and how long it may take.

    Attributes:
        command: of the job process; it gets a pipe as standard input, and must end when that closes.
        niceness: 0 to 19; queries and Orthanc go first.
        job_time_limit_seconds: a job that takes longer is ended, and counts as an attempt.
    """

    command: tuple[str, ...]
    niceness: int = 10
    job_time_limit_seconds: float = 1800.0


class Supervisor:
    """Keeps one job process alive, from a thread of its own."""

    def __init__(self, rules: ChildRules, worklist: Worklist) -> None:
        self._rules = rules
        self._worklist = worklist
        self._stop = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="supervise", daemon=True)

    @property
    def pid(self) -> int | None:
        """Process ID of the job process; None while there is none."""
        child = self._child
        return child.pid if child and child.poll() is None else None

    def start(self) -> None:
        """Begin; what processes of this host were at that live no more is put back first."""
        self._thread.start()

    def stop(self) -> None:
        """End the job process: what it is at is put back, and does not count as an attempt."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        patience = Patience(first_seconds=0.5, longest_seconds=60.0)
        while not self._stop.is_set():
            self._bury_the_dead()
            started = time.monotonic()
            self._child = self._start()
            self._watch(self._child)
            if self._stop.is_set():
                break
            _close_stdin(self._child)
            if time.monotonic() - started > _GOOD_START_SECONDS:
                patience.reset()
            wait = patience.next_seconds()
            _LOG.warning("the job process ended with %s; the next one in %.1f s", self._child.returncode, wait)
            self._bury([worker_id(self._child.pid)], DIED)
            self._stop.wait(wait)
        self._end()

    def _start(self) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(self._rules.command, stdin=subprocess.PIPE)  # noqa: S603 - our own command
        try:
            os.setpriority(os.PRIO_PROCESS, child.pid, self._rules.niceness)
            Path(f"/proc/{child.pid}/oom_score_adj").write_text(str(_OOM_SCORE_ADJ))
        except OSError as error:
            _LOG.info("the job process keeps its priority: %s", error)
        return child

    def _watch(self, child: subprocess.Popen[bytes]) -> None:
        """Return when the child has ended, or is to be ended with us."""
        while child.poll() is None and not self._stop.wait(_LOOK_SECONDS):
            job = self._overdue(child)
            if job is not None:
                limit = self._rules.job_time_limit_seconds
                _LOG.warning("series %s takes longer than %.0f s; the job process is ended", job.series_uid, limit)
                child.kill()
                child.wait()
                self._bury([worker_id(child.pid)], f"it took longer than the limit of {limit:.0f} s for one series")

    def _overdue(self, child: subprocess.Popen[bytes]) -> Job | None:
        name, earliest = worker_id(child.pid), self._worklist.queue.clock() - self._rules.job_time_limit_seconds
        try:
            working = self._worklist.working()
        except SQLAlchemyError as error:
            _LOG.warning("the catalogue does not answer: %s", type(error).__name__)
            return None
        return next((job for job in working if job.worker == name and job.claimed_at < earliest), None)

    def _bury_the_dead(self) -> None:
        try:
            self._bury(sorted(dead_workers({job.worker for job in self._worklist.working()})), DIED)
        except SQLAlchemyError as error:
            # their leases expire by themselves
            _LOG.warning("the catalogue does not answer: %s", type(error).__name__)

    def _bury(self, workers: Sequence[str], reason: str, *, counted: bool = True) -> None:
        try:
            self._worklist.bury(workers, reason, counted=counted)
        except SQLAlchemyError as error:
            _LOG.warning("the catalogue does not answer: %s", type(error).__name__)

    def _end(self) -> None:
        child = self._child
        if child is None:
            return
        _close_stdin(child)
        try:
            child.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        self._bury([worker_id(child.pid)], STOPPED, counted=False)


def _close_stdin(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin is not None
    child.stdin.close()
