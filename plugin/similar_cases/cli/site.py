"""``settings`` and ``doctor``: what is in force here, and whether it can work."""

import sys
from typing import Annotated

import typer

from similar_cases.cli.console import ExitCode, answering, print_json, print_table, session_of
from similar_cases.cli.doctor import Finding, examine
from similar_cases.cli.settings_file import as_toml

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(settings)
    app.command()(doctor)


def settings(
    context: typer.Context,
    as_json: AsJson = False,
    toml: Annotated[bool, typer.Option("--as-toml", help="Print a settings file with every default.")] = False,
) -> None:
    """Print the settings in force and where each came from; secrets are masked."""
    if toml:
        sys.stdout.write(as_toml())
        return
    with answering(as_json=as_json):
        rows = list(session_of(context).effective().rows())
    if as_json:
        print_json({path: {"value": value, "origin": origin} for path, value, origin in rows})
    else:
        print_table("Settings in force", ("setting", "value", "from"), rows)


def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Look whether everything that Similar Cases needs is there, and say what to do where it is not."""
    with answering(as_json=as_json):
        findings = examine(session_of(context).effective().settings)
    if as_json:
        print_json([{"what": f.what, "state": f.state, "found": f.found, "advice": f.advice} for f in findings])
    else:
        print_table("Doctor", ("what", "state", "found", "what to do"), [_row(finding) for finding in findings])
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(ExitCode.FAILED)


def _row(finding: Finding) -> tuple[str, str, str, str]:
    return finding.what, finding.state, finding.found, finding.advice
