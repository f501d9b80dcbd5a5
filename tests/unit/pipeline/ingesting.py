"""A folder is taken in and worked off, and what came of it."""

from tests.small_archive import SmallArchive

from similar_cases.domain.description import Level
from similar_cases.worker.loop import JobLoop


def work(archive: SmallArchive) -> int:
    archive.seen()
    return JobLoop(archive.tools, "test").run_until_empty()


def states(archive: SmallArchive) -> dict[str, str]:
    return {row.series.series_uid: row.state.value for row in archive.tools.lookups.series_rows()}


def regions(archive: SmallArchive, series) -> list:
    return [case for case in archive.tools.lookups.cases_of(series.series_uid) if case.level is Level.REGION]
