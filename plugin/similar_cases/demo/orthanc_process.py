"""An Orthanc of one's own: free ports, own folder, ended by its own process number.

`make run` and the integration tests start their Orthanc by this class, from the files of ``orthanc-config/`` with what
varies per start laid over them.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

#: the configuration of one Orthanc: section or option → value
Config = dict[str, Any]

#: below it lie the ports that known services use
_FIRST_PORT = 20_000
_OUTGOING_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
#: others may use this machine
START_DEADLINE_SECONDS = 60.0
STOP_DEADLINE_SECONDS = 20.0


class OrthancDidNotStart(Exception):
    """Orthanc ended or did not answer before the deadline; the end of its log is in the message."""


def read_config(folder: Path) -> Config:
    """Merge the JSON files of `folder` into one configuration, as Orthanc itself does.

    Raises:
        ValueError: when two files define the same key, which Orthanc refuses too.
    """
    merged: Config = {}
    for file in sorted(folder.glob("*.json")):
        sections = json.loads(file.read_text("utf-8"))
        twice = sorted(merged.keys() & sections.keys())
        if twice:
            raise ValueError(f"{file}: {', '.join(twice)} stands in another file of {folder} too")
        merged |= sections
    return merged


def overlay(config: Mapping[str, Any], over: Mapping[str, Any]) -> Config:
    """Lay `over` on `config`: sections are merged key by key, everything else is replaced; None takes a key away.

    >>> overlay({"A": 1, "S": {"x": 1, "y": 2}}, {"S": {"y": 3}, "A": None})
    {'S': {'x': 1, 'y': 3}}
    """
    merged = dict(config)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = {**below, **value} if isinstance(below, dict) and isinstance(value, Mapping) else value
    return {key: value for key, value in merged.items() if value is not None}


def free_ports(count: int) -> list[int]:
    """Return as many TCP ports, all different, that nobody listens on now.

    Where there are such, they are none of those that the system gives to outgoing connections: one of these could take
    the port before who asked for it listens there.

    Raises:
        OSError: when there are not so many.
    """
    inner = list(range(_FIRST_PORT, _first_of_outgoing()))
    secrets.SystemRandom().shuffle(inner)  # so that two runs at a time do not ask for the same
    found: list[int] = []
    with ExitStack() as held:
        for port in [*inner, *[0] * count]:  # 0: whichever the system likes
            if len(found) == count:
                break
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("", port))
                found.append(int(probe.getsockname()[1]))
    if len(found) < count:
        raise OSError(f"no {count} free ports on this machine")
    return found


def _first_of_outgoing() -> int:
    """Return the first port that outgoing connections are given: Linux tells (ip(7)), IANA names it for others."""
    try:
        return int(_OUTGOING_PORTS.read_text("ascii").split()[0])
    except (OSError, ValueError):
        return 49152


@dataclass(frozen=True, kw_only=True)
class OrthancSetup:
    """What an Orthanc of one's own is started from.

    Attributes:
        folder: working folder: configuration, storage and log lie in it. With `chroot` it must lie in there.
        config_dir: the folder of JSON files to start from (``orthanc-config``).
        entry_script: the Python script that Orthanc loads; None loads none, and the Python plugin neither.
        overrides: options and sections laid over those of `config_dir`.
        environment: variables added to this process's own.
        chroot: root folder of another Debian whose Orthanc is run; None runs this machine's.
        executable: name or path of Orthanc.
    """

    folder: Path
    config_dir: Path
    entry_script: Path | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    chroot: Path | None = None
    executable: str = "Orthanc"

    def inside(self, path: Path) -> str:
        """Return `path` as Orthanc sees it.

        Raises:
            ValueError: when `path` lies outside of the chroot.
        """
        if self.chroot is None:
            return str(path.resolve())
        return "/" + str(path.resolve().relative_to(self.chroot.resolve()))


class OrthancProcess:
    """One Orthanc on free ports of the loopback interface.

    Attributes:
        setup: what it was started from.
        http_port: of its REST API and DICOMweb; the same after a restart.
        dicom_port: of its DICOM server; the same after a restart.
        aet: its Application Entity Title.
        log_path: its log; a restart appends.
        exit_status: how it ended the last time, negative by a signal; None before.
    """

    def __init__(self, setup: OrthancSetup) -> None:
        self.setup = setup
        self.log_path = setup.folder / "orthanc.log"
        base = overlay(read_config(setup.config_dir), setup.overrides)
        free_http, free_dicom = free_ports(2)
        self.http_port = int(base.get("HttpPort") or free_http)
        self.dicom_port = int(base.get("DicomPort") or free_dicom)
        self.aet = str(base.get("DicomAet", "ORTHANC"))
        self.exit_status: int | None = None
        self._base = base
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the address of the REST API, without a slash at its end."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def dicomweb_url(self) -> str:
        """Return the address of DICOMweb, without a slash at its end."""
        root = self._base.get("DicomWeb", {}).get("Root", "/dicom-web/")
        return f"{self.url}/{str(root).strip('/')}"

    @property
    def pid(self) -> int:
        """Return the number of the process that runs.

        Raises:
            RuntimeError: when none runs.
        """
        if self._process is None:
            raise RuntimeError("this Orthanc does not run")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Tell whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start Orthanc, and return when its REST API answers.

        Raises:
            OrthancDidNotStart: when it ended, or did not answer before the deadline.
        """
        if self.is_running:
            return self
        self._write_config()
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            # its own session: Ctrl-C in a terminal reaches us alone, and we end it in good order
            self._process = subprocess.Popen(  # noqa: S603
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env(),
                start_new_session=True,
            )
        self._wait_until_answering()
        return self

    def stop(self) -> None:
        """End Orthanc in good order; kill it where it does not end before the deadline."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End Orthanc by force, as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> Self:
        """Stop, and start again on the same ports and storage."""
        self.stop()
        return self.start()

    def log_text(self) -> str:
        """Return the log so far."""
        return self.log_path.read_text("utf-8", errors="replace") if self.log_path.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _end(self, with_signal: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(with_signal)  # does nothing where it has ended already
        try:
            process.wait(STOP_DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.exit_status = process.returncode

    def _command(self) -> list[str]:
        orthanc = [self.setup.executable, self.setup.inside(self.setup.folder / "config")]
        return orthanc if self.setup.chroot is None else ["chroot", str(self.setup.chroot), *orthanc]

    def _env(self) -> dict[str, str]:
        # Orthanc embeds the distribution's Python: a virtual environment's variables would lead it astray
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH", "TMPDIR")}
        # DCMTK otherwise writes its answer to a C-STORE in two halves, and the second waits 40 ms for the sender's word
        return {"TCP_NODELAY": "1", **kept, **self.setup.environment}

    def _write_config(self) -> None:
        """Write one file: Orthanc refuses a section that two files define."""
        config_dir, storage = self.setup.folder / "config", self.setup.folder / "storage"
        for folder in (config_dir, storage):
            folder.mkdir(parents=True, exist_ok=True)
        varying: Config = {
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
            "StorageDirectory": self._base.get("StorageDirectory", self.setup.inside(storage)),
            "IndexDirectory": self._base.get("IndexDirectory", self.setup.inside(storage)),
            "PythonScript": self.setup.entry_script and self.setup.inside(self.setup.entry_script),
        }
        if self.setup.entry_script is None:
            varying["Plugins"] = [path for path in self._base.get("Plugins", []) if "Python" not in path]
        target = config_dir / "orthanc.json"
        target.touch(mode=0o600)  # it may hold users' passwords
        target.write_text(json.dumps(overlay(self._base, varying), indent=2), "utf-8")

    def _wait_until_answering(self) -> None:
        deadline = time.monotonic() + START_DEADLINE_SECONDS
        while not self._answers():
            if not self.is_running or time.monotonic() > deadline:
                self.kill()
                tail = "\n".join(self.log_text().splitlines()[-25:])
                raise OrthancDidNotStart(f"Orthanc did not start; {self.log_path} ends with:\n{tail}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        # where another Orthanc holds the port, that one answers while ours is about to end: so its own word comes first
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            if b"Orthanc has started" not in log.read():
                return False
        try:
            with urllib.request.urlopen(f"{self.url}/system", timeout=5):  # noqa: S310
                return True
        except urllib.error.HTTPError as error:
            return error.code == 401  # it answers, and asks who we are
        except (OSError, ValueError):
            return False


def find_executable() -> str | None:
    """Return the path of this machine's Orthanc, or None; Debian puts it where a user's PATH may not look."""
    return shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")
