"""The network: a residual 3-D U-Net that reads an image crop with its prompts and writes a mask and a quality."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from similar_cases.models.bundle import fill, no_network, read_bundle
from similar_cases.models.residual_block import ResidualBlock

#: what ``traits.traits_of`` tells of one look, in this order, which the weights know; shares are 0 to 1, levels are in
#: spreads of the crop. The judge reads those of the wider and of the nearer look beside them
TRAIT_NAMES = (
    "quality",
    "stability",
    "ranks apart",
    "levels over spreads",
    "levels apart",
    "spread inside",
    "spread around",
    "mean probability",
    "soft Dice",
    "probability at the click",
    "share of the faces",
    "side of its volume as a cube, share",
    "longest side, share",
    "log of mm a voxel",
    "agreement with the wider",
    "agreement with the nearer",
    "is the widest",
    "is the nearest",
)
TRAITS = len(TRAIT_NAMES)
_JUDGES = 32


@dataclass(frozen=True)
class NetworkShape:
    """What fixes the architecture; kept in the bundle beside the weights."""

    in_channels: int = 7
    widths: tuple[int, ...] = (24, 48, 96, 144, 192)
    blocks: tuple[int, ...] = (1, 1, 2, 2, 1)


class ScaleJudge(nn.Module):
    """Estimates, from traits of several looks at one click, how well each shows the whole of what was clicked."""

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3 * TRAITS))
        self.register_buffer("spread", torch.ones(3 * TRAITS))
        self.hidden = nn.Linear(3 * TRAITS, _JUDGES)
        self.worth = nn.Linear(_JUDGES, 1)

    def forward(self, traits: Tensor) -> Tensor:
        """Return the estimated intersection over union (looks,) with the whole object, 0 to 1.

        Args:
            traits: (looks, 3 * TRAITS), as ``traits.traits_of`` makes them.
        """
        told = functional.leaky_relu(self.hidden((traits - self.mean) / self.spread))
        return torch.sigmoid(self.worth(told)).squeeze(1)


class PromptableUNet(nn.Module):
    """Residual U-Net with instance normalisation (no batch statistics: the same input gives the same output)."""

    def __init__(self, shape: NetworkShape | None = None) -> None:
        super().__init__()
        self.shape = shape or NetworkShape()
        widths = self.shape.widths
        self.encoder = nn.ModuleList(
            nn.Sequential(
                ResidualBlock(before, after, stride=1 if level == 0 else 2),
                *(ResidualBlock(after, after) for _ in range(count - 1)),
            )
            for level, (before, after, count) in enumerate(
                zip((self.shape.in_channels, *widths[:-1]), widths, self.shape.blocks, strict=True)
            )
        )
        steps = list(zip(reversed(widths[1:]), reversed(widths[:-1]), strict=True))
        self.narrower = nn.ModuleList(nn.Conv3d(deep, shallow, 1, bias=False) for deep, shallow in steps)
        self.decoder = nn.ModuleList(ResidualBlock(shallow, shallow) for _, shallow in steps)
        self.mask_head = nn.Conv3d(widths[0], 1, 1)
        self.quality_head = nn.Sequential(nn.Linear(widths[-1] + widths[0] + 1, 64), nn.LeakyReLU(), nn.Linear(64, 1))
        self.scale_judge = ScaleJudge()

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return mask logits and the estimated intersection over union.

        Args:
            inputs: (batch, channels, z, y, x), as ``inputs.network_input`` makes them; sides divisible by 16.

        Returns:
            Logits (batch, 1, z, y, x) and quality (batch,) in 0 to 1.
        """
        features = self.features(inputs)
        logits = self.mask_head(features[-1])
        return logits, self.judged(features[0], features[-1], logits)

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Return the deepest features, then those after each step of the decoder; the last have the input's sides."""
        skips: list[Tensor] = []
        features = inputs
        for level in self.encoder:
            features = level(features)
            skips.append(features)
        found = [skips.pop()]
        for narrower, block, skip in zip(self.narrower, self.decoder, reversed(skips), strict=True):
            upsampled = functional.interpolate(narrower(found[-1]), scale_factor=2, mode="nearest")
            found.append(block(upsampled + skip))
        return found

    def judged(self, deepest: Tensor, features: Tensor, logits: Tensor) -> Tensor:
        """Return the estimated intersection over union (batch,) of a mask; it judges the mask and must not bend it."""
        probability = logits.detach().sigmoid()
        inside = (features.detach() * probability).sum((2, 3, 4)) / (probability.sum((2, 3, 4)) + 1.0)
        sharpness = (probability - 0.5).abs().mean((2, 3, 4)) * 2.0
        pooled = torch.cat((deepest.detach().mean((2, 3, 4)), inside, sharpness), dim=1)
        return torch.sigmoid(self.quality_head(pooled)).squeeze(1)


def load_network(folder: Path, device: str) -> tuple[PromptableUNet, dict[str, Any]]:
    """Return the network of a bundle, in evaluation mode on `device`, and the bundle's metadata.

    Raises:
        InvalidSettings: when a file is missing or broken, the weights are not those that the metadata names, or they
            are of another network.
    """
    metadata, weights = read_bundle(folder)
    try:
        told = metadata["network"]
        network = PromptableUNet(NetworkShape(widths=tuple(told["widths"]), blocks=tuple(told["blocks"])))
    except (KeyError, TypeError, ValueError) as error:
        raise no_network(folder, error) from error
    fill(network, weights, folder)
    return network.to(device), metadata
