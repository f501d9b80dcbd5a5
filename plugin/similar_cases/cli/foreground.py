"""Ingestion in the foreground: the very jobs that the worker would do, done here and now.

A job is claimed as the worker claims it, so both may run beside each other: what the worker has begun is waited for.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from similar_cases.domain.case import SeriesState
from similar_cases.domain.errors import NotFound
from similar_cases.index.rows import SeriesKind, SeriesRow
from similar_cases.jobs.queue import Priority
from similar_cases.pacs.orthanc_changes import OrthancFeed, OrthancSeries
from similar_cases.pipeline.tools import Tools
from similar_cases.worker.identity import worker_id
from similar_cases.worker.loop import JobLoop
from similar_cases.worker.reconcile import Reconciliation

_LOOK_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which Series: one, those of one Study, or all."""

    series_uid: str = ""
    study_uid: str = ""

    def of(self, listed: Iterable[OrthancSeries]) -> list[OrthancSeries]:
        """Return the chosen Series of an archive, and every other one of their Studies: annotations speak of images.

        Raises:
            NotFound: when the archive has none of them.
        """
        everything = list(listed)
        chosen = [one for one in everything if self._takes(one)]
        if not chosen:
            raise NotFound(f"Orthanc has no series under {self.series_uid or self.study_uid or 'any UID'}")
        studies = {one.series.study_uid for one in chosen}
        return [one for one in everything if one.series.study_uid in studies]

    def _takes(self, one: OrthancSeries) -> bool:
        if self.series_uid:
            return one.series.series_uid == self.series_uid
        return not self.study_uid or one.series.study_uid == self.study_uid


def ingest_now(
    selection: Selection,
    tools: Tools,
    reconciliation: Reconciliation,
    feed: OrthancFeed,
    *,
    anew: bool = False,
    moved: Callable[[int, int], None] = lambda done, total: None,
) -> list[SeriesRow]:
    """Bring the chosen Series up to date, their annotations first, and return where each stands.

    Args:
        selection: which Series.
        tools: the ports.
        reconciliation: knows what a Series of Orthanc is to us.
        feed: Orthanc.
        anew: everything is done again, even where nothing has changed.
        moved: told (done, total).

    Raises:
        NotFound: when Orthanc has none of them.
        PacsUnavailable: when Orthanc does not answer.
    """
    sightings = [reconciliation.sighting_of(one) for one in selection.of(feed.all_series())]
    tools.worklist.take_in(sightings)
    annotations = [one.series.series_uid for one in sightings if one.kind is SeriesKind.ANNOTATION]
    images = [
        one.series.series_uid
        for one in sightings
        if one.kind is SeriesKind.IMAGE and selection.series_uid in ("", one.series.series_uid)
    ]
    tools.worklist.ask_again(images, Priority.HURRY, anew=anew)
    targets = [*annotations, *images]
    for done, uid in enumerate(targets):
        moved(done, len(targets))
        _do(uid, tools)
    moved(len(targets), len(targets))
    return [tools.lookups.series_row(uid) for uid in images]


def _do(series_uid: str, tools: Tools) -> None:
    """Do the job of one Series, or wait until whoever has it is done."""
    me = worker_id()
    while True:
        job = tools.worklist.claim(me, series_uid)
        if job is not None:
            JobLoop(tools, me).work(job)
            return
        if tools.lookups.series_row(series_uid).state is not SeriesState.WORKING:
            return
        time.sleep(_LOOK_SECONDS)
