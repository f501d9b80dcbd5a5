"""The job process: takes one job after another.

Concurrency. The main thread works, and asks before each step whether the job is still its own; one thread a job
prolongs its lease. The process may be killed at any moment: a job is committed in one transaction or not at all.
"""

import logging
import threading
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from similar_cases.domain.errors import LeaseLost
from similar_cases.jobs.queue import Job
from similar_cases.pipeline.outcomes import Postponed
from similar_cases.pipeline.tools import Tools
from similar_cases.pipeline.work import work_on
from similar_cases.pipeline.worklist import Worklist
from similar_cases.worker.patience import Patience

_LOG = logging.getLogger(__name__)
#: how often an idle loop looks for work; a look is one read of some 0.2 ms
IDLE_SECONDS = 0.5


class JobLoop:
    """Works the queue off.

    Attributes:
        worker: name that the leases carry, see ``identity.worker_id``.
    """

    def __init__(self, tools: Tools, worker: str) -> None:
        self._tools = tools
        self.worker = worker

    def run(self, stop: threading.Event) -> None:
        """Take jobs until `stop` is set; between jobs, and while the PACS is away, wait."""
        patience = Patience(first_seconds=1.0, longest_seconds=30.0)
        while not stop.is_set():
            try:
                wait = self._turn(patience)
            except SQLAlchemyError as error:
                wait = patience.next_seconds()
                _LOG.error("the catalogue does not answer (%s); next attempt in %.0f s", type(error).__name__, wait)
            stop.wait(wait)

    def run_until_empty(self) -> int:
        """Take the jobs that are due now, and return how many there were."""
        count = 0
        while job := self._tools.worklist.claim(self.worker):
            self.work(job)
            count += 1
        return count

    def work(self, job: Job) -> bool:
        """Work on one claimed job; False when the PACS was away."""
        with Heartbeat(self._tools.worklist, job) as heartbeat:
            outcome = work_on(job, self._tools, heartbeat.check)
        return not (isinstance(outcome, Postponed) and not outcome.counted)

    def _turn(self, patience: Patience) -> float:
        """Do one job if there is one, and return how long to wait before the next look."""
        if not self._tools.worklist.due():
            return IDLE_SECONDS
        job = self._tools.worklist.claim(self.worker)
        if job is None:
            return IDLE_SECONDS
        if self.work(job):
            patience.reset()
            return 0.0
        return patience.next_seconds()


class Heartbeat:
    """Prolongs the lease of one job while it is being worked on, and tells whether it is still ours."""

    def __init__(self, worklist: Worklist, job: Job) -> None:
        self._worklist = worklist
        self._job = job
        self._every = worklist.queue.policy.lease_seconds / 4
        self._over = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def check(self) -> None:
        """Raise LeaseLost when the job is no longer ours; the next beat, that would tell, may be half a minute away."""
        if self._lost.is_set() or self._job.token not in {one.token for one in self._worklist.working()}:
            raise LeaseLost

    def _beat(self) -> None:
        while not self._over.wait(self._every):
            try:
                if not self._worklist.heartbeat(self._job):
                    self._lost.set()
                    return
            except SQLAlchemyError as error:
                _LOG.warning("a heartbeat could not be written: %s", type(error).__name__)
