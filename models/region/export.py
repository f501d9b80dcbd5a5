"""Turns the weights that train.py wrote into a MONAI bundle: weights in half precision, metadata, model card.

    python -m models.region.export --training .cache/region --version 0.1.0 --data ~/.cache/similar-cases-data

The bundle of body coordinates (models/position) is exported first: this one names the weights that it was trained with.
The same training gives the same files, byte for byte. Without `--data` the table of figures stays empty.
"""

import json
import logging
from pathlib import Path
from typing import Any

import torch
from models import bundle
from models.region.card import metadata_of, model_card

HERE = Path(__file__).parent
#: the product's evaluations whose rows the card shows
EVALUATIONS = ("same-lesion", "radiomics", "location")


def main() -> None:
    """Write the bundle, measure it, and write it again with the figures."""
    parser = bundle.export_parser(__doc__, HERE)
    parser.add_argument("--position", type=Path, default=HERE.parent / "position", help="bundle of body coordinates")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    state = torch.load(arguments.training / "last.pt", map_location="cpu", weights_only=True)
    position = space_of(arguments.position)
    export(state, position, arguments.version, arguments.out, metrics={})
    if arguments.data:
        embedder = ("--embedder", "region-token")
        metrics = {name: bundle.evaluated(name, arguments.data, *embedder) for name in EVALUATIONS}
        export(state, position, arguments.version, arguments.out, metrics=metrics)


def space_of(position: Path) -> str:
    """Return the name under which the product knows the coordinates of a bundle."""
    told = json.loads((position / "configs" / "metadata.json").read_text("utf-8"))
    return f"body-position {told['version']} {told['weights_sha256'][:12]}"


def export(
    state: dict[str, Any], position: str, number: str, out: Path, metrics: dict[str, list[dict[str, Any]]]
) -> None:
    """Write the bundle to `out` from what train.py saved."""
    tensors = bundle.in_halves(state["average"])
    parameters = sum(tensor.numel() for tensor in tensors.values())
    # values of radiomics go up to 10^12 and more: their curves would not fit into half precision
    content, sha256 = bundle.packed(tensors | {"knots": state["knots"].double().contiguous()})
    levels = sum(name.startswith("region.encoder.") and name.endswith(".first.weight") for name in tensors)
    widths = [int(tensors[f"region.encoder.{level}.first.weight"].shape[0]) for level in range(levels)]
    text = json.loads(state["text"])
    facts = {
        "version": number,
        "weights_sha256": sha256,
        "network": {"widths": widths, "parameters": parameters},
        "radiomics": {"names": text["names"], "recipe": text["recipe"], "fingerprint": text["fingerprint"]},
        "classes": len(text["kinds"]),
        "body_position": position,
        "training": {"minutes": round(state["spent"] / 60, 1), "steps": int(state["steps"])},
        "metrics": metrics,
    }
    metadata = metadata_of(facts)
    package = "similar_cases.describe.backends.region_token.network"
    network = {
        "_target_": f"{package}.SharedSpace",
        "shape": {"_target_": f"{package}.RegionShape", "widths": widths, "features": len(text["names"])},
    }
    bundle.write_bundle(out, content, metadata, network, model_card(metadata))


if __name__ == "__main__":
    main()
