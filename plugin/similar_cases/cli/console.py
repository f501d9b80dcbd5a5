"""How the command line speaks: tables for people, JSON for programs, one line for an error, a number for the shell."""

import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from similar_cases.domain import errors
from similar_cases.settings import Effective, load_settings


class ExitCode(IntEnum):
    """What the command tells the shell."""

    #: done
    OK = 0
    #: something failed; what, stands on standard error
    FAILED = 1
    #: the command's words or a setting are off
    USAGE = 2
    #: nothing under that identifier, or nothing similar
    NOTHING_FOUND = 3
    #: the archive does not answer
    PACS_AWAY = 4
    #: the series is known, but not indexed, or refused
    NOT_READY = 5


#: error class → exit code; a class that is not here has its nearest base's
EXIT_CODES: Mapping[type[errors.SimilarCasesError], ExitCode] = {
    errors.SimilarCasesError: ExitCode.FAILED,
    errors.InvalidRequest: ExitCode.USAGE,
    errors.InvalidSettings: ExitCode.USAGE,
    errors.NotFound: ExitCode.NOTHING_FOUND,
    errors.PacsUnavailable: ExitCode.PACS_AWAY,
    errors.NotReady: ExitCode.NOT_READY,
    errors.Refused: ExitCode.NOT_READY,
}


def exit_code_of(error: errors.SimilarCasesError) -> ExitCode:
    """Return what an error tells the shell.

    >>> exit_code_of(errors.InvalidUid()).name, exit_code_of(errors.IncompleteTransfer()).name
    ('USAGE', 'PACS_AWAY')
    """
    return next(EXIT_CODES[base] for base in type(error).__mro__ if base in EXIT_CODES)


@dataclass(frozen=True)
class Session:
    """What stands before the command: where settings come from."""

    settings_file: Path | None = None

    def effective(self, flags: Mapping[str, Mapping[str, object]] | None = None) -> Effective:
        """Return the settings in force; `flags` are section → name → value, None for a flag that was not given."""
        given = {
            section: {name: value for name, value in values.items() if value is not None}
            for section, values in (flags or {}).items()
        }
        return load_settings(given, self.settings_file)


def session_of(context: typer.Context) -> Session:
    """Return what stood before the command."""
    found = context.find_object(Session)
    assert found is not None
    return found


def print_json(body: object) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(body, ensure_ascii=False, indent=2, default=str) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; what archives hold is shown as it is, never read as markup or as control characters."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(shown(cell) for cell in row))
    # a pipe has no width: nothing is cut for it
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def shown(cell: object) -> str:
    r"""Return a cell as text that cannot command the terminal.

    >>> shown("a\x1b[31m"), shown(None), shown(0.12345)
    ('a?[31m', '', '0.123')
    """
    if cell is None:
        return ""
    text = f"{cell:.3f}" if isinstance(cell, float) else str(cell)
    return escape("".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text))


def tell(line: str) -> None:
    """Say something to people, beside the output."""
    Console(stderr=True).print(shown(line), highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(what: str, total: int | None = None) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error while the block runs; give what moves it, called with (done, total)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)

        def move(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)

        yield move


@contextmanager
def answering(*, as_json: bool) -> Iterator[None]:
    """Turn an error of ours into one line on standard error and its exit code; a traceback is for bugs in a log."""
    try:
        yield
    except errors.SimilarCasesError as error:
        _say_error(error, as_json=as_json)
        raise typer.Exit(exit_code_of(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _say_error(error: errors.SimilarCasesError, *, as_json: bool) -> None:
    body: dict[str, Any] = {"error": str(error), "class": type(error).__name__}
    text = json.dumps(body, ensure_ascii=False) if as_json else f"similar-cases: {shown_plain(str(error))}"
    sys.stderr.write(text + "\n")


def shown_plain(text: str) -> str:
    """Return `text` in one line without control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def log_to_stderr() -> None:
    """Log in JSON, one line an event, as collectors read it.

    Libraries log errors alone, and warn nobody: what pydicom says of a value quotes it, and it may be a patient's name.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.ERROR, handlers=[handler], force=True)
    # it tells, with a traceback, of each decoder that fails before the one that works; what fails for good is raised
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    logging.getLogger("similar_cases").setLevel(logging.INFO)
    warnings.simplefilter("ignore")


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as JSON."""
        line = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "from": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
