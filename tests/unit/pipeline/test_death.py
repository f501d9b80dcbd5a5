"""Death at every border of every step: after the restart everything is indexed, once."""

from collections import Counter
from pathlib import Path

import pytest
from tests.small_archive import SmallArchive, contours_of, images_of, phantom

from similar_cases.domain.case import SeriesState
from similar_cases.domain.description import Level
from similar_cases.jobs.queue import Policy
from similar_cases.pipeline.work import outcome_of, work_on
from similar_cases.worker.loop import JobLoop

#: the acts of one ingestion at which a process can die, in their order; each before it happens and after it happened
ACTS = (
    ("pacs", "search_instances"),
    ("pacs", "retrieve_series"),
    ("embedder", "embed_volume"),
    ("embedder", "embed_regions"),
    ("radiomics", "extract"),
    ("recorder", "record"),
    ("pacs", "store_instances"),
    ("catalogue", "commit"),
    ("queue", "done"),
    ("worklist", "finish"),
)


class Death(BaseException):
    """What no handler catches, as no handler runs when a process is killed."""


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path, Policy(attempts=4, first_delay_seconds=0.0))


def owner(archive: SmallArchive, name: str):
    tools = archive.tools
    places = {"pacs": archive.pacs, "worklist": tools.worklist, "catalogue": tools.worklist.catalogue}
    return {**places, "queue": tools.worklist.queue}.get(name) or getattr(tools, name)


def dying(act, *, after: bool):
    def die(*arguments, **named):
        if after:
            act(*arguments, **named)
        raise Death

    return die


def restart(archive: SmallArchive) -> None:
    """Everything anew, as the next process finds it; the dead one's lease is known to be dead."""
    archive.tools = archive.open_tools(Policy(attempts=4, first_delay_seconds=0.0))
    archive.tools.worklist.bury(["dead"])
    archive.seen()
    JobLoop(archive.tools, "next").run_until_empty()


def check_once(archive: SmallArchive, series, regions: int = 1) -> None:
    tools = archive.tools
    row = tools.lookups.series_row(series.series_uid)
    assert row.state is SeriesState.INDEXED, row.reason
    levels = Counter(case.level for case in tools.lookups.cases_of(series.series_uid))
    assert levels == {Level.SERIES: 1, Level.REGION: regions}
    modalities = Counter(
        listing.modality for listing in archive.pacs.search_series() for _ in range(listing.instance_count)
    )
    assert modalities["SEG"] == regions
    assert modalities["SR"] == regions
    for case in tools.lookups.cases_of(series.series_uid):
        space = case.description.embedding.space
        found = tools.indexes.nearest(space, case.description.embedding.vector)
        assert [one.case_uid for one in found].count(case.uid) == 1
    assert tools.worklist.working() == []
    assert tools.worklist.claim("nobody") is None


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("place", "act"), ACTS, ids=[f"{place}.{act}" for place, act in ACTS])
def test_a_death_there_loses_nothing_and_doubles_nothing(archive, monkeypatch, place, act, after):
    one = phantom("1")
    series = archive.put(images_of(one))
    archive.put([contours_of(one)])
    archive.seen()
    linked = archive.tools.worklist.claim("first")
    work_on(linked, archive.tools)
    job = archive.tools.worklist.claim("dead")
    assert job.series_uid == series.series_uid
    with monkeypatch.context() as patched:
        target = owner(archive, place)
        patched.setattr(target, act, dying(getattr(target, act), after=after))
        with pytest.raises(Death):
            work_on(job, archive.tools)
    restart(archive)
    check_once(archive, series)


def test_a_death_between_the_two_results_of_a_region(archive, monkeypatch):
    one = phantom("1")
    series = archive.put(images_of(one))
    archive.put([contours_of(one)])
    archive.seen()
    work_on(archive.tools.worklist.claim("first"), archive.tools)
    job = archive.tools.worklist.claim("dead")
    whole = archive.pacs.store_instances
    with monkeypatch.context() as patched:
        patched.setattr(archive.pacs, "store_instances", lambda some: (whole(some[:1]), 1 / 0)[0])
        patched.setattr(archive.tools.worklist, "finish", dying(None, after=False))
        with pytest.raises(Death):
            work_on(job, archive.tools)
    restart(archive)
    check_once(archive, series)


def see_and_work(archive: SmallArchive) -> None:
    archive.seen()
    work_on(archive.tools.worklist.claim("dead"), archive.tools)


@pytest.mark.parametrize("act", ["link", "see"])
def test_a_death_while_an_annotation_is_linked(archive, monkeypatch, act):
    one = phantom("1")
    series = archive.put(images_of(one))
    archive.seen()
    JobLoop(archive.tools, "first").run_until_empty()
    archive.put([contours_of(one)])
    with monkeypatch.context() as patched:
        catalogue = archive.tools.worklist.catalogue
        patched.setattr(catalogue, act, dying(getattr(catalogue, act), after=True))
        with pytest.raises(Death):
            see_and_work(archive)
    restart(archive)
    check_once(archive, series)


def test_a_worker_that_was_only_slow_commits_nothing_over_the_other_one(archive):
    one = phantom("1")
    series = archive.put(images_of(one))
    archive.seen()
    slow = archive.tools.worklist.claim("slow")
    outcome = outcome_of(slow, archive.tools)
    archive.tools.worklist.bury(["slow"])
    archive.put([contours_of(one)])
    archive.seen()
    JobLoop(archive.tools, "quick").run_until_empty()
    assert archive.tools.worklist.finish(slow, outcome) is False
    check_once(archive, series)


def test_an_annotation_that_comes_in_the_middle_of_the_ingestion_is_not_lost(archive, monkeypatch):
    one = phantom("1")
    series = archive.put(images_of(one))
    archive.seen()
    job = archive.tools.worklist.claim("first")
    honest = archive.tools.embedder.embed_volume

    def meanwhile(volume):
        if archive.tools.lookups.annotations_of(series) == []:
            archive.put([contours_of(one)])
            archive.seen()
            other = archive.tools.worklist.claim("second")
            assert other.series_uid != series.series_uid
            work_on(other, archive.tools)
        return honest(volume)

    monkeypatch.setattr(archive.tools.embedder, "embed_volume", meanwhile)
    work_on(job, archive.tools)
    assert archive.tools.lookups.series_row(series.series_uid).state is SeriesState.WAITING
    JobLoop(archive.tools, "first").run_until_empty()
    check_once(archive, series)


def test_a_worker_learns_before_its_next_step_that_its_work_is_for_nothing(tmp_path):
    archive = SmallArchive(tmp_path)
    series = archive.put(images_of(phantom("1")))
    archive.seen()
    job = archive.tools.worklist.claim("slow")
    honest = archive.pacs.retrieve_series
    calls = []

    def meanwhile(asked):
        archive.tools.worklist.forget([series.series_uid])
        return honest(asked)

    archive.pacs.retrieve_series = meanwhile
    archive.tools.embedder.embed_volume = lambda volume: calls.append(volume)
    JobLoop(archive.tools, "slow").work(job)
    assert calls == []
    assert archive.tools.lookups.stats().series["image"] == 0
