"""Tells the worker that something changed, and never waits.

Orthanc calls ``on_change`` in the one thread that hands out all changes: it puts a nudge into a bounded queue and
returns. One thread of ours posts them. A nudge that is lost costs time, never truth: the worker reads the changes
themselves from Orthanc, from its own cursor, at its start and now and then.
"""

import contextlib
import queue
import threading
from collections.abc import Callable

from similar_cases.bridge.link import Deadline, Exchange, Link, WorkerAway, WorkerTooSlow
from similar_cases.wire import Nudge

QUEUE_LENGTH = 1000
POST_SECONDS = 5.0


class Notifier:
    """A queue of nudges and the thread that posts them.

    Args:
        link: where the worker is.
        route: path of the worker's nudge route, with the prefix.
        log_error: writes a line to Orthanc's log.
    """

    def __init__(self, link: Link, route: str, log_error: Callable[[str], None]) -> None:
        self._link = link
        self._route = route
        self._log_error = log_error
        self._waiting: queue.Queue[Nudge | None] = queue.Queue(QUEUE_LENGTH)
        self._thread = threading.Thread(target=self._post_all, name="similar-cases-notify", daemon=True)
        self._last_failure = ""

    def start(self) -> None:
        """Start posting."""
        self._thread.start()

    def stop(self, seconds: float = 2 * POST_SECONDS) -> None:
        """End after what is being posted; what waits is dropped."""
        self._drop_waiting()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
        if self._thread.is_alive():
            self._thread.join(seconds)

    def nudge(self, nudge: Nudge) -> None:
        """Have `nudge` posted soon; dropped when a thousand wait already."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(nudge)

    def _post_all(self) -> None:
        while (nudge := self._waiting.get()) is not None:
            try:
                self._post(nudge)
            except (WorkerAway, WorkerTooSlow) as error:
                self._has_failed(str(error))
            except Exception as error:
                self._has_failed(repr(error))
            else:
                self._last_failure = ""

    def _post(self, nudge: Nudge) -> None:
        with Exchange(self._link.address(), Deadline(POST_SECONDS)) as exchange:
            headers = {"Content-Type": "application/json"}
            response = exchange.ask("POST", self._route, headers, nudge.to_json())
            exchange.read(response, 1024)
            if response.status >= 300:
                raise WorkerAway(f"the worker answered a nudge with status {response.status}")

    def _has_failed(self, why: str) -> None:
        """Say it once, not a thousand times; and let go of what would fail alike."""
        if why != self._last_failure:
            self._log_error(f"Similar Cases: the worker was not told of a change, and will find it by itself: {why}")
        self._last_failure = why
        self._drop_waiting()

    def _drop_waiting(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                if self._waiting.get_nowait() is None:
                    self._waiting.put_nowait(None)  # the word to end is not dropped
                    return
