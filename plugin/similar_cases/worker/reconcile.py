"""Keeping the catalogue with the PACS: what came, what changed, what is gone. Every act may be repeated."""

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from similar_cases.index.presence import KnownSeries, Presence
from similar_cases.index.rows import SeriesKind, SeriesSighting
from similar_cases.pacs.orthanc_changes import Change, ChangePage, OrthancSeries
from similar_cases.pipeline.forget import forget_series
from similar_cases.pipeline.worklist import Cursor, Worklist
from similar_cases.segment.prompts import is_annotation
from similar_cases.segment.prompts.references import OUR_MODEL_NAME

_LOG = logging.getLogger(__name__)
#: name of the cursor in the catalogue
CURSOR = "orthanc-changes"
#: Series that are entered in one transaction; other writers wait so long
AT_A_TIME = 100
#: Series that came and of which no end was told, at the most; a comparison finds the others
MAX_UNSETTLED = 10_000
#: of those, asked for one by one at the most, each time the feed is read
SETTLED_AT_A_TIME = 20
_RECHECKS = 3
_RECHECK_SECONDS = 0.1


class Feed(Protocol):
    """What is asked of Orthanc: ``pacs.orthanc_changes.OrthancFeed``. Every method can raise PacsUnavailable."""

    def changes(self, since: int, limit: int = 1000) -> ChangePage:
        """Return changes behind number `since`."""
        ...

    def last_sequence(self) -> int:
        """Return the number of the newest change."""
        ...

    def series(self, orthanc_id: str) -> OrthancSeries | None:
        """Return one Series, None where there is none."""
        ...

    def all_series(self) -> Iterator[OrthancSeries]:
        """Yield every Series."""
        ...

    def exists(self, level: str, orthanc_id: str) -> bool:
        """Tell whether a resource exists."""
        ...


@dataclass(frozen=True, kw_only=True)
class ReconcileRules:
    """What is wanted, and how often is looked.

    Attributes:
        modalities: of images that are indexed.
        every_seconds: how often the feed is read without a nudge.
        compare_seconds: how often both sides are compared as a whole; it is done at every start too.
        recount_seconds: how long after a deletion of single Instances the next comparison comes.
    """

    modalities: tuple[str, ...] = ("CT", "MR", "PT")
    every_seconds: float = 30.0
    compare_seconds: float = 6 * 3600.0
    recount_seconds: float = 60.0


class Reconciliation:
    """The acts, without threads or waiting."""

    def __init__(
        self, feed: Feed, worklist: Worklist, modalities: Iterable[str], *, settle_seconds: float = 120.0
    ) -> None:
        """Follow `feed`; a Series that came is asked for itself when nothing was told of it for `settle_seconds`."""
        self._feed = feed
        self._worklist = worklist
        self._modalities = frozenset(modalities)
        self._presence = Presence(worklist.catalogue.engine)
        # Orthanc keeps in memory who is to become stable ("unstable resources"): where it dies, nobody tells
        self._unsettled: dict[str, float] = {}
        self._settle_seconds = settle_seconds

    def follow(self, *, compare: bool = False) -> int:
        """Take in what the feed tells behind the cursor, which is kept with it, and return how many Series that were.

        Args:
            compare: compare both sides first. This is done anyhow the first time, and when the cursor is ahead of the
                feed, which then is that of another database.
        """
        cursor, newest = self._presence.number(CURSOR), self._feed.last_sequence()
        count = 0
        if cursor is None or cursor > newest:
            count = self.compare()
            cursor = newest
            self._worklist.take_in([], Cursor(CURSOR, cursor))
        elif compare:
            count = self.compare()
        while True:
            page = self._feed.changes(cursor)
            sightings = self._sightings(page.changes)
            if sightings or page.last != cursor:
                self._worklist.take_in(sightings, Cursor(CURSOR, page.last))
            count += len(sightings)
            if page.is_done or page.last == cursor:
                return count + self._settle()
            cursor = page.last

    def compare(self) -> int:
        """Compare all that the PACS has with all that the catalogue knows; return how many Series were new or gone.

        Those that are still coming are left to the feed.
        """
        known = {one.series: one for one in self._presence.known()}
        listed = set()
        news = []
        for one in self._feed.all_series():
            listed.add(one.series)
            if one.is_stable and _differs(known.get(one.series), self.sighting_of(one)):
                news.append(self.sighting_of(one))
        for some in _batches(news):
            self._worklist.take_in(some, backfill=True)
        gone = [one for series, one in known.items() if series not in listed and not self._is_there(one)]
        forget_series(self._worklist, gone)
        if news or gone:
            _LOG.info("comparison with the archive: %d series new or changed, %d gone", len(news), len(gone))
        return len(news) + len(gone)

    def forget_deleted(self, level: str, orthanc_id: str) -> int:
        """Forget what lay in a deleted patient, study or series, as far as it is truly gone; return how many Series."""
        for attempt in range(_RECHECKS):
            if attempt:
                time.sleep(_RECHECK_SECONDS)
            known = self._presence.under(orthanc_id)
            if not known:
                return 0
            whole = not self._feed.exists(level, orthanc_id)
            gone = known if whole else [one for one in known if not self._is_there(one)]
            if gone:
                return forget_series(self._worklist, gone)
        return 0

    def sighting_of(self, one: OrthancSeries) -> SeriesSighting:
        """Return a Series as the catalogue takes it in."""
        return SeriesSighting(
            series=one.series,
            kind=self._kind_of(one),
            modality=one.modality,
            instance_count=one.instance_count,
            series_orthanc_id=one.orthanc_id,
            study_orthanc_id=one.study_orthanc_id,
            patient_orthanc_id=one.patient_orthanc_id,
        )

    def _kind_of(self, one: OrthancSeries) -> SeriesKind:
        if one.manufacturer_model_name == OUR_MODEL_NAME:
            return SeriesKind.OURS
        if is_annotation(one.modality):
            return SeriesKind.ANNOTATION
        return SeriesKind.IMAGE if one.modality in self._modalities else SeriesKind.OTHER

    def _sightings(self, changes: Iterable[Change]) -> list[SeriesSighting]:
        """Return the Series that became stable, each once; those that are gone again are left out."""
        stable: dict[str, None] = {}
        for change in changes:
            if change.kind == "NewSeries" and len(self._unsettled) < MAX_UNSETTLED:
                self._unsettled[change.orthanc_id] = time.monotonic()
            elif change.kind == "StableSeries":
                stable[change.orthanc_id] = None
                self._unsettled.pop(change.orthanc_id, None)
        found = (self._feed.series(orthanc_id) for orthanc_id in stable)
        return [self.sighting_of(one) for one in found if one]

    def _settle(self) -> int:
        """Take in Series that are stable though the feed never said so, a few at a time."""
        now = time.monotonic()
        overdue = (one for one, since in self._unsettled.items() if now - since >= self._settle_seconds)
        sightings = []
        for orthanc_id in list(islice(overdue, SETTLED_AT_A_TIME)):
            one = self._feed.series(orthanc_id)
            del self._unsettled[orthanc_id]
            if one is not None and one.is_stable:
                sightings.append(self.sighting_of(one))
            elif one is not None:
                self._unsettled[orthanc_id] = now
        if sightings:
            self._worklist.take_in(sightings)
        return len(sightings)

    def _is_there(self, one: KnownSeries) -> bool:
        return bool(one.series_orthanc_id) and self._feed.exists("series", one.series_orthanc_id)


def _differs(known: KnownSeries | None, seen: SeriesSighting) -> bool:
    if known is None:
        return True
    before = (known.kind, known.instance_count, known.series_orthanc_id, known.study_orthanc_id)
    return before != (seen.kind, seen.instance_count, seen.series_orthanc_id, seen.study_orthanc_id)


def _batches(items: Iterable[SeriesSighting]) -> Iterator[list[SeriesSighting]]:
    remaining = iter(items)
    while some := list(islice(remaining, AT_A_TIME)):
        yield some
