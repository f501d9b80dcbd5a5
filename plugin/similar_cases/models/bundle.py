"""A MONAI bundle on disk: ``configs/metadata.json`` beside ``models/model.safetensors``, held together by a hash."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from similar_cases.domain.errors import InvalidSettings
from similar_cases.models.checkpoint import lay

_WANTED = frozenset({"version", "weights_sha256", "network"})


def read_bundle(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the metadata of a bundle, and its tensors as they are stored.

    Raises:
        InvalidSettings: when a file is missing or broken, or the weights are not those that the metadata names.
    """
    metadata = _metadata(folder / "configs" / "metadata.json")
    path = folder / "models" / "model.safetensors"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidSettings(f"{path} cannot be read: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != metadata["weights_sha256"]:
        wanted = metadata["weights_sha256"]
        raise InvalidSettings(f"{path}: sha256 is {found}, the bundle names {wanted}; fetch or export it anew")
    try:
        return metadata, load(content)
    except SafetensorError as error:
        raise InvalidSettings(f"{path} holds no weights: {error}") from error


def fill(network: nn.Module, weights: Mapping[str, Tensor], folder: Path) -> None:
    """Lay half-precision `weights` into `network`, which afterwards is in evaluation mode.

    Raises:
        InvalidSettings: when they do not fit; `folder` is named.
    """
    lay(weights, network, f"{folder}: the weights do not fit the network of this version")
    network.eval()


def no_network(folder: Path, error: Exception) -> InvalidSettings:
    """Return what is raised where the metadata tell no network that this version could make."""
    return InvalidSettings(f"{folder}: the metadata tells no network of this version: {type(error).__name__}: {error}")


def _metadata(path: Path) -> dict[str, Any]:
    try:
        metadata = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidSettings(
            f"{path} cannot be read: {error}; a bundle (segment.bundle) has configs/ and models/"
        ) from error
    if not isinstance(metadata, Mapping) or not metadata.keys() >= _WANTED:
        raise InvalidSettings(f"{path} names no {', '.join(sorted(_WANTED))}; it is another model's")
    return dict(metadata)
