"""Runs the bridge outside of Orthanc, before a running one, until Ctrl-C."""

import argparse
import json
import logging
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from orthanc_over_rest.module import OrthancOverRest
from similar_cases import bridge


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the bridge, and tell where its routes are."""
    asked = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    session = requests.Session()
    session.trust_env = False
    if asked.user:
        name, _, password = asked.user.partition(":")
        session.auth = (name, password)
    configuration = read_configuration(asked.config, asked.orthanc, asked.storage)
    # SIGTERM ends it in good order too, worker included
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    orthanc = OrthancOverRest(asked.orthanc, configuration, session=session, port=asked.port)
    bridge.register(orthanc)
    with orthanc:
        orthanc.LogWarning(f"the bridge's routes are at {orthanc.routes_url}; Ctrl-C ends it")
        try:
            signal.pause()
        except KeyboardInterrupt:
            orthanc.LogWarning("ending")


def read_configuration(file_or_folder: Path, orthanc_url: str, storage: Path) -> dict[str, Any]:
    """Merge the JSON files, and say where the running Orthanc is.

    Args:
        file_or_folder: one JSON file, or a folder of them, as Orthanc takes it.
        orthanc_url: address of the running Orthanc.
        storage: folder below which a worker that the bridge starts keeps its data.
    """
    files = sorted(file_or_folder.glob("*.json")) if file_or_folder.is_dir() else [file_or_folder]
    configuration: dict[str, Any] = {}
    for file in files:
        configuration |= json.loads(file.read_text("utf-8"))
    where = urlsplit(orthanc_url)
    return {
        **configuration,
        "HttpPort": where.port or (443 if where.scheme == "https" else 80),
        "SslEnabled": where.scheme == "https",
        "StorageDirectory": str(storage.resolve()),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m orthanc_over_rest", description=__doc__)
    parser.add_argument("--orthanc", default="http://127.0.0.1:8042", help="address of the running Orthanc")
    parser.add_argument("--config", type=Path, default=Path("orthanc-config"), help="JSON file or folder of them")
    parser.add_argument("--storage", type=Path, default=Path(".run/orthanc-over-rest"), help="folder of the worker")
    parser.add_argument("--user", default="", help="name:password that Orthanc asks for")
    parser.add_argument("--port", type=int, default=0, help="where the routes are served; 0 takes a free port")
    return parser


if __name__ == "__main__":
    main()
