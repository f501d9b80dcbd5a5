"""What the plugin costs the scanner: time to C-STORE series with it and without it, block by block in one run.

Three Orthancs run at the same time: without the plugin; with it, its worker elsewhere and held (it takes connections
and never answers); with it and its own worker, which is busy with what came before. Each round sends the same number of
new series to each, in an order that changes, so that whatever else this machine does falls on all three alike. While it
is not its own Orthanc's turn, the busy worker is stopped.

Run ``.venv/bin/python -m tests.benchmark.bench_scanner_cost [--rounds 10] [--series 10]``: one JSON.
"""

import argparse
import json
import os
import random
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
from pydicom import Dataset

from similar_cases import wire
from similar_cases.pacs.dimse import DimseAddress, send
from tests import phantoms
from tests.integration.archive_client import ArchiveClient, archive
from tests.orthanc_server import OrthancServer, Version, orthanc_server, why_not

SLICES = 4
#: rounds before the first that counts: Orthanc's first writes, and work for the worker
WARM_UP = 2


@contextmanager
def held_worker() -> Iterator[str]:
    """Listen as a worker does, take every connection, read what comes, and never answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening, ExitStack() as open_connections:

        def take() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                open_connections.enter_context(connection)

        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def series_of(count: int, name: str) -> list[Dataset]:
    """Return `count` new small CT series, each of a patient of its own."""
    grid = phantoms.Grid(shape=(SLICES, 128, 128))
    return [one for n in range(count) for one in phantoms.series(f"{name}-{n}", grid=grid)]


@dataclass(frozen=True)
class Taken:
    """What one round took: on the clock, and of Orthanc's processor time, which other work disturbs less."""

    seconds: float
    cpu_seconds: float


def store(server: OrthancServer, instances: list[Dataset]) -> Taken:
    """C-STORE in one association, as a scanner does."""
    process = server.process
    cpu_before = _cpu_seconds(process.pid)
    address = DimseAddress(host="127.0.0.1", port=process.dicom_port, called_aet=process.aet, calling_aet="SCANNER")
    started = time.perf_counter()
    report = send(instances, address)
    taken = Taken(time.perf_counter() - started, _cpu_seconds(process.pid) - cpu_before)
    if report.failures:
        raise RuntimeError(f"{len(report.failures)} instances were not taken: {report.failures[0]}")
    return taken


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


@contextmanager
def three_orthancs(folder: Path, version: Version) -> Iterator[tuple[dict[str, OrthancServer], ArchiveClient | None]]:
    """Run one without the plugin, one with a held worker, and (on this machine's version) one with its own worker."""
    with ExitStack() as running:
        (folder / "plain").mkdir()
        (folder / "held").mkdir()
        url = running.enter_context(held_worker())
        servers = {
            "plain": running.enter_context(orthanc_server(folder / "plain", version=version)),
            "held": running.enter_context(
                orthanc_server(folder / "held", version=version, worker="external", worker_url=url, token="held")
            ),
        }
        busy = None
        if version == "debian":
            busy = running.enter_context(archive(folder / "busy"))
            servers["busy"] = busy.server
        yield servers, busy


@contextmanager
def at_work(busy: ArchiveClient | None) -> Iterator[None]:
    """Let the busy worker run inside, and stop it outside."""
    processes = busy.worker_processes() if busy else []
    for process in processes:
        process.resume()
    try:
        yield
    finally:
        for process in processes:
            process.suspend()


def measure(rounds: int, series: int, version: Version) -> dict[str, list[Taken]]:
    """Return what each round took, by Orthanc."""
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as folder, three_orthancs(Path(folder), version) as (servers, busy):
        told: dict[str, list[Taken]] = {name: [] for name in servers}
        with at_work(busy):
            pass
        for turn in range(WARM_UP + rounds):
            for name in chance.sample(sorted(servers), len(servers)):
                instances = series_of(series, f"cost-{name}-{turn}-{os.getpid()}")
                with at_work(busy if name == "busy" else None):
                    told[name].append(store(servers[name], instances))
        _require_backlog(busy)
    return {name: taken[WARM_UP:] for name, taken in told.items()}


def _require_backlog(busy: ArchiveClient | None) -> None:
    """Make sure that the busy worker had work until the end; let it run on, so that it can be ended."""
    if busy is None:
        return
    for process in busy.worker_processes():
        process.resume()
    states = busy.get(wire.ROUTE_STATUS)["states"]
    if not states["waiting"] + states["working"]:
        raise RuntimeError("the worker had nothing to do any more: ask for more series")


def ratios(told: dict[str, list[Taken]], name: str) -> dict[str, float]:
    """Compare one Orthanc with the one without the plugin."""
    plain, other = ([one.seconds for one in told[which]] for which in ("plain", name))
    by_round = [a / b for a, b in zip(other, plain, strict=True)]
    return {
        "median_of_rounds": round(median(by_round), 4),
        "ratio_of_medians": round(median(other) / median(plain), 4),
        "ratio_of_minima": round(min(other) / min(plain), 4),
        "ratio_of_sums": round(sum(other) / sum(plain), 4),
        "ratio_of_cpu": round(
            sum(one.cpu_seconds for one in told[name]) / sum(one.cpu_seconds for one in told["plain"]), 4
        ),
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--series", type=int, default=10)
    asked = parser.parse_args()
    found: dict[str, object] = {
        "rounds": asked.rounds,
        "series_a_round": asked.series,
        "instances_a_series": SLICES,
        "load_before": os.getloadavg()[0],
    }
    versions: tuple[Version, ...] = ("debian", "forky")
    for version in versions:
        if why_not(version):
            continue
        told = measure(asked.rounds, asked.series, version)
        instances = asked.series * SLICES
        found[version] = {
            "ms_an_instance": {
                name: round(1000 * median(one.seconds for one in told[name]) / instances, 2) for name in told
            },
            **{name: ratios(told, name) for name in told if name != "plain"},
        }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
