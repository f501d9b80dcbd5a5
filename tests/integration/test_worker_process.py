"""The worker as a process: it listens, knows its token, and takes its job process along however it ends."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from similar_cases import wire
from similar_cases.demo.orthanc_process import free_ports
from tests.processes import is_alive
from tests.waiting import PATIENCE_SECONDS, wait_until


def status(url: str, token: str = "") -> int:
    try:
        request = urllib.request.Request(url, headers={wire.TOKEN_HEADER: token})
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


@pytest.fixture
def worker(tmp_path):
    """A worker whose archive is away, and its log."""
    [port] = free_ports(1)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIMILAR_CASES_")}
    environment |= {
        wire.ENV_TOKEN: "t",
        wire.ENV_PORT: str(port),
        wire.ENV_ORTHANC_URL: "http://127.0.0.1:9",
        wire.ENV_DATA_DIR: str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[3] / "plugin"),
    }
    log = (tmp_path / "log").open("wb")
    command = [sys.executable, "-m", "similar_cases.cli", "serve", wire.FLAG_STAY_WITH_PARENT]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=log)
    process.url = f"http://127.0.0.1:{port}/similar-cases"
    process.log = tmp_path / "log"
    yield process
    process.kill()
    process.stdin.close()
    process.wait()
    log.close()


def job_process_of(worker) -> psutil.Process:
    return wait_until(lambda: next(iter(psutil.Process(worker.pid).children()), None))


@pytest.mark.parametrize("ending", ["stdin", signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=str)
def test_the_worker_answers_and_its_job_process_ends_with_it(worker, ending):
    wait_until(lambda: status(f"{worker.url}/health") == 200)
    assert status(f"{worker.url}/status") == 401
    assert status(f"{worker.url}/status", "t") == 200
    child = job_process_of(worker)
    if ending == "stdin":
        worker.stdin.close()
    else:
        worker.send_signal(ending)
    worker.wait(PATIENCE_SECONDS)
    wait_until(lambda: not is_alive(child.pid))
    log = worker.log.read_text()
    assert "Traceback" not in log
