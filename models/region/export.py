"""Turns the weights that train.py wrote into a MONAI bundle: weights in half precision, metadata, model card.

    python models/region/export.py --training .cache/region --version 0.1.0 --data ~/.cache/similar-cases-data

The bundle of body coordinates (models/position) is exported first: this one names the weights that it was trained with.
The same training gives the same files, byte for byte. Without `--data` the table of figures stays empty.
"""

import argparse
import hashlib
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from model_card import metadata_of, model_card
from safetensors.torch import save

log = logging.getLogger(__name__)
HERE = Path(__file__).parent


def main() -> None:
    """Write the bundle, measure it, and write it again with the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--training", type=Path, required=True, help="folder with last.pt")
    parser.add_argument("--position", type=Path, default=HERE.parent / "position", help="bundle of body coordinates")
    parser.add_argument("--version", required=True)
    parser.add_argument("--data", type=Path, help="folder of the data sets, to measure on")
    parser.add_argument("--out", type=Path, default=HERE, help="the bundle's folder")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    state = torch.load(arguments.training / "last.pt", map_location="cpu", weights_only=True)
    position = space_of(arguments.position)
    export(state, position, arguments.version, arguments.out, metrics={})
    if arguments.data:
        metrics = {name: measured(name, arguments.data) for name in ("same-lesion", "radiomics", "location")}
        export(state, position, arguments.version, arguments.out, metrics=metrics)


def space_of(position: Path) -> str:
    """Return the name under which the product knows the coordinates of a bundle."""
    told = json.loads((position / "configs" / "metadata.json").read_text("utf-8"))
    return f"body-position {told['version']} {told['weights_sha256'][:12]}"


def export(
    state: dict[str, Any], position: str, number: str, out: Path, metrics: dict[str, list[dict[str, Any]]]
) -> None:
    """Write the bundle to `out` from what train.py saved."""
    tensors = {name: tensor.half().contiguous() for name, tensor in sorted(state["average"].items())}
    # values of radiomics go up to 10^12 and more: their curves would not fit into half precision
    tensors["knots"] = state["knots"].double().contiguous()
    content = save(tensors, metadata={"format": "pt"})
    levels = sum(name.startswith("region.encoder.") and name.endswith(".first.weight") for name in tensors)
    widths = [int(tensors[f"region.encoder.{level}.first.weight"].shape[0]) for level in range(levels)]
    text = json.loads(state["text"])
    facts = {
        "version": number,
        "weights_sha256": hashlib.sha256(content).hexdigest(),
        "network": {
            "widths": widths,
            "parameters": sum(one.numel() for name, one in tensors.items() if name != "knots"),
        },
        "radiomics": {"names": text["names"], "recipe": text["recipe"], "fingerprint": text["fingerprint"]},
        "classes": len(text["kinds"]),
        "body_position": position,
        "training": {"minutes": round(state["spent"] / 60, 1), "steps": int(state["steps"])},
        "metrics": metrics,
    }
    metadata = metadata_of(facts)
    _write(out / "models" / "model.safetensors", content)
    _write_json(out / "configs" / "metadata.json", metadata)
    shape = "similar_cases.describe.backends.region_token.network.RegionShape"
    network = {
        "_target_": "similar_cases.describe.backends.region_token.network.SharedSpace",
        "shape": {"_target_": shape, "widths": widths, "features": len(text["names"])},
    }
    _write_json(out / "configs" / "inference.json", {"network_def": network})
    _write(out / "README.md", model_card(metadata).encode())
    log.info("%s: %.1f MB, sha256 %s", out, len(content) / 1e6, facts["weights_sha256"][:16])


def measured(name: str, data: Path) -> list[dict[str, Any]]:
    """Return the rows of one of the product's own evaluations."""
    options = ["--data", str(data), "--embedder", "region-token", "--json"]
    command = [sys.executable, "-m", "similar_cases.cli", "evaluate", name, *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603  # our own command, our own words
    rows: list[dict[str, Any]] = json.loads(done.stdout)["rows"]
    return rows


def _write_json(path: Path, content: dict[str, Any]) -> None:
    _write(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


if __name__ == "__main__":
    main()
