"""Jobs and states together: neither without the other, and each job for one worker."""

import threading
from collections import Counter
from pathlib import Path

import pytest
from tests.case_samples import sample, series

from similar_cases.domain.case import SeriesState
from similar_cases.domain.errors import InvalidRequest, NotFound
from similar_cases.index.catalogue import Catalogue
from similar_cases.index.database import open_engine, sqlite_url
from similar_cases.index.lookups import Lookups
from similar_cases.index.rows import IndexedSeries, SeriesKind, SeriesSighting
from similar_cases.jobs.queue import JobQueue, Policy, Priority
from similar_cases.pipeline.outcomes import GivenUp, Gone, Indexed, Linked, Postponed, TurnedDown, Unchanged
from similar_cases.pipeline.worklist import Worklist


def open_worklist(folder: Path) -> Worklist:
    policy = Policy(attempts=2, first_delay_seconds=0.0)
    worklist = Worklist(Catalogue(open_engine(sqlite_url(folder))), JobQueue(policy))
    worklist.create()
    return worklist


@pytest.fixture
def worklist(tmp_path: Path) -> Worklist:
    return open_worklist(tmp_path)


def sighting(number: int, kind: SeriesKind = SeriesKind.IMAGE) -> SeriesSighting:
    return SeriesSighting(series=series(number), kind=kind, modality="CT", instance_count=1)


def row(worklist: Worklist, number: int):
    return Lookups(worklist.catalogue.engine).series_row(series(number).series_uid)


def indexed(number: int) -> Indexed:
    cases = (sample(series(number)),)
    return Indexed(IndexedSeries(series=series(number), content_key="k", pipeline="p", cases=cases))


@pytest.mark.parametrize(
    ("outcome", "state", "reason"),
    [
        (indexed(1), SeriesState.INDEXED, ""),
        (Unchanged(), SeriesState.INDEXED, ""),
        (Linked(frozenset({"1.2.77.1"})), SeriesState.INDEXED, ""),
        (TurnedDown("one slice"), SeriesState.REFUSED, "one slice"),
        (GivenUp("no"), SeriesState.FAILED, "no"),
        (Postponed("later"), SeriesState.WAITING, "later"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_ending_leaves_its_state(worklist, outcome, state, reason):
    worklist.take_in([sighting(1)])
    assert worklist.finish(worklist.claim("w"), outcome)
    assert (row(worklist, 1).state, row(worklist, 1).reason, row(worklist, 1).attempts) == (state, reason, 1)
    assert (worklist.claim("w") is None) is (state is not SeriesState.WAITING)


@pytest.mark.parametrize("outcome", [indexed(1), TurnedDown("x"), GivenUp("x"), Postponed("x")], ids=str)
def test_news_meanwhile_make_it_wait_again_whatever_came_of_it(worklist, outcome):
    worklist.take_in([sighting(1)])
    job = worklist.claim("w")
    worklist.take_in([sighting(1)])
    assert row(worklist, 1).state is SeriesState.WORKING
    worklist.finish(job, outcome)
    assert row(worklist, 1).state is SeriesState.WAITING
    assert worklist.claim("w").attempts == 1


def test_what_is_gone_is_forgotten(worklist):
    worklist.take_in([sighting(1)])
    worklist.finish(worklist.claim("w"), Gone())
    with pytest.raises(NotFound):
        row(worklist, 1)


def test_only_images_and_annotations_have_jobs(worklist):
    worklist.take_in([sighting(number, kind) for number, kind in enumerate(SeriesKind)])
    claimed = []
    while job := worklist.claim("w"):
        claimed.append(job.priority)
    assert claimed == [Priority.ANNOTATION, Priority.IMAGE]
    states = [row(worklist, number).state for number, kind in enumerate(SeriesKind)]
    assert states == [SeriesState.WORKING, SeriesState.WORKING, None, None]


def test_a_link_asks_for_the_images_that_are_known_before_and_after(worklist):
    worklist.take_in([sighting(1), sighting(2), sighting(9, SeriesKind.ANNOTATION)])
    for number in (9, 1, 2):
        outcome = Linked(frozenset({series(1).series_uid})) if number == 9 else indexed(number)
        worklist.finish(worklist.claim("w", series(number).series_uid), outcome)
    assert worklist.claim("w") is None
    worklist.take_in([sighting(9, SeriesKind.ANNOTATION)])
    worklist.finish(worklist.claim("w"), Linked(frozenset({series(2).series_uid, "1.2.99"})))
    assert {worklist.claim("w").series_uid for _ in range(2)} == {series(1).series_uid, series(2).series_uid}


def test_retrying_is_for_what_is_known_and_has_jobs(worklist):
    worklist.take_in([sighting(1), sighting(2, SeriesKind.OURS)])
    worklist.finish(worklist.claim("w"), indexed(1))
    worklist.retry(series(1).series_uid)
    assert (row(worklist, 1).state, row(worklist, 1).content_key) == (SeriesState.WAITING, "")
    assert worklist.claim("w").priority is Priority.HURRY
    with pytest.raises(NotFound):
        worklist.retry("1.2.3.4")
    with pytest.raises(InvalidRequest):
        worklist.retry(series(2).series_uid)
    assert worklist.hurry(series(1).series_uid)
    assert not worklist.hurry(series(2).series_uid)


def test_ending_in_the_middle_of_taking_in_leaves_neither_state_nor_job(worklist):
    with pytest.raises(AttributeError):
        worklist.take_in([sighting(1), None])
    assert worklist.claim("w") is None
    with pytest.raises(NotFound):
        row(worklist, 1)


def test_many_workers_share_the_jobs_and_none_is_done_twice(tmp_path, worklist):
    worklist.take_in([sighting(number) for number in range(40)])
    done: list[str] = []

    def work(name: str) -> None:
        own = open_worklist(tmp_path)
        while job := own.claim(name):
            assert own.finish(job, Unchanged())
            done.append(job.series_uid)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(done) == Counter(series(number).series_uid for number in range(40))
