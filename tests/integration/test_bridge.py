"""The bridge in real Orthancs, both versions, with a stand-in for the worker: what it is promised is HTTP."""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from pydicom import dcmread
from pynetdicom import AE

from similar_cases import wire
from similar_cases.demo.orthanc_process import OrthancDidNotStart
from tests.bridge_doubles import wait_until
from tests.integration.conftest import StartOrthanc
from tests.integration.samples import tiny_instances
from tests.orthanc_server import FORKY, OrthancServer, Version, orthanc_server

FAKE = Path(__file__).parents[1] / "fake_worker.py"
TIMEOUT_SECONDS = 2


def fake_command(version: Version) -> list[str]:
    """Return the command of the stand-in, by the Python that the version's own machine has."""
    if version == "debian":
        return ["/usr/bin/python3", str(FAKE)]
    shutil.copy(FAKE, FORKY / "srv")
    return ["/usr/bin/python3", "/srv/fake_worker.py"]


def section_of(version: Version) -> dict[str, Any]:
    return {"WorkerCommand": fake_command(version), "TimeoutSeconds": TIMEOUT_SECONDS}


@pytest.fixture
def start(start_orthanc: StartOrthanc, version: Version) -> Callable[..., OrthancServer]:
    """Starts an Orthanc with the bridge and an embedded stand-in that is ready."""

    def started(auth: tuple[str, str] | None = None, **options: Any) -> OrthancServer:
        orthanc = start_orthanc(version=version, worker="embedded", section=section_of(version), **options)
        orthanc.rest.auth = auth
        wait_until(lambda: ask(orthanc, "/health").status_code == 200, 15)
        return orthanc

    return started


@pytest.fixture
def orthanc(start: Callable[..., OrthancServer]) -> OrthancServer:
    """An Orthanc that the test may do to what it likes."""
    return start()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, version: Version) -> Iterator[OrthancServer]:
    """An Orthanc that no test harms."""
    folder = tmp_path_factory.mktemp("shared")
    with orthanc_server(folder, version=version, worker="embedded", section=section_of(version)) as server:
        # the rehearsal is over when an argument arrives as it was meant; until then it is forwarded by guess
        wait_until(lambda: ask(server, "/echo?a=%2541").json().get("query") == {"a": ["%41"]}, 15)
        yield server


def ours(orthanc: OrthancServer, route: str) -> str:
    return f"{orthanc.url}{wire.DEFAULT_PREFIX}{route}"


def ask(orthanc: OrthancServer, route: str, method: str = "GET", **options: Any) -> requests.Response:
    return orthanc.rest.request(method, ours(orthanc, route), timeout=60, **options)


def seen(orthanc: OrthancServer) -> dict[str, Any]:
    answer: dict[str, Any] = ask(orthanc, "/seen").json()
    return answer


def nudges(orthanc: OrthancServer, kind: str, level: str) -> dict[str, float]:
    """When each resource's nudge came."""
    came = seen(orthanc)["nudges"]
    return {one["orthancId"]: one["at"] for one in came if (one["kind"], one["level"]) == (kind, level)}


class TestForwarding:
    """What goes through."""

    def test_everything_that_the_caller_sent_arrives(self, shared: OrthancServer, version: Version) -> None:
        body = os.urandom(3_000_000)
        headers = {"Accept": "application/dicom+json", "Content-Type": "image/x-mask", "If-None-Match": '"7"'}
        told = ask(shared, "/echo/a", "POST", data=body, headers=headers).json()
        assert (told["method"], told["length"], told["body"]) == ("POST", len(body), hashlib.sha256(body).hexdigest())
        assert {name.title(): told["headers"][name.lower()] for name in headers} == headers
        for method in ("PUT", "DELETE"):
            assert ask(shared, "/echo", method).json()["method"] == method

    def test_queries_arrive_as_they_were_meant(self, shared: OrthancServer) -> None:
        meant = {
            "PatientName": "Müller^Jörg 李",
            "StudyDate": "20200101-20201231",
            "p": "50%",
            "q": "a+b=c/d?",
            "e": "",
        }
        told = ask(shared, "/echo", params=meant).json()
        assert told["query"] == {name: [value] for name, value in meant.items()}

    def test_paths_arrive_as_they_were_meant(self, shared: OrthancServer) -> None:
        assert ask(shared, "/echo/a%20b/%C3%A4%3Fc").json()["target"] == "/similar-cases/echo/a%20b/%C3%A4%3Fc"
        assert ask(shared, "").text == ask(shared, "/").text
        assert "StudyInstanceUIDs=1.2" in ask(shared, "/?StudyInstanceUIDs=1.2").text

    @pytest.mark.parametrize("status", [200, 202, 204, 304, 400, 404, 406, 413, 500, 503])
    def test_statuses_are_kept(self, shared: OrthancServer, status: int) -> None:
        answer = ask(shared, f"/status/{status}")
        assert answer.status_code == status
        assert answer.headers["ETag"] == '"1"'
        assert answer.headers["Warning"] == '299 - "partial"'
        if status not in (204, 304):
            assert answer.json() == {"status": status, "name": "Jürgen"}

    def test_statuses_that_orthanc_cannot_say_do_not_hang_up(self, shared: OrthancServer) -> None:
        said = {status: ask(shared, f"/status/{status}").status_code for status in (405, 418, 429, 431)}
        assert said == {405: 405, 418: 400, 429: 503, 431: 400}

    def test_one_content_type_and_the_headers_that_matter(self, shared: OrthancServer, version: Version) -> None:
        answer = ask(shared, "/headers")
        assert answer.headers["Content-Security-Policy"] == "default-src 'self'"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="a.csv"'
        assert answer.headers["Content-Type"] == "text/html"
        expected = {"debian": "application/json", "forky": "text/plain"}  # 1.13.0 types a status with a body itself
        assert ask(shared, "/status/404").headers["Content-Type"] == expected[version]

    @pytest.mark.parametrize("how", ["length", "chunked"])
    def test_fifty_megabytes(self, shared: OrthancServer, how: str) -> None:
        answer = ask(shared, f"/bytes/50000000?how={how}")
        assert len(answer.content) == 50_000_000
        assert answer.content[:256] == bytes(range(256))

    def test_an_answer_that_was_cut_off_is_no_success(self, shared: OrthancServer) -> None:
        try:
            answer = ask(shared, "/bytes/5000000?how=short")
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            return
        assert answer.status_code == 503

    def test_the_user_is_told_and_the_worker_can_read(self, start: Callable[..., OrthancServer]) -> None:
        users = {"AuthenticationEnabled": True, "RegisteredUsers": {"alice": "secret"}}
        orthanc = start(("alice", "secret"), overrides=users)
        told = ask(orthanc, "/echo", headers={"X-Similar-Cases-User": "mallory"}).json()
        assert told["headers"]["x-similar-cases-user"] == "alice"
        assert "authorization" not in told["headers"]
        wait_until(lambda: ask(orthanc, "/echo?a=%2541").json()["query"] == {"a": ["%41"]}, 15)  # it let itself in
        environment = seen(orthanc)["environment"]
        orthanc.rest.auth = None
        assert ask(orthanc, "/echo").status_code == 401
        url, authorization = environment[wire.ENV_ORTHANC_URL], environment[wire.ENV_ORTHANC_AUTHORIZATION]
        assert orthanc.rest.get(f"{url}/changes", timeout=5).status_code == 401
        for route in ("/changes", "/dicom-web/studies"):
            answer = orthanc.rest.get(url + route, headers={"Authorization": authorization}, timeout=5)
            assert answer.status_code in (200, 204), route


class TestNudges:
    """What the worker is told."""

    def test_a_stable_series_and_its_deletion(self, shared: OrthancServer) -> None:
        shared.upload_all(tiny_instances(3))
        series, study = shared.get("/series")[0], shared.get("/studies")[0]
        wait_until(lambda: series in nudges(shared, "stable", "series"), 10)
        deleted = time.time()
        shared.delete(f"/studies/{study}")
        wait_until(lambda: study in nudges(shared, "deleted", "study"), 5)
        assert nudges(shared, "deleted", "study")[study] - deleted < 1
        assert nudges(shared, "deleted", "series")[series] - deleted < 1

    def test_the_deletion_of_one_series(self, shared: OrthancServer) -> None:
        shared.upload_all(tiny_instances(2))
        series = shared.get("/series")[0]
        deleted = time.time()
        shared.delete(f"/series/{series}")
        wait_until(lambda: series in nudges(shared, "deleted", "series"), 5)
        assert nudges(shared, "deleted", "series")[series] - deleted < 1


class TestTroubles:
    """A worker that is held, killed, absent or elsewhere; an Orthanc that is killed."""

    def test_a_held_worker_holds_up_nobody_but_its_own_callers(self, orthanc: OrthancServer) -> None:
        worker = psutil.Process(seen(orthanc)["pid"])
        worker.suspend()
        try:
            with ThreadPoolExecutor(60) as callers:
                waiting = [callers.submit(ask, orthanc, "/echo") for _ in range(60)]  # more than Orthanc has threads
                time.sleep(0.3)
                assert timed(lambda: orthanc.get("/system")) < 0.5
                assert timed(lambda: send(orthanc, tiny_instances(20))) < 5
                statuses = {future.result().status_code for future in waiting}
            assert statuses == {503, 504}
            assert timed(lambda: ask(orthanc, "/health")) < TIMEOUT_SECONDS + 0.5
        finally:
            worker.resume()
        assert ask(orthanc, "/health").status_code == 200

    def test_nudges_of_a_held_worker_are_dropped_and_orthanc_ends_in_time(self, orthanc: OrthancServer) -> None:
        worker = psutil.Process(seen(orthanc)["pid"])
        worker.suspend()
        orthanc.upload_all([file for _ in range(3) for file in tiny_instances(1)])
        # plugin 7.1 crashes by itself, whatever script it runs, over a change that comes while Orthanc ends
        wait_until(lambda: stable_resources(orthanc) == all_resources(orthanc), 30)
        time.sleep(0.5)
        assert timed(orthanc.process.stop) < 13
        assert orthanc.process.exit_status == 0
        assert_gone(worker.pid)

    def test_a_killed_worker_comes_back_and_the_caller_is_told_meanwhile(self, orthanc: OrthancServer) -> None:
        first = seen(orthanc)["pid"]
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: ask(orthanc, "/health").status_code == 503, 5)
        away = ask(orthanc, "/health")
        assert away.status_code == 503
        assert "worker" in away.json()["detail"]
        assert away.headers["Retry-After"]
        wait_until(lambda: ask(orthanc, "/health").status_code == 200, 15)
        assert seen(orthanc)["pid"] != first
        wait_until(lambda: "" in nudges(orthanc, "stable", "series"), 5)  # told to look at what it missed

    def test_a_killed_orthanc_leaves_no_worker(self, orthanc: OrthancServer) -> None:
        worker = seen(orthanc)["pid"]
        orthanc.process.kill()
        wait_until(lambda: not is_alive(worker), 5)

    def test_a_stopped_orthanc_ends_its_worker_in_good_order(self, orthanc: OrthancServer) -> None:
        worker = seen(orthanc)["pid"]
        orthanc.process.stop()
        assert_gone(worker)
        assert orthanc.process.exit_status == 0
        assert "Orthanc has stopped" in orthanc.process.log_text()

    def test_a_worker_takes_signals(self, shared: OrthancServer) -> None:
        status = Path(f"/proc/{seen(shared)['pid']}/status").read_text()
        blocked = next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk"))
        assert int(blocked, 16) == 0

    def test_a_restart_starts_another(self, orthanc: OrthancServer) -> None:
        worker = seen(orthanc)["pid"]
        orthanc.process.restart()
        wait_until(lambda: ask(orthanc, "/health").status_code == 200, 15)
        assert seen(orthanc)["pid"] != worker
        assert_gone(worker)

    def test_a_worker_elsewhere_that_is_not_there(self, start_orthanc: StartOrthanc, version: Version) -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
            orthanc = start_orthanc(version=version, worker="external", worker_url=url, token="t")
            answer = ask(orthanc, "/health")
        assert answer.status_code == 503
        assert "away" in answer.json()["detail"]

    def test_a_configuration_that_is_not_understood_keeps_orthanc_from_starting(
        self, start_orthanc: StartOrthanc, version: Version
    ) -> None:
        with pytest.raises(OrthancDidNotStart, match=r"SimilarCases: unknown Wroker; the known keys are Enable"):
            start_orthanc(version=version, worker="embedded", section={"Wroker": "embedded"})

    def test_not_enabled_leaves_orthanc_as_it_was(self, start_orthanc: StartOrthanc, version: Version) -> None:
        orthanc = start_orthanc(version=version, worker="embedded", section={"Enable": False})
        assert ask(orthanc, "/health").status_code == 404

    def test_no_secret_and_no_traceback_in_any_log(self, start: Callable[..., OrthancServer]) -> None:
        orthanc = start()
        token = seen(orthanc)["environment"][wire.ENV_TOKEN]
        authorization = seen(orthanc)["environment"][wire.ENV_ORTHANC_AUTHORIZATION]
        for route in ("/health", "/status/500", "/sleep/3", "/nowhere"):
            ask(orthanc, route)
        orthanc.process.stop()
        log = orthanc.process.log_text()
        assert token not in log
        assert authorization not in log
        assert "Traceback" not in log
        assert "traceback" not in log


def test_the_explorer_shows_the_script(shared: OrthancServer) -> None:
    script = shared.rest.get(f"{shared.url}/plugins/explorer.js", timeout=5).text
    assert '"../" + "similar-cases" + "/?"' in script


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium here: apt-get install chromium")
@pytest.mark.parametrize("level", ["series", "study"])
def test_the_explorer_offers_the_link_in_a_browser(shared: OrthancServer, level: str, tmp_path: Path) -> None:
    shared.upload_all(tiny_instances(1))
    series = shared.get("/series?expand")[-1]
    study = shared.get(f"/studies/{series['ParentStudy']}")
    query = f"StudyInstanceUIDs={study['MainDicomTags']['StudyInstanceUID']}"
    if level == "series":
        query += f"&amp;SeriesInstanceUID={series['MainDicomTags']['SeriesInstanceUID']}"
    page = f"{shared.url}/app/explorer.html#{level}?uuid={(series if level == 'series' else study)['ID']}"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--virtual-time-budget=8000"]
    done = subprocess.run(["chromium", *flags, "--dump-dom", page], capture_output=True, text=True, timeout=120)
    assert f'id="similar-cases-{level}" href="../similar-cases/?{query}"' in done.stdout


def test_in_a_slow_reader_the_rest_of_the_bridge_lives_on(
    start: Callable[..., OrthancServer], version: Version
) -> None:
    """A caller that asks for much and reads nothing: plugin 7.1 frees the interpreter meanwhile, 4.0 cannot."""
    orthanc = start(overrides={"HttpRequestTimeout": 3})
    with socket.create_connection(("127.0.0.1", orthanc.process.http_port)) as caller:
        caller.sendall(b"GET /similar-cases/bytes/50000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.5)
        assert timed(lambda: orthanc.get("/system")) < 0.5
        assert timed(lambda: ask(orthanc, "/health")) < (0.5 if version == "forky" else 8)


def stable_resources(orthanc: OrthancServer) -> set[str]:
    """All that Orthanc has called stable so far."""
    changes = orthanc.get("/changes?limit=1000")["Changes"]
    return {change["ID"] for change in changes if change["ChangeType"].startswith("Stable")}


def all_resources(orthanc: OrthancServer) -> set[str]:
    """All patients, studies and series."""
    return {one for level in ("patients", "studies", "series") for one in orthanc.get(f"/{level}")}


def timed(act: Callable[[], Any]) -> float:
    started = time.monotonic()
    act()
    return time.monotonic() - started


def send(orthanc: OrthancServer, files: list[bytes]) -> None:
    """C-STORE, as a scanner does."""
    datasets = [dcmread(BytesIO(file)) for file in files]
    entity = AE(ae_title="SCANNER")
    entity.add_requested_context(datasets[0].SOPClassUID, datasets[0].file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", orthanc.process.dicom_port, ae_title=orthanc.process.aet)
    assert association.is_established
    statuses = [association.send_c_store(dataset).Status for dataset in datasets]
    association.release()
    assert set(statuses) == {0}


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def assert_gone(pid: int) -> None:
    assert not is_alive(pid), f"process {pid} lives on"
