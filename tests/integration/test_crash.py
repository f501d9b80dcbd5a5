"""kill -9 of the worker, of its job process and of Orthanc at any moment: afterwards everything is indexed, once."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import psutil
import pytest
from pydicom import Dataset, dcmwrite

from similar_cases import wire
from similar_cases.demo.annotations import segmentation_of
from similar_cases.demo.orthanc_process import free_ports
from similar_cases.demo.phantoms import lesion_mask, phantom_archive, phantom_series
from similar_cases.domain.case import SeriesState
from similar_cases.domain.description import Level
from similar_cases.index.database import open_engine, sqlite_url
from similar_cases.index.lookups import Lookups
from tests.orthanc_server import ONLY_ANNOTATED, OrthancServer

pytestmark = pytest.mark.orthanc
TOKEN = "a token of the tests"
PHANTOMS = 6
#: others may use this machine
_DEADLINE_SECONDS = 900.0


class Worker:
    """``similar-cases serve`` as processes of its own, that can be killed in every way."""

    def __init__(self, folder: Path, port: int, orthanc_url: str) -> None:
        self._log = folder / "worker.log"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SIMILAR_CASES_")},
            wire.ENV_TOKEN: TOKEN,
            wire.ENV_PORT: str(port),
            wire.ENV_ORTHANC_URL: orthanc_url,
            wire.ENV_DATA_DIR: str(folder / "data"),
            "SIMILAR_CASES_WORKER__RECONCILE_SECONDS": "2",
            **ONLY_ANNOTATED,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "similar_cases.cli", "serve"]
            self._process = subprocess.Popen(
                command, env=self._environment, stderr=log, start_new_session=True, cwd="plugin"
            )

    def kill(self, how: str) -> None:
        """Kill the parent alone (its child must follow), both at once, or the child alone (which comes again)."""
        assert self._process is not None
        children = psutil.Process(self._process.pid).children()
        if how == "child":
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            return
        if how == "both":
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        _, alive = psutil.wait_procs(children, timeout=60)
        assert not alive, "a job process outlived its parent"

    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""


def as_bytes(instance: Dataset) -> bytes:
    buffer = BytesIO()
    dcmwrite(buffer, instance, enforce_file_format=True)
    return buffer.getvalue()


def studies() -> Iterator[list[Dataset]]:
    for phantom in phantom_archive(PHANTOMS, seed=3):
        images = phantom_series(phantom)
        yield [*images, segmentation_of(images, lesion_mask(phantom), str(phantom.kind))]


@pytest.fixture
def worker(tmp_path: Path, start_orthanc) -> Iterator[tuple[Worker, OrthancServer]]:
    port, http_port, dicom_port = free_ports(3)
    url = f"http://127.0.0.1:{port}"
    ports = {"HttpPort": http_port, "DicomPort": dicom_port}
    orthanc = start_orthanc(worker="external", worker_url=url, token=TOKEN, overrides=ports)
    one = Worker(tmp_path, port, orthanc.url)
    one.start()
    yield one, orthanc
    one.kill("both")


def upload(orthanc: OrthancServer) -> None:
    for instances in studies():
        orthanc.upload_all(as_bytes(instance) for instance in instances)


def wait_until_indexed(folder: Path, worker: Worker, images: int) -> Lookups:
    lookups = Lookups(open_engine(sqlite_url(folder / "data")))
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while True:
        stats = lookups.stats()
        indexed = stats.states[SeriesState.INDEXED]
        if indexed == 2 * images and sum(stats.states.values()) == indexed and stats.cases[Level.REGION] == images:
            return lookups
        reasons = [row.reason for row in lookups.series_rows(SeriesState.FAILED)]
        assert time.monotonic() < deadline, f"{stats.states} {reasons}\n{worker.log()[-4000:]}"
        time.sleep(0.3)


def check_everything_is_there_once(folder: Path, worker: Worker, orthanc: OrthancServer) -> None:
    lookups = wait_until_indexed(folder, worker, PHANTOMS)
    ours = Counter()
    for series in orthanc.get("/series?expand"):
        if series["MainDicomTags"]["Modality"] in ("SEG", "SR"):
            instance = series["Instances"][0]
            model = orthanc.rest.get(f"{orthanc.url}/instances/{instance}/content/0008-1090", timeout=30).text
            if model.strip(" \0") == "Similar Cases":
                ours[series["MainDicomTags"]["Modality"]] += len(series["Instances"])
    assert ours == {"SEG": PHANTOMS, "SR": PHANTOMS}
    assert lookups.stats().results == 2 * PHANTOMS
    assert "Traceback" not in worker.log()


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_worker_is_killed_again_and_again(tmp_path, worker, seed):
    one, orthanc = worker
    chance = random.Random(seed)
    upload(orthanc)
    for turn in range(4 if seed == 1 else 10):
        time.sleep(chance.uniform(2.0, 9.0))
        how = ("both", "parent", "child")[turn % 3]
        one.kill(how)
        if how != "child":
            one.start()
    check_everything_is_there_once(tmp_path, one, orthanc)


def test_orthanc_is_killed_three_times(tmp_path, worker):
    one, orthanc = worker
    chance = random.Random(7)
    upload(orthanc)
    for _ in range(3):
        time.sleep(chance.uniform(2.0, 8.0))
        orthanc.process.kill()
        time.sleep(chance.uniform(0.1, 2.0))
        orthanc.process.start()
    check_everything_is_there_once(tmp_path, one, orthanc)
