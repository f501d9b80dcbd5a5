"""Reads weights of Vision Transformers in the conventions that the field keeps them in.

===============  ======================================================================================================
timm, DINO       ``blocks.0.attn.qkv.weight``, ``pos_embed``, ``cls_token``; registers as ``reg_token``
DINOv2           the same, registers as ``register_tokens``, and a ``mask_token`` that only training needs; trained in
                 chunks, ``blocks.0.0.…``
DreamSim         CLIP laid into DINO's names: the norm before the blocks is ``pos_drop``, the projection ``proj``
open_clip        ``visual.transformer.resblocks.0.attn.in_proj_weight``, ``visual.class_embedding``, ``visual.proj``
open_clip, timm  ``visual.trunk.`` before timm's names, and ``visual.head.proj.weight`` (BiomedCLIP)
===============  ======================================================================================================

Read in timm 1.0.31, open_clip 3.3.0, facebookresearch/dinov2 and ssundaram21/dreamsim.
"""

import re
from collections.abc import Mapping
from math import isqrt

import torch
from torch import Tensor

from similar_cases.describe.backends.vision_transformer import HEAD, VitShape
from similar_cases.domain.errors import InvalidSettings
from similar_cases.models.model_file import ModelFile

#: tensors that stand beside the image tower and are not read: classifiers, and the tower of text
_BESIDE = re.compile(
    r"(head|fc_norm|head_dist|attn_pool)\.|mask_token$"
    r"|(text|transformer|token_embedding|ln_final)\.|(logit_scale|logit_bias|positional_embedding|text_projection)$"
)
_OPEN_CLIP = (
    (r"^class_embedding$", "cls_token"),
    (r"^positional_embedding$", "pos_embed"),
    (r"^conv1\.", "patch_embed.proj."),
    (r"^ln_pre\.", "norm_pre."),
    (r"^ln_post\.", "norm."),
    (r"^transformer\.resblocks\.", "blocks."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.ls_([12])\.", r".ls\1."),
    (r"\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)
_OTHERS = (
    (r"^register_tokens$", "reg_token"),
    (r"^pos_drop\.", "norm_pre."),
    (r"^blocks\.\d+\.(\d+)\.", r"blocks.\1."),
)


def with_timms_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of an image tower under the names of `VisionTransformer`, what stands beside it left out."""
    if any(name.startswith("visual.trunk.") for name in tensors):
        own = {"visual.head.proj.weight": "projection.weight"}
        tower = {own.get(name, name): one for name, one in tensors.items() if name.startswith("visual.")}
        named = {name.removeprefix("visual.trunk."): one for name, one in tower.items()}
        return {name: one for name, one in named.items() if not _BESIDE.match(name)}
    if any(name.startswith("visual.") for name in tensors):
        tower = {name.removeprefix("visual."): one for name, one in tensors.items() if name.startswith("visual.")}
        return _plain({_renamed(name, _OPEN_CLIP): one for name, one in tower.items()})
    named = {_renamed(name, _OTHERS): one for name, one in tensors.items() if not _BESIDE.match(name)}
    return _plain(named)


def shape_of(tensors: Mapping[str, Tensor], model: ModelFile) -> VitShape:
    """Return the shape that the tensors, under timm's names, have.

    Raises:
        InvalidSettings: when they are no Vision Transformer's, with the name of what is missing.
    """
    needed = ("patch_embed.proj.weight", "pos_embed", "cls_token", "blocks.0.mlp.fc1.weight")
    if missing := [name for name in needed if name not in tensors]:
        raise InvalidSettings(f"model {model.name}: {model.path} is no {model.kind}: {missing[0]} is missing")
    patches, positions = tensors["patch_embed.proj.weight"], int(tensors["pos_embed"].shape[-2])
    if patches.ndim != 4 or patches.shape[1] != 3 or patches.shape[0] % HEAD:
        raise InvalidSettings(
            f"model {model.name}: {model.path}: patches of shape {tuple(patches.shape)} are none of colour pictures, "
            f"in a width of heads of {HEAD}"
        )
    depth = 1 + max(int(name.split(".")[1]) for name in tensors if re.match(r"blocks\.\d+\.", name))
    # without a position of its own, the class token's is in the token; a square is then left
    own = 0 if isqrt(positions) ** 2 == positions else 1
    return VitShape(
        width=int(patches.shape[0]),
        depth=depth,
        patch=int(patches.shape[-1]),
        grid=isqrt(positions - own),
        mlp=int(tensors["blocks.0.mlp.fc1.weight"].shape[0]),
        registers=int(tensors["reg_token"].shape[1]) if "reg_token" in tensors else 0,
        projection=int(tensors["projection.weight"].shape[0]) if "projection.weight" in tensors else 0,
        tokens_with_position=own,
        has_layer_scale="blocks.0.ls1.gamma" in tensors,
        has_norm_before="norm_pre.weight" in tensors,
    )


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Lay CLIP's tensors out as timm's: the projection transposed, tokens with a batch, patches with a bias."""
    plain = dict(tensors)
    if "proj" in plain:
        plain["projection.weight"] = plain.pop("proj").T
    for name, ndim in (("cls_token", 3), ("pos_embed", 3)):
        if name in plain:
            plain[name] = plain[name].reshape((1,) * (ndim - plain[name].ndim) + tuple(plain[name].shape))
    if "patch_embed.proj.weight" in plain:
        plain.setdefault("patch_embed.proj.bias", torch.zeros(plain["patch_embed.proj.weight"].shape[0]))
    return plain


def _renamed(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name
