"""Which models of others can be used: what each is for, what it is read from, and under which licence it comes.

A kind is an architecture, not a file: a site adds files of a kind, and names one in its settings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class ModelUse(StrEnum):
    """What a model is for, and which setting names it."""

    #: turns prompts into Regions
    SEGMENT = "segment.backend"
    #: turns Volumes and Regions into vectors
    DESCRIBE = "describe.embedder"


@dataclass(frozen=True, kw_only=True)
class ModelKind:
    """An architecture that weights can be given for.

    Attributes:
        what: what it is, and what file of it is read.
        licence: what its makers say of the weights; a site that changes the weights says its own.
    """

    name: str
    use: ModelUse
    what: str
    licence: str


_KINDS = (
    ModelKind(
        name="vista3d",
        use=ModelUse.SEGMENT,
        what="VISTA3D, points and 127 classes in CT: the folder of MONAI's bundle, or its models/model.pt",
        licence='NVIDIA License (LICENSE.weights): non-commercial, "research or evaluation purposes only"',
    ),
    ModelKind(
        name="sam-med3d",
        use=ModelUse.SEGMENT,
        what="SAM-Med3D or SAM-Med3D-turbo, points in any 3-D image: sam_med3d_turbo.pth; needs the extra sam-med3d",
        licence="Apache-2.0",
    ),
    ModelKind(
        name="monai-bundle",
        use=ModelUse.SEGMENT,
        what="the folder of a MONAI bundle whose network is VISTA3D's, or ours of another training",
        licence="as the bundle says",
    ),
    ModelKind(
        name="dinov2",
        use=ModelUse.DESCRIBE,
        what="DINOv2, ViT-S/B/L with patches of 14, with or without registers: dinov2_vit*14_pretrain.pth, or timm's",
        licence="Apache-2.0",
    ),
    ModelKind(
        name="dino",
        use=ModelUse.DESCRIBE,
        what="DINO, ViT-S/B: dino_vitbase16_pretrain.pth, or timm's; the first of DreamSim's three",
        licence="Apache-2.0",
    ),
    ModelKind(
        name="clip",
        use=ModelUse.DESCRIBE,
        what="OpenAI's CLIP, the image tower, as open_clip keeps it (no TorchScript archive), or as DreamSim does",
        licence="MIT",
    ),
    ModelKind(
        name="openclip",
        use=ModelUse.DESCRIBE,
        what="OpenCLIP, the image tower: open_clip_pytorch_model.bin or open_clip_model.safetensors, or DreamSim's",
        licence="MIT",
    ),
    ModelKind(
        name="biomedclip",
        use=ModelUse.DESCRIBE,
        what="BiomedCLIP, the image tower ViT-B/16, 512-d: open_clip_pytorch_model.bin",
        licence="MIT; its makers mean it for research, and no deployed use",
    ),
    ModelKind(
        name="timm-vit",
        use=ModelUse.DESCRIBE,
        what="a plain ViT with timm's names, normalised by mean and deviation 0.5, such as vit_base_patch16_224.augreg",
        licence="Apache-2.0",
    ),
    ModelKind(
        name="resnet50",
        use=ModelUse.DESCRIBE,
        what="ResNet50 with torchvision's names, normalised as for ImageNet",
        licence="BSD-3-Clause",
    ),
    ModelKind(
        name="radimagenet-resnet50",
        use=ModelUse.DESCRIBE,
        what="ResNet50 trained on RadImageNet: ResNet50.pt",
        licence="not stated beside the weights; ask RadImageNet",
    ),
)

#: what a site runs beside the worker: named by the setting, and nothing is added
SERVICES = (
    ModelKind(
        name="nninteractive",
        use=ModelUse.SEGMENT,
        what="a server of nnInteractive, points, boxes and masks, at segment.server_url; needs the extra nninteractive",
        licence="CC BY-NC-SA 4.0 for the released checkpoint; the code is Apache-2.0",
    ),
    ModelKind(
        name="totalsegmentator",
        use=ModelUse.SEGMENT,
        what="the site's own command TotalSegmentator, segment.command: organs and bones in CT and MR, by class",
        licence="Apache-2.0 for its tasks total and total_mr, which are the ones used",
    ),
)

#: name → kind
KINDS: Mapping[str, ModelKind] = MappingProxyType({kind.name: kind for kind in _KINDS})
