"""A Vision Transformer (Dosovitskiy et al., arXiv 2010.11929) in torch alone, for weights that others trained.

Its modules are named as timm's, the names that most checkpoints of the field have; `vision_checkpoints` reads the other
conventions into them. What differs between families are options of the shape: registers (arXiv 2309.16588), scaled
layers, a norm before the blocks and a projection after them (CLIP), the activation.
"""

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn
from torch.nn import functional

#: width of a head in every ViT of these families
HEAD = 64


class Activation(StrEnum):
    """What stands between the two layers of a block's perceptron."""

    #: the exact one
    GELU = "gelu"
    #: x * sigmoid(1.702 x), as OpenAI's CLIP was trained
    QUICK_GELU = "quick_gelu"


class PositionFit(StrEnum):
    """How positions learnt on one grid are laid onto another."""

    #: bicubic with a low-pass, as timm does
    ANTIALIASED = "antialiased"
    #: bicubic by a factor of (cells + 0.1) / cells, as DINO and DINOv2 do
    OFFSET = "offset"


@dataclass(frozen=True, kw_only=True)
class VitShape:
    """The architecture, as far as weights decide it.

    Attributes:
        grid: cells a side that the positions were learnt on.
        registers: tokens beside the class token that stand for nothing.
        projection: length of the projected vector; 0 for none.
        tokens_with_position: 1 where the class token has a learnt position of its own, else 0.
    """

    width: int
    depth: int
    patch: int
    grid: int
    mlp: int
    registers: int = 0
    projection: int = 0
    tokens_with_position: int = 1
    has_layer_scale: bool = False
    has_norm_before: bool = False
    activation: Activation = Activation.GELU
    epsilon: float = 1e-6
    position_fit: PositionFit = PositionFit.ANTIALIASED


class VisionTransformer(nn.Module):
    """The network; for inference, without dropout."""

    def __init__(self, shape: VitShape) -> None:
        super().__init__()
        width = shape.width
        self.shape = shape
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, shape.patch, stride=shape.patch)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, shape.grid**2 + shape.tokens_with_position, width))
        if shape.registers:
            self.reg_token = nn.Parameter(torch.zeros(1, shape.registers, width))
        if shape.has_norm_before:
            self.norm_pre = nn.LayerNorm(width, eps=shape.epsilon)
        self.blocks = nn.ModuleList(_Block(shape) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(width, eps=shape.epsilon)
        if shape.projection:
            self.projection = nn.Linear(width, shape.projection, bias=False)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Look at (n, 3, side, side) normalised pictures, the side a multiple of the patch.

        Returns:
            The class token (n, size), and the patches' tokens (n, size, side / patch, side / patch); both normed, and
            projected where the network projects.
        """
        shape = self.shape
        patches = self.patch_embed["proj"](pictures)  # (n, width, rows, columns)
        cells = int(patches.shape[-1])
        tokens = self._with_positions(patches.flatten(2).transpose(1, 2), cells)
        if shape.has_norm_before:
            tokens = self.norm_pre(tokens)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        if shape.projection:
            tokens = self.projection(tokens)
        local = tokens[:, 1 + shape.registers :].transpose(1, 2)
        return tokens[:, 0], local.reshape(len(local), -1, cells, cells)

    def _with_positions(self, patches: Tensor, cells: int) -> Tensor:
        """Put class token and registers before (n, cells², width) patches; registers have no position."""
        first = self.pos_embed[:, : self.shape.tokens_with_position]
        rest = self.pos_embed[:, self.shape.tokens_with_position :]
        count = len(patches)
        own = self.cls_token + first.sum(dim=1, keepdim=True)
        parts = [own.expand(count, -1, -1), patches + fitted_positions(rest, cells, self.shape.position_fit)]
        if self.shape.registers:
            parts.insert(1, self.reg_token.expand(count, -1, -1))
        return torch.cat(parts, dim=1)


def fitted_positions(positions: Tensor, cells: int, how: PositionFit) -> Tensor:
    """Lay (1, grid², width) positions onto a grid of `cells` a side.

    DINOv2 with registers was released with the low-pass and no offset (its hub's ``interpolate_antialias``).
    """
    grid = round(positions.shape[1] ** 0.5)
    if grid == cells:
        return positions
    square = positions.transpose(1, 2).reshape(1, -1, grid, grid)
    if how is PositionFit.OFFSET:
        factor = (cells + 0.1) / grid
        resized = functional.interpolate(square, scale_factor=(factor, factor), mode="bicubic")
    else:
        resized = functional.interpolate(square, size=(cells, cells), mode="bicubic", antialias=True)
    return resized.flatten(2).transpose(1, 2)


class _Block(nn.Module):
    """Attention and perceptron, each on normed tokens and added to them."""

    def __init__(self, shape: VitShape) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.attn = _Attention(shape.width)
        self.norm2 = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.mlp = _Perceptron(shape)
        self.ls1: nn.Module = _Scale(shape.width) if shape.has_layer_scale else nn.Identity()
        self.ls2: nn.Module = _Scale(shape.width) if shape.has_layer_scale else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        return tokens + self.ls2(self.mlp(self.norm2(tokens)))  # type: ignore[no-any-return]


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        count, length, _ = tokens.shape
        query, key, value = self.qkv(tokens).view(count, length, 3, self.heads, HEAD).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value)  # (n, heads, tokens, HEAD)
        return self.proj(seen.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class _Perceptron(nn.Module):
    def __init__(self, shape: VitShape) -> None:
        super().__init__()
        self.fc1 = nn.Linear(shape.width, shape.mlp)
        self.fc2 = nn.Linear(shape.mlp, shape.width)
        self.is_quick = shape.activation is Activation.QUICK_GELU

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.fc1(tokens)
        active = hidden * torch.sigmoid(1.702 * hidden) if self.is_quick else functional.gelu(hidden)
        return self.fc2(active)  # type: ignore[no-any-return]


class _Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * self.gamma
