"""Turns the weights that train.py wrote into a MONAI bundle: weights in half precision, metadata, model card.

    python -m models.promptable.export --training .cache/promptable --version 1.0.0 --data ~/.cache/similar-cases-data

One command does all: it writes ``models/model.safetensors`` and ``configs/`` beside this file, measures what it wrote
by ``similar-cases evaluate click-to-mask`` on both splits, and writes the figures into metadata and model card.
The same training gives the same files, byte for byte. Without `--data` the table of figures stays empty.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from models import bundle
from models.promptable.card import model_card
from models.promptable.metadata import metadata_of

#: which weights of a training: of the best evaluation, the last, or their mean
TAKEN = ("best", "last", "mean")


@dataclass(frozen=True)
class Training:
    """What is kept of a training: averaged weights and the judge's, which of `TAKEN`, how long, how the judge does."""

    weights: dict[str, torch.Tensor]
    minutes: int
    steps: int
    taken: str = "best"
    machine: str = "cpu"
    judge: dict[str, Any] = field(default_factory=dict)


def main() -> None:
    """Write the bundle, measure it, and write it again with the figures."""
    parser = bundle.export_parser(__doc__, Path(__file__).parent)
    parser.add_argument(
        "--take",
        choices=TAKEN,
        default="best",
        help="of the best evaluation, the last, or their mean",
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    training = training_in(arguments.training, arguments.take)
    export(training, arguments.version, arguments.out, metrics={})
    if arguments.data:
        metrics = {split: measured(arguments.out, arguments.data, split) for split in ("validation", "test")}
        export(training, arguments.version, arguments.out, metrics=metrics)


def training_in(folder: Path, taken: str = "best") -> Training:
    """Read what train.py wrote."""
    last = torch.load(folder / "last.pt", map_location="cpu", weights_only=True)
    best = torch.load(folder / "best.pt", map_location="cpu", weights_only=True)
    mean = {name: (tensor.float() + last["average"][name].float()) / 2 for name, tensor in best.items()}
    weights = dict({"best": best, "last": last["average"], "mean": mean}[taken])
    judge = {}
    if (folder / "judge.pt").exists():
        judge = torch.load(folder / "judge.pt", map_location="cpu", weights_only=True)
        weights |= {f"scale_judge.{name}": tensor for name, tensor in judge.pop("weights").items()}
    return Training(weights, round(last["spent"] / 60), int(last["steps"]), taken, last["machine"], judge)


def export(training: Training, number: str, out: Path, metrics: dict[str, Any]) -> None:
    """Write the bundle to `out`."""
    halves = bundle.in_halves(training.weights)
    content, sha256 = bundle.packed(halves)
    first = [name for name in halves if name.startswith("encoder.") and name.endswith(".first.weight")]
    levels = len({name.split(".")[1] for name in first})
    blocks = [sum(name.startswith(f"encoder.{level}.") for name in first) for level in range(levels)]
    widths = [int(halves[f"encoder.{level}.0.first.weight"].shape[0]) for level in range(levels)]
    parameters = sum(tensor.numel() for tensor in halves.values())
    facts = {
        "version": number,
        "weights_sha256": sha256,
        "network": {"widths": widths, "blocks": blocks, "parameters": parameters},
        "training": {name: getattr(training, name) for name in ("minutes", "steps", "taken", "machine")},
        "judge": training.judge,
        "metrics": metrics,
    }
    metadata = metadata_of(facts)
    package = "similar_cases.segment.backends.promptable.network"
    network = {
        "_target_": f"{package}.PromptableUNet",
        "shape": {"_target_": f"{package}.NetworkShape", "widths": widths, "blocks": blocks},
    }
    bundle.write_bundle(out, content, metadata, network, model_card(metadata))


def measured(folder: Path, data: Path, split: str) -> list[dict[str, Any]]:
    """Return the rows that the product's own evaluation gives for the bundle in `folder`."""
    return bundle.evaluated("click-to-mask", data, "--split", split, "--backend", str(folder))


if __name__ == "__main__":
    main()
