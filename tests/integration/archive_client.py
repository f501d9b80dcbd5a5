"""An Orthanc with the plugin as tests see it from outside: C-STORE in, HTTP, and the files that come back."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import requests
from pydicom import Dataset, dcmread

from similar_cases import wire
from similar_cases.demo.orthanc_process import free_ports
from similar_cases.pacs.dimse import DimseAddress, SendReport, send
from tests import waiting
from tests.orthanc_server import ONLY_ANNOTATED, ROOT, OrthancServer, Version, open_session, orthanc_server
from tests.processes import named

COMMAND = ROOT / ".venv" / "bin" / "similar-cases"
MODEL_NAME = "Similar Cases"
SETTLED = ("indexed", "refused", "failed")
#: other people's work may be on this machine; nothing here is a promise about speed
DEADLINE_SECONDS = 900.0
#: so long the bridge waits for the worker, less than who asks waits for the bridge
PATIENT = {"TimeoutSeconds": 110}


@dataclass(frozen=True)
class ArchiveClient:
    """An Orthanc with the bridge, and the folder of the worker behind it."""

    server: OrthancServer
    worker_dir: Path
    http: requests.Session = field(default_factory=open_session)

    # --- in ---------------------------------------------------------------------------------------------------

    @property
    def address(self) -> DimseAddress:
        """Whom a scanner calls."""
        process = self.server.process
        return DimseAddress(
            host="127.0.0.1", port=process.dicom_port, called_aet=process.aet, calling_aet="SCANNER", timeout_seconds=60
        )

    def send(self, items: Iterable[Path | Dataset]) -> SendReport:
        """C-STORE, as a scanner does."""
        return send(items, self.address)

    # --- the plugin's routes ----------------------------------------------------------------------------------

    def url(self, route: str) -> str:
        """Return the address of one of the plugin's routes."""
        return f"{self.server.url}{wire.DEFAULT_PREFIX}{route}"

    def ask(self, route: str, method: str = "GET", **options: Any) -> requests.Response:
        """Ask a route of the plugin through Orthanc."""
        return self.http.request(method, self.url(route), **{"timeout": 120, **options})

    def get(self, route: str, **parameters: Any) -> Any:
        """GET a route that must answer, as JSON."""
        answer = self.ask(route, params=parameters)
        assert answer.ok, f"{route} answered {answer.status_code}: {answer.text[:300]}"
        return answer.json()

    def series(self) -> dict[str, dict[str, Any]]:
        """Return what is known of each series of images or annotations, by its UID."""
        found: dict[str, dict[str, Any]] = {}
        offset = 0
        while page := self.get(wire.ROUTE_SERIES, annotations="true", limit=500, offset=offset)["series"]:
            # what changed last comes first: a row may come again on the next page
            found |= {row["series"]: row for row in page}
            offset += len(page)
        return found

    def images(self) -> dict[str, dict[str, Any]]:
        """Return what is known of each series of images, by its UID."""
        return {uid: row for uid, row in self.series().items() if row["kind"] == "image"}

    def cases(self, series_uid: str) -> list[dict[str, Any]]:
        """Return the cases of a series."""
        return list(self.get(wire.ROUTE_SERIES_ONE.format(series=series_uid))["cases"])

    def regions(self, series_uid: str) -> list[dict[str, Any]]:
        """Return the cases of a series that are regions."""
        return [case for case in self.cases(series_uid) if case.get("region")]

    def similar(self, study_uid: str, series_uid: str, **options: Any) -> requests.Response:
        """Ask for the cases similar to a series, by GET."""
        return self.ask(wire.ROUTE_SERIES_SIMILAR.format(study=study_uid, series=series_uid), **options)

    # --- waiting ----------------------------------------------------------------------------------------------

    def wait_until_ready(self) -> None:
        """Wait until the worker answers."""
        wait_until(lambda: self.ask(wire.ROUTE_HEALTH).status_code == requests.codes.ok, "the worker answers")

    def wait_until_settled(self) -> None:
        """Wait until the catalogue knows all that Orthanc has, as it is now, and nothing is to be done."""
        wait_until(self._is_settled, "all series are settled", pause_seconds=0.3)

    def _is_settled(self) -> bool:
        there = {one["MainDicomTags"]["SeriesInstanceUID"]: one for one in self.server.get("/series?expand")}
        known = self.series()
        # What is to be done is asked after what is known, or a series that became known in between would be overlooked.
        status = self.get(wire.ROUTE_STATUS)
        busy = status["states"]["waiting"] + status["states"]["working"]
        if busy or not all(one["IsStable"] for one in there.values()):
            return False
        return sum(status["series"].values()) == len(there) and all(
            row["instances"] == len(there[uid]["Instances"]) for uid, row in known.items() if uid in there
        )

    # --- what came of it --------------------------------------------------------------------------------------

    def results(self) -> list[Dataset]:
        """Return every SEG and SR of ours, as Orthanc gives the files."""
        return [result for result, _ in self.result_files()]

    def result_files(self) -> Iterator[tuple[Dataset, bytes]]:
        """Yield every SEG and SR of ours with the bytes of its file."""
        for one in self.server.get("/series?expand"):
            if one["MainDicomTags"]["Modality"] not in ("SEG", "SR"):
                continue
            for instance in one["Instances"]:
                file = self.http.get(f"{self.server.url}/instances/{instance}/file", timeout=60).content
                found = dcmread(BytesIO(file))
                if found.ManufacturerModelName == MODEL_NAME:
                    yield found, file

    def instances_of(self, series_uid: str) -> list[Dataset]:
        """Return the headers of a series' instances."""
        [one] = self.server.rest.post(
            f"{self.server.url}/tools/find",
            json={"Level": "Series", "Query": {"SeriesInstanceUID": series_uid}, "Expand": True},
            timeout=60,
        ).json()
        files = (self.http.get(f"{self.server.url}/instances/{uid}/file", timeout=60) for uid in one["Instances"])
        return [dcmread(BytesIO(file.content), stop_before_pixels=True) for file in files]

    def orthanc_study(self, study_uid: str) -> str:
        """Return Orthanc's own identifier of a study."""
        found = self.server.rest.post(f"{self.server.url}/tools/lookup", data=study_uid, timeout=30).json()
        return next(one["ID"] for one in found if one["Type"] == "Study")

    # --- logs and processes -----------------------------------------------------------------------------------

    @property
    def worker_log(self) -> str:
        """What the worker logged."""
        return (self.worker_dir / "worker.log").read_text("utf-8", errors="replace")

    def assert_quiet_logs(self, *never: str) -> None:
        """No traceback in any log, and in the worker's none of the words `never`."""
        for log in (self.server.process.log_text(), self.worker_log):
            trouble = [line for line in log.splitlines() if re.search("Traceback|unexpected", line)]
            assert not trouble, trouble[:5]
        told = [word for word in never if word in self.worker_log]
        assert not told, f"the worker's log tells {told}"

    def worker_processes(self) -> list[psutil.Process]:
        """Return the worker's processes: the one that answers, and its children."""
        own = psutil.Process(self.server.process.pid)
        return list(named("similar", own.children(recursive=True)))

    def worker_peak_mib(self) -> list[float]:
        """Return the most memory that each of the worker's processes had, MiB."""
        return [round(peak_memory_mib(one)) for one in self.worker_processes()]


def wait_until(true: Callable[[], Any], what: str, *, pause_seconds: float = 0.1) -> Any:
    """Wait as long as an ingestion may take until `true()` is, and return what it is."""
    return waiting.wait_until(true, what, pause_seconds=pause_seconds, patience_seconds=DEADLINE_SECONDS)


def peak_memory_mib(process: psutil.Process) -> float:
    """Return the most memory that a process had resident, MiB (VmHWM, proc(5))."""
    status = Path(f"/proc/{process.pid}/status").read_text("ascii", errors="replace")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found.group(1)) / 1024


@contextmanager
def archive(
    folder: Path, *, section: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[ArchiveClient]:
    """Run this machine's Orthanc with the plugin and its embedded worker, as `make run` does."""
    folder.mkdir(exist_ok=True)
    with orthanc_server(
        folder,
        worker="embedded",
        section={"WorkerCommand": [str(COMMAND)], **PATIENT, **(section or {})},
        environment=environment,
    ) as server:
        client = ArchiveClient(server, folder / "storage" / "similar-cases")
        client.wait_until_ready()
        yield client


@contextmanager
def archive_elsewhere(
    folder: Path,
    version: Version,
    *,
    users: Mapping[str, str] | None = None,
    section: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[ArchiveClient]:
    """Run an Orthanc with the plugin, and a worker that it does not start, as two machines would.

    Args:
        folder: of the worker, and of Orthanc.
        version: which Orthanc.
        users: name → password; the client, and the worker, are the first. None asks for no password.
        section: further keys of the section ``SimilarCases``.
        overrides: further options of Orthanc.
        environment: further variables of the worker.
    """
    token, worker_dir = "elsewhere", folder / "worker"
    port, http_port, dicom_port = free_ports(3)
    with ExitStack() as running:
        server = running.enter_context(
            orthanc_server(
                folder,
                version=version,
                worker="external",
                worker_url=f"http://127.0.0.1:{port}",
                token=token,
                section={**PATIENT, **(section or {})},
                overrides={
                    "HttpPort": http_port,
                    "DicomPort": dicom_port,
                    **_asking_for(users),
                    **(overrides or {}),
                },
            )
        )
        first = next(iter(users.items())) if users else None
        server.rest.auth = first
        own = {
            wire.ENV_TOKEN: token,
            wire.ENV_PORT: str(port),
            wire.ENV_ORTHANC_URL: server.url,
            wire.ENV_DATA_DIR: str(worker_dir),
            **ONLY_ANNOTATED,
            **({"SIMILAR_CASES_PACS__USERNAME": first[0], "SIMILAR_CASES_PACS__PASSWORD": first[1]} if first else {}),
            **(environment or {}),
        }
        running.enter_context(_worker(worker_dir, own))
        client = ArchiveClient(server, worker_dir)
        client.http.auth = first
        client.wait_until_ready()
        yield client


def _asking_for(users: Mapping[str, str] | None) -> dict[str, Any]:
    return {"AuthenticationEnabled": True, "RegisteredUsers": dict(users)} if users else {}


@contextmanager
def _worker(worker_dir: Path, environment: Mapping[str, str]) -> Iterator[psutil.Popen]:
    worker_dir.mkdir(parents=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIMILAR_CASES_")}
    with (worker_dir / "worker.log").open("wb") as log:
        process = psutil.Popen([str(COMMAND), "serve"], env={**kept, **environment}, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
