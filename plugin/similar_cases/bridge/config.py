"""The section ``SimilarCases`` of Orthanc's configuration, read once at start; refused where it is not understood."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from similar_cases import wire

#: first parts of paths that Orthanc, its plugins or its explorers own
TAKEN_ROUTES = frozenset(
    (
        *("changes", "exports", "instances", "jobs", "modalities", "patients", "peers", "plugins", "queries", "series"),
        *("statistics", "storage", "studies", "system", "tools"),
        *("app", "dicom-web", "ui", "wado", "web-viewer", "webdav"),
    )
)
LONGEST_TIMEOUT_SECONDS = 600


class ConfigRefused(Exception):
    """The configuration is not understood; the message says which key, and what would be."""


@dataclass(frozen=True, kw_only=True)
class BridgeConfig:
    """What the bridge does, from the section ``SimilarCases``.

    Attributes:
        enable: False registers nothing.
        worker_url: address of a worker elsewhere, without the prefix; None when the bridge starts its own.
        worker_command: program and first arguments of the worker that the bridge starts.
        modalities: values of DICOM's Modality (0008,0060) that are worth indexing.
        route_prefix: where our routes begin in Orthanc, with a slash before and none behind.
        timeout_seconds: how long one request may hold one of Orthanc's threads.
        token: shared with a worker elsewhere; None when the bridge makes one.
        orthanc_url: Orthanc's own address on the loopback interface.
        data_dir: folder of the worker that the bridge starts; None for a worker elsewhere.
        http_threads: how many requests Orthanc serves at a time.
        authenticates: whether Orthanc asks its callers for a password.
        caller_credentials: headers, in lower case, that the worker gets so that it can ask Orthanc what a caller may
            read; none where everyone who may ask sees everything.
    """

    enable: bool
    worker_url: str | None
    worker_command: tuple[str, ...]
    modalities: tuple[str, ...]
    route_prefix: str
    timeout_seconds: float
    token: str | None
    orthanc_url: str
    data_dir: Path | None
    http_threads: int
    authenticates: bool
    caller_credentials: tuple[str, ...]


#: every key of the section with its default; None where there is none
DEFAULTS: Mapping[str, Any] = {
    "Enable": True,
    "Worker": "embedded",
    "WorkerUrl": None,
    "WorkerCommand": ["similar-cases"],
    "Modalities": ["CT", "MR", "PT"],
    "RoutePrefix": wire.DEFAULT_PREFIX,
    "TimeoutSeconds": 30,
    "CallerCredentials": [],
}


def read_config(orthanc: Mapping[str, Any], environment: Mapping[str, str]) -> BridgeConfig:
    """Read the bridge's configuration from Orthanc's whole one and from the environment.

    Args:
        orthanc: Orthanc's configuration, all sections.
        environment: variables; the token comes from there, because a configuration file is no place for a secret.

    Raises:
        ConfigRefused: when a key is unknown, has the wrong type, or contradicts another.
    """
    section = orthanc.get(wire.SECTION, {})
    _refuse_unless(isinstance(section, Mapping), f"must be an object in braces, not {section!r}")
    _refuse_unknown(section)
    given = {**DEFAULTS, **section}
    worker_url = _worker_url(section, given)
    token = environment.get(wire.ENV_TOKEN) or None
    enable = _boolean(given, "Enable")
    if enable and worker_url and not token:
        raise _refused(f"WorkerUrl needs the token that the worker knows too, in the variable {wire.ENV_TOKEN}")
    if enable and not orthanc.get("HttpServerEnabled", True):
        raise _refused("Orthanc's option HttpServerEnabled is false: nobody could ask, and no worker could read")
    return BridgeConfig(
        enable=enable,
        worker_url=worker_url,
        worker_command=_strings(given, "WorkerCommand"),
        modalities=_modalities(given),
        route_prefix=_prefix(given, orthanc),
        timeout_seconds=_seconds(given, "TimeoutSeconds"),
        token=token,
        orthanc_url=_own_url(orthanc),
        data_dir=_data_dir(orthanc, environment) if enable and worker_url is None else None,
        http_threads=int(orthanc.get("HttpThreadsCount", 50)),
        # Orthanc's own rule: where the option is not given, it follows RemoteAccessAllowed
        authenticates=bool(orthanc.get("AuthenticationEnabled", orthanc.get("RemoteAccessAllowed", False))),
        caller_credentials=_headers(given, "CallerCredentials"),
    )


def _refused(why: str) -> ConfigRefused:
    return ConfigRefused(f"{wire.SECTION}: {why}")


def _refuse_unless(holds: bool, why: str) -> None:
    if not holds:
        raise _refused(why)


def _refuse_unknown(section: Mapping[str, Any]) -> None:
    unknown = sorted(section.keys() - DEFAULTS.keys())
    _refuse_unless(not unknown, f"unknown {', '.join(unknown)}; the known keys are {', '.join(DEFAULTS)}")


def _worker_url(section: Mapping[str, Any], given: Mapping[str, Any]) -> str | None:
    kind, url = given["Worker"], given["WorkerUrl"]
    _refuse_unless(kind in ("embedded", "external"), f'Worker must be "embedded" or "external", not {kind!r}')
    if kind == "embedded":
        _refuse_unless(url is None, 'WorkerUrl is of use only with "Worker": "external"')
        return None
    _refuse_unless("WorkerCommand" not in section, 'WorkerCommand is of use only with "Worker": "embedded"')
    _refuse_unless(isinstance(url, str) and url != "", '"Worker": "external" needs WorkerUrl, as http://worker:8043')
    parts = urlsplit(url)
    is_address = parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/") and not parts.query
    _refuse_unless(bool(is_address), f"WorkerUrl must look as http://worker:8043, without a path, not {url!r}")
    return str(url).rstrip("/")


def _boolean(given: Mapping[str, Any], key: str) -> bool:
    _refuse_unless(isinstance(given[key], bool), f"{key} must be true or false, not {given[key]!r}")
    return bool(given[key])


def _strings(given: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = given[key]
    is_list = isinstance(value, list) and bool(value) and all(isinstance(item, str) and item for item in value)
    _refuse_unless(is_list, f"{key} must be a list of strings, and not empty, not {value!r}")
    return tuple(value)


def _headers(given: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = _strings(given, key) if given[key] != [] else ()
    for name in names:
        # a token (RFC 9110 section 5.6.2), and none of the bridge's own
        is_header = re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", name) is not None
        is_ours = name.lower() in (wire.TOKEN_HEADER.lower(), wire.USER_HEADER.lower())
        _refuse_unless(is_header and not is_ours, f"{key}: {name!r} is no header that carries a caller's credentials")
    return tuple(name.lower() for name in names)


def _modalities(given: Mapping[str, Any]) -> tuple[str, ...]:
    named = _strings(given, "Modalities")
    for name in named:
        # CS: at most 16 capital letters, digits, spaces and underscores (PS3.5 section 6.2)
        _refuse_unless(re.fullmatch(r"[A-Z0-9_ ]{1,16}", name) is not None, f"Modalities: {name!r} is no Modality")
    return named


def _prefix(given: Mapping[str, Any], orthanc: Mapping[str, Any]) -> str:
    prefix = given["RoutePrefix"]
    is_path = isinstance(prefix, str) and re.fullmatch(r"(/[A-Za-z0-9_-]+)+", prefix) is not None
    _refuse_unless(is_path, f"RoutePrefix must look as /similar-cases, of letters, digits, - and _, not {prefix!r}")
    first = prefix.split("/")[1]
    root = str(orthanc.get("DicomWeb", {}).get("Root", "")).strip("/")
    _refuse_unless(first not in TAKEN_ROUTES and first != root, f"RoutePrefix {prefix!r} is taken by Orthanc itself")
    return str(prefix)


def _seconds(given: Mapping[str, Any], key: str) -> float:
    value = given[key]
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    _refuse_unless(
        is_number and 1 <= value <= LONGEST_TIMEOUT_SECONDS,
        f"{key} must be a number of seconds from 1 to {LONGEST_TIMEOUT_SECONDS}, not {value!r}",
    )
    return float(value)


def _data_dir(orthanc: Mapping[str, Any], environment: Mapping[str, str]) -> Path:
    """Return the embedded worker's folder: what the environment says, else one below Orthanc's storage."""
    named = environment.get(wire.ENV_DATA_DIR)
    folder = Path(named) if named else Path(str(orthanc.get("StorageDirectory", ""))) / "similar-cases"
    # what Orthanc takes a relative path to be relative to cannot be asked where its configuration is a folder
    _refuse_unless(
        folder.is_absolute(),
        "the worker needs a folder: make Orthanc's StorageDirectory an absolute path, or name one in the variable "
        f"{wire.ENV_DATA_DIR}",
    )
    return folder


def _own_url(orthanc: Mapping[str, Any]) -> str:
    scheme = "https" if orthanc.get("SslEnabled", False) else "http"
    return f"{scheme}://127.0.0.1:{int(orthanc.get('HttpPort', 8042))}"
