"""``send``, ``ingest``, ``forget`` and ``reindex``: what changes the archive or its index."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from similar_cases import bootstrap
from similar_cases.cli.console import ExitCode, answering, print_json, print_table, progress_bar, session_of, tell
from similar_cases.domain.case import SeriesState
from similar_cases.domain.errors import InvalidRequest, NotFound
from similar_cases.domain.references import require_uid
from similar_cases.index.rows import SeriesRow
from similar_cases.web import plain_json

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
SeriesUid = Annotated[str, typer.Option("--series", help="Series Instance UID.")]
StudyUid = Annotated[str, typer.Option("--study", help="Study Instance UID.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (send, ingest, forget, reindex):
        app.command()(command)


def send(
    folder: Annotated[Path, typer.Argument(exists=True, help="Folder or file of DICOM.")],
    host: Annotated[str, typer.Option(help="The archive's host.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The archive's DICOM port.")] = 4242,
    aet: Annotated[str, typer.Option(help="The archive's application entity title.")] = "ORTHANC",
    own_aet: Annotated[str, typer.Option(help="Ours.")] = "SIMILARCASES",
    as_json: AsJson = False,
) -> None:
    """Send DICOM as a scanner does, by C-STORE."""
    from similar_cases.pacs.dimse import DimseAddress
    from similar_cases.pacs.dimse import send as store

    address = DimseAddress(host=host, port=port, called_aet=aet, calling_aet=own_aet)
    with answering(as_json=as_json), progress_bar("Sending") as move:
        report = store([folder], address, progress=move)
    failures = [
        {"instance": failure.sop_instance_uid, "status": failure.status, "reason": failure.reason}
        for failure in report.failures
    ]
    if as_json:
        print_json({"sent": report.sent, "failed": failures, "passed_over": report.passed_over})
    else:
        tell(f"sent {report.sent}, failed {len(failures)}, no DICOM {report.passed_over}")
        if failures:
            print_table("Failed", ("instance", "reason"), [(one["instance"], one["reason"]) for one in failures[:50]])
    if failures:
        raise typer.Exit(ExitCode.FAILED)
    if not report.sent:
        raise typer.Exit(ExitCode.NOTHING_FOUND)


def ingest(
    context: typer.Context,
    series: SeriesUid = "",
    study: StudyUid = "",
    everything: Annotated[bool, typer.Option("--all", help="Every series that Orthanc has.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also what is indexed and has not changed.")] = False,
    timings: Annotated[bool, typer.Option("--timings", help="Show where the time went.")] = False,
    as_json: AsJson = False,
) -> None:
    """Index series now, here in the foreground; the worker may run beside it."""
    from similar_cases.cli.foreground import Selection, ingest_now
    from similar_cases.worker.reconcile import Reconciliation

    with answering(as_json=as_json):
        _require_one(series, study, everything=everything)
        settings = session_of(context).effective().settings
        tools, feed = bootstrap.build_tools(settings), bootstrap.open_feed(settings)
        reconciliation = Reconciliation(feed, tools.worklist, settings.worker.modalities)
        selection = Selection(series_uid=series, study_uid=study)
        with progress_bar("Indexing") as move:
            rows = ingest_now(selection, tools, reconciliation, feed, anew=again, moved=move)
    if as_json:
        print_json([plain_json.series_json(row, None, None) for row in rows])
    else:
        _print_rows(rows, timings=timings)
    _exit_by(rows)


def forget(context: typer.Context, series: SeriesUid = "", study: StudyUid = "", as_json: AsJson = False) -> None:
    """Take series out of the answers; as long as Orthanc has them, the next comparison brings them back."""
    from similar_cases.index.presence import Presence
    from similar_cases.pipeline.forget import forget_series

    with answering(as_json=as_json):
        _require_one(series, study, everything=False)
        worklist = bootstrap.open_books(session_of(context).effective().settings).worklist
        known = Presence(worklist.catalogue.engine).known()
        gone = [one for one in known if series == one.series.series_uid or study == one.series.study_uid]
        if not gone:
            raise NotFound(f"the catalogue knows no series under {series or study}")
        count = forget_series(worklist, gone)
    if as_json:
        print_json({"forgotten": count})
    else:
        tell(f"forgot {count} series; while Orthanc has them, the worker's next comparison brings them back")


def reindex(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also what this very pipeline indexed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask the worker to index again what an older pipeline indexed; until its turn a series is found as before."""
    from similar_cases.pipeline.reindex import reindex

    with answering(as_json=as_json):
        count = reindex(bootstrap.build_tools(session_of(context).effective().settings), everything=everything)
    if as_json:
        print_json({"asked": count})
    else:
        tell(f"{count} series wait to be indexed again; `similar-cases status` tells how far the worker is")


def _require_one(series: str, study: str, *, everything: bool) -> None:
    if sum((bool(series), bool(study), everything)) != 1:
        raise InvalidRequest("give exactly one of the options that say which series; see --help")
    for uid in (series, study):
        if uid:
            require_uid(uid)


def _print_rows(rows: Sequence[SeriesRow], *, timings: bool) -> None:
    from similar_cases.pipeline.steps import STEPS

    steps = STEPS if timings else ()
    lines = [
        (
            row.series.series_uid,
            row.modality,
            row.instance_count,
            row.state.value if row.state else "",
            row.reason or "; ".join(row.notes),
            *(_seconds(row, step) for step in steps),
            f"{sum(row.timings.values()):.2f}" if row.timings else "",
        )
        for row in rows
    ]
    columns = ("series", "modality", "instances", "state", "reason, notes", *steps, "seconds")
    print_table("Series", columns, lines)


def _seconds(row: SeriesRow, step: str) -> str:
    return f"{row.timings[step]:.2f}" if step in row.timings else ""


def _exit_by(rows: Sequence[SeriesRow]) -> None:
    """A refused series among others is no failure; alone it is what was asked for, and is not there."""
    states = {row.state for row in rows}
    if states - {SeriesState.INDEXED, SeriesState.REFUSED}:
        raise typer.Exit(ExitCode.FAILED)
    if states == {SeriesState.REFUSED}:
        raise typer.Exit(ExitCode.NOT_READY)
