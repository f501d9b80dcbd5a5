"""The threads that keep the catalogue with the PACS.

Concurrency. `follow` reads the feed, and compares both sides at the start, now and then, and whenever the PACS comes
back; `forget` works off deletions, so that no long comparison keeps one waiting. Both may see the same Series: every
act is idempotent, and checked against the PACS first. `nudge` fills a bounded set and wakes a thread; it never waits.
"""

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from similar_cases import wire
from similar_cases.domain.errors import PacsUnavailable
from similar_cases.pipeline.faults import told
from similar_cases.pipeline.worklist import Worklist
from similar_cases.worker.patience import Patience
from similar_cases.worker.reconcile import Feed, ReconcileRules, Reconciliation

_LOG = logging.getLogger(__name__)
#: deletions that wait at the most; a comparison finds the others
MAX_PENDING = 10_000


class Reconciler:
    """Keeps the catalogue with the PACS until it is stopped. `nudge` may be called from any thread."""

    def __init__(self, feed: Feed, worklist: Worklist, rules: ReconcileRules) -> None:
        self._acts = Reconciliation(feed, worklist, rules.modalities)
        self._rules = rules
        self._stop = threading.Event()
        self._stirred, self._deleted = threading.Event(), threading.Event()
        self._pending: dict[str, str] = {}
        self._lock = threading.Lock()
        self._compare_at = 0.0
        self._threads = [
            threading.Thread(target=self._keep, args=(self._follow, self._stirred), name="follow", daemon=True),
            threading.Thread(target=self._keep, args=(self._forget, self._deleted), name="forget", daemon=True),
        ]

    def start(self) -> None:
        """Begin, with a comparison of both sides."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; what is being done is finished first."""
        self._stop.set()
        for event in (self._stirred, self._deleted):
            event.set()
        for thread in self._threads:
            thread.join()

    def nudge(self, nudge: wire.Nudge) -> None:
        """Take the bridge's word that something changed, and return at once."""
        if nudge.kind == "stable":
            self._stirred.set()
        elif nudge.level == "instance":
            self._compare_within(self._rules.recount_seconds)
        else:
            self._remember(nudge)
            self._deleted.set()

    def _remember(self, deletion: wire.Nudge) -> None:
        with self._lock:
            if len(self._pending) < MAX_PENDING:
                self._pending[deletion.orthanc_id] = deletion.level
                return
        self._compare_within(0.0)

    def _compare_within(self, seconds: float) -> None:
        with self._lock:
            self._compare_at = min(self._compare_at, time.monotonic() + seconds)
        # it works out anew how long it may sleep
        self._stirred.set()

    def _keep(self, act: Callable[[], float], event: threading.Event) -> None:
        """Do `act` again whenever `event` is set, or the time that it returned has passed; outlast every error."""
        patience = Patience(first_seconds=1.0, longest_seconds=10.0)
        is_away = False
        while not self._stop.is_set():
            event.clear()
            try:
                wait = act()
                if is_away:
                    _LOG.info("the archive and the catalogue answer again")
                    self._compare_within(0.0)
                    wait = 0.0
                is_away = False
                patience.reset()
            except Exception as error:
                wait = patience.next_seconds()
                if not is_away:
                    _LOG.warning("%s; trying again, at least every 10 s", _in_words(error))
                is_away = True
            # an error is not hurried by nudges: what is away would be asked without pause
            (self._stop if is_away else event).wait(wait)

    def _follow(self) -> float:
        with self._lock:
            due = time.monotonic() >= self._compare_at
            if due:
                self._compare_at = time.monotonic() + self._rules.compare_seconds
        try:
            self._acts.follow(compare=due)
        except BaseException:
            if due:
                self._compare_within(0.0)
            raise
        with self._lock:
            return max(0.0, min(self._rules.every_seconds, self._compare_at - time.monotonic()))

    def _forget(self) -> float:
        while not self._stop.is_set():
            with self._lock:
                if not self._pending:
                    break
                orthanc_id, level = self._pending.popitem()
            try:
                self._acts.forget_deleted(level, orthanc_id)
            except BaseException:
                with self._lock:
                    self._pending[orthanc_id] = level
                raise
        return self._rules.every_seconds


def _in_words(error: Exception) -> str:
    if isinstance(error, PacsUnavailable):
        return f"the archive is away: {error}"
    if isinstance(error, SQLAlchemyError):
        return f"the catalogue does not answer ({type(error).__name__})"
    return told("reconciliation", error)
