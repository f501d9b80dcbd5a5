"""A real Orthanc for the tests: this machine's own (1.10.1 on Debian 12) or forky's (1.13.0) in a chroot.

    with orthanc_server(tmp_path) as orthanc:                       # no plugin
    with orthanc_server(tmp_path, worker="embedded") as orthanc:    # plugin and its own worker
    with orthanc_server(tmp_path, worker="external", worker_url=url, token="…") as orthanc:

Each has its own folder and free ports, and StableAge 1.
"""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from similar_cases.demo.orthanc_process import OrthancProcess, OrthancSetup, find_executable, overlay
from similar_cases.wire import ENV_TOKEN

ROOT = Path(__file__).resolve().parent.parent
CONFIG_DIR = ROOT / "orthanc-config"
FORKY = ROOT / ".cache" / "orthanc-forky"

#: what a worker is told, so that only the tests of it search series without annotations for regions: it takes seconds
ONLY_ANNOTATED = {"SIMILAR_CASES_SEGMENT__EVERYTHING_POINTS": "0"}

Version = Literal["debian", "forky"]


def why_not(version: Version) -> str | None:
    """Return why this version of Orthanc cannot run here, or None where it can."""
    if version == "debian":
        return None if find_executable() else "no Orthanc here: apt-get install orthanc orthanc-python orthanc-dicomweb"
    if not (FORKY / ".complete").exists():
        return "no Orthanc 1.13.0 here: docker/orthanc-forky.sh makes it"
    return None


def open_session() -> requests.Session:
    """Return a session of HTTP that asks again when its question and Orthanc's hanging up cross.

    Orthanc closes a connection on which nothing came for a second (its KeepAliveTimeout): nobody answers what is sent
    on it in that very moment.
    """
    session = requests.Session()
    session.trust_env = False
    again = Retry(read=2, connect=0, status=0, allowed_methods=None, respect_retry_after_header=False)
    session.mount("http://", HTTPAdapter(max_retries=again))
    return session


@dataclass(frozen=True)
class OrthancServer:
    """A running Orthanc, and what tests ask of it all the time."""

    process: OrthancProcess
    rest: requests.Session

    @property
    def url(self) -> str:
        """Its REST API, without a slash at the end."""
        return self.process.url

    def get(self, path: str, **options: Any) -> Any:
        """GET a path of the REST API, and return the JSON of the answer."""
        answer = self.rest.get(self.url + path, timeout=30, **options)
        answer.raise_for_status()
        return answer.json()

    def upload(self, dicom: bytes | Path) -> str:
        """Store one DICOM file by REST, and return Orthanc's identifier of the instance."""
        body = dicom.read_bytes() if isinstance(dicom, Path) else dicom
        answer = self.rest.post(f"{self.url}/instances", data=body, timeout=60)
        answer.raise_for_status()
        return str(answer.json()["ID"])

    def upload_all(self, files: Iterable[bytes | Path]) -> list[str]:
        """Store DICOM files by REST, in their order."""
        return [self.upload(file) for file in files]

    def delete(self, path: str) -> None:
        """DELETE a path of the REST API, as ``/studies/{id}``."""
        self.rest.delete(self.url + path, timeout=60).raise_for_status()

    def clear(self) -> None:
        """Delete every patient."""
        for patient in self.get("/patients"):
            self.delete(f"/patients/{patient}")


@contextmanager
def orthanc_server(
    folder: Path,
    *,
    version: Version = "debian",
    worker: Literal["embedded", "external"] | None = None,
    worker_url: str | None = None,
    token: str | None = None,
    section: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[OrthancServer]:
    """Run an Orthanc.

    Args:
        folder: an empty folder for its files (a chroot uses a folder of its own in the chroot).
        version: which Orthanc.
        worker: None loads no plugin; else how the plugin finds its worker.
        worker_url: address of the worker elsewhere.
        token: shared with the worker elsewhere.
        section: further keys of the section ``SimilarCases``.
        overrides: further options of Orthanc.
        environment: further variables.
    """
    own = {"Worker": worker or "embedded", "WorkerUrl": worker_url, **(section or {})}
    config = overlay({"StableAge": 1, "SimilarCases": own}, overrides or {})
    variables = {**ONLY_ANNOTATED, **({ENV_TOKEN: token} if token else {}), **(environment or {})}
    with _working_folder(folder, version) as (place, chroot):
        setup = OrthancSetup(
            folder=place,
            config_dir=CONFIG_DIR,
            entry_script=_entry_script(place, version) if worker else None,
            overrides=config,
            environment=variables,
            chroot=chroot,
            executable=find_executable() or "Orthanc" if chroot is None else "/usr/sbin/Orthanc",
        )
        with OrthancProcess(setup) as process, open_session() as session:
            yield OrthancServer(process, session)
            if worker is None:
                process.kill()  # nobody else to end in good order, and Orthanc takes seconds for that


@contextmanager
def _working_folder(folder: Path, version: Version) -> Iterator[tuple[Path, Path | None]]:
    if version == "debian":
        yield folder, None
        return
    with tempfile.TemporaryDirectory(dir=FORKY / "srv", prefix="similar-cases-") as inside:
        yield Path(inside), FORKY


def _entry_script(place: Path, version: Version) -> Path:
    """Return the script to load; a chroot gets a copy of what the bridge is made of."""
    if version == "debian":
        return ROOT / "plugin" / "orthanc_entry.py"
    plugin, package = place / "plugin", ROOT / "plugin" / "similar_cases"
    shutil.copytree(
        package / "bridge", plugin / "similar_cases" / "bridge", ignore=shutil.ignore_patterns("__pycache__")
    )
    for file in (package / "__init__.py", package / "wire.py"):
        shutil.copy(file, plugin / "similar_cases")
    return Path(shutil.copy(ROOT / "plugin" / "orthanc_entry.py", plugin))
