"""A MONAI bundle on disk: ``configs/metadata.json`` beside ``models/model.safetensors``, held together by a hash."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load

from similar_cases.domain.errors import InvalidSettings
from similar_cases.segment.backends.promptable.network import NetworkShape, PromptableUNet

#: where the wheel carries the bundle, within the package
_INSTALLED = Path(__file__).parents[3] / "bundles" / "promptable"
#: where it lies in a checkout
_CHECKOUT = Path(__file__).parents[5] / "models" / "promptable"


def shipped_bundle() -> Path:
    """Return the folder of the bundle that this distribution carries: in the installed package, or in the checkout."""
    return _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT


def load_network(folder: Path, device: str) -> tuple[PromptableUNet, dict[str, Any]]:
    """Return the network of a bundle, in evaluation mode on `device`, and the bundle's metadata.

    Raises:
        InvalidSettings: when a file is missing or broken, or the weights are not those that the metadata names.
    """
    metadata = _metadata(folder)
    weights = _weights(folder / "models" / "model.safetensors", metadata["weights_sha256"])
    try:
        told = metadata["network"]
        network = PromptableUNet(NetworkShape(widths=tuple(told["widths"]), blocks=tuple(told["blocks"])))
        network.load_state_dict({name: tensor.float() for name, tensor in load(weights).items()})
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise InvalidSettings(f"{folder}: the weights do not fit the network of this version: {error}") from error
    return network.eval().to(device), metadata


def _metadata(folder: Path) -> dict[str, Any]:
    path = folder / "configs" / "metadata.json"
    try:
        metadata = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidSettings(
            f"{path} cannot be read: {error}; segment.bundle names a folder with configs/ and models/"
        ) from error
    if not isinstance(metadata, Mapping) or not {"version", "weights_sha256", "network"} <= metadata.keys():
        raise InvalidSettings(f"{path} names no version, weights_sha256 and network; it is another model's")
    return dict(metadata)


def _weights(path: Path, wanted: str) -> bytes:
    """Return the file's bytes, hashed before anything reads them."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidSettings(f"{path} cannot be read: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise InvalidSettings(f"{path}: sha256 is {found}, the bundle names {wanted}; fetch or export it anew")
    return content
