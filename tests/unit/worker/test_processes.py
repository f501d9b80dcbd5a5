"""The job process: started, started again, ended in time, and never left behind. Real processes, no mocks."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.processes import is_alive
from tests.waiting import wait_until

from similar_cases.domain.case import SeriesState
from similar_cases.domain.references import SeriesRef
from similar_cases.index.catalogue import Catalogue
from similar_cases.index.database import open_engine, sqlite_url
from similar_cases.index.lookups import Lookups
from similar_cases.index.rows import SeriesKind, SeriesSighting
from similar_cases.jobs.queue import JobQueue, Policy
from similar_cases.pipeline.worklist import Worklist
from similar_cases.worker.identity import dead_workers, worker_id
from similar_cases.worker.supervise import ChildRules, Supervisor

SERIES = SeriesRef("1.2", "1.2.3")
#: claims the job and does what the test says, in a process of its own, as `similar-cases work` does
CHILD = """
import os, sys, time
from pathlib import Path
sys.path[:0] = ["plugin", "."]
from tests.unit.worker.test_processes import open_worklist
from similar_cases.pipeline.outcomes import Unchanged
from similar_cases.worker.identity import worker_id
from similar_cases.worker.stay import end_with_parent
worklist = open_worklist(Path(sys.argv[1]))
end_with_parent(lambda: worklist.bury([worker_id()], "told to stop", counted=False))
while True:
    job = worklist.claim(worker_id())
    if job is None:
        time.sleep(0.05)
    elif sys.argv[2] == "crash":
        os.abort()
    elif sys.argv[2] == "hang":
        time.sleep(600)
    else:
        worklist.finish(job, Unchanged())
"""


def open_worklist(folder: Path) -> Worklist:
    policy = Policy(attempts=2, first_delay_seconds=0.0)
    worklist = Worklist(Catalogue(open_engine(sqlite_url(folder))), JobQueue(policy))
    worklist.create()
    return worklist


@pytest.fixture
def worklist(tmp_path: Path) -> Worklist:
    one = open_worklist(tmp_path)
    one.take_in([SeriesSighting(series=SERIES, kind=SeriesKind.IMAGE, modality="CT", instance_count=1)])
    return one


def state(worklist: Worklist) -> SeriesState:
    return Lookups(worklist.catalogue.engine).series_row(SERIES.series_uid).state


@pytest.fixture
def supervised(tmp_path, worklist):
    started = []

    def start(act: str, **rules) -> Supervisor:
        command = (sys.executable, "-c", CHILD, str(tmp_path), act)
        supervisor = Supervisor(ChildRules(command=command, **rules), worklist)
        supervisor.start()
        started.append(supervisor)
        return supervisor

    yield start
    for supervisor in started:
        supervisor.stop()


def test_the_child_works_at_low_priority_and_ends_with_its_parent(worklist, supervised):
    supervisor = supervised("work", niceness=7)
    wait_until(lambda: state(worklist) is SeriesState.INDEXED)
    pid = supervisor.pid
    assert os.getpriority(os.PRIO_PROCESS, pid) == 7
    assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "500"
    supervisor.stop()
    assert supervisor.pid is None
    assert not Path(f"/proc/{pid}").exists()


def test_a_child_that_is_killed_is_started_again_and_the_job_with_it(worklist, supervised, tmp_path):
    supervisor = supervised("hang")
    wait_until(lambda: state(worklist) is SeriesState.WORKING)
    first = supervisor.pid
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: any(one.attempts == 2 for one in worklist.working()))
    assert supervisor.pid != first


def test_a_job_that_kills_its_process_every_time_is_given_up_with_the_reason(worklist, supervised):
    supervised("crash")
    wait_until(lambda: state(worklist) is SeriesState.FAILED)
    row = Lookups(worklist.catalogue.engine).series_row(SERIES.series_uid)
    assert row.attempts == 2
    assert "ended without a word" in row.reason


def test_a_job_over_its_time_is_ended_with_its_process(worklist, supervised):
    supervised("hang", job_time_limit_seconds=0.3)
    wait_until(lambda: state(worklist) is SeriesState.FAILED)
    assert "longer than the limit" in Lookups(worklist.catalogue.engine).series_row(SERIES.series_uid).reason


def test_an_orderly_stop_costs_no_attempt(worklist, supervised):
    supervisor = supervised("hang")
    wait_until(lambda: state(worklist) is SeriesState.WORKING)
    supervisor.stop()
    assert worklist.working() == []
    assert state(worklist) is SeriesState.WAITING
    assert worklist.claim("test").attempts == 1


def test_a_killed_parent_leaves_no_child_and_costs_no_attempt(worklist, tmp_path):
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            "child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)\n"
            "print(child.pid, flush=True)\n"
            "time.sleep(600)",
            *(sys.executable, "-c", CHILD, str(tmp_path), "hang"),
        ],
        stdout=subprocess.PIPE,
    )
    child = int(parent.stdout.readline())
    wait_until(lambda: state(worklist) is SeriesState.WORKING)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not is_alive(child))
    wait_until(lambda: state(worklist) is SeriesState.WAITING)
    assert worklist.claim("test").attempts == 1


def test_what_the_dead_of_an_earlier_life_were_at_is_put_back_at_once(worklist, supervised):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    worklist.claim(worker_id(gone.pid))
    supervised("work")
    wait_until(lambda: state(worklist) is SeriesState.INDEXED)


def test_only_own_processes_are_taken_for_dead():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = [worker_id(), worker_id(gone.pid), worker_id(1), f"elsewhere:{gone.pid}", "cli"]
    assert dead_workers(names) == {worker_id(gone.pid)}
