"""``demo``: the product at work on an Orthanc of its own; `make run` calls it."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from similar_cases.cli.console import answering, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    data: Annotated[Path | None, typer.Option(help="Folder of your own DICOM; else lesions and phantoms.")] = None,
    once: Annotated[bool, typer.Option("--once", help="End after the answer, instead of at Ctrl-C.")] = False,
    checkout: Annotated[Path, typer.Option(help="The repository's folder.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print the similar cases as one JSON document.")] = False,
) -> None:
    """Start Orthanc with the plugin, send studies as a scanner would, wait, ask, and print similar cases."""
    from similar_cases.demo.show import DemoOptions, run_demo

    with answering(as_json=as_json):
        sdist = next(iter(sorted((checkout / ".cache").glob("pyradiomics_cuda-*.tar.gz"))), None)
        options = DemoOptions(checkout=checkout.resolve(), data=data, once=once, sdist=sdist)
        # a pipe has no width: the table is laid out for one that a log can hold
        width = None if sys.stdout.isatty() else 140
        cases = run_demo(options, Console(stderr=as_json, width=width))
        if as_json:
            print_json({"cases": cases})
