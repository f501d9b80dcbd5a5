"""Reads tensors out of weights: safetensors, or a checkpoint of torch, from which no code is ever run."""

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from similar_cases.domain.errors import InvalidSettings
from similar_cases.models.model_file import ModelFile

#: under which key trainers lay the weights beside what only they need
_WRAPPERS = ("state_dict", "model_state_dict", "model")
#: names of tensors that an error tells
_TOLD = 3


def load_tensors(model: ModelFile, path: Path | None = None) -> dict[str, Tensor]:
    """Return name → tensor of a model whose hash was found right.

    Args:
        model: what to read; it is hashed first.
        path: the file within the folder of a bundle; None for the model's own path.

    Raises:
        InvalidSettings: for another hash, a file that cannot be read, or one that holds more than tensors.
    """
    model.check()
    path = path or model.path
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError, SafetensorError) as error:
        raise InvalidSettings(
            f"model {model.name}: {path} holds no plain tensors (safetensors, torch): {_first_line(error)}"
        ) from None
    return {name.removeprefix("module."): tensor for name, tensor in _unwrapped(loaded, path).items()}


def fill(network: nn.Module, tensors: Mapping[str, Tensor], model: ModelFile) -> None:
    """Lay the tensors of what a site has into a network; see `lay`."""
    lay(tensors, network, f"model {model.name}: {model.path} is no {model.kind}")


def lay(tensors: Mapping[str, Tensor], network: nn.Module, misfit: str) -> None:
    """Lay tensors into a network, each where its name says, none left over and none missing.

    Raises:
        InvalidSettings: for another architecture: `misfit`, and the names that tell.
    """
    wanted = network.state_dict()
    if missing := [name for name in wanted if name not in tensors]:
        raise InvalidSettings(f"{misfit}: {_some(missing)} missing")
    if foreign := [name for name in tensors if name not in wanted]:
        raise InvalidSettings(f"{misfit}: {_some(foreign)} unknown to it")
    if other := [name for name, tensor in wanted.items() if tensors[name].shape != tensor.shape]:
        shapes = f"{tuple(tensors[other[0]].shape)} in place of {tuple(wanted[other[0]].shape)}"
        raise InvalidSettings(f"{misfit}: {_some(other)} of another shape, {shapes}")
    network.load_state_dict({name: tensors[name].to(tensor.dtype) for name, tensor in wanted.items()})


def _unwrapped(loaded: object, path: Path) -> dict[str, Tensor]:
    """Return the mapping of tensors inside what a trainer saved."""
    for wrapper in _WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping) or not any(isinstance(one, Tensor) for one in loaded.values()):
        raise InvalidSettings(f"{path} holds no weights by name")
    return {str(name): one for name, one in loaded.items() if isinstance(one, Tensor)}


def _some(names: Iterable[str]) -> str:
    told = list(names)
    rest = f" and {len(told) - _TOLD} more are" if len(told) > _TOLD else " are" if len(told) > 1 else " is"
    return ", ".join(told[:_TOLD]) + rest


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
