"""Objects made to break readers, very long series, and files that rot on Orthanc's disk."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from similar_cases import wire
from similar_cases.pacs.dimse import send
from tests import phantoms
from tests.integration.archive_client import ArchiveClient, archive, wait_until
from tests.integration.conftest import require
from tests.integration.figures import tell
from tests.orthanc_server import orthanc_server

pytestmark = pytest.mark.orthanc
#: Modality (0008,0060) of a CT, explicit VR
_CT = b"\x08\x00\x60\x00CS\x02\x00CT"


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., ArchiveClient]]:
    """A function that starts an archive; it ends with the test."""
    require("debian", request.config)
    with ExitStack() as running:
        yield lambda **options: running.enter_context(archive(tmp_path / "orthanc", **options))


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / f"{name}.dcm"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("modality", [b"CT", b"SR"])
def test_a_deep_nesting_that_orthanc_takes_is_refused_by_us(start: Any, tmp_path: Path, modality: bytes) -> None:
    """Orthanc's own parser would overflow its stack: nothing of ours may make it look into the file."""
    running = start()
    content = phantoms.raw_objects()["nested-bomb-defined"].replace(_CT, _CT.replace(b"CT", modality))
    bomb = written(tmp_path, "bomb", content)
    assert not running.send([bomb, *phantoms.series("beside-a-bomb")]).failures
    pid = running.server.process.pid
    running.wait_until_settled()
    states = {uid: (row["state"], row.get("reason", "")) for uid, row in running.series().items()}
    state, reason = states.pop(phantoms.series_uid("nested-bomb"))
    assert state == "refused"
    assert "nest" in reason
    assert states == {phantoms.series_uid("beside-a-bomb"): ("indexed", "")}
    assert running.server.process.pid == pid
    assert running.server.process.is_running
    running.assert_quiet_logs("PHANTOM-")


def test_what_brings_orthanc_down_loses_nothing_of_ours(start: Any, tmp_path: Path) -> None:
    """Orthanc's own parser overflows its stack on 20 000 levels, with or without a plugin: it must be started again."""
    running = start()
    running.send(phantoms.series("before"))
    running.wait_until_settled()
    bomb = written(tmp_path, "bomb", phantoms.nested_bomb())
    assert running.send([bomb]).sent == 0
    wait_until(lambda: not running.server.process.is_running, "Orthanc is down")
    running.server.process.start()
    running.wait_until_ready()
    running.send(phantoms.series("after"))
    running.wait_until_settled()
    states = {uid: row["state"] for uid, row in running.images().items()}
    assert states == dict.fromkeys((phantoms.series_uid("before"), phantoms.series_uid("after")), "indexed")
    running.assert_quiet_logs("PHANTOM-")


def test_a_file_that_ends_too_early_never_arrives(start: Any, tmp_path: Path) -> None:
    running = start()
    cut = written(tmp_path, "cut", phantoms.truncated_file())
    report = send([cut], replace(running.address, timeout_seconds=2))
    assert (report.sent, len(report.failures)) == (0, 1)
    assert (
        running.server.rest.post(f"{running.server.url}/instances", data=cut.read_bytes(), timeout=30).status_code
        == 400
    )
    assert running.server.get("/series") == []
    running.assert_quiet_logs("PHANTOM-")


def test_a_file_that_was_cut_off_on_orthancs_disk_is_told_with_its_reason(start: Any, tmp_path: Path) -> None:
    folder = tmp_path / "orthanc"
    folder.mkdir()
    with orthanc_server(folder) as alone:
        send(phantoms.series("rotten"), ArchiveClient(alone, folder).address)
    # Orthanc keeps what came lately in memory too: the file is cut off while nobody runs
    files = [path for path in (folder / "storage").rglob("*") if path.is_file()]
    images = sorted(path for path in files if path.read_bytes()[128:132] == b"DICM")
    assert len(images) == 12
    with images[3].open("r+b") as file:
        file.truncate(1500)
    running = start(environment={"SIMILAR_CASES_WORKER__ATTEMPTS": "1"})
    running.wait_until_settled()
    [row] = running.images().values()
    assert row["state"] in ("refused", "failed")
    assert row["reason"]
    running.assert_quiet_logs("PHANTOM-")


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_series_of_very_many_instances(start: Any, count: int) -> None:
    running = start()
    assert not running.send(phantoms.many_instances(count)).failures
    running.wait_until_settled()
    [row] = running.images().values()
    assert (row["state"], row["instances"]) == ("indexed", count)
    tell(f"{count} instances", timings=row["timings"], peak=running.worker_peak_mib())
    assert running.get(wire.ROUTE_STATUS)["states"]["failed"] == 0
    running.assert_quiet_logs("PHANTOM-")
