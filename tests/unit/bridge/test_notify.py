"""Nudges: never waiting, posted in order, dropped rather than piled up."""

import socket
import time

from tests.bridge_doubles import TOKEN
from tests.fake_worker import Worker
from tests.waiting import wait_until

from similar_cases import wire
from similar_cases.bridge import notify
from similar_cases.bridge.link import Link, WorkerAddress
from similar_cases.bridge.notify import Notifier
from similar_cases.wire import Nudge

ROUTE = wire.DEFAULT_PREFIX + wire.ROUTE_NUDGE


def test_nudges_are_posted_in_order_with_the_token(worker: Worker, address: WorkerAddress):
    errors: list[str] = []
    notifier = Notifier(Link(address), ROUTE, errors.append)
    notifier.start()
    for number in range(20):
        notifier.nudge(Nudge("stable", "series", str(number)))
    wait_until(lambda: len(worker.nudges) == 20)
    notifier.stop()
    assert [nudge["orthancId"] for nudge in worker.nudges] == [str(number) for number in range(20)]
    assert errors == []


def test_a_full_queue_costs_no_time():
    notifier = Notifier(Link(None), ROUTE, lambda _: None)  # not started: nobody takes them
    started = time.monotonic()
    for _ in range(10 * notify.QUEUE_LENGTH):
        notifier.nudge(Nudge("stable", "series", "x"))
    assert time.monotonic() - started < 5, "half a millisecond each; it takes some microseconds"


def test_an_absent_worker_is_said_once_and_its_return_is_noticed(worker: Worker, address: WorkerAddress):
    errors: list[str] = []
    link = Link(None)
    notifier = Notifier(link, ROUTE, errors.append)
    notifier.start()
    wait_until(lambda: notifier.nudge(Nudge("deleted", "study", "x")) is None and bool(errors))
    for _ in range(5):
        notifier.nudge(Nudge("deleted", "study", "x"))
    wait_until(notifier._waiting.empty)
    assert len(errors) == 1
    link.is_at(address)
    wait_until(lambda: notifier.nudge(Nudge("deleted", "study", "y")) is None and bool(worker.nudges))
    notifier.stop()


def test_a_worker_that_answers_an_error_is_said_too(address: WorkerAddress):
    errors: list[str] = []
    notifier = Notifier(Link(address), wire.DEFAULT_PREFIX + "/nowhere", errors.append)
    notifier.start()
    notifier.nudge(Nudge("stable", "series", "x"))
    wait_until(lambda: bool(errors))
    notifier.stop()
    assert "status 404" in errors[0]


def test_a_worker_that_never_answers_does_not_hold_up_the_end(monkeypatch):
    monkeypatch.setattr(notify, "POST_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = WorkerAddress(f"http://127.0.0.1:{silent.getsockname()[1]}", TOKEN)
        notifier = Notifier(Link(address), ROUTE, lambda _: None)
        notifier.start()
        for _ in range(100):
            notifier.nudge(Nudge("stable", "series", "x"))
        started = time.monotonic()
        notifier.stop()
        assert time.monotonic() - started < 5, "one post was waited for, not a hundred"


def test_it_can_be_stopped_twice_and_unstarted():
    notifier = Notifier(Link(None), ROUTE, lambda _: None)
    notifier.stop()
    notifier.stop()
