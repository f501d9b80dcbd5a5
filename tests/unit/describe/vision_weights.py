"""Small weights by formula, under the very names of timm, DINOv2, DreamSim, open_clip, BiomedCLIP and torchvision.

Widths and depths are small; every name and every rank is that of the released checkpoints.
"""

import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from similar_cases.models.model_file import ModelFile, sha256_of

WIDTH, DEPTH, MLP, PROJECTED = 128, 2, 256, 32
Shapes = dict[str, tuple[int, ...]]


def by_formula(shapes: Shapes) -> dict[str, Tensor]:
    """Fill each tensor by its name alone; what multiplies lies about 1."""
    return {name: formula(name, shape) for name, shape in shapes.items()}


def formula(name: str, shape: tuple[int, ...]) -> Tensor:
    seed = zlib.crc32(name.encode())
    steps = np.arange(int(np.prod(shape)), dtype=np.float64)
    amplitude = 0.4 if "fc" in name and len(shape) == 2 else 0.08
    values = amplitude * np.sin(steps * (0.37 + (seed % 97) / 89) + seed % 1000)
    if (len(shape) == 1 and name.endswith("weight")) or name.endswith(("gamma", "running_var")):
        values += 1.0
    return torch.from_numpy(values.reshape(shape).astype(np.float32))


def picture(side: int = 224) -> Tensor:
    """Return (1, 3, side, side) in 0 to 1."""
    y, x = np.mgrid[:side, :side] / side
    channels = [0.5 + 0.5 * np.sin(9 * y + c) * np.cos(7 * x * (c + 1)) for c in range(3)]
    return torch.from_numpy(np.stack(channels)[None].astype(np.float32))


def timm(patch: int = 16, grid: int = 14, *, layer_scale: bool = False, prefix: str = "") -> Shapes:
    """Names of timm's VisionTransformer and of DINO's, without a classifier."""
    shapes: Shapes = {
        "cls_token": (1, 1, WIDTH),
        "pos_embed": (1, grid**2 + 1, WIDTH),
        "patch_embed.proj.weight": (WIDTH, 3, patch, patch),
        "patch_embed.proj.bias": (WIDTH,),
        "norm.weight": (WIDTH,),
        "norm.bias": (WIDTH,),
    }
    layers = {"attn.qkv": (3 * WIDTH, WIDTH), "attn.proj": (WIDTH, WIDTH), "mlp.fc1": (MLP, WIDTH)}
    for block in range(DEPTH):
        for layer, shape in {**layers, "mlp.fc2": (WIDTH, MLP)}.items():
            shapes |= {f"blocks.{block}.{layer}.weight": shape, f"blocks.{block}.{layer}.bias": shape[:1]}
        for norm in ("norm1", "norm2"):
            shapes |= {f"blocks.{block}.{norm}.weight": (WIDTH,), f"blocks.{block}.{norm}.bias": (WIDTH,)}
        if layer_scale:
            shapes |= {f"blocks.{block}.{one}.gamma": (WIDTH,) for one in ("ls1", "ls2")}
    return {prefix + name: shape for name, shape in shapes.items()}


def dinov2(*, registers: int = 0) -> Shapes:
    """Names of facebookresearch/dinov2's pretrained backbones: patches of 14, positions of 37 x 37 patches."""
    shapes = {**timm(14, 37, layer_scale=True), "mask_token": (1, WIDTH)}
    return {**shapes, "register_tokens": (1, registers, WIDTH)} if registers else shapes


def dreamsim_clip() -> Shapes:
    """Names of DreamSim's clip_vitb16_pretrain.pth.tar: CLIP in DINO's names."""
    return {**timm(), "pos_drop.weight": (WIDTH,), "pos_drop.bias": (WIDTH,), "proj": (WIDTH, PROJECTED)}


def open_clip(patch: int = 16, grid: int = 14) -> Shapes:
    """Names of open_clip's CLIP: the image tower, and a little of the text tower beside it."""
    shapes: Shapes = {
        "positional_embedding": (77, 64),
        "text_projection": (64, PROJECTED),
        "logit_scale": (),
        "token_embedding.weight": (100, 64),
        "transformer.resblocks.0.ln_1.weight": (64,),
        "ln_final.weight": (64,),
        "visual.class_embedding": (WIDTH,),
        "visual.positional_embedding": (grid**2 + 1, WIDTH),
        "visual.proj": (WIDTH, PROJECTED),
        "visual.conv1.weight": (WIDTH, 3, patch, patch),
    }
    norms = ["visual.ln_pre", "visual.ln_post"]
    for block in range(DEPTH):
        start = f"visual.transformer.resblocks.{block}"
        norms += [f"{start}.ln_1", f"{start}.ln_2"]
        shapes |= {f"{start}.attn.in_proj_weight": (3 * WIDTH, WIDTH), f"{start}.attn.in_proj_bias": (3 * WIDTH,)}
        layers = {"attn.out_proj": (WIDTH, WIDTH), "mlp.c_fc": (MLP, WIDTH), "mlp.c_proj": (WIDTH, MLP)}
        for layer, shape in layers.items():
            shapes |= {f"{start}.{layer}.weight": shape, f"{start}.{layer}.bias": shape[:1]}
    return shapes | {f"{norm}.{end}": (WIDTH,) for norm in norms for end in ("weight", "bias")}


def biomedclip() -> Shapes:
    """Names of BiomedCLIP's open_clip_pytorch_model.bin: a tower of timm's, and a little of PubMedBERT beside it."""
    beside: Shapes = {"logit_scale": (), "text.transformer.embeddings.word_embeddings.weight": (100, 64)}
    return {**timm(prefix="visual.trunk."), "visual.head.proj.weight": (PROJECTED, WIDTH), **beside}


def resnet50() -> Shapes:
    """Names of torchvision's resnet50."""
    shapes: Shapes = {"conv1.weight": (64, 3, 7, 7), **_batch_norm("bn1", 64), "fc.weight": (9, 2048), "fc.bias": (9,)}
    given, inner = 64, 64
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(blocks):
            start = f"layer{stage}.{block}"
            convolutions = {1: (inner, given, 1, 1), 2: (inner, inner, 3, 3), 3: (4 * inner, inner, 1, 1)}
            for number, shape in convolutions.items():
                shapes |= {f"{start}.conv{number}.weight": shape, **_batch_norm(f"{start}.bn{number}", shape[0])}
            if block == 0:
                shapes |= {f"{start}.downsample.0.weight": (4 * inner, given, 1, 1)}
                shapes |= _batch_norm(f"{start}.downsample.1", 4 * inner)
            given = 4 * inner
        inner *= 2
    return shapes


def as_radimagenet(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename torchvision's tensors as RadImageNet's ResNet50.pt has them: the children numbered, no classifier."""
    numbers = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
    named = {tuple(name.split(".", 1)): one for name, one in tensors.items() if not name.startswith("fc.")}
    return {f"backbone.{numbers[child]}.{rest}": one for (child, rest), one in named.items()}


def _batch_norm(name: str, channels: int) -> Shapes:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {**{f"{name}.{part}": (channels,) for part in parts}, f"{name}.num_batches_tracked": ()}


def saved(folder: Path, kind: str, tensors: dict[str, Tensor], wrapper: str = "") -> ModelFile:
    """Write a checkpoint as torch does, and return it as a site would name it."""
    path = folder / f"{kind}.pth"
    torch.save({wrapper: tensors, "epoch": 3} if wrapper else tensors, path)
    return ModelFile(name=f"a-{kind}", kind=kind, path=path, sha256=sha256_of(path), licence="made here", version="0")
