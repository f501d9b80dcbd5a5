"""The Orthanc that `make run` and the tests start."""

from pathlib import Path

import psutil
import pytest

from similar_cases.demo.orthanc_process import OrthancDidNotStart, OrthancProcess, OrthancSetup, find_executable
from tests.integration.conftest import StartOrthanc
from tests.orthanc_server import CONFIG_DIR, OrthancServer, Version

pytestmark = pytest.mark.orthanc


def test_answers_on_its_own_ports_with_dicomweb(start_orthanc: StartOrthanc, version: Version) -> None:
    orthanc = start_orthanc(version=version)
    system = orthanc.get("/system")
    assert (system["DicomPort"], system["DicomAet"]) == (orthanc.process.dicom_port, orthanc.process.aet)
    assert orthanc.rest.get(f"{orthanc.process.dicomweb_url}/studies", timeout=10).status_code in (200, 204)
    assert "dicom-web" in orthanc.get("/plugins")
    assert "python" not in orthanc.get("/plugins")


def test_restarts_on_the_same_ports_and_storage(plain_orthanc: OrthancServer) -> None:
    process = plain_orthanc.process
    plain_orthanc.rest.put(f"{plain_orthanc.url}/modalities/sender", json=["SENDER", "127.0.0.1", 104], timeout=10)
    address, pid = plain_orthanc.url, process.pid
    process.restart()
    assert plain_orthanc.url == address
    assert plain_orthanc.get("/patients") == []
    assert process.pid != pid
    assert not psutil.pid_exists(pid)


def test_kill_leaves_no_process(plain_orthanc: OrthancServer) -> None:
    pid = plain_orthanc.process.pid
    plain_orthanc.process.kill()
    assert not psutil.pid_exists(pid)
    assert not plain_orthanc.process.is_running


def test_a_start_that_fails_tells_the_end_of_the_log(tmp_path: Path, plain_orthanc: OrthancServer) -> None:
    taken = {"HttpPort": plain_orthanc.process.http_port}
    setup = OrthancSetup(
        folder=tmp_path, config_dir=CONFIG_DIR, overrides=taken, executable=find_executable() or "Orthanc"
    )
    with pytest.raises(OrthancDidNotStart, match="port"):
        OrthancProcess(setup).start()
