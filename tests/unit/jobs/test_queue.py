"""The durable queue: what is asked for is done, once, whoever dies."""

from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import create_engine, event
from sqlalchemy.pool import StaticPool

from similar_cases.index.database import open_engine, sqlite_url
from similar_cases.jobs.places import places
from similar_cases.jobs.queue import Job, JobQueue, Policy, Priority

POLICY = Policy(attempts=3, first_delay_seconds=10, longest_delay_seconds=60, lease_seconds=100)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """A queue with its clock; every act is one transaction."""

    def __init__(self, engine) -> None:
        self.clock, self.engine = Clock(), engine
        self.queue = JobQueue(POLICY, self.clock)
        self("create")

    def __call__(self, act: str, *arguments, **named):
        with self.engine.begin() as connection:
            return getattr(self.queue, act)(connection, *arguments, **named)

    def ask(self, series: str, priority: Priority = Priority.IMAGE) -> bool:
        return self("ask", "1.2", series, priority)

    def claim(self, worker: str = "w") -> Job | None:
        return self("claim", worker)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(open_engine(sqlite_url(tmp_path)))


def test_jobs_come_by_urgency_then_by_age(desk):
    for series, priority in (("1", Priority.BACKFILL), ("2", Priority.IMAGE), ("3", Priority.ANNOTATION)):
        desk.ask(series, priority)
        desk.clock.now += 1
    desk.ask("4", Priority.IMAGE)
    assert [desk.claim().series_uid for _ in range(4)] == ["3", "2", "4", "1"]
    assert desk.claim() is None


def test_asking_twice_is_one_job_with_the_more_urgent_priority(desk):
    desk.ask("1", Priority.BACKFILL)
    desk.ask("1", Priority.HURRY)
    desk.ask("1", Priority.IMAGE)
    job = desk.claim()
    assert job.priority is Priority.HURRY
    assert desk("done", job) is False
    assert desk.claim() is None


def test_what_is_asked_for_while_it_is_worked_on_is_done_again(desk):
    desk.ask("1")
    job = desk.claim()
    assert desk.ask("1") is False
    assert desk("done", job) is True
    again = desk.claim()
    assert again.attempts == 1
    assert desk("done", again) is False
    assert desk.claim() is None


def test_hurrying_puts_a_job_first_and_ends_its_wait_but_does_not_ask_for_more(desk):
    desk.ask("1", Priority.HURRY)
    desk.ask("2", Priority.BACKFILL)
    first = desk.claim()
    desk("put_back", first, "x", counted=True)
    assert desk("hurry", "2")
    assert desk.claim().series_uid == "2"
    assert desk("hurry", "1")
    assert desk.claim().series_uid == "1"
    assert desk("hurry", "1")
    assert not desk("hurry", "unknown")


def test_waits_double_and_the_last_attempt_ends_it(desk):
    desk.ask("1")
    for wait in (10, 20):
        job = desk.claim()
        assert desk("put_back", job, "broken", counted=True) is True
        desk.clock.now += wait - 0.1
        assert desk.claim() is None
        desk.clock.now += 0.1
    last = desk.claim()
    assert (last.attempts, last.reason) == (3, "broken")
    assert desk("put_back", last, "broken", counted=True) is False
    desk.clock.now += 10_000
    assert desk.claim() is None


def test_what_was_not_its_fault_uses_up_no_attempt(desk):
    desk.ask("1")
    for _ in range(10):
        job = desk.claim()
        assert job.attempts == 1
        assert desk("put_back", job, "the archive is away", counted=False)
        desk.clock.now += 100


def test_something_new_gives_a_failing_job_all_its_attempts_again(desk):
    desk.ask("1")
    for _ in range(2):
        desk("put_back", desk.claim(), "x", counted=True)
        desk.clock.now += 100
    desk.ask("1")
    assert desk.claim().attempts == 1


def test_news_during_the_last_attempt_keep_the_job(desk):
    desk.ask("1")
    for _ in range(2):
        desk("put_back", desk.claim(), "x", counted=True)
        desk.clock.now += 100
    last = desk.claim()
    desk.ask("1")
    assert desk("put_back", last, "x", counted=True) is True
    assert desk.claim().attempts == 1


def test_a_lease_lasts_as_long_as_somebody_prolongs_it(desk):
    desk.ask("1")
    job = desk.claim()
    for _ in range(5):
        desk.clock.now += 90
        assert desk("heartbeat", job)
        assert desk("expire") == []
    desk.clock.now += 101
    assert desk("is_due")
    [dead] = desk("expire")
    assert dead.token == job.token


def test_a_dead_workers_jobs_come_back_without_waiting_for_their_lease(desk):
    desk.ask("1")
    desk.ask("2")
    desk.claim("dead")
    desk.claim("alive")
    assert [job.series_uid for job in desk("expire", ["dead"])] == ["1"]


def test_who_lost_the_lease_can_neither_finish_nor_put_back(desk):
    desk.ask("1")
    lost = desk.claim("slow")
    desk("put_back", desk("expire", ["slow"])[0], "x", counted=True)
    desk.clock.now += 100
    held = desk.claim("quick")
    assert not desk("holds", lost)
    assert not desk("heartbeat", lost)
    desk("put_back", lost, "x", counted=True)
    assert desk("done", lost) is False
    assert desk("holds", held)
    assert desk("working")[0].token == held.token


def test_a_dropped_job_is_gone_under_its_worker(desk):
    desk.ask("1")
    job = desk.claim()
    desk("drop", ["1", "unknown"])
    assert not desk("holds", job)
    assert desk("done", job) is False
    assert desk.claim() is None


def test_a_job_of_one_series_can_be_claimed_before_its_time(desk):
    desk.ask("1")
    desk("put_back", desk.claim(), "x", counted=True)
    desk.ask("2", Priority.HURRY)
    assert desk("claim", "w", "1").series_uid == "1"
    assert desk("claim", "w", "unknown") is None


def test_places_are_those_of_the_claims(desk):
    for series in ("a", "b", "c"):
        desk.ask(series, Priority.BACKFILL)
        desk.clock.now += 1
    desk("hurry", "c")
    with desk.engine.begin() as connection:
        assert places(connection, ["a", "c", "unknown"]) == {"c": 0, "a": 1}


def test_nothing_is_due_where_nothing_waits_or_all_waits(desk):
    assert not desk("is_due")
    desk.ask("1")
    assert desk("is_due")
    desk("put_back", desk.claim(), "x", counted=True)
    assert not desk("is_due")


class AnyOrder(RuleBasedStateMachine):
    """Whatever is asked, claimed, finished, lost: each asking is answered by work that began after it."""

    @initialize()
    def begin(self) -> None:
        engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"isolation_level": None})
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        self.desk = Desk(engine)
        self.asked: dict[str, int] = {}
        self.begun: dict[str, tuple[Job, int]] = {}
        self.answered: dict[str, int] = {}
        self.given_up: set[str] = set()

    @rule(series=st.sampled_from("abc"), priority=st.sampled_from(list(Priority)))
    def ask(self, series: str, priority: Priority) -> None:
        waits = self.desk.ask(series, priority)
        assert waits is (series not in self.begun)
        self.asked[series] = self.asked.get(series, 0) + 1
        self.given_up.discard(series)

    @rule()
    def claim(self) -> None:
        job = self.desk.claim()
        if job is not None:
            assert job.series_uid not in self.begun, "two workers at one series"
            assert job.attempts <= POLICY.attempts
            self.begun[job.series_uid] = (job, self.asked[job.series_uid])

    @rule(series=st.sampled_from("abc"))
    def finish(self, series: str) -> None:
        if series in self.begun:
            job, seen = self.begun.pop(series)
            again = self.desk("done", job)
            assert again is (self.asked[series] > seen)
            self.answered[series] = seen

    @rule(series=st.sampled_from("abc"), counted=st.booleans())
    def fail(self, series: str, counted: bool) -> None:
        if series in self.begun:
            job, seen = self.begun.pop(series)
            if not self.desk("put_back", job, "x", counted=counted):
                assert job.attempts == POLICY.attempts
                assert self.asked[series] == seen
                self.given_up.add(series)

    @rule(seconds=st.sampled_from([1, 15, 101]))
    def time_goes_by(self, seconds: int) -> None:
        self.desk.clock.now += seconds

    @rule()
    def leases_expire(self) -> None:
        for dead in self.desk("expire"):
            job, _ = self.begun.pop(dead.series_uid)
            if not self.desk("put_back", dead, "died", counted=True):
                self.given_up.add(dead.series_uid)
            assert not self.desk("holds", job)

    @invariant()
    def what_is_asked_is_waiting_or_being_done_or_answered_or_given_up(self) -> None:
        if not hasattr(self, "desk"):
            return
        self.desk.clock.now += 1000  # whatever waits is due then
        held = {job.series_uid for job in self.desk("working")}
        assert held == set(self.begun)
        open_askings = {s for s, count in self.asked.items() if self.answered.get(s, 0) < count} - self.given_up
        with self.desk.engine.begin() as connection:
            waiting = set(places(connection, list("abc")))
        assert waiting == open_askings - held
        self.desk.clock.now -= 1000


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
