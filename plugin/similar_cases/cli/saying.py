"""``feedback``: what people said of answers."""

from dataclasses import asdict
from typing import Annotated

import typer

from similar_cases import bootstrap
from similar_cases.cli.console import answering, print_json, print_table, session_of
from similar_cases.domain.references import require_uid
from similar_cases.index.feedback import FeedbackBook
from similar_cases.web.said import as_csv

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What people said of answers.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="feedback")


@group.command("export")
def export(
    context: typer.Context,
    series: Annotated[str, typer.Option(help="Only words on answers to questions about that series.")] = "",
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Print every word that was said of an answer: alike, or not alike."""
    with answering(as_json=as_json):
        books = bootstrap.open_books(session_of(context).effective().settings)
        said = FeedbackBook(books.worklist.catalogue.engine).all(require_uid(series) if series else "")
    if as_json:
        print_json([asdict(one) for one in said])
    elif csv:
        typer.echo(as_csv(said), nl=False)
    else:
        lines = [(one.verdict.value, one.rank or "", one.asked_uid, one.case_uid, one.user) for one in said]
        print_table(f"{len(said)} words", ("verdict", "rank", "asked about", "case", "user"), lines)
