"""The command ``similar-cases``: the same words as in the code, each command one act of the pipeline."""

import os
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from similar_cases.cli import archive, asking, auditing, evaluating, models, saying, serving, showing, site
from similar_cases.cli.console import Session

app = typer.Typer(
    name="similar-cases",
    help="Finds, in a hospital's own archive, the cases that look like the one on the screen. Research software, not a "
    "medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
)


def _version(*, value: bool) -> None:
    if value:
        typer.echo(version("similar-cases"))
        raise typer.Exit


@app.callback()
def before(
    context: typer.Context,
    settings: Annotated[
        Path | None,
        typer.Option(
            envvar="SIMILAR_CASES_SETTINGS", help="Settings file, TOML; see `similar-cases settings --as-toml`."
        ),
    ] = None,
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=lambda value: _version(value=value), is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Take what stands before every command."""
    context.obj = Session(settings)


for group in (serving, archive, asking, saying, auditing, evaluating, models, site, showing):
    group.register(app)


def main() -> None:
    """Run the command."""
    # threads that wait must not spin: 58 ms, not 327 ms, a slice on a busy machine; torch reads it when it is loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app()
