"""The model card, for people, from the bundle's metadata."""

from typing import Any

from models import bundle

from similar_cases.segment.backends.promptable.inputs import SIZE
from similar_cases.segment.backends.promptable.zoom import ZoomRecipe

_KEPT = {
    "best": "the weights of the evaluation that was best on the validation patients",
    "last": "the weights at the end",
    "mean": "the mean of the weights at the end and of those that were best on the validation patients",
}
_CLICKED = {"small": "set in, under 30 mm", "large": "set in, larger"}
_SPLITS = {
    "validation": "Validation: patients whom the weights never saw",
    "test": "Data sets never trained on (test only)",
}


def model_card(metadata: dict[str, Any]) -> str:
    """Return README.md of the bundle."""
    training = metadata["training"]
    repeated = [
        "{steps} steps in {minutes} minutes on {machine}. {optimiser}; seed {seed}. Kept: {kept}.".format(
            **training, kept=_KEPT[training["taken"]]
        ),
        _COMMANDS.replace("TRAIN", training["command"])
        .replace("VERSION", metadata["version"])
        .replace("TAKEN", training["taken"]),
    ]
    recipe = ZoomRecipe()
    how = (
        _HOW.replace("WIDTH", f"{SIZE * recipe.first_spacing_mm / 10:.0f} cm")
        .replace("SIZE", str(SIZE))
        .replace("STARTS", str(recipe.starts))
    )
    figures = [*_figures(metadata["metrics"]), *_believed(metadata["judge"])]
    return bundle.model_card(metadata, how, figures, repeated)


_HOW = """\
The network sees cubes of SIZE voxels. The first looks are round the click, at up to STARTS scales: the widest WIDTH
wide, less in a short volume, each next one nearer. A judge, a small network of its own, reads what the looks tell of
their masks (how sure, how stable, how unlike what is round them, how far they run out of the cube, how far they agree
with those of the wider and the nearer look), and the look is believed that it takes for the likeliest to show the whole
of what was clicked. Each look after that has the scale at which what was found fills a set share of the cube; the last
one's mask is brought back to the series' own grid. A box or a mask so far tells the scale at once. Prompts are channels
beside the image: positive points, negative points, box, mask so far. The cube's axes are those of the patient (LPS),
whatever the axes of the series. The recipe (`ZoomRecipe`) was chosen on the training patients by `choose_zoom.py`; its
numbers are part of the segmenter's identity. Voxels that were clicked are always as they were clicked."""

_COMMANDS = """\
To repeat it, on a CPU or a GPU; a training that is stopped goes on where it was:

```
python -m models.promptable.prepare --data DIR --out .cache/promptable-training.npz
TRAIN
python -m models.promptable.prepare --data DIR --out .cache/promptable-fine.npz --fine
python -m models.promptable.train_judge --items .cache/promptable-fine.npz --training .cache/promptable --take TAKEN
python -m models.promptable.choose_zoom --items .cache/promptable-training.npz --weights .cache/promptable/best.pt
python -m models.promptable.export --training .cache/promptable --take TAKEN --version VERSION --data DIR
```

`DIR` holds the data sets, laid out as `similar-cases evaluate click-to-mask --help` tells."""


def _figures(metrics: dict[str, Any]) -> list[str]:
    if not metrics:
        return ["Not measured yet: run `export.py` with `--data`."]
    told = (
        "Dice of the mask in the series' own grid, by `similar-cases evaluate click-to-mask`: the first click at the "
        "centroid, each next in the middle of the largest error. In brackets the 95 % interval of the mean, patients "
        "resampled; none where there is one patient. The reference is `region_growing` on the same clicks."
    )
    return [told, *(part for split, rows in metrics.items() for part in (f"### {_SPLITS[split]}", _rows(rows)))]


def _believed(judge: dict[str, Any]) -> list[str]:
    """Return how good the first looks are that the judge believes."""
    if not judge:
        return []
    told = (
        f"The judge of scales learnt from {judge['clicks']} clicks on training patients, whom the network knew, and on "
        "lesions set into their images. Mean intersection over union of the first look that is believed by a judge "
        "which never saw the patient, of that with the network's best quality, and of the best:"
    )
    header = ("clicked", "clicks", "judge", "quality", "best")
    rows = [
        [_CLICKED.get(row["kind"], row["kind"]), str(row["n"]), *(f"{row[way]:.3f}" for way in header[2:])]
        for row in judge["believed"]
    ]
    return ["### At which scale to look", told, bundle.table(header, rows)]


def _rows(rows: list[dict[str, Any]]) -> str:
    header = ("data set", "modality", "lesions", "clicks", "Dice", "reference")
    return bundle.table(header, [_figure_row(row) for row in rows])


def _figure_row(row: dict[str, Any]) -> list[str]:
    interval = " ({:.2f} to {:.2f})".format(*row["dice_ci"]) if row["dice_ci"] else ""
    names = [row["dataset"], row["modality"], str(row["n"]), str(row["clicks"])]
    return [*names, f"{row['dice_mean']:.3f}{interval}", f"{row['reference_dice_mean']:.3f}"]
