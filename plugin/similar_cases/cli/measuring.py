"""``evaluate``: how good retrieval is, by the protocols of the papers, beside chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from similar_cases import bootstrap
from similar_cases.cli.console import answering, print_json, print_table, progress_bar, session_of, tell
from similar_cases.evaluate.split import Split

if TYPE_CHECKING:
    from similar_cases.describe.embedder import Embedder
    from similar_cases.evaluate.own_data import Bench
    from similar_cases.evaluate.table import Table

Data = Annotated[
    Path,
    typer.Option(
        exists=True,
        file_okay=False,
        help="Folder of data sets: sarcoma/ (dicom/PATIENT/CT|MR_T1|PET, subjects.csv), hippocampus/ (images/, "
        "labels/); nsclc/, ibsi_lung/ (DICOM with RTSTRUCT), ms_lesions/ (FLAIR*, GOLD*).",
    ),
]
Which = Annotated[
    Split,
    typer.Option(
        help="Whose lesions ask. validation: held out of training; training: no proof; test: never trained on."
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Option("--embedder", help="An embedder by name; may be repeated. The settings' own where none is named."),
]
Cache = Annotated[
    Path, typer.Option(file_okay=False, help="Where descriptions are kept, so that a second run is quick.")
]
Markdown = Annotated[
    Path | None, typer.Option(help="A file of Markdown that the tables are written into, each in its place.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]

DEFAULT_CACHE = Path("~/.cache/similar-cases/evaluate").expanduser()


def register(group: typer.Typer) -> None:
    """Add the protocols to ``evaluate``."""
    group.command("same-lesion")(same_lesion)
    group.command("radiomics")(radiomics)


def same_lesion(
    context: typer.Context,
    data: Data,
    split: Which = Split.VALIDATION,
    embedder: Names = None,
    cache: Cache = DEFAULT_CACHE,
    markdown: Markdown = None,
    as_json: AsJson = False,
) -> None:
    """Seek a lesion of one modality in another modality of the same patient: top-1 and mean reciprocal rank."""
    from similar_cases.evaluate.own_data import same_lesion_table

    with answering(as_json=as_json):
        bench = _bench(context, data, embedder, cache)
        _print([same_lesion_table(bench, split)], markdown, as_json=as_json)


def radiomics(
    context: typer.Context,
    data: Data,
    split: Which = Split.VALIDATION,
    embedder: Names = None,
    cache: Cache = DEFAULT_CACHE,
    markdown: Markdown = None,
    as_json: AsJson = False,
) -> None:
    """Correlate the radiomics of a lesion with those of its five most similar, by the features that were asked with."""
    from similar_cases.evaluate.own_data import radiomics_table

    with answering(as_json=as_json):
        bench = _bench(context, data, embedder, cache)
        _print([radiomics_table(bench, split)], markdown, as_json=as_json)


def _bench(context: typer.Context, data: Path, names: list[str] | None, cache: Path) -> Bench:
    """Return what the protocols work with, from the settings and the flags."""
    from similar_cases.describe.radiomics import RadiomicsExtractor
    from similar_cases.evaluate.describe_samples import Describers
    from similar_cases.evaluate.embedders import open_compared
    from similar_cases.evaluate.own_data import Bench
    from similar_cases.evaluate.result_store import ResultStore

    session = session_of(context)
    settings = session.effective().settings

    def opened(name: str) -> Embedder:
        return bootstrap.open_embedder(session.effective({"describe": {"embedder": name}}).settings)

    describers = Describers(
        embedders=open_compared(names or [settings.describe.embedder], opened),
        extractor=RadiomicsExtractor(bootstrap.radiomics_recipe(settings)),
    )
    return Bench(data=data, describers=describers, store=ResultStore(cache), progress=progress_bar)


def _print(tables: Sequence[Table], markdown: Path | None, *, as_json: bool) -> None:
    from similar_cases.evaluate.table import COLUMNS, tables_json, write_into

    if markdown is not None:
        write_into(markdown, tables)
    if as_json:
        print_json(tables_json(tables, {}))
        return
    for table in tables:
        print_table(table.title, COLUMNS, table.cells())
        for remark in table.remarks:
            tell(remark)
