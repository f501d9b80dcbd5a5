"""The bridge in real Orthancs, both versions, with a stand-in for the worker: what it is promised is HTTP."""

import hashlib
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from playwright.sync_api import expect
from pydicom import dcmread
from pynetdicom import AE

from similar_cases import wire
from similar_cases.demo.orthanc_process import OrthancDidNotStart
from tests.chromium import chromium, require_chromium
from tests.integration.conftest import StartOrthanc
from tests.integration.samples import tiny_instances
from tests.orthanc_server import FORKY, OrthancServer, Version, orthanc_server
from tests.processes import is_alive
from tests.waiting import PATIENCE_SECONDS, wait_until

FAKE = Path(__file__).parents[1] / "fake_worker.py"
#: so long Orthanc waits for a caller that reads nothing
SLOW_READER_SECONDS = 3


def fake_command(version: Version) -> list[str]:
    """Return the command of the stand-in, by the Python that the version's own machine has."""
    if version == "debian":
        return ["/usr/bin/python3", str(FAKE)]
    shutil.copy(FAKE, FORKY / "srv")
    return ["/usr/bin/python3", "/srv/fake_worker.py"]


def section_of(version: Version, timeout_seconds: int = PATIENCE_SECONDS) -> dict[str, Any]:
    return {"WorkerCommand": fake_command(version), "TimeoutSeconds": timeout_seconds}


@pytest.fixture
def start(start_orthanc: StartOrthanc, version: Version) -> Callable[..., OrthancServer]:
    """Starts an Orthanc with the bridge and an embedded stand-in that is ready."""

    def started(
        auth: tuple[str, str] | None = None, timeout_seconds: int = PATIENCE_SECONDS, **options: Any
    ) -> OrthancServer:
        section = section_of(version, timeout_seconds)
        orthanc = start_orthanc(version=version, worker="embedded", section=section, **options)
        orthanc.rest.auth = auth
        wait_until(lambda: ask(orthanc, "/health").status_code == 200)
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
        wait_until(lambda: ask(server, "/echo?a=%2541").json().get("query") == {"a": ["%41"]})
        yield server


def ours(orthanc: OrthancServer, route: str) -> str:
    return f"{orthanc.url}{wire.DEFAULT_PREFIX}{route}"


def ask(orthanc: OrthancServer, route: str, method: str = "GET", **options: Any) -> requests.Response:
    return orthanc.rest.request(method, ours(orthanc, route), timeout=PATIENCE_SECONDS, **options)


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
        wait_until(lambda: ask(orthanc, "/echo?a=%2541").json()["query"] == {"a": ["%41"]})  # it let itself in
        environment = seen(orthanc)["environment"]
        orthanc.rest.auth = None
        assert ask(orthanc, "/echo").status_code == 401
        url, authorization = environment[wire.ENV_ORTHANC_URL], environment[wire.ENV_ORTHANC_AUTHORIZATION]
        assert orthanc.rest.get(f"{url}/changes", timeout=PATIENCE_SECONDS).status_code == 401
        for route in ("/changes", "/dicom-web/studies"):
            answer = orthanc.rest.get(url + route, headers={"Authorization": authorization}, timeout=PATIENCE_SECONDS)
            assert answer.status_code in (200, 204), route


class TestNudges:
    """What the worker is told."""

    def test_a_stable_series(self, shared: OrthancServer) -> None:
        series, _ = parents(shared, shared.upload_all(tiny_instances(3)))
        wait_until(lambda: series in nudges(shared, "stable", "series"))

    def test_the_deletion_of_a_study_and_of_a_series_within_a_second(self, shared: OrthancServer) -> None:
        seconds = []
        for level in ("study", "series", "study", "series"):
            series, study = parents(shared, shared.upload_all(tiny_instances(2)))
            gone = {"series": series, "study": study}  # Orthanc deletes a study with its last series
            deleted = time.time()
            shared.delete(f"/{'studies' if level == 'study' else level}/{gone[level]}")
            wait_until(lambda gone=gone: all(one in nudges(shared, "deleted", kind) for kind, one in gone.items()))
            seconds.append(max(nudges(shared, "deleted", kind)[one] for kind, one in gone.items()) - deleted)
        assert min(seconds) < 1, "of four, so that other work on this machine does not decide"


class TestTroubles:
    """A worker that is held, killed, absent or elsewhere; an Orthanc that is killed."""

    def test_a_held_worker_holds_up_nobody_but_its_own_callers(self, start: Callable[..., OrthancServer]) -> None:
        orthanc = start(timeout_seconds=5)
        worker = psutil.Process(wait_until(lambda: seen(orthanc).get("pid")))
        worker.suspend()
        try:
            with ThreadPoolExecutor(60) as callers:
                waiting = [callers.submit(ask, orthanc, "/echo") for _ in range(60)]  # more than Orthanc has threads
                # who comes when as many wait as may is sent away at once
                wait_until(lambda: any(one.done() and one.result().status_code == 503 for one in waiting))
                orthanc.get("/system")
                assert not all(one.done() for one in waiting), (
                    "the callers of the worker were let go before Orthanc answered"
                )
                send(orthanc, tiny_instances(20))
                statuses = {future.result().status_code for future in waiting}
            assert statuses == {503, 504}
        finally:
            worker.resume()
        wait_until(lambda: ask(orthanc, "/health").status_code == 200)

    def test_nudges_of_a_held_worker_are_dropped_and_orthanc_ends_in_time(self, orthanc: OrthancServer) -> None:
        worker = psutil.Process(seen(orthanc)["pid"])
        worker.suspend()
        orthanc.upload_all([file for _ in range(3) for file in tiny_instances(1)])
        # plugin 7.1 crashes by itself, whatever script it runs, over a change that comes while Orthanc ends
        wait_until(lambda: stable_resources(orthanc) == all_resources(orthanc))
        time.sleep(2)  # Orthanc hands its changes out half a second after it wrote them down, and tells nobody when
        orthanc.process.stop()
        assert orthanc.process.exit_status == 0, "it was killed where it did not end in time"
        assert_gone(worker.pid)

    def test_a_killed_worker_comes_back_and_the_caller_is_told_meanwhile(self, orthanc: OrthancServer) -> None:
        first = seen(orthanc)["pid"]
        os.kill(first, signal.SIGKILL)
        away: list[requests.Response] = []
        wait_until(lambda: away.append(ask(orthanc, "/health")) or away[-1].status_code == 503)
        assert "worker" in away[-1].json()["detail"]
        assert away[-1].headers["Retry-After"]
        wait_until(lambda: ask(orthanc, "/health").status_code == 200)
        assert seen(orthanc)["pid"] != first
        wait_until(lambda: "" in nudges(orthanc, "stable", "series"))  # told to look at what it missed

    def test_a_killed_orthanc_leaves_no_worker(self, orthanc: OrthancServer) -> None:
        worker = seen(orthanc)["pid"]
        orthanc.process.kill()
        wait_until(lambda: not is_alive(worker))

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
        wait_until(lambda: ask(orthanc, "/health").status_code == 200)
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
        orthanc = start(timeout_seconds=2)
        environment = wait_until(lambda: seen(orthanc).get("environment"))
        token, authorization = environment[wire.ENV_TOKEN], environment[wire.ENV_ORTHANC_AUTHORIZATION]
        for route in ("/health", "/status/500", "/sleep/3", "/nowhere"):
            ask(orthanc, route)
        orthanc.process.stop()
        log = orthanc.process.log_text()
        assert token not in log
        assert authorization not in log
        assert "Traceback" not in log
        assert "traceback" not in log


def test_the_explorer_shows_the_script(shared: OrthancServer) -> None:
    script = shared.rest.get(f"{shared.url}/plugins/explorer.js", timeout=PATIENCE_SECONDS).text
    assert '"../" + "similar-cases" + "/?"' in script


@pytest.mark.parametrize("level", ["series", "study"])
def test_the_explorer_offers_the_link_in_a_browser(
    shared: OrthancServer, level: str, request: pytest.FixtureRequest
) -> None:
    require_chromium(request.config)
    series, study = parents(shared, shared.upload_all(tiny_instances(1)))
    study_uid = shared.get(f"/studies/{study}")["MainDicomTags"]["StudyInstanceUID"]
    query = f"StudyInstanceUIDs={study_uid}"
    if level == "series":
        query += f"&SeriesInstanceUID={shared.get(f'/series/{series}')['MainDicomTags']['SeriesInstanceUID']}"
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{shared.url}/app/explorer.html#{level}?uuid={series if level == 'series' else study}")
        link = page.locator(f"#similar-cases-{level}")
        expect(link).to_have_attribute("href", f"../similar-cases/?{query}", timeout=1000 * PATIENCE_SECONDS)


def test_in_a_slow_reader_the_rest_of_the_bridge_lives_on(
    start: Callable[..., OrthancServer], version: Version
) -> None:
    """A caller that asks for much and reads nothing: plugin 7.1 frees the interpreter meanwhile, 4.0 cannot."""
    orthanc = start(overrides={"HttpRequestTimeout": SLOW_READER_SECONDS})
    with socket.create_connection(("127.0.0.1", orthanc.process.http_port)) as caller:
        caller.sendall(b"GET /similar-cases/bytes/50000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        caller.settimeout(PATIENCE_SECONDS)
        caller.recv(1, socket.MSG_PEEK)  # the answer has begun, and is longer than all buffers on its way
        assert timed(lambda: orthanc.get("/system")) < SLOW_READER_SECONDS
        if version == "forky":
            assert timed(lambda: ask(orthanc, "/health")) < SLOW_READER_SECONDS
        assert ask(orthanc, "/health").status_code == 200


def parents(orthanc: OrthancServer, instances: list[str]) -> tuple[str, str]:
    """Orthanc's identifiers of the series and of the study in which instances lie."""
    series = orthanc.get(f"/instances/{instances[0]}")["ParentSeries"]
    return series, orthanc.get(f"/series/{series}")["ParentStudy"]


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


def assert_gone(pid: int) -> None:
    assert not is_alive(pid), f"process {pid} lives on"
