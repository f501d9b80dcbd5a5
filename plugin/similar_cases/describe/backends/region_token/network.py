"""The networks of the shared space: a token that looks at a Region, and an encoder of any named radiomics features.

After RadiomicsRetrieval (arXiv 2507.08546, section 2): there the token is one of a mask decoder's, and the encoder is
TransTab with BERT's words. Here both are small transformers over tokens, of which any may be absent.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from similar_cases.describe.backends.region_token.inputs import (
    CHANNELS,
    INTENSITY_NUMBERS,
    SHAPE_NUMBERS,
    RegionInputs,
    ring_of,
)
from similar_cases.models.residual_block import ResidualBlock

#: length of a vector, the paper's
SIZE = 384
#: width of a token
WIDTH = 128
#: a step of a body coordinate, mm
BODY_SCALE_MM = 200.0
#: ways to pool a level of features: inside, its spread inside, surroundings, whole cube
POOLS = 4


@dataclass(frozen=True)
class RegionShape:
    """What fixes the architecture; kept in the bundle beside the weights.

    Attributes:
        widths: channels of the encoder's levels.
        features: number of radiomics features that the other encoder knows.
    """

    widths: tuple[int, ...] = (16, 32, 64, 96, 128)
    features: int = 107


class SharedSpace(nn.Module):
    """Both encoders; they meet in vectors (n, 384), whose cosine is the similarity."""

    def __init__(self, shape: RegionShape | None = None) -> None:
        super().__init__()
        self.shape = shape or RegionShape()
        self.region = RegionEncoder(self.shape.widths)
        self.radiomics = RadiomicsEncoder(self.shape.features)


class RegionEncoder(nn.Module):
    """A convolutional encoder whose every level is pooled over the Region; one token asks all that was pooled."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(
            ResidualBlock(before, after, stride=1 if level == 0 else 2)
            for level, (before, after) in enumerate(zip((CHANNELS, *widths[:-1]), widths, strict=True))
        )
        self.pooled = nn.ModuleList(nn.Linear(width, WIDTH) for width in widths for _ in range(POOLS))
        self.shape = nn.Sequential(nn.Linear(SHAPE_NUMBERS, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
        self.intensity = nn.Sequential(nn.Linear(INTENSITY_NUMBERS, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
        self.body = nn.Sequential(nn.Linear(3, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
        self.kinds = nn.Parameter(torch.randn(len(self.pooled) + 3, WIDTH) * 0.02)
        self.token = Token()

    def forward(self, inputs: RegionInputs, body_mm: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Return (n, 384) vectors.

        Args:
            inputs: of n Regions.
            body_mm: (n, 3) body coordinates, NaN where there is none.
            hidden: (n, 3) bool, which of the last tokens (shape, intensity, body) are left out; training alone.
        """
        masks = inputs.channels[:, -1:]
        pooled = self.pools(inputs.channels, torch.cat((masks, ring_of(masks)), dim=1))
        numbers = (self.shape(inputs.shape), self.intensity(inputs.intensity), self._body(body_mm))
        tokens = torch.stack([*pooled, *numbers], dim=1) + self.kinds
        absent = torch.zeros(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        absent[:, -1] = body_mm.isnan().any(1)
        if hidden is not None:
            absent[:, -3:] |= hidden
        vectors: Tensor = self.token(tokens, absent)
        return vectors

    def pools(self, channels: Tensor, weights: Tensor) -> list[Tensor]:
        """Return one (n, WIDTH) token a level and way to pool; `weights` are (n, 2, z, y, x), inside and round it."""
        features, found = channels, []
        projections = iter(self.pooled)
        for block in self.encoder:
            features = block(features)
            found += [next(projections)(one) for one in _pooled(features.float(), weights)]
        return found

    def _body(self, body_mm: Tensor) -> Tensor:
        told: Tensor = self.body(body_mm.nan_to_num(0.0) / BODY_SCALE_MM)
        return told


def _pooled(features: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return (n, width) each: mean and spread inside, mean round it, mean over the cube."""
    z, y, x = features.shape[2:]
    inside, around = functional.adaptive_avg_pool3d(weights, (z, y, x)).chunk(2, dim=1)
    mean = _weighted(features, inside)
    spread = (_weighted((features - mean[:, :, None, None, None]) ** 2, inside) + 1e-6).sqrt()
    return mean, spread, _weighted(features, around), features.mean((2, 3, 4))


def _weighted(features: Tensor, weights: Tensor) -> Tensor:
    return (features * weights).sum((2, 3, 4)) / weights.sum((2, 3, 4)).clamp(min=1e-6)


class RadiomicsEncoder(nn.Module):
    """A token a feature that is there, of its name and its value; and one a body coordinate, as the paper has them."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.names = nn.Parameter(torch.randn(features + 3, WIDTH) * 0.02)
        self.values = nn.Parameter(torch.randn(features + 3, WIDTH) * 0.5)
        self.bend = nn.Parameter(torch.randn(features + 3, WIDTH) * 0.2)
        self.token = Token()

    def forward(self, scaled: Tensor, body_mm: Tensor) -> Tensor:
        """Return (n, 384) vectors.

        Args:
            scaled: (n, features) in -1 to 1, NaN where absent.
            body_mm: (n, 3) body coordinates, NaN where there is none.
        """
        values = torch.cat((scaled, (body_mm / BODY_SCALE_MM).clamp(-4, 4)), dim=1)
        known = values.nan_to_num(0.0)[:, :, None]
        # one number spread over a curve: a token that is linear in it could not tell the middle from both ends
        tokens = self.names + known * self.values + torch.cos(torch.pi * known * (1.0 + self.bend))
        vectors: Tensor = self.token(tokens, values.isnan())
        return vectors


class Token(nn.Module):
    """One learned token asks others, of which some may be absent; what it comes to hold is the vector."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.02)
        layer = nn.TransformerEncoderLayer(
            WIDTH, nhead=8, dim_feedforward=2 * WIDTH, dropout=0.1, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(WIDTH)
        self.project = nn.Linear(WIDTH, SIZE, bias=False)

    def forward(self, tokens: Tensor, absent: Tensor) -> Tensor:
        """Return (n, SIZE) of tokens (n, t, WIDTH), those where `absent` (n, t) holds left out."""
        start = self.start.expand(len(tokens), -1, -1)
        here = torch.zeros(len(tokens), 1, dtype=torch.bool, device=absent.device)
        told = self.layers(torch.cat((start, tokens), dim=1), src_key_padding_mask=torch.cat((here, absent), dim=1))
        vectors: Tensor = self.project(self.norm(told[:, 0]))
        return vectors
