"""Embedders by name. A backend is imported when it is opened, so that its libraries cost nobody else anything."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from similar_cases.describe.embedder import Embedder
from similar_cases.domain.errors import InvalidSettings
from similar_cases.models.model_file import ModelFile


def _efficientnet(device: str) -> Embedder:
    from similar_cases.describe.backends.efficientnet import EfficientNetEmbedder

    return EfficientNetEmbedder(device=device)


#: name → what opens it on a device
EMBEDDERS: Mapping[str, Callable[[str], Embedder]] = MappingProxyType({"efficientnet-lite0": _efficientnet})


def open_embedder(name: str, device: str = "cpu") -> Embedder:
    """Open the embedder `name` on `device`.

    Raises:
        InvalidSettings: for an unknown name; the message lists the known ones.
    """
    if name not in EMBEDDERS:
        raise InvalidSettings(f"no embedder is called {name!r}; known are {', '.join(sorted(EMBEDDERS))}")
    return EMBEDDERS[name](device)


def open_model(model: ModelFile, device: str = "cpu") -> Embedder:
    """Open the embedder of weights that the site has, on `device`.

    Raises:
        InvalidSettings: for another hash, or another architecture than the kind's.
    """
    from similar_cases.describe.backends.vision_model import vision_embedder

    return vision_embedder(model, device)
