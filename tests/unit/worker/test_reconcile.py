"""Following the archive: what came, what changed, what is gone, whatever was missed."""

import time
from pathlib import Path

import pytest
from tests.small_archive import SmallArchive, contours_of, images_of, phantom
from tests.waiting import wait_until

from similar_cases import wire
from similar_cases.domain.case import SeriesState
from similar_cases.domain.errors import PacsUnavailable
from similar_cases.index.presence import Presence
from similar_cases.index.rows import SeriesKind
from similar_cases.jobs.queue import Priority
from similar_cases.worker.loop import JobLoop
from similar_cases.worker.reconcile import CURSOR, ReconcileRules, Reconciliation
from similar_cases.worker.watch import Reconciler


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path)


def orthanc_id(archive: SmallArchive, series) -> str:
    return next(one.orthanc_id for one in archive.feed.all_series() if one.series == series)


def waiting(archive: SmallArchive) -> list:
    jobs = []
    while job := archive.tools.worklist.claim("test"):
        jobs.append(job)
    return jobs


def known(archive: SmallArchive) -> dict:
    return {one.series: one for one in Presence(archive.tools.worklist.catalogue.engine).known()}


def cursor(archive: SmallArchive) -> int | None:
    return Presence(archive.tools.worklist.catalogue.engine).number(CURSOR)


def test_the_first_time_the_whole_archive_is_taken_in_as_backfill(archive):
    series = archive.put(images_of(phantom("1")))
    archive.put([contours_of(phantom("1"))])
    archive.feed.tell("StableSeries", orthanc_id(archive, series))
    assert archive.reconciliation.follow() == 2
    assert [job.priority for job in waiting(archive)] == [Priority.ANNOTATION, Priority.BACKFILL]
    assert cursor(archive) == 1


def test_what_becomes_stable_is_taken_in_once_and_the_cursor_kept_with_it(archive):
    archive.reconciliation.follow()
    series = archive.put(images_of(phantom("1")))
    for kind in ("NewInstance", "NewSeries", "StableSeries", "StableStudy", "StableSeries"):
        archive.feed.tell(kind, orthanc_id(archive, series))
    assert archive.reconciliation.follow() == 1
    assert cursor(archive) == 5
    [job] = waiting(archive)
    assert (job.series_uid, job.priority) == (series.series_uid, Priority.IMAGE)
    assert archive.reconciliation.follow() == 0


def test_a_long_feed_is_read_page_by_page(archive):
    archive.reconciliation.follow()
    all_series = [archive.put(images_of(phantom(str(n), shape=(3, 8, 8)))) for n in range(3)]
    for series in all_series:
        for _ in range(900):
            archive.feed.tell("NewInstance", "x")
        archive.feed.tell("StableSeries", orthanc_id(archive, series))
    assert archive.reconciliation.follow() == 3
    assert cursor(archive) == 2703


def test_a_death_between_reading_and_keeping_loses_nothing(archive, monkeypatch):
    archive.reconciliation.follow()
    series = archive.put(images_of(phantom("1")))
    archive.feed.tell("StableSeries", orthanc_id(archive, series))

    class Death(BaseException):
        pass

    def die(*_arguments):
        raise Death

    monkeypatch.setattr(archive.tools.worklist.catalogue, "set_number", die)
    with pytest.raises(Death):
        archive.reconciliation.follow()
    assert known(archive) == {}, "neither the series nor the cursor"
    monkeypatch.undo()
    assert archive.reconciliation.follow() == 1


def test_a_feed_of_another_database_is_noticed(archive):
    archive.feed.first = 500
    archive.feed.tell("NewInstance", "x")
    archive.reconciliation.follow()
    assert cursor(archive) == 501
    archive.feed.first, archive.feed.lines = 0, []
    archive.put(images_of(phantom("1")))
    assert archive.reconciliation.follow() == 1
    assert cursor(archive) == 0


def test_kinds_are_told_apart(archive):
    archive.put(images_of(phantom("1")))
    archive.put(images_of(phantom("2", modality="PT")))
    archive.put([contours_of(phantom("1"))])
    ours = contours_of(phantom("2"))
    ours.ManufacturerModelName = "Similar Cases"
    archive.put([ours])
    reconciliation = Reconciliation(archive.feed, archive.tools.worklist, ("CT",))
    reconciliation.compare()
    kinds = sorted(one.kind for one in known(archive).values())
    assert kinds == [SeriesKind.ANNOTATION, SeriesKind.IMAGE, SeriesKind.OTHER, SeriesKind.OURS]
    assert len(waiting(archive)) == 2


def test_a_comparison_finds_what_the_feed_never_told(archive):
    archive.reconciliation.follow()
    images = images_of(phantom("1"))
    series, gone = archive.put(images[:-1]), archive.put(images_of(phantom("2")))
    coming = archive.put(images_of(phantom("3")))
    archive.feed.unstable.add(orthanc_id(archive, coming))
    assert archive.reconciliation.compare() == 2
    JobLoop(archive.tools, "test").run_until_empty()
    assert archive.reconciliation.compare() == 0
    archive.put(images)
    archive.take_away(gone)
    assert archive.reconciliation.compare() == 2
    assert set(known(archive)) == {series}
    assert [job.series_uid for job in waiting(archive)] == [series.series_uid]


def test_a_series_that_is_still_coming_is_not_taken_for_gone(archive):
    series = archive.put(images_of(phantom("1")))
    archive.seen()
    archive.feed.unstable.add(orthanc_id(archive, series))
    archive.reconciliation.compare()
    assert set(known(archive)) == {series}


def test_what_a_listing_missed_is_asked_for_before_it_is_forgotten(archive, monkeypatch):
    series = archive.put(images_of(phantom("1")))
    archive.seen()
    monkeypatch.setattr(archive.feed, "all_series", lambda: iter(()))
    monkeypatch.setattr(archive.feed, "exists", lambda _level, _orthanc_id: True)
    archive.reconciliation.compare()
    assert set(known(archive)) == {series}


def test_orthanc_that_died_before_it_called_a_series_stable(archive):
    archive.reconciliation = Reconciliation(archive.feed, archive.tools.worklist, ("CT",), settle_seconds=0.0)
    archive.reconciliation.follow()
    series = archive.put(images_of(phantom("1")))
    archive.feed.unstable.add(orthanc_id(archive, series))
    archive.feed.tell("NewSeries", orthanc_id(archive, series))
    assert archive.reconciliation.follow() == 0
    archive.feed.unstable.clear()  # it was restarted, and has forgotten that the series was to become stable
    assert archive.reconciliation.follow() == 1
    assert archive.reconciliation.follow() == 0
    assert len(waiting(archive)) == 1


@pytest.mark.parametrize("level", ["series", "study", "patient"])
def test_a_deletion_at_any_level_is_gone_from_the_catalogue(archive, level):
    gone, kept = archive.put(images_of(phantom("1"))), archive.put(images_of(phantom("2")))
    archive.seen()
    JobLoop(archive.tools, "test").run_until_empty()
    row = known(archive)[gone]
    orthanc_ids = {
        "series": row.series_orthanc_id,
        "study": row.study_orthanc_id,
        "patient": row.patient_orthanc_id,
    }
    assert archive.reconciliation.forget_deleted(level, orthanc_ids[level]) == 0, "it is there still"
    archive.take_away(gone)
    assert archive.reconciliation.forget_deleted(level, orthanc_ids[level]) == 1
    assert set(known(archive)) == {kept}
    assert archive.reconciliation.forget_deleted(level, orthanc_ids[level]) == 0


def test_of_a_study_that_lost_one_series_only_that_one_is_forgotten(archive):
    one = archive.put(images_of(phantom("1")))
    other = archive.put(images_of(phantom("1", series_key="2")))
    archive.seen()
    study = known(archive)[one].study_orthanc_id
    archive.take_away(one)
    assert archive.reconciliation.forget_deleted("study", study) == 1
    assert set(known(archive)) == {other}


def test_a_deleted_series_takes_its_running_job_along(archive):
    series = archive.put(images_of(phantom("1")))
    archive.put([contours_of(phantom("1"))])
    archive.seen()
    worklist, calls = archive.tools.worklist, []

    def deleted_meanwhile(retrieve=archive.pacs.retrieve_series):
        def act(asked):
            found = retrieve(asked)
            if asked == series and not calls:
                calls.append(archive.take_away(series))
                archive.reconciliation.forget_deleted("series", calls[0])
            return found

        return act

    archive.pacs.retrieve_series = deleted_meanwhile()
    JobLoop(archive.tools, "test").run_until_empty()
    assert calls
    assert series not in known(archive)
    assert worklist.working() == []
    assert archive.tools.lookups.stats().results == 0


@pytest.fixture
def reconciler(archive):
    rules = ReconcileRules(every_seconds=60.0, recount_seconds=0.2)
    one = Reconciler(archive.feed, archive.tools.worklist, rules)
    one.start()
    wait_until(lambda: cursor(archive) is not None)
    yield one
    one.stop()


def test_a_nudge_is_followed_at_once(archive, reconciler):
    series = archive.put(images_of(phantom("1")))
    archive.feed.tell("StableSeries", orthanc_id(archive, series))
    reconciler.nudge(wire.Nudge("stable", "series", orthanc_id(archive, series)))
    wait_until(lambda: series in known(archive))


def test_a_deletion_is_gone_within_a_second(archive, reconciler):
    series = [archive.put(images_of(phantom(str(number)))) for number in range(3)]
    archive.reconciliation.compare()
    seconds = []
    for one in series:
        gone = archive.take_away(one)
        started = time.monotonic()
        reconciler.nudge(wire.Nudge("deleted", "series", gone))
        wait_until(lambda one=one: one not in known(archive))
        seconds.append(time.monotonic() - started)
    assert min(seconds) < 1.0, "of three, so that other work on this machine does not decide"


def test_a_deleted_instance_makes_the_series_be_counted_again(archive, reconciler):
    images = images_of(phantom("1"))
    series = archive.put(images)
    archive.reconciliation.compare()
    (archive.dicom / series.series_uid / f"{images[0].SOPInstanceUID}.dcm").unlink()
    reconciler.nudge(wire.Nudge("deleted", "instance", "x"))
    wait_until(lambda: known(archive)[series].instance_count == len(images) - 1)


def test_an_archive_that_is_away_is_told_once_and_compared_when_it_is_back(archive, reconciler, caplog):
    caplog.set_level("INFO")
    series = archive.put(images_of(phantom("1")))
    archive.reconciliation.compare()
    gone = archive.take_away(series)
    archive.feed.is_away = True
    for _ in range(20):
        reconciler.nudge(wire.Nudge("deleted", "series", gone))
        reconciler.nudge(wire.Nudge("stable", "series", "x"))
        time.sleep(0.02)
    assert series in known(archive)
    archive.feed.is_away = False
    wait_until(lambda: series not in known(archive))
    assert len([one for one in caplog.records if one.levelname == "WARNING"]) <= 2
    assert "Traceback" not in caplog.text


def test_a_defect_does_not_end_the_watch(archive, reconciler, monkeypatch, caplog):
    honest = archive.feed.changes

    def defect(*_arguments, **_named):
        raise KeyError("Seq")

    monkeypatch.setattr(archive.feed, "changes", defect)
    reconciler.nudge(wire.Nudge("stable", "series", "x"))
    wait_until(lambda: "unexpected KeyError" in caplog.text)
    monkeypatch.setattr(archive.feed, "changes", honest)
    series = archive.put(images_of(phantom("1")))
    archive.feed.tell("StableSeries", orthanc_id(archive, series))
    wait_until(lambda: series in known(archive))


def test_an_away_archive_is_an_error_for_who_asks_directly(archive):
    archive.feed.is_away = True
    with pytest.raises(PacsUnavailable):
        archive.reconciliation.follow()


def test_states_follow_the_jobs(archive):
    series = archive.put(images_of(phantom("1")))
    archive.seen()
    assert known(archive)[series].state is SeriesState.WAITING
    job = archive.tools.worklist.claim("test")
    assert known(archive)[series].state is SeriesState.WORKING
    JobLoop(archive.tools, "test").work(job)
    assert known(archive)[series].state is SeriesState.INDEXED
