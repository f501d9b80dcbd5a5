"""`similar-cases demo`, which `make run` calls: the product at work on a real Orthanc, from C-STORE to the answer."""

import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from similar_cases.demo.archive import Archive
from similar_cases.demo.orthanc_process import OrthancProcess, OrthancSetup, find_executable, free_ports
from similar_cases.demo.studies import write_studies
from similar_cases.domain.case import SeriesState
from similar_cases.domain.description import fingerprint
from similar_cases.domain.errors import InvalidRequest, NotFound
from similar_cases.pacs.dimse import DimseAddress, SendReport, send

#: ports that Orthanc is known by; taken where they are free
HTTP_PORT, DICOM_PORT = 8042, 4242
ANSWERS = 5


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """What the demonstration is run with.

    Attributes:
        checkout: the repository: ``orthanc-config/`` and ``plugin/`` lie in it, ``.run/`` is made in it.
        data: folder of the user's own DICOM; None sends real lesions among phantoms.
        once: end after the answer.
        sdist: source distribution of pyradiomics-cuda; None leaves the real lesions out.
    """

    checkout: Path
    data: Path | None = None
    once: bool = False
    sdist: Path | None = None

    @property
    def work_dir(self) -> Path:
        """Where Orthanc's storage, the catalogue and the logs lie: one folder a set of studies."""
        name = f"data-{fingerprint(str(self.data.resolve()))}" if self.data else "demo"
        return self.checkout / ".run" / name


def run_demo(options: DemoOptions, console: Console) -> list[dict[str, Any]]:
    """Start, send, wait, ask, show; stay up until Ctrl-C unless `once`. Return the similar cases that were shown.

    Raises:
        InvalidRequest: when the folder does not exist, or Orthanc does not.
        NotFound: when nothing that was sent could be indexed.
        PacsUnavailable: when Orthanc or the worker does not answer.
    """
    studies = _studies(options, console)
    with _orthanc(options, console) as orthanc:
        archive = Archive(orthanc.url)
        with console.status("Starting the worker"):
            archive.wait_until_ready()
        report = _send(studies, orthanc, console)
        _wait(archive, console, known_to_be_sent=bool(report.sent))
        asked, answer = _ask(archive)
        _show(archive, asked, answer, console)
        if not options.once:
            _stay(orthanc, archive, console)
    return list(answer["cases"])


def _studies(options: DemoOptions, console: Console) -> Path:
    if options.data is not None:
        if not options.data.is_dir():
            raise InvalidRequest(f"{options.data} is no folder; give the folder of your DICOM files")
        return options.data
    folder = options.work_dir / "studies"
    with console.status("Making studies") as status:
        count = write_studies(folder, options.sdist, lambda name: status.update(f"Making {name}"))
    console.print(f"{count} DICOM files in {folder}")
    return folder


@contextmanager
def _orthanc(options: DemoOptions, console: Console) -> Iterator[OrthancProcess]:
    executable = find_executable()
    if executable is None:
        raise InvalidRequest("no Orthanc on this machine: run docker/install-debian.sh orthanc")
    setup = OrthancSetup(
        folder=options.work_dir,
        config_dir=options.checkout / "orthanc-config",
        entry_script=options.checkout / "plugin" / "orthanc_entry.py",
        overrides={
            "HttpPort": _port(HTTP_PORT),
            "DicomPort": _port(DICOM_PORT),
            "SimilarCases": {"WorkerCommand": [str(Path(sys.executable).with_name("similar-cases"))]},
        },
        # the demonstration's own studies show what clicks and annotations give, within a minute
        environment={} if options.data else {"SIMILAR_CASES_SEGMENT__EVERYTHING_POINTS": "0"},
        executable=executable,
    )
    with _ended_by_signals(), OrthancProcess(setup) as orthanc:
        console.print(f"Orthanc {orthanc.url}, DICOM port {orthanc.dicom_port}, log {orthanc.log_path}")
        yield orthanc


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM end us as Ctrl-C does, so that all that was started is ended."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _send(studies: Path, orthanc: OrthancProcess, console: Console) -> SendReport:
    address = DimseAddress(host="127.0.0.1", port=orthanc.dicom_port, called_aet=orthanc.aet, calling_aet="SCANNER")
    with _progress(console) as progress:
        task = progress.add_task("Sending by C-STORE", total=None)

        def moved(tried: int, total: int) -> None:
            progress.update(task, completed=tried, total=total)

        report = send([studies], address, progress=moved)
    for failure in report.failures[:5]:
        console.print(f"Not taken: {failure.sop_instance_uid}: {failure.reason}", highlight=False, markup=False)
    return report


def _wait(archive: Archive, console: Console, *, known_to_be_sent: bool) -> None:
    with _progress(console) as progress:
        task = progress.add_task("Indexing series", total=None)

        def moved(settled: int, known: int) -> None:
            progress.update(task, completed=settled, total=known or None)

        states = archive.wait_until_settled(moved, something_comes=known_to_be_sent)
    console.print(", ".join(f"{count} {state.value}" for state, count in states.items() if count) or "nothing to index")
    for state in (SeriesState.REFUSED, SeriesState.FAILED):
        for row in archive.series(state)[:8]:
            console.print(
                f"  {state.value} {row.get('modality', '')} {row['series']}: {row.get('reason', '')}",
                highlight=False,
                markup=False,
            )


def _ask(archive: Archive) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ask about the first region that the archive has; about a series where it has none."""
    rows = sorted(
        archive.series(SeriesState.INDEXED), key=lambda row: (row.get("about", {}).get("patient_id", ""), row["series"])
    )
    if not rows:
        raise NotFound("nothing that was sent could be indexed; the reasons stand above")
    for row in rows:
        for region in archive.regions(row["series"]):
            return region, archive.similar_to(region, ANSWERS)
    about = rows[0].get("about", {})
    return {**about, **rows[0]}, archive.similar_to(rows[0], ANSWERS)


def _show(archive: Archive, asked: dict[str, Any], answer: dict[str, Any], console: Console) -> None:
    table = Table(title=Text(f"Similar to {_name(asked)}"), title_justify="left", show_lines=True)
    for heading in ("", "score", "case", "parts", "why"):
        table.add_column(heading, overflow="fold")
    for case in answer["cases"]:
        parts = "\n".join(f"{part['name']} {part['value']:.2f}" for part in case["parts"])
        cells = (str(case["rank"]), f"{case['score']:.3f}", _name(case), parts, "\n".join(case["reasons"]))
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
    console.print(f"{answer['candidates']} candidates. Research software: not a medical device.")
    console.print(f"Page: {archive.page(asked)}", soft_wrap=True, highlight=False)


def _name(case: dict[str, Any]) -> str:
    region = case.get("region") or {}
    finding = region.get("finding", {}).get("meaning", "")
    size = f"{region['volume_ml']:.1f} ml" if region else ""
    words = (case.get("patient_id", ""), case.get("modality", ""), case.get("body_part_examined", ""), finding, size)
    return " ".join(word for word in words if word)


def _stay(orthanc: OrthancProcess, archive: Archive, console: Console) -> None:
    console.print(f"Everything stays up until Ctrl-C. All series: {archive.page_root()}")
    try:
        while orthanc.is_running:
            threading.Event().wait(0.5)
    except KeyboardInterrupt:
        console.print("Ending Orthanc and the worker")


def _port(preferred: int) -> int:
    with socket.socket() as probe:
        # as Orthanc binds: a port that only waits for old connections to fade is free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", preferred))
        except OSError:
            return free_ports(1)[0]
    return preferred


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)
