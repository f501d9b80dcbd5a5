"""The prompts that a person would give for an object, and the corrections after them, for a whole batch at once."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from models.promptable.contrast import blurred, grown, noise_field
from torch import Tensor
from torch.nn import functional

from similar_cases.segment.backends.promptable.inputs import SIZE, network_input


@dataclass(frozen=True, eq=False)
class Prompted:
    """Images with prompts, (b, …) each, as ``inputs.network_input`` takes them, and the target."""

    image: Tensor
    target: Tensor
    positive: Tensor
    negative: Tensor
    box: Tensor
    previous: Tensor

    def channels(self) -> Tensor:
        """Return the network's input, (b, 7, SIZE, SIZE, SIZE)."""
        return network_input(self.image, self.positive, self.negative, self.box, self.previous)

    def first(self, count: int) -> "Prompted":
        """Return the first `count` of the batch."""
        return Prompted(*(part[:count] for part in vars(self).values()))

    def with_first(self, other: "Prompted") -> "Prompted":
        """Return the batch with `other`, whose points may be more, in the place of its first examples."""
        columns = {name: _padded(getattr(self, name), getattr(other, name)) for name in ("positive", "negative")}
        count = len(other.image)
        parts = {
            name: torch.cat((getattr(other, name), columns.get(name, getattr(self, name))[count:]))
            for name in vars(self)
        }
        return Prompted(**parts)


def prompted(image: Tensor, target: Tensor, centred: Tensor, rng: np.random.Generator) -> Prompted:
    """Give each example a click inside the object, nearest to the crop's middle, or a box, a rough mask, or several."""
    count, device = len(image), image.device
    draw = torch.rand(count, device=device)
    box = (centred & (draw < 0.4)).view(-1, 1, 1, 1) * boxes(target)
    rough = (centred & (draw >= 0.4) & (draw < 0.8)).view(-1, 1, 1, 1) * rough_masks(target, rng)
    middle = nearest_inside(target, centred)
    unclicked = centred & (draw < 0.8) & (torch.rand(count, device=device) < 0.4)
    middle = middle.masked_fill(unclicked[:, None], torch.nan)
    more = torch.rand(count, 4, device=device)
    extra = some_voxels(target, 2).masked_fill((more[:, :2] > 0.08)[..., None], torch.nan)
    outside = grown(target, 4) - target
    wrong = some_voxels(outside, 2).masked_fill((more[:, 2:] > 0.08)[..., None], torch.nan)
    return Prompted(image, target, torch.cat((middle[:, None], extra), 1), wrong, box, rough)


def corrected(example: Prompted, probability: Tensor, *, keep_mask: bool) -> Prompted:
    """Add the click that a person would make next, in the middle of the largest error; and the mask so far."""
    guess, truth = probability > 0.5, example.target > 0.5
    missing, excess = (truth & ~guess).float(), (guess & ~truth).float()
    luck = torch.rand(len(truth), device=truth.device) * 0.6 + 0.7
    adds = missing.sum((1, 2, 3)) * luck >= excess.sum((1, 2, 3))
    error = torch.where(adds.view(-1, 1, 1, 1), missing, excess)
    click = deepest(error)
    hard = torch.rand(len(truth), 1, 1, 1, device=truth.device) < 0.6
    return replace(
        example,
        positive=torch.cat((example.positive, click.masked_fill(~adds[:, None], torch.nan)[:, None]), 1),
        negative=torch.cat((example.negative, click.masked_fill(adds[:, None], torch.nan)[:, None]), 1),
        previous=torch.where(hard, guess.float(), probability) if keep_mask else example.previous,
    )


def deepest(mask: Tensor, steps: int = 9) -> Tensor:
    """Return (b, 3): a voxel deep inside each of (b, SIZE, SIZE, SIZE); NaN where the mask is empty."""
    depth, core = mask.clone(), mask
    for _ in range(steps):
        core = -grown(-core, 1)
        depth += core
    most = depth.amax((1, 2, 3), keepdim=True)
    return _places(depth + torch.rand_like(depth) * 0.25 * most * mask, most.flatten() > 0)


def nearest_inside(target: Tensor, anywhere: Tensor) -> Tensor:
    """Return (b, 3): the voxel inside nearest to the crop's middle; where `anywhere` (b,), any voxel well inside."""
    axis = torch.arange(SIZE, device=target.device, dtype=torch.float32) - (SIZE - 1) / 2
    apart = axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2
    there = target.flatten(1).any(1)
    nearest = _places(-apart - 1e6 * (1 - target), there)
    return torch.where(anywhere[:, None], deepest(target, 4), nearest)


def some_voxels(mask: Tensor, count: int) -> Tensor:
    """Return (b, count, 3) voxels of each mask, drawn anew; NaN where it is empty."""
    there = mask.flatten(1).any(1)
    return torch.stack([_places(torch.rand_like(mask) * mask, there) for _ in range(count)], 1)


def boxes(target: Tensor) -> Tensor:
    """Return (b, SIZE, SIZE, SIZE): 1 in a loose box round each target."""
    result = torch.ones_like(target)
    axis = torch.arange(SIZE, device=target.device, dtype=torch.float32)
    for dimension in (1, 2, 3):
        others = [other for other in (1, 2, 3) if other != dimension]
        line = target.amax(others)
        first = torch.where(line > 0, axis, torch.inf).amin(1) - torch.rand(len(line), device=axis.device) * 3
        last = torch.where(line > 0, axis, -torch.inf).amax(1) + torch.rand(len(line), device=axis.device) * 3
        within = ((axis >= first[:, None].round()) & (axis <= last[:, None].round())).float()
        shape = [len(line), 1, 1, 1]
        shape[dimension] = SIZE
        result = result * within.view(shape)
    return result


def rough_masks(target: Tensor, rng: np.random.Generator) -> Tensor:
    """Return the targets as a hurried hand would draw them: smoothed, shifted in places, too large or too small."""
    field = noise_field(len(target), int(rng.integers(4, 9)), target.device)
    bias = torch.randn(len(target), 1, 1, 1, device=target.device) * 0.2
    soft = blurred(target, torch.rand(len(target), device=target.device) * 2.0 + 0.5)
    return (soft + 0.22 * field + bias > 0.5).float()


def _places(score: Tensor, there: Tensor) -> Tensor:
    best = score.flatten(1).argmax(1)
    index = torch.stack((best // SIZE**2, best // SIZE % SIZE, best % SIZE), 1).float()
    return index.masked_fill(~there[:, None], torch.nan)


def _padded(points: Tensor, other: Tensor) -> Tensor:
    """Return (b, n, 3) points with as many columns as `other` has."""
    return functional.pad(points, (0, 0, 0, other.shape[1] - points.shape[1]), value=torch.nan)
