"""The queue and the states of the Series, changed together: no job without its state, no state without its job."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from similar_cases.domain.case import SeriesState
from similar_cases.domain.errors import InvalidRequest, NotFound
from similar_cases.domain.references import SeriesRef
from similar_cases.index.catalogue import Catalogue
from similar_cases.index.database import reading
from similar_cases.index.lookups import images_of
from similar_cases.index.presence import series_by_uid
from similar_cases.index.rows import SeriesKind, SeriesSighting
from similar_cases.jobs.queue import Job, JobQueue, Priority
from similar_cases.pipeline.outcomes import GivenUp, Gone, Indexed, Linked, Outcome, Postponed, TurnedDown, Unchanged

WITH_JOBS = (SeriesKind.IMAGE, SeriesKind.ANNOTATION)
#: why a job comes again when its worker is gone
DIED = "the process that worked on it ended without a word (killed, out of memory, or a crash)"
STOPPED = "the worker was told to stop"


@dataclass(frozen=True)
class Cursor:
    """How far a feed of changes was read; kept with what it gave, in one transaction."""

    name: str
    value: int


class Worklist:
    """What is to be done, what is being done, and how it ended."""

    def __init__(self, catalogue: Catalogue, queue: JobQueue) -> None:
        self.catalogue = catalogue
        self.queue = queue

    def create(self) -> None:
        """Make the tables where they are missing.

        Raises:
            InvalidSettings: when the database was made by a version with other tables.
        """
        self.catalogue.create()
        with self.catalogue.writing() as connection:
            self.queue.create(connection)

    def take_in(
        self, sightings: Iterable[SeriesSighting], cursor: Cursor | None = None, *, backfill: bool = False
    ) -> None:
        """Enter what the PACS told, ask for the work that it means, and keep the cursor: all or nothing."""
        with self.catalogue.writing() as connection:
            for sighting in sightings:
                self.catalogue.see(connection, sighting)
                if sighting.kind in WITH_JOBS:
                    self._ask(connection, sighting.series, _priority(sighting.kind, backfill=backfill))
            if cursor is not None:
                self.catalogue.set_number(connection, cursor.name, cursor.value)

    def ask_again(
        self, series_uids: Collection[str], priority: Priority = Priority.BACKFILL, *, anew: bool = False
    ) -> int:
        """Ask for Series to be looked at again, and return how many; those without jobs are left out.

        Args:
            series_uids: unknown ones are passed over.
            priority: of the jobs.
            anew: everything is done again, even where nothing has changed.
        """
        with self.catalogue.writing() as connection:
            known = [one for one in series_by_uid(connection, series_uids) if one.kind in WITH_JOBS]
            for one in known:
                if anew:
                    self.catalogue.outdate(connection, one.series.series_uid)
                self._ask(connection, one.series, priority)
            return len(known)

    def retry(self, series_uid: str) -> None:
        """Do everything for a Series anew, before all others and with all attempts, whatever came of it before.

        Raises:
            NotFound: when the catalogue does not know it.
            InvalidRequest: when it is of a kind that has no jobs.
        """
        with self.catalogue.writing() as connection:
            known = series_by_uid(connection, [series_uid])
            if not known:
                raise NotFound(f"series {series_uid} is not in the catalogue")
            if known[0].kind not in WITH_JOBS:
                raise InvalidRequest(
                    f"series {series_uid} is neither images nor an annotation; nothing is done with it"
                )
            self.catalogue.outdate(connection, series_uid)
            self._ask(connection, known[0].series, Priority.HURRY)

    def hurry(self, series_uid: str) -> bool:
        """Put the job of a Series before all others; False where it has none."""
        with self.catalogue.writing() as connection:
            return self.queue.hurry(connection, series_uid)

    def claim(self, worker: str, series_uid: str | None = None) -> Job | None:
        """Take the next job, or that of one Series; before it, put back or give up those whose lease has expired."""
        with self.catalogue.writing() as connection:
            self._bury(connection, (), DIED, counted=True)
            job = self.queue.claim(connection, worker, series_uid)
            if job is not None:
                self._tell(connection, job, SeriesState.WORKING, job.reason)
            return job

    def bury(self, dead_workers: Collection[str], reason: str = DIED, *, counted: bool = True) -> None:
        """Put back, or give up, what `dead_workers` were at; not `counted` where they were told to stop."""
        with self.catalogue.writing() as connection:
            self._bury(connection, dead_workers, reason, counted=counted)

    def due(self) -> bool:
        """Tell whether a claim would find a job, without keeping any writer waiting."""
        with reading(self.catalogue.engine).begin() as connection:
            return self.queue.is_due(connection)

    def working(self) -> list[Job]:
        """Return what is being worked on, the oldest claim first."""
        with reading(self.catalogue.engine).begin() as connection:
            return self.queue.working(connection)

    def heartbeat(self, job: Job) -> bool:
        """Prolong the lease; False when the job is no longer ours: the Series is gone, or another worker has it."""
        with self.catalogue.writing() as connection:
            return self.queue.heartbeat(connection, job)

    def finish(self, job: Job, outcome: Outcome) -> bool:
        """Commit what came of a job; False when it was no longer ours, and nothing was changed."""
        with self.catalogue.writing() as connection:
            if not self.queue.holds(connection, job):
                return False
            self._apply(connection, job, outcome)
            return True

    def forget(self, series_uids: Collection[str]) -> None:
        """Remove every trace of Series, and ask again for the images that a forgotten annotation spoke of."""
        with self.catalogue.writing() as connection:
            self._forget(connection, series_uids)

    def _apply(self, connection: Connection, job: Job, outcome: Outcome) -> None:
        match outcome:
            case Indexed(results):
                self.catalogue.commit(connection, results)
                self._settle(connection, job, SeriesState.INDEXED)
            case Unchanged():
                self._settle(connection, job, SeriesState.INDEXED)
            case Linked(image_series):
                self._link(connection, job, image_series)
                self._settle(connection, job, SeriesState.INDEXED)
            case TurnedDown(reason):
                self.catalogue.withdraw(connection, job.series_uid)
                self._settle(connection, job, SeriesState.REFUSED, reason)
            case GivenUp(reason):
                self._settle(connection, job, SeriesState.FAILED, reason)
            case Postponed(reason, counted):
                self._postpone(connection, job, reason, counted=counted)
            case Gone():
                self._forget(connection, [job.series_uid])

    def _settle(self, connection: Connection, job: Job, state: SeriesState, reason: str = "") -> None:
        asked_again = self.queue.done(connection, job)
        self._tell(connection, job, SeriesState.WAITING if asked_again else state, reason)

    def _postpone(self, connection: Connection, job: Job, reason: str, *, counted: bool) -> None:
        comes_again = self.queue.put_back(connection, job, reason, counted=counted)
        self._tell(connection, job, SeriesState.WAITING if comes_again else SeriesState.FAILED, reason)

    def _bury(self, connection: Connection, dead_workers: Collection[str], reason: str, *, counted: bool) -> None:
        for job in self.queue.expire(connection, dead_workers):
            self._postpone(connection, job, reason, counted=counted)

    def _link(self, connection: Connection, job: Job, image_series: Collection[str]) -> None:
        before = images_of(connection, [job.series_uid])
        self.catalogue.link(connection, SeriesRef(job.study_uid, job.series_uid), image_series)
        self._ask_images(connection, {*before, *image_series})

    def _forget(self, connection: Connection, series_uids: Collection[str]) -> None:
        images = set(images_of(connection, series_uids)) - set(series_uids)
        self.queue.drop(connection, series_uids)
        self.catalogue.forget(connection, series_uids)
        self._ask_images(connection, images)

    def _ask_images(self, connection: Connection, series_uids: Collection[str]) -> None:
        for image in series_by_uid(connection, series_uids):
            if image.kind is SeriesKind.IMAGE:
                self._ask(connection, image.series, Priority.IMAGE)

    def _ask(self, connection: Connection, series: SeriesRef, priority: Priority) -> None:
        if self.queue.ask(connection, series.study_uid, series.series_uid, priority):
            self.catalogue.set_state(connection, series.series_uid, SeriesState.WAITING)

    def _tell(self, connection: Connection, job: Job, state: SeriesState, reason: str = "") -> None:
        self.catalogue.set_state(connection, job.series_uid, state, reason=reason, attempts=job.attempts)


def _priority(kind: SeriesKind, *, backfill: bool) -> Priority:
    if kind is SeriesKind.ANNOTATION:
        return Priority.ANNOTATION
    return Priority.BACKFILL if backfill else Priority.IMAGE
