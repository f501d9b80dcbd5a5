"""What is done with one job: how every ending becomes an outcome."""

import logging
from collections.abc import Callable, Mapping

from similar_cases.domain.errors import (
    LeaseLost,
    NotFound,
    PacsUnavailable,
    Refused,
    SimilarCasesError,
    StoreFailed,
    TooLarge,
)
from similar_cases.domain.references import SeriesRef
from similar_cases.index.rows import SeriesKind
from similar_cases.jobs.queue import Job
from similar_cases.pipeline.annotations import images_of_annotation
from similar_cases.pipeline.content import content_of
from similar_cases.pipeline.faults import told
from similar_cases.pipeline.ingest import ingest_series, remove_superseded
from similar_cases.pipeline.outcomes import GivenUp, Gone, Indexed, Linked, Outcome, Postponed, TurnedDown, Unchanged
from similar_cases.pipeline.tools import Tools

_LOG = logging.getLogger(__name__)


def work_on(job: Job, tools: Tools, keep_going: Callable[[], None] = lambda: None) -> Outcome | None:
    """Do a job, commit what came of it and return it; None when the job was taken away meanwhile.

    Args:
        job: as ``Worklist.claim`` gave it.
        tools: the ports.
        keep_going: called before each step; raises LeaseLost when the work is for nothing by now.
    """
    outcome = outcome_of(job, tools, keep_going)
    kept = outcome if outcome is not None and tools.worklist.finish(job, outcome) else None
    if kept is None and isinstance(outcome, Indexed):
        _take_back(SeriesRef(job.study_uid, job.series_uid), tools)
    _log(job, kept)
    return kept


def outcome_of(job: Job, tools: Tools, keep_going: Callable[[], None] = lambda: None) -> Outcome | None:
    """Do a job and tell how it ended, nothing being committed; None when the lease was lost.

    An error of ours is one line; any other one is tried again, and told by its kind alone.
    """
    series = SeriesRef(job.study_uid, job.series_uid)
    try:
        return _attempt(series, tools, keep_going)
    except LeaseLost:
        return None
    except NotFound as error:
        return _absent(series, error, tools)
    except (Refused, TooLarge) as error:
        return TurnedDown(str(error))
    except SimilarCasesError as error:
        return _failed(series, error, tools)
    except Exception as error:  # a defect, or a library met by an object that it does not bear
        return Postponed(told(f"series {series.series_uid}", error))


def _attempt(series: SeriesRef, tools: Tools, keep_going: Callable[[], None]) -> Outcome:
    row = tools.lookups.series_row(series.series_uid)
    if row.kind is SeriesKind.ANNOTATION:
        return Linked(images_of_annotation(series, tools))
    content = content_of(series, tools)
    if row.content_key == content.key and row.indexed_at is not None:
        return Unchanged()
    return Indexed(ingest_series(series, tools, keep_going, content).results)


def _absent(series: SeriesRef, error: NotFound, tools: Tools) -> Outcome:
    """Believe that the PACS has lost a Series when it says so twice."""
    if _pacs_has(series, tools) is False:
        return Gone()
    return Postponed(str(error))


def _failed(series: SeriesRef, error: SimilarCasesError, tools: Tools) -> Outcome:
    if not error.retryable:
        return GivenUp(str(error))
    # an archive that is away is no fault of the series: it may take hours, and must not use up the attempts
    is_away = isinstance(error, PacsUnavailable | StoreFailed) and _pacs_has(series, tools) is None
    return Postponed(str(error), counted=not is_away)


def _take_back(series: SeriesRef, tools: Tools) -> None:
    """Take back what was stored of a Series while it was deleted: its study would come back by it."""
    if _pacs_has(series, tools) is not False:
        return  # another worker has the job, and stores the same
    try:
        remove_superseded(series, (), tools)
    except SimilarCasesError as error:
        _LOG.warning("series %s: SEG and SR of a deleted series are left in the archive: %s", series.series_uid, error)


def _pacs_has(series: SeriesRef, tools: Tools) -> bool | None:
    """Tell whether the PACS has a Series; None when it does not answer."""
    try:
        return bool(tools.pacs.search_instances(series))
    except SimilarCasesError:
        return None


def _log(job: Job, outcome: Outcome | None) -> None:
    if outcome is None:
        _LOG.info("series %s: the job was taken away, nothing is kept", job.series_uid)
    elif isinstance(outcome, Indexed):
        results = outcome.results
        _LOG.info("series %s: indexed, %d cases, %s", job.series_uid, len(results.cases), _seconds(results.timings))
    elif isinstance(outcome, TurnedDown | GivenUp | Postponed):
        _LOG.warning("series %s: %s: %s", job.series_uid, type(outcome).__name__, outcome.reason)
    else:
        _LOG.info("series %s: %s", job.series_uid, type(outcome).__name__)


def _seconds(timings: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in timings.items())
