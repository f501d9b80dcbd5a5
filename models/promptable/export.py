"""Turns the weights that train.py wrote into a MONAI bundle: weights in half precision, metadata, model card.

    python models/promptable/export.py --training .cache/promptable --version 1.0.0 --data ~/.cache/similar-cases-data

One command does all: it writes ``models/model.safetensors`` and ``configs/`` beside this file, measures what it wrote
by ``similar-cases evaluate click-to-mask`` on both splits, and writes the figures into metadata and model card.
The same training gives the same files, byte for byte. Without `--data` the table of figures stays empty.
"""

import argparse
import hashlib
import json
import logging
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from card import model_card
from metadata import inference_config, metadata_of
from safetensors.torch import save

log = logging.getLogger(__name__)
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Training:
    """What is kept of a training: averaged weights, which (``best``, ``last``, ``mean``), and its length."""

    weights: dict[str, torch.Tensor]
    minutes: int
    steps: int
    taken: str = "best"
    machine: str = "cpu"


def main() -> None:
    """Write the bundle, measure it, and write it again with the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--training", type=Path, required=True, help="folder with best.pt and last.pt")
    parser.add_argument(
        "--take",
        choices=("best", "last", "mean"),
        default="best",
        help="of the best evaluation, the last, or their mean",
    )
    parser.add_argument("--version", required=True)
    parser.add_argument("--data", type=Path, help="folder of the data sets, to measure on")
    parser.add_argument("--out", type=Path, default=HERE, help="the bundle's folder")
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
    weights = {"best": best, "last": last["average"], "mean": mean}[taken]
    return Training(weights, round(last["spent"] / 60), int(last["steps"]), taken, last["machine"])


def export(training: Training, version: str, out: Path, metrics: dict[str, Any]) -> None:
    """Write the bundle to `out`."""
    halves = {name: tensor.half().contiguous() for name, tensor in sorted(training.weights.items())}
    content = save(halves, metadata={"format": "pt"})
    first = [name for name in halves if name.startswith("encoder.") and name.endswith(".first.weight")]
    blocks = [sum(name.startswith(f"encoder.{level}.") for name in first) for level in range(_levels(first))]
    widths = [int(halves[f"encoder.{level}.0.first.weight"].shape[0]) for level in range(len(blocks))]
    facts = {
        "version": version,
        "weights_sha256": hashlib.sha256(content).hexdigest(),
        "network": {
            "widths": widths,
            "blocks": blocks,
            "parameters": sum(tensor.numel() for tensor in halves.values()),
        },
        "training": {name: getattr(training, name) for name in ("minutes", "steps", "taken", "machine")},
        "metrics": metrics,
    }
    metadata = metadata_of(facts)
    _write(out / "models" / "model.safetensors", content)
    _write_json(out / "configs" / "metadata.json", metadata)
    _write_json(out / "configs" / "inference.json", inference_config(widths, blocks))
    _write(out / "README.md", model_card(metadata).encode())
    log.info("%s: %.1f MB, sha256 %s", out, len(content) / 1e6, facts["weights_sha256"][:16])


def measured(bundle: Path, data: Path, split: str) -> list[dict[str, Any]]:
    """Return the rows that the product's own evaluation gives for the bundle."""
    options = ["--data", str(data), "--split", split, "--backend", str(bundle), "--json"]
    command = [sys.executable, "-m", "similar_cases.cli", "evaluate", "click-to-mask", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603  # our own command, our own words
    rows: list[dict[str, Any]] = json.loads(done.stdout)["rows"]
    return rows


def _levels(first: list[str]) -> int:
    return len({name.split(".")[1] for name in first})


def _write_json(path: Path, content: dict[str, Any]) -> None:
    _write(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


if __name__ == "__main__":
    main()
