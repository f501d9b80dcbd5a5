"""``evaluate``: how good retrieval is, by the protocols of the papers, beside chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from similar_cases import bootstrap
from similar_cases.cli.console import Session, answering, print_json, print_table, progress_bar, session_of, tell
from similar_cases.evaluate.split import Split

if TYPE_CHECKING:
    from similar_cases.describe.embedder import Embedder
    from similar_cases.domain.description import EmbeddingSpace
    from similar_cases.evaluate.bench import Bench
    from similar_cases.evaluate.table import Table
    from similar_cases.index.case_index import CaseIndex
    from similar_cases.segment.segmenter import Segmenter

Data = Annotated[
    Path,
    typer.Option(exists=True, file_okay=False, help="Folder of data, in the layout told above."),
]
Which = Annotated[
    Split,
    typer.Option(
        help="Whose images ask, in the folder of data sets. validation: held out of training; training: no proof; "
        "test: never trained on. Published data sets have their own."
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Option("--embedder", help="An embedder by name; may be repeated. The settings' own where none is named."),
]
Clicking = Annotated[
    str,
    typer.Option(help="The segmenter, by name, that finds regions from one click; none leaves clicks out."),
]
Cache = Annotated[
    Path, typer.Option(file_okay=False, help="Where descriptions are kept, so that a second run is quick.")
]
Markdown = Annotated[
    Path | None, typer.Option(help="A file of Markdown that the tables are written into, each in its place.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]

PROMPTABLE = "promptable"
DEFAULT_CACHE = Path("~/.cache/similar-cases/evaluate").expanduser()

_OWN = (
    "\n\nDIR is the folder of data sets: sarcoma/ (dicom/PATIENT/CT|MR_T1|PET, subjects.csv), hippocampus/ (images/, "
    "labels/), nsclc/, ibsi_lung/ (DICOM with RTSTRUCT), ms_lesions/ (FLAIR*, GOLD*)."
)
_MSD = (
    "\n\nDIR is the Medical Segmentation Decathlon: dataset.json with imagesTr/*.nii.gz and labelsTr/*.nii.gz, in DIR "
    "or in folders Task*/ under it. Or the folder of data sets of the other protocols."
)
_TOTAL = (
    "\n\nDIR is TotalSegmentator's data set: meta.csv (image_id;…;split) beside sNNNN/ct.nii.gz and "
    "sNNNN/segmentations/CLASS.nii.gz."
)

_TUMOURS = (
    "\n\nDIR is BraTS: CASE/CASE-t1c.nii.gz with CASE-seg.nii.gz; or NSCLC-Radiomics as TCIA gives it: one folder a "
    "patient with DICOM CT and RTSTRUCT (GTV-1 and others, Lung-Left, Lung-Right) at any depth."
)

Tables = Callable[["Bench", Split], Iterable["Table"]]


def register(group: typer.Typer) -> None:
    """Add the protocols to ``evaluate``."""
    for name, tables, told in (
        ("same-lesion", _same_lesion, f"Seek a lesion of one modality in another of the same patient.{_OWN}"),
        ("radiomics", _radiomics, f"Correlate radiomics with those of the five most similar lesions.{_OWN}"),
        ("location", _location, f"Count answers that lie where the query does: P@5 by region of the body.{_OWN}"),
        ("3d-mir", _mir_3d, f"Seek volumes by volumes: P@k by lesion flag and group, as 3D-MIR.{_MSD}"),
        ("radiomics-retrieval", _tumours, f"Seek tumours by place and radiomics, as RadiomicsRetrieval.{_TUMOURS}"),
        ("totalsegmentator", _organs, f"Seek volumes that show the same organs: recall by class.{_TOTAL}"),
        ("all", _all, f"Run every protocol that the folder of data sets allows, with the splits that each has.{_OWN}"),
    ):
        group.command(name, help=told)(_command(tables))


def _command(tables: Tables) -> Callable[..., None]:
    """Return the command that prints what `tables` measures."""

    def command(
        context: typer.Context,
        data: Data,
        split: Which = Split.VALIDATION,
        embedder: Names = None,
        segmenter: Clicking = PROMPTABLE,
        cache: Cache = DEFAULT_CACHE,
        markdown: Markdown = None,
        as_json: AsJson = False,
    ) -> None:
        from similar_cases.evaluate.table import tables_json

        with answering(as_json=as_json):
            bench = _bench(context, data, embedder, cache, segmenter)
            flags = "".join(f" --embedder {name}" for name in embedder or ())
            flags += "" if segmenter == PROMPTABLE else f" --segmenter {segmenter}"
            made = [replace(table, command=table.command + flags) for table in tables(bench, split)]
            _keep(made, markdown)
            if as_json:
                print_json(tables_json(made, bench.about))
            else:
                _show(made)

    return command


def _all(bench: Bench, _: Split) -> Iterator[Table]:
    yield from _same_lesion(bench, Split.VALIDATION)
    yield from _same_lesion(bench, Split.TRAINING)
    yield from _radiomics(bench, Split.VALIDATION)
    yield from _location(bench, Split.VALIDATION)
    yield from _location(bench, Split.TEST)
    yield from _mir_3d(bench, Split.VALIDATION)


def _same_lesion(bench: Bench, split: Split) -> Sequence[Table]:
    from similar_cases.evaluate.own_data import same_lesion_table

    return [same_lesion_table(bench, split)]


def _radiomics(bench: Bench, split: Split) -> Sequence[Table]:
    from similar_cases.evaluate.own_data import radiomics_table

    return [radiomics_table(bench, split)]


def _location(bench: Bench, split: Split) -> Sequence[Table]:
    from similar_cases.evaluate.own_data import location_table

    return [location_table(bench, split)]


def _mir_3d(bench: Bench, split: Split) -> Sequence[Table]:
    from similar_cases.evaluate.volume_tables import mir_3d_table

    return [mir_3d_table(bench, split)]


def _organs(bench: Bench, _: Split) -> Sequence[Table]:
    from similar_cases.evaluate.volume_tables import totalsegmentator_table

    return [totalsegmentator_table(bench)]


def _tumours(bench: Bench, _: Split) -> Sequence[Table]:
    from similar_cases.evaluate.tumour_tables import radiomics_retrieval_table

    return [radiomics_retrieval_table(bench)]


def _bench(context: typer.Context, data: Path, names: list[str] | None, cache: Path, segmenter: str) -> Bench:
    """Return what the protocols work with, from the settings and the flags."""
    from similar_cases.describe.radiomics import RadiomicsExtractor
    from similar_cases.describe.registry import open_body_position
    from similar_cases.evaluate.bench import Bench
    from similar_cases.evaluate.describe_samples import Describers
    from similar_cases.evaluate.embedders import open_compared
    from similar_cases.evaluate.result_store import ResultStore
    from similar_cases.index.registry import CASE_INDEXES

    session = session_of(context)
    settings = session.effective().settings

    def opened(name: str) -> Embedder:
        return bootstrap.open_embedder(session.effective({"describe": {"embedder": name}}).settings)

    describers = Describers(
        embedders=open_compared(names or [settings.describe.embedder], opened),
        extractor=RadiomicsExtractor(bootstrap.radiomics_recipe(settings)),
        body=open_body_position(bootstrap.device(settings)),
    )
    return Bench(
        data=data,
        describers=describers,
        store=ResultStore(cache),
        progress=progress_bar,
        clicking=_clicking(session, segmenter),
        indexes={told: partial(_index, CASE_INDEXES[name], bootstrap.device(settings)) for told, name in _INDEXES},
    )


def _clicking(session: Session, segmenter: str) -> Segmenter | None:
    if segmenter == "none":
        return None
    return bootstrap.open_segmenter(session.effective({"segment": {"backend": segmenter}}).settings)


#: what tables call the indexes that are compared, the exact one first, and their names
_INDEXES = (("exact", "exact"), *((("HNSW", "faiss-hnsw"),) if find_spec("faiss") else ()))


def _index(create: Callable[[EmbeddingSpace, str], CaseIndex], device: str, space: EmbeddingSpace) -> CaseIndex:
    return create(space, device)


def _keep(tables: Sequence[Table], markdown: Path | None) -> None:
    from similar_cases.evaluate.table import write_into

    if markdown is not None:
        write_into(markdown, tables)


def _show(tables: Sequence[Table]) -> None:
    from similar_cases.evaluate.table import COLUMNS

    for table in tables:
        print_table(table.title, COLUMNS, table.cells())
        for remark in table.remarks:
            tell(remark)
