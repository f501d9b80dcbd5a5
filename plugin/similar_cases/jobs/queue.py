"""The durable queue: one row for each Series that waits for work or is being worked on.

A job says "bring this Series up to date", whatever that takes; so a Series has at most one, and asking again while it
waits changes nothing. Asking while it is being worked on raises `version`: the work was begun on what is old by now, so
finishing it puts the job back instead of taking it away. Nothing is lost, nothing is done twice.

A claim is a lease: whoever holds its token, and nobody else, may finish the job. A claim counts as an attempt from its
first moment, so a worker that dies has used one up. When the lease has expired, the next claim by anybody puts the job
back (or gives it up, after `Policy.attempts`).

Every method takes a Connection, so that a job and the catalogue change in one transaction. On PostgreSQL rows are
locked with SKIP LOCKED; on SQLite the transaction holds the write lock (``BEGIN IMMEDIATE``).
"""

import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import IntEnum

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("series_uid", String(64), primary_key=True),
    Column("study_uid", String(64), nullable=False),
    Column("priority", Integer, nullable=False),
    #: grows with every asking
    Column("version", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    #: order among equals
    Column("asked_at", Float, nullable=False),
    Column("not_before", Float, nullable=False),
    #: empty while it waits
    Column("token", String(32), nullable=False),
    Column("worker", String(200), nullable=False),
    Column("claimed_at", Float),
    Column("lease_until", Float),
    Index("ix_jobs_next", "token", "priority", "asked_at"),
)


class Priority(IntEnum):
    """What goes first; the smaller the sooner."""

    #: somebody waits for it at the screen
    HURRY = 0
    #: an annotation: quick, and its images' job wants to know it
    ANNOTATION = 10
    #: images that just came
    IMAGE = 20
    #: what the archive held before
    BACKFILL = 30


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How often and when a job is tried; seconds.

    Attributes:
        attempts: given up after so many.
        first_delay_seconds: before the second attempt; each later one waits twice as long, up to `longest`.
        lease_seconds: how long a claim holds without a heartbeat.
    """

    attempts: int = 5
    first_delay_seconds: float = 5.0
    longest_delay_seconds: float = 600.0
    lease_seconds: float = 120.0

    def delay_seconds(self, attempts: int) -> float:
        """Return the wait after `attempts` that failed; nothing in it is random.

        >>> [Policy().delay_seconds(n) for n in (1, 2, 3, 20)]
        [5.0, 10.0, 20.0, 600.0]
        """
        return min(self.longest_delay_seconds, self.first_delay_seconds * 2.0 ** min(max(attempts - 1, 0), 30))


@dataclass(frozen=True, kw_only=True)
class Job:
    """A claimed job, or one whose claim ended without a result."""

    study_uid: str
    series_uid: str
    priority: Priority
    attempts: int
    version: int
    token: str
    worker: str
    claimed_at: float
    reason: str = ""


class JobQueue:
    """The queue's rules over its one table."""

    def __init__(self, policy: Policy | None = None, clock: Callable[[], float] = time.time) -> None:
        self.policy = policy or Policy()
        self.clock = clock

    def create(self, connection: Connection) -> None:
        """Make the table where it is missing."""
        metadata.create_all(connection)

    def ask(self, connection: Connection, study_uid: str, series_uid: str, priority: Priority) -> bool:
        """Ask for a Series to be brought up to date; False when it is being worked on, and comes again after that."""
        now = self.clock()
        row = connection.execute(
            select(jobs.c.priority, jobs.c.token).where(jobs.c.series_uid == series_uid).with_for_update()
        ).one_or_none()
        if row is None:
            connection.execute(insert(jobs), _new_row(study_uid, series_uid, priority, now))
            return True
        # the more urgent of two askings counts
        values: dict[str, object] = {"priority": min(row.priority, priority), "version": jobs.c.version + 1}
        if not row.token:
            # something new came: it is worth trying at once, with all attempts
            values |= {"attempts": 0, "not_before": now}
        connection.execute(update(jobs).where(jobs.c.series_uid == series_uid).values(**values))
        return not row.token

    def claim(self, connection: Connection, worker: str, series_uid: str | None = None) -> Job | None:
        """Take the most urgent job that is due, or that of one Series; None where there is none.

        `expire` first, in the same transaction.
        """
        now = self.clock()
        wanted = jobs.c.not_before <= now if series_uid is None else jobs.c.series_uid == series_uid
        row = connection.execute(
            select(jobs)
            .where(jobs.c.token == "", wanted)
            .order_by(jobs.c.priority, jobs.c.asked_at, jobs.c.series_uid)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).one_or_none()
        if row is None:
            return None
        taken = connection.execute(
            update(jobs)
            .where(jobs.c.series_uid == row.series_uid)
            .values(
                token=secrets.token_hex(16),
                worker=worker,
                claimed_at=now,
                lease_until=now + self.policy.lease_seconds,
                attempts=row.attempts + 1,
            )
            .returning(jobs)
        ).one()
        return _job(taken)

    def heartbeat(self, connection: Connection, job: Job) -> bool:
        """Prolong the lease; False when it is no longer ours, and the work is for nothing."""
        until = self.clock() + self.policy.lease_seconds
        return connection.execute(_held(job).values(lease_until=until)).rowcount == 1

    def holds(self, connection: Connection, job: Job) -> bool:
        """Tell whether the lease is still ours; taken into a transaction it stays so until the commit."""
        row = connection.execute(select(jobs.c.token).where(jobs.c.series_uid == job.series_uid).with_for_update())
        return row.scalar_one_or_none() == job.token

    def done(self, connection: Connection, job: Job) -> bool:
        """Take a finished job away; True when it was asked for again meanwhile, and so waits again."""
        gone = delete(jobs).where(
            jobs.c.series_uid == job.series_uid, jobs.c.token == job.token, jobs.c.version == job.version
        )
        if connection.execute(gone).rowcount == 1:
            return False
        return self._put_back(connection, job, delay_seconds=0.0, attempts=0, reason="")

    def put_back(self, connection: Connection, job: Job, reason: str, *, counted: bool) -> bool:
        """Let a job wait for its next attempt; False when that was its last one, and it is given up.

        Args:
            connection: the transaction.
            job: what was claimed.
            reason: what went wrong, without patient data.
            counted: False when it was not the job's fault, as when the PACS was away or the worker was told to stop.
        """
        if self._asked_again(connection, job):
            self._put_back(connection, job, delay_seconds=0.0, attempts=0, reason=reason)
            return True
        if counted and job.attempts >= self.policy.attempts:
            connection.execute(delete(jobs).where(jobs.c.series_uid == job.series_uid, jobs.c.token == job.token))
            return False
        attempts = job.attempts if counted else job.attempts - 1
        delay = self.policy.delay_seconds(job.attempts)
        self._put_back(connection, job, delay_seconds=delay, attempts=attempts, reason=reason)
        return True

    def expire(self, connection: Connection, dead_workers: Collection[str] = ()) -> list[Job]:
        """Take the claims away that have expired, or that `dead_workers` hold, and return them for `put_back`."""
        over = (jobs.c.lease_until < self.clock()) | jobs.c.worker.in_(dead_workers)
        rows = connection.execute(select(jobs).where(jobs.c.token != "", over).with_for_update(skip_locked=True)).all()
        return [_job(row) for row in rows]

    def working(self, connection: Connection) -> list[Job]:
        """Return the claimed jobs, the oldest claim first."""
        rows = connection.execute(select(jobs).where(jobs.c.token != "").order_by(jobs.c.claimed_at)).all()
        return [_job(row) for row in rows]

    def drop(self, connection: Connection, series_uids: Collection[str]) -> None:
        """Take jobs away whatever they are at: a worker that holds one finds its lease gone."""
        connection.execute(delete(jobs).where(jobs.c.series_uid.in_(list(series_uids))))

    def hurry(self, connection: Connection, series_uid: str) -> bool:
        """Put a job before all others and make it due now; False where the Series has none."""
        values = {"priority": int(Priority.HURRY), "not_before": self.clock()}
        return connection.execute(update(jobs).where(jobs.c.series_uid == series_uid).values(**values)).rowcount == 1

    def is_due(self, connection: Connection) -> bool:
        """Tell whether a job waits that is due, or a lease has expired."""
        now = self.clock()
        due = ((jobs.c.token == "") & (jobs.c.not_before <= now)) | ((jobs.c.token != "") & (jobs.c.lease_until < now))
        return connection.execute(select(jobs.c.series_uid).where(due).limit(1)).first() is not None

    def _asked_again(self, connection: Connection, job: Job) -> bool:
        version = connection.execute(select(jobs.c.version).where(jobs.c.series_uid == job.series_uid))
        return version.scalar_one_or_none() not in (None, job.version)

    def _put_back(self, connection: Connection, job: Job, *, delay_seconds: float, attempts: int, reason: str) -> bool:
        now = self.clock()
        back = _held(job).values(
            token="",
            worker="",
            claimed_at=None,
            lease_until=None,
            attempts=attempts,
            not_before=now + delay_seconds,
            asked_at=now,
            reason=reason,
        )
        return connection.execute(back).rowcount == 1


def _new_row(study_uid: str, series_uid: str, priority: Priority, now: float) -> dict[str, object]:
    return {
        "series_uid": series_uid,
        "study_uid": study_uid,
        "priority": int(priority),
        "version": 1,
        "attempts": 0,
        "reason": "",
        "asked_at": now,
        "not_before": now,
        "token": "",
        "worker": "",
    }


def _held(job: Job):  # type: ignore[no-untyped-def]  # SQLAlchemy's own name for it is private
    return update(jobs).where(jobs.c.series_uid == job.series_uid, jobs.c.token == job.token)


def _job(row: Row) -> Job:  # type: ignore[type-arg]
    return Job(
        study_uid=row.study_uid,
        series_uid=row.series_uid,
        priority=Priority(row.priority),
        attempts=row.attempts,
        version=row.version,
        token=row.token,
        worker=row.worker,
        claimed_at=row.claimed_at,
        reason=row.reason,
    )
