"""Changes of an image that change no anatomy: contrast, field, noise, sharpness, slices that are thick."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from similar_cases.segment.backends.promptable.inputs import SIZE


def other_contrast(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Return (b, SIZE, SIZE, SIZE), each image changed in its own way, some not at all; values near 0 to 1."""
    count, device = len(image), image.device

    def some(share: float, values: Tensor, otherwise: float) -> Tensor:
        chosen = torch.rand(count, device=device) < share
        return torch.where(chosen, values, otherwise).view(-1, 1, 1, 1)

    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    image = (image - low) / (high - low).clamp(min=1e-6)
    image = image.clamp(min=0) ** some(0.3, torch.exp(torch.randn(count, device=device) * 0.35), 1.0)
    curve = some(0.25, torch.ones(count, device=device), 0.0)
    image = curve * bent(image) + (1 - curve) * image
    image = blurred(image, some(0.25, torch.rand(count, device=device) * 1.1 + 0.2, 0.05).flatten())
    thick = some(0.25, torch.ones(count, device=device), 0.0)
    image = thick * thick_slices(image, int(rng.integers(3)), int(rng.integers(2, 6))) + (1 - thick) * image
    image = image + torch.randn_like(image) * some(0.35, torch.rand(count, device=device) * 0.05, 0.0)
    image = image * (1 + noise_field(count, 3, device) * some(0.25, torch.rand(count, device=device) * 0.3, 0.0))
    return image * some(0.1, -torch.ones(count, device=device), 1.0)


def bent(image: Tensor, knots: int = 9) -> Tensor:
    """Map the values 0 to 1 of each image by a random curve of its own, mostly rising."""
    count, device = len(image), image.device
    rises = torch.rand(count, knots - 1, device=device) ** 2 + 0.05
    falls = torch.where(torch.rand(count, knots - 1, device=device) < 0.12, -1.0, 1.0)
    curve = functional.pad((rises * falls).cumsum(1), (1, 0))
    place = image.clamp(0, 1).flatten(1) * (knots - 1)
    left = place.long().clamp(max=knots - 2)
    rest = place - left
    return (curve.gather(1, left) * (1 - rest) + curve.gather(1, left + 1) * rest).view_as(image)


def thick_slices(image: Tensor, axis: int, factor: int) -> Tensor:
    """Average `factor` voxels along an axis (0 to 2), and interpolate between the averages."""
    sides = [1, 1, 1]
    sides[axis] = factor
    pooled = functional.avg_pool3d(image[:, None], sides, ceil_mode=True, count_include_pad=False)
    return functional.interpolate(pooled, (SIZE, SIZE, SIZE), mode="trilinear", align_corners=False)[:, 0]


def blurred(image: Tensor, sigma: Tensor, reach: int = 4) -> Tensor:
    """Blur each of (b, SIZE, SIZE, SIZE) by a Gaussian of its own sigma (b,), voxels."""
    offsets = torch.arange(-reach, reach + 1, device=image.device, dtype=torch.float32)
    kernel = torch.exp(-(offsets**2) / (2 * sigma[:, None] ** 2))
    kernel = kernel / kernel.sum(1, keepdim=True)
    for axis in (1, 2, 3):
        padded = functional.pad(
            image, [reach if 3 - axis == pair else 0 for pair in range(3) for _ in range(2)], "replicate"
        )
        image = sum(
            (padded.narrow(axis, n, SIZE) * kernel[:, n].view(-1, 1, 1, 1) for n in range(2 * reach + 1)),
            torch.zeros_like(image),
        )
    return image


def grown(mask: Tensor, steps: int) -> Tensor:
    """Return (b, SIZE, SIZE, SIZE), the largest value within `steps` voxels along each axis."""
    for _ in range(steps):
        mask = functional.max_pool3d(mask[:, None], 3, 1, 1)[:, 0]
    return mask


def noise_field(count: int, cells: int, device: str | torch.device) -> Tensor:
    """Return (count, SIZE, SIZE, SIZE): normal numbers on a coarse lattice, interpolated."""
    coarse = torch.randn(count, 1, cells, cells, cells, device=device)
    return functional.interpolate(coarse, (SIZE, SIZE, SIZE), mode="trilinear", align_corners=True)[:, 0]
