"""Embedders by 2-D networks that others trained: Vision Transformers and ResNet50, from weights that the site has."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch
from torch import Tensor, nn

from similar_cases.describe.backends.pooling import BackboneFacts, Features, PooledEmbedder
from similar_cases.describe.backends.resnet50 import ResNet50, with_torchvisions_names
from similar_cases.describe.backends.vision_checkpoints import shape_of, with_timms_names
from similar_cases.describe.backends.vision_transformer import Activation, PositionFit, VisionTransformer
from similar_cases.domain.errors import InvalidSettings
from similar_cases.models.checkpoint import fill, load_tensors
from similar_cases.models.model_file import ModelFile

#: pixels a side that the networks see; every family here was trained or evaluated at it
INPUT_SIZE = 224
Rgb = tuple[float, float, float]
_IMAGENET: tuple[Rgb, Rgb] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CLIP: tuple[Rgb, Rgb] = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_HALF: tuple[Rgb, Rgb] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True, kw_only=True)
class Family:
    """What weights do not tell of themselves."""

    normalisation: tuple[Rgb, Rgb]
    activation: Activation = Activation.GELU
    epsilon: float = 1e-6
    position_fit: PositionFit = PositionFit.ANTIALIASED
    is_vit: bool = True


#: kind → what holds for all of it
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "dinov2": Family(normalisation=_IMAGENET, position_fit=PositionFit.OFFSET),
        "dino": Family(normalisation=_IMAGENET, position_fit=PositionFit.OFFSET),
        "clip": Family(normalisation=_CLIP, activation=Activation.QUICK_GELU, epsilon=1e-5),
        "openclip": Family(normalisation=_CLIP, epsilon=1e-5),
        "biomedclip": Family(normalisation=_CLIP),
        "timm-vit": Family(normalisation=_HALF),
        "resnet50": Family(normalisation=_IMAGENET, is_vit=False),
        "radimagenet-resnet50": Family(normalisation=_IMAGENET, is_vit=False),
    }
)


class VisionBackbone:
    """Implements Backbone: a ViT's picture is its class token, a ResNet's the mean of its last feature map."""

    def __init__(self, model: ModelFile, device: str = "cpu") -> None:
        """Hash and load the weights onto `device`, a name that torch knows.

        Raises:
            InvalidSettings: for another hash, another architecture (with what is missing), or no such kind.
        """
        if model.kind not in FAMILIES:
            raise InvalidSettings(f"model {model.name} is of kind {model.kind}, which gives no vectors of slices")
        family = FAMILIES[model.kind]
        self.device = torch.device(device)
        self._is_vit = family.is_vit
        network, called, size = (_vit if family.is_vit else _resnet)(model, family)
        self._network = network.eval().to(self.device)
        mean, deviation = (torch.tensor(values, device=self.device).view(1, 3, 1, 1) for values in family.normalisation)
        self._mean, self._deviation = mean, deviation
        self.facts = BackboneFacts(
            model=f"{model.kind} {called}",
            version=model.version,
            weights=model.sha256,
            input_size=INPUT_SIZE,
            scaling=f"(x-{family.normalisation[0]})/{family.normalisation[1]}",
            whole="class token" if family.is_vit else "mean of the feature map",
            size=size,
        )

    def features(self, channels: Tensor) -> Features:
        """Run (n, 3, 224, 224) channels in 0 to 1 through the network."""
        scaled = (channels.to(self.device) - self._mean) / self._deviation
        if self._is_vit:
            return Features(*self._network(scaled))
        maps: Tensor = self._network(scaled)
        return Features(maps.mean(dim=(2, 3)), maps)


def vision_embedder(model: ModelFile, device: str = "cpu") -> PooledEmbedder:
    """Return the Embedder of a 2-D network's weights.

    Raises:
        InvalidSettings: as `VisionBackbone`.
    """
    return PooledEmbedder(VisionBackbone(model, device))


def _vit(model: ModelFile, family: Family) -> tuple[nn.Module, str, int]:
    tensors = with_timms_names(load_tensors(model))
    shape = shape_of(tensors, model)
    if INPUT_SIZE % shape.patch:
        raise InvalidSettings(f"model {model.name}: patches of {shape.patch} do not fill {INPUT_SIZE} pixels")
    # DINOv2's hub lays positions out otherwise for the networks with registers
    fit = PositionFit.ANTIALIASED if shape.registers else family.position_fit
    shape = replace(shape, activation=family.activation, epsilon=family.epsilon, position_fit=fit)
    network = VisionTransformer(shape)
    fill(network, tensors, model)
    return network, f"ViT {shape.width}x{shape.depth}/{shape.patch}", shape.projection or shape.width


def _resnet(model: ModelFile, _: Family) -> tuple[nn.Module, str, int]:
    network = ResNet50()
    fill(network, with_torchvisions_names(load_tensors(model)), model)
    return network, "ResNet50", network.size
