"""A real OHIF in front of a running Orthanc: the package from npm, served by nginx as `docker/ohif/run` does it.

    with ohif(orthanc_url) as url: …                # nginx on a free port

The package lies in ``.cache/ohif``; it is fetched where it is absent, and never a part of the repository.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from similar_cases.demo.orthanc_process import free_ports
from tests import chromium
from tests.orthanc_server import ROOT

PACKAGE, VERSION = "@ohif/app", "3.12.10"
#: what the registry said of this version when it was chosen (SHA-512)
INTEGRITY = "0kuF66Mq9c9dMD++bUsTjMrJpXJwaZhz9B4uS244DawAjSkTwIYFU93pxPuRUQixaRi7QAHlF3Fe1qudBlZrmA=="
CACHE = ROOT / ".cache" / "ohif"
ARCHIVE = CACHE / f"ohif-app-{VERSION}.tgz"
VIEWER = CACHE / VERSION / "package" / "dist"
RUN = ROOT / "docker" / "ohif" / "run"
#: others may use this machine
START_DEADLINE_SECONDS = 120.0


def why_not() -> str | None:
    """Return why OHIF cannot run here, or None where it can; fetches the package where it is absent."""
    if reason := chromium.why_not():
        return reason
    for command, package in (("nginx", "nginx-light"), ("envsubst", "gettext-base")):
        if not shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
            return f"no {command} here: apt-get install {package}"
    return None if (VIEWER / "index.html").exists() else _fetch()


def _fetch() -> str | None:
    """Lay the viewer into the cache; return why that failed, or None."""
    CACHE.mkdir(parents=True, exist_ok=True)
    if not ARCHIVE.exists():
        if not shutil.which("npm"):
            return "no OHIF here, and no npm to fetch it: apt-get install npm"
        asked = ["npm", "pack", f"{PACKAGE}@{VERSION}", "--silent"]
        got = subprocess.run(asked, cwd=CACHE, capture_output=True, text=True, timeout=300, check=False)
        if got.returncode:
            return f"npm cannot fetch {PACKAGE}@{VERSION}: {got.stderr.strip()[-300:]}"
    if base64.b64encode(hashlib.sha512(ARCHIVE.read_bytes()).digest()).decode() != INTEGRITY:
        return f"{ARCHIVE} is not what npm published; remove it"
    with tarfile.open(ARCHIVE) as package:
        package.extractall(VIEWER.parents[1], filter="data")
    return None


@contextmanager
def ohif(orthanc_url: str) -> Iterator[str]:
    """Run nginx with OHIF and that Orthanc, and yield its address, without a slash at the end."""
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    told = {"OHIF_DIR": str(VIEWER), "ORTHANC_URL": orthanc_url, "LISTEN": url.removeprefix("http://")}
    process = subprocess.Popen([RUN], env={**os.environ, **told}, stdin=subprocess.DEVNULL)
    try:
        _wait_until_answering(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_answering(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_DEADLINE_SECONDS
    while True:
        assert process.poll() is None, f"{RUN} ended with {process.returncode}"
        try:
            requests.get(url, timeout=5).raise_for_status()
        except requests.RequestException:
            assert time.monotonic() < end, f"{url} does not answer"
            time.sleep(0.1)
        else:
            return
