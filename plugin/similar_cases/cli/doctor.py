"""Looks at everything that Similar Cases needs, one check after the other; a check never raises."""

import importlib.util
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from similar_cases import bootstrap
from similar_cases.domain.errors import SimilarCasesError
from similar_cases.models.model_file import size_of
from similar_cases.settings import Settings

State = Literal["ok", "warning", "broken"]
#: below this, the catalogue of a large archive soon fills the disk
FEW_BYTES_FREE = 2 * 10**9
DECODERS = {
    "pylibjpeg-libjpeg": "JPEG and JPEG-LS",
    "pylibjpeg-openjpeg": "JPEG 2000",
    "pylibjpeg-rle": "RLE",
    "python-gdcm": "GDCM",
}


@dataclass(frozen=True)
class Finding:
    """What one check found, and what to do about it."""

    what: str
    state: State
    found: str
    advice: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Return what every check found, in order."""
    checks: tuple[Callable[[Settings], Finding], ...] = (
        _python, _orthanc, _dicomweb, _changes, _folder, _disk, _catalogue, _token, _port,
        _embedder, _segmenter, _models, _decoders, _gpu,
    )  # fmt: skip
    return [_guarded(check, settings) for check in checks]


def _guarded(check: Callable[[Settings], Finding], settings: Settings) -> Finding:
    try:
        return check(settings)
    except SimilarCasesError as error:
        return Finding(check.__name__.strip("_"), "broken", str(error))
    except Exception as error:  # the doctor tells of what it cannot understand, and goes on
        return Finding(check.__name__.strip("_"), "broken", f"{type(error).__name__}: {error}")


def _python(settings: Settings) -> Finding:
    found = f"{platform.python_version()}, similar-cases {version('similar-cases')}, {os.cpu_count()} processors"
    return Finding("python", "ok" if sys.version_info >= (3, 11) else "broken", found)


def _orthanc(settings: Settings) -> Finding:
    from similar_cases.pacs.http import http_session

    access = bootstrap.http_access(settings)
    with http_session(access) as session:
        try:
            answer = session.get(f"{settings.pacs.orthanc_url}/system", timeout=(3, 10))
        except OSError:
            return Finding(
                "orthanc",
                "broken",
                f"{settings.pacs.orthanc_url} does not answer",
                "start Orthanc, or set pacs.orthanc_url",
            )
    if answer.status_code in (401, 403):
        return Finding(
            "orthanc", "broken", "Orthanc does not let us in", "set SIMILAR_CASES_PACS__PASSWORD and pacs.username"
        )
    told = answer.json()
    return Finding(
        "orthanc", "ok", f"{told['Version']} at {settings.pacs.orthanc_url}, database {told['DatabaseVersion']}"
    )


def _dicomweb(settings: Settings) -> Finding:
    from similar_cases.pacs.http import http_session

    with http_session(bootstrap.http_access(settings)) as session:
        answer = session.get(f"{bootstrap.dicomweb_url(settings)}/studies?limit=1", timeout=(3, 30))
    if answer.status_code in (200, 204):
        return Finding("dicomweb", "ok", bootstrap.dicomweb_url(settings))
    advice = "install orthanc-dicomweb, and set pacs.dicomweb_path to DicomWeb.Root of orthanc.json"
    return Finding("dicomweb", "broken", f"{bootstrap.dicomweb_url(settings)} answers {answer.status_code}", advice)


def _changes(settings: Settings) -> Finding:
    last = bootstrap.open_feed(settings).last_sequence()
    return Finding("changes", "ok", f"Orthanc's newest change is number {last}")


def _folder(settings: Settings) -> Finding:
    folder = settings.index.data_dir
    advice = "give the worker's user a folder of its own on a local disk, and set index.data_dir"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return Finding("folder", "broken", f"{folder}: {error.strerror}", advice)
    writable = os.access(folder, os.W_OK | os.X_OK)
    return Finding("folder", "ok" if writable else "broken", f"{folder}", "" if writable else advice)


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(_nearest(settings.index.data_dir)).free
    state: State = "ok" if free >= FEW_BYTES_FREE else "warning"
    return Finding("disk", state, f"{free / 1e9:.1f} GB free", "" if state == "ok" else "make room")


def _nearest(folder: Path) -> Path:
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _catalogue(settings: Settings) -> Finding:
    stats = bootstrap.open_books(settings).lookups.stats()
    series, cases = sum(stats.series.values()), sum(stats.cases.values())
    return Finding("catalogue", "ok", f"{series} series, {cases} cases")


def _token(settings: Settings) -> Finding:
    if settings.web.token.get_secret_value():
        return Finding("token", "ok", "set")
    advice = (
        "for a worker beside Orthanc: set SIMILAR_CASES_WEB__TOKEN, the same for Orthanc; embedded, the bridge sets it"
    )
    return Finding("token", "warning", "not set", advice)


def _port(settings: Settings) -> Finding:
    address = (settings.web.host, settings.web.port)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return Finding(
                "port",
                "warning",
                f"{address[0]}:{address[1]} is taken",
                "a worker runs already, or set web.port to another",
            )
    return Finding("port", "ok", f"{address[0]}:{address[1]} is free")


def _embedder(settings: Settings) -> Finding:
    space = bootstrap.open_embedder(settings).region_space
    return Finding("embedder", "ok", f"{space.model} {space.version}, weights {space.weights[:12]}")


def _segmenter(settings: Settings) -> Finding:
    from similar_cases.segment.segmenter import RemoteSegmenter

    segmenter = bootstrap.open_segmenter(settings)
    told = f"{segmenter.identity.name} {segmenter.identity.version}"
    if isinstance(segmenter, RemoteSegmenter):
        told += f": {segmenter.look()}"
    return Finding("segmenter", "ok", told)


def _models(settings: Settings) -> Finding:
    added = bootstrap.open_register(settings).all()
    gone = [f"{one.name} ({one.path})" for one in added if size_of(one.path) is None]
    if gone:
        advice = "lay the files back where they were, or add them anew; `similar-cases models verify` hashes all"
        return Finding("models", "warning", f"gone: {', '.join(gone)}", advice)
    return Finding("models", "ok", f"{len(added)} added to those that came with it")


def _decoders(settings: Settings) -> Finding:
    missing = [f"{name} ({what})" for name, what in DECODERS.items() if not _is_installed(name)]
    if missing:
        return Finding("decoders", "broken", f"missing: {', '.join(missing)}", "pip install --upgrade similar-cases")
    return Finding("decoders", "ok", ", ".join(DECODERS.values()))


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def _gpu(settings: Settings) -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("gpu", "broken", "torch is missing", "pip install torch")
    import torch

    if torch.cuda.is_available():
        return Finding("gpu", "ok", torch.cuda.get_device_name(0))
    if settings.describe.device == "cuda":
        return Finding("gpu", "broken", "describe.device is cuda, and there is no GPU", "set describe.device to auto")
    return Finding("gpu", "ok", "none; everything runs on the processor")
