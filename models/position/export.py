"""Turns the weights that train.py wrote into a MONAI bundle: weights in half precision, metadata, model card.

    python models/position/export.py --training .cache/position --version 0.1.0 --data ~/.cache/similar-cases-data

The same training gives the same files, byte for byte. Without `--data` the table of figures stays empty.
"""

import argparse
import hashlib
import json
import logging
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from similar_cases.describe.backends.body_network import SIZE, SPACING_MM, STRIDE, WINDOW_HU

log = logging.getLogger(__name__)
HERE = Path(__file__).parent
#: ways of `evaluate location` whose rows the card shows
WAYS = ("place in the body", "place in the volume")


def main() -> None:
    """Write the bundle, measure it, and write it again with the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--training", type=Path, required=True, help="folder with last.pt")
    parser.add_argument("--version", required=True)
    parser.add_argument("--data", type=Path, help="folder of the data sets, to measure on")
    parser.add_argument("--out", type=Path, default=HERE, help="the bundle's folder")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    state = torch.load(arguments.training / "last.pt", map_location="cpu", weights_only=True)
    export(state, arguments.version, arguments.out, metrics=[])
    if arguments.data:
        export(state, arguments.version, arguments.out, metrics=measured(arguments.data))


def export(state: dict[str, Any], number: str, out: Path, metrics: list[dict[str, Any]]) -> None:
    """Write the bundle to `out` from what train.py saved."""
    halves = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in sorted(state["upright"].items())
    }
    content = save(halves, metadata={"format": "pt"})
    widths = [int(halves[f"down.{level}.first.weight"].shape[0]) for level in range(_levels(halves))]
    facts = {
        "version": number,
        "weights_sha256": hashlib.sha256(content).hexdigest(),
        "network": {"widths": widths, "parameters": sum(tensor.numel() for tensor in halves.values())},
        "training": {"minutes": round(state["spent"] / 60, 1), "steps": int(state["steps"])},
        "metrics": metrics,
    }
    metadata = metadata_of(facts)
    _write(out / "models" / "model.safetensors", content)
    _write_json(out / "configs" / "metadata.json", metadata)
    _write_json(out / "configs" / "inference.json", inference_config(widths))
    _write(out / "README.md", model_card(metadata).encode())
    log.info("%s: %.1f MB, sha256 %s", out, len(content) / 1e6, facts["weights_sha256"][:16])


def measured(data: Path) -> list[dict[str, Any]]:
    """Return the rows of the product's own evaluation that speak of places in the body."""
    command = [sys.executable, "-m", "similar_cases.cli", "evaluate", "location", "--data", str(data), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603  # our own command, our own words
    return [row for row in json.loads(done.stdout)["rows"] if row["way"] in WAYS or row["metric"] == "distance mm"]


def metadata_of(facts: dict[str, Any]) -> dict[str, Any]:
    """Return ``configs/metadata.json`` from what one export knows: version, hash, network, training, metrics."""
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
        "meta_schema_20240725.json",
        "version": facts["version"],
        "changelog": {facts["version"]: "see the repository's CHANGELOG.md"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").partition("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {"safetensors": "0.5", "similar-cases": "0.1.0"},
        "name": "Body position",
        "task": "Coordinates of a point of a CT in a body of standard size",
        "description": "A small 3-D network that looks at 26 cm round a point of a CT and tells where in a body it is.",
        "authors": "Similar Cases",
        "copyright": "Similar Cases; under the repository's licence, and whatever the licences of the data below ask",
        "intended_use": "Research. Finds regions at the same place of other patients' bodies. Not a medical device; "
        "not for navigation, registration or planning.",
        "limits": _LIMITS,
        "data": _DATA,
        "network": facts["network"],
        "weights_sha256": facts["weights_sha256"],
        "training": facts["training"]
        | {
            "command": "python models/position/train.py --items .cache/region-training.npz --out .cache/position "
            f"--minutes {facts['training']['minutes']}",
            "seed": 20261126,
            "optimiser": "AdamW, 1e-3 falling by a cosine, weights averaged exponentially",
        },
        "metrics": facts["metrics"],
        "network_data_format": _DATA_FORMAT,
    }


def inference_config(widths: list[int]) -> dict[str, Any]:
    """Return ``configs/inference.json``, from which monai.bundle makes the network."""
    return {
        "network_def": {
            "_target_": "similar_cases.describe.backends.body_network.BodyNetwork",
            "widths": widths,
        }
    }


def model_card(metadata: dict[str, Any]) -> str:
    """Return README.md of the bundle."""
    training, network = metadata["training"], metadata["network"]
    parts = [
        f"# {metadata['name']}, version {metadata['version']}",
        metadata["description"],
        f"{network['parameters'] / 1e6:.1f} million weights in half precision "
        f"(widths {', '.join(map(str, network['widths']))}), sha256 `{metadata['weights_sha256']}`. Loading refuses "
        "any other. This file and `configs/` are written by `export.py`.",
        "## Intended use",
        metadata["intended_use"],
        "## How it works",
        _HOW,
        "## Figures",
        *_figures(metadata["metrics"]),
        "## Limits",
        "\n".join(f"- {limit}" for limit in metadata["limits"]),
        "## Data",
        _table(
            ("data set", "licence", "trained on"), [[one["name"], one["licence"], one["training"]] for one in _DATA]
        ),
        metadata["copyright"] + ".",
        "## Training",
        "{steps} steps in {minutes} minutes on one GPU. {optimiser}; seed {seed}.".format(**training),
        f"```\npython models/region/prepare.py --data DIR --out .cache/region-training.npz\n{training['command']}\n"
        f"python models/position/export.py --training .cache/position --version {metadata['version']} --data DIR\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _figures(metrics: list[dict[str, Any]]) -> list[str]:
    if not metrics:
        return ["See the tables of `evaluate location` in [models/README.md](../README.md)."]
    told = "By `similar-cases evaluate location`; in brackets the 95 % interval, patients resampled."
    header = ("data", "task", "way", "metric", "n", "value", "chance")
    return [told, _table(header, [_figure_row(row) for row in metrics])]


def _figure_row(row: dict[str, Any]) -> list[str]:
    interval = " ({:.3g} to {:.3g})".format(*row["ci"]) if row.get("ci") else ""
    chance = "" if row.get("chance") is None else f"{row['chance']:.3g}"
    return [*(str(row[key]) for key in ("data", "task", "way", "metric", "n")), f"{row['value']:.3g}{interval}", chance]


def _table(header: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _levels(weights: dict[str, torch.Tensor]) -> int:
    return sum(name.startswith("down.") and name.endswith(".first.weight") for name in weights)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    _write(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


_HOW = f"""\
After the anatomical positional embedding that RadiomicsRetrieval uses (arXiv 2507.08546, section 2.1). Input is a cube
of {SIZE} voxels of {SPACING_MM:g} mm, Hounsfield units {WINDOW_HU[0]:g} to {WINDOW_HU[1]:g} brought to 0 to 1, in
training as at inference. Output is a coordinate in millimetres at every {STRIDE}th voxel; the product reads the middle
one. Nobody labelled anything: two voxels of one patient must be as far apart in the output as in the body, and the same
voxel seen through other eyes (noise, window, cut-off ends, a body drawn larger or smaller) must stay where it is. The
axes were turned afterwards to run as those of LPS; the origin is the middle of the trunks. Told it was one thing:
tumours of the extremities lie well away from the trunk."""

_LIMITS = [
    "A hint, not a measurement, and off until a site asks for it (`describe.body_position`): trained for a minute. The "
    "spleen of a patient never seen, in a crop of 26 slices, came out 16 cm from that of the example CT; in a chest CT "
    "never seen, left and right were told, the height was not.",
    "CT in Hounsfield units alone; of MR and PET it says nothing, and the product then keeps no coordinate.",
    "It saw three trunks (thorax to pelvis) and 27 extremities: a body part that none of them shows has a coordinate "
    "too, which means little. Head and neck were never seen.",
    "No image shows trunk and extremity together: how far one is from the other is a convention, not a measurement.",
    "Which extremity, left or right, arm or leg, is told by what its pieces look like alone.",
    "A patient who lies prone, or is imaged in a rotated position, was not seen.",
]
_DATA = [
    {
        "name": "TotalSegmentator's example CT (Wasserthal et al. 2023, 10.1148/ryai.230024)",
        "licence": "Apache-2.0",
        "training": "the whole CT; its labels are not read",
    },
    {
        "name": "Colorectal-Liver-Metastases, TCIA (Simpson et al. 2023, 10.7937/QXK2-QG03)",
        "licence": "CC BY 4.0",
        "training": "CRLM-CT-1004, CRLM-CT-1006",
    },
    {
        "name": "Soft-tissue-Sarcoma, TCIA (Vallières et al. 2015, 10.7937/K9/TCIA.2015.7GO2GSKS), by the IBSI",
        "licence": "CC BY 3.0",
        "training": "CT of STS_001 to STS_027",
    },
]
_DATA_FORMAT: dict[str, Any] = {
    "inputs": {
        "image": {
            "type": "image",
            "format": "windowed CT",
            "modality": "CT",
            "num_channels": 1,
            "spatial_shape": [SIZE, SIZE, SIZE],
            "dtype": "float32",
            "value_range": [0, 1],
            "is_patch_data": True,
            "channel_def": {"0": "image"},
        }
    },
    "outputs": {
        "pred": {
            "type": "image",
            "format": "coordinates in mm",
            "num_channels": 3,
            "spatial_shape": [SIZE // STRIDE] * 3,
            "dtype": "float32",
            "value_range": [],
            "is_patch_data": True,
            "channel_def": {"0": "x", "1": "y", "2": "z"},
        }
    },
}


if __name__ == "__main__":
    main()
