"""``audit``: who asked what, and which studies the answers showed."""

import csv
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from similar_cases import bootstrap
from similar_cases.cli.console import answering, print_json, print_table, session_of
from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.references import require_uid
from similar_cases.index.audit import AuditBook, AuditEntry

_COLUMNS = ("at", "user", "route", "kinds", "asked", "cases", "shown")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(audit)


def audit(
    context: typer.Context,
    since: Annotated[str, typer.Option(help="From that moment on, UTC: 2026-01-31 or 2026-01-31T08:00.")] = "",
    user: Annotated[str, typer.Option(help="Of that user alone.")] = "",
    study: Annotated[str, typer.Option(help="That asked about that Study Instance UID, or showed it.")] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV: UIDs separated by spaces.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Tell who asked what, and which studies the answers showed."""
    with answering(as_json=as_json):
        books = bootstrap.open_books(session_of(context).effective().settings)
        book = AuditBook(books.worklist.catalogue.engine, days=0)
        found = list(book.entries(_moment(since), user, require_uid(study) if study else ""))
    if as_json:
        print_json([{**asdict(entry), "at": _written(entry.at)} for entry in found])
    elif as_csv:
        _print_csv(found)
    else:
        rows = [(_written(e.at), e.user, ", ".join(e.kinds), " ".join(e.asked), str(e.cases)) for e in found]
        print_table("Questions", ("when", "who", "asked by", "about", "cases"), rows)


def _moment(text: str) -> float:
    if not text:
        return 0.0
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"not a moment: {text[:40]!r}; such as 2026-01-31 or 2026-01-31T08:00") from None
    return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()


def _written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _print_csv(found: Iterable[AuditEntry]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for entry in found:
        # a spreadsheet must not take a user's name for a formula
        user = f"'{entry.user}" if entry.user[:1] in ("=", "+", "-", "@", "\t", "\r") else entry.user
        lists = (" ".join(entry.kinds), " ".join(entry.asked), str(entry.cases), " ".join(entry.shown))
        writer.writerow((_written(entry.at), user, entry.route, *lists))
