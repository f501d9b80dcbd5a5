"""Writes a MONAI bundle: weights in half precision, metadata for programs, a model card for people.

What every bundle of ours says stands here once; what one model alone has to say stands beside that model. The same
training gives the same files, byte for byte.
"""

import argparse
import hashlib
import json
import logging
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

log = logging.getLogger(__name__)

#: two fields of every metadata.json
AUTHORSHIP = {
    "authors": "Similar Cases",
    "copyright": "Similar Cases; under the repository's licence, and whatever the licences of the data below ask",
}
#: fields of a data set → columns of the card's table
_DATA_COLUMNS = {
    "name": "data set",
    "licence": "licence",
    "training": "trained on",
    "validation": "validated on",
    "reference": "source",
}


def export_parser(told: str | None, home: Path) -> argparse.ArgumentParser:
    """Return what every export is asked: the training, the version, the data to measure on, the bundle's folder."""
    parser = argparse.ArgumentParser(description=told, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--training", type=Path, required=True, help="folder in which train.py kept its state")
    parser.add_argument("--version", required=True)
    parser.add_argument("--data", type=Path, help="folder of the data sets, to measure on")
    parser.add_argument("--out", type=Path, default=home, help="the bundle's folder")
    return parser


def in_halves(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors by name in half precision; whole numbers stay as they are."""
    return {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in sorted(weights.items())
    }


def packed(tensors: dict[str, Tensor]) -> tuple[bytes, str]:
    """Return the bytes of a safetensors file, and their sha256."""
    content = save(tensors, metadata={"format": "pt"})
    return content, hashlib.sha256(content).hexdigest()


def made_with(number: str) -> dict[str, Any]:
    """Return the fields with which MONAI's metadata.json begins: the bundle's version, and what it was made with."""
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
        "meta_schema_20240725.json",
        "version": number,
        "changelog": {number: "see the repository's CHANGELOG.md"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").partition("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {"safetensors": "0.5", "similar-cases": "0.1.0"},
    }


def tensor_format(
    what: str, channels: Sequence[str], shape: Sequence[int], value_range: Sequence[float] = (), **other: Any
) -> dict[str, Any]:
    """Return an entry of ``network_data_format``; `other` are fields that differ from those of an image's crop."""
    return {
        "type": "image",
        "format": what,
        "num_channels": len(channels),
        "spatial_shape": list(shape),
        "dtype": "float32",
        "value_range": list(value_range),
        "is_patch_data": True,
        "channel_def": {str(number): channel for number, channel in enumerate(channels)},
    } | other


def evaluated(protocol: str, data: Path, *options: str) -> list[dict[str, Any]]:
    """Return the rows of one of the product's own evaluations."""
    command = [sys.executable, "-m", "similar_cases.cli", "evaluate", protocol, "--data", str(data), *options, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603  # our own command, our own words
    rows: list[dict[str, Any]] = json.loads(done.stdout)["rows"]
    return rows


def write_bundle(out: Path, weights: bytes, metadata: dict[str, Any], network: dict[str, Any], card: str) -> None:
    """Write the four files to the folder `out`; `network` is what monai.bundle makes the network from."""
    _write(out / "models" / "model.safetensors", weights)
    _write_json(out / "configs" / "metadata.json", metadata)
    _write_json(out / "configs" / "inference.json", {"network_def": network})
    _write(out / "README.md", card.encode())
    log.info("%s: %.1f MB, sha256 %s", out, len(weights) / 1e6, metadata["weights_sha256"][:16])


def model_card(
    metadata: dict[str, Any], how: str, figures: Sequence[str], training: Sequence[str], goes_with: str = ""
) -> str:
    """Return README.md of a bundle from its metadata, and from the paragraphs that are its own."""
    network = metadata["network"]
    parts = [
        f"# {metadata['name']}, version {metadata['version']}",
        metadata["description"],
        f"{network['parameters'] / 1e6:.1f} million weights in half precision "
        f"(widths {', '.join(map(str, network['widths']))}), sha256 `{metadata['weights_sha256']}`. Loading refuses "
        f"any other. {goes_with}This file and `configs/` are written by `export.py`.",
        "## Intended use",
        metadata["intended_use"],
        "## How it works",
        how,
        "## Figures",
        *figures,
        "## Limits",
        "\n".join(f"- {limit}" for limit in metadata["limits"]),
        "## Data",
        _data_table(metadata["data"]),
        metadata["copyright"] + ".",
        "## Training",
        *training,
    ]
    return "\n\n".join(parts) + "\n"


def figures(metrics: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Return the paragraphs of the rows that evaluations gave, by the name of the evaluation."""
    if not metrics:
        return ["See the tables of `similar-cases evaluate` in [models/README.md](../README.md)."]
    parts = ["In brackets the 95 % interval, patients resampled; under *data* stands whose images they are."]
    header = ("data", "task", "way", "metric", "n", "value", "chance")
    for protocol, rows in metrics.items():
        parts += [f"### `similar-cases evaluate {protocol}`", table(header, [_figure_cells(row) for row in rows])]
    return parts


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure_cells(row: Mapping[str, Any]) -> list[str]:
    interval = " ({:.3g} to {:.3g})".format(*row["ci"]) if row.get("ci") else ""
    chance = "" if row.get("chance") is None else f"{row['chance']:.3g}"
    return [*(str(row[key]) for key in ("data", "task", "way", "metric", "n")), f"{row['value']:.3g}{interval}", chance]


def _data_table(data: Sequence[Mapping[str, str]]) -> str:
    told = [key for key in _DATA_COLUMNS if key in data[0]]
    return table([_DATA_COLUMNS[key] for key in told], [[one[key] for key in told] for one in data])


def _write_json(path: Path, content: dict[str, Any]) -> None:
    _write(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
