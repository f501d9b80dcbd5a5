"""Turns the weights that train.py wrote into a MONAI bundle: weights in half precision, metadata, model card.

    python -m models.position.export --training .cache/position --version 0.1.0 --data ~/.cache/similar-cases-data

The same training gives the same files, byte for byte. Without `--data` the table of figures stays empty.
"""

import logging
from pathlib import Path
from typing import Any

import torch
from models import bundle
from models.position.card import ANSWERS, metadata_of, model_card

#: ways of `evaluate location` whose rows the card shows
WAYS = ("place in the body", "place in the volume")


def main() -> None:
    """Write the bundle, measure it, and write it again with the figures."""
    arguments = bundle.export_parser(__doc__, Path(__file__).parent).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    state = torch.load(arguments.training / "last.pt", map_location="cpu", weights_only=True)
    export(state, arguments.version, arguments.out, metrics={})
    if arguments.data:
        rows = bundle.evaluated("location", arguments.data)
        told = [row for row in rows if row["way"] in WAYS or row["metric"] == "distance mm"]
        export(state, arguments.version, arguments.out, metrics={"location": told})


def export(state: dict[str, Any], number: str, out: Path, metrics: dict[str, Any]) -> None:
    """Write the bundle to `out` from what train.py saved."""
    halves = bundle.in_halves(state["average"])
    content, sha256 = bundle.packed(halves)
    levels = sum(name.startswith("down.") and name.endswith(".first.weight") for name in halves)
    widths = [int(halves[f"down.{level}.first.weight"].shape[0]) for level in range(levels)]
    facts = {
        "version": number,
        "weights_sha256": sha256,
        "network": {"widths": widths, "parameters": sum(tensor.numel() for tensor in halves.values())},
        "training": {
            "minutes": round(state["spent"] / 60, 1),
            "steps": int(state["steps"]),
            "held_out": state["held_out"],
        },
        "answers": ANSWERS,
        "metrics": metrics,
    }
    metadata = metadata_of(facts)
    network = {"_target_": "similar_cases.describe.backends.body_network.BodyNetwork", "widths": widths}
    bundle.write_bundle(out, content, metadata, network, model_card(metadata))


if __name__ == "__main__":
    main()
