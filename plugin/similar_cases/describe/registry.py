"""Embedders by name. A backend is imported when it is opened, so that its libraries cost nobody else anything."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from similar_cases.describe.embedder import Embedder
from similar_cases.describe.location import BodyPosition
from similar_cases.domain.errors import InvalidSettings
from similar_cases.models.model_file import ModelFile


def _efficientnet(device: str) -> Embedder:
    from similar_cases.describe.backends.efficientnet import EfficientNetEmbedder

    return EfficientNetEmbedder(device=device)


def _region_token(device: str) -> Embedder:
    from similar_cases.describe.backends.region_token.embedder import RegionTokenEmbedder

    # the shipped region model was trained with coordinates of version 0.1.0, which 0.2.0 does not continue: it leaves
    # the place out, as it often did in training
    return RegionTokenEmbedder(_efficientnet(device), None, device=device)


#: name → what opens it on a device
EMBEDDERS: Mapping[str, Callable[[str], Embedder]] = MappingProxyType(
    {"efficientnet-lite0": _efficientnet, "region-token": _region_token}
)


def open_embedder(name: str, device: str = "cpu") -> Embedder:
    """Open the embedder `name` on `device`.

    Raises:
        InvalidSettings: for an unknown name; the message lists the known ones.
    """
    if name not in EMBEDDERS:
        raise InvalidSettings(f"no embedder is called {name!r}; known are {', '.join(sorted(EMBEDDERS))}")
    return EMBEDDERS[name](device)


def open_body_position(device: str = "cpu") -> BodyPosition:
    """Open the model of body coordinates that is shipped, on `device`.

    Raises:
        InvalidSettings: when its bundle is incomplete or its weights have another hash.
    """
    from similar_cases.describe.backends.body_position import CtBodyPosition

    return CtBodyPosition(device=device)


def open_model(model: ModelFile, device: str = "cpu") -> Embedder:
    """Open the embedder of weights that the site has, on `device`.

    Raises:
        InvalidSettings: for another hash, or another architecture than the kind's.
    """
    from similar_cases.describe.backends.vision_model import vision_embedder

    return vision_embedder(model, device)
