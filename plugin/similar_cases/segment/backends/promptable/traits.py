"""What looks at one click tell about their masks: how sure, how sharp, how unlike what is round it, and how alike.

The network's own estimate of a mask's quality was learnt where the object fits the crop. From afar a lesion is lost and
its organ found, from too near there is no border: there the estimate says little, but these traits do. ``ScaleJudge``
reads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from similar_cases.models.cube import sampled
from similar_cases.segment.backends.promptable.inputs import SIZE
from similar_cases.segment.backends.promptable.look import Look, near_points, sides_of
from similar_cases.segment.backends.promptable.network import TRAITS

#: a mask is stable where it stays the same though its level moves by this share of the way to 0 and to 1
_MOVED = 0.4
#: thickness of the shell that is compared with the mask, voxels
_SHELL = 2


@dataclass(frozen=True, eq=False)
class Seen:
    """A look at `points` (n, 3), LPS mm, and its input (channels, z, y, x), the image over its spread first."""

    look: Look
    inputs: Tensor
    points: Tensor

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """(z, y, x), the parts at the points, or what is likeliest there where none is inside."""
        reduced = self.look.reduced_to(self.points)
        return np.asarray(reduced.probability.numpy() > reduced.level)

    @cached_property
    def traits(self) -> list[float]:
        """What the look tells of itself: the first of ``TRAIT_NAMES``, without the last four, which tell of others."""
        probability, mask = self.look.probability.numpy(), self.mask
        faces = np.concatenate([mask.take(end, axis).ravel() for axis in range(3) for end in (0, -1)])
        clicked = near_points(self.look.grid.to_index(self.points))
        return [
            self.look.quality,
            _stability(self),
            *_unlikeness(self),
            float(probability[mask].mean()) if mask.any() else 0.0,
            float(2.0 * probability[mask].sum() / (probability.sum() + mask.sum() + 1e-6)),
            float(probability[clicked].max()) if clicked.any() else 0.0,
            float(faces.mean()),
            float(np.cbrt(mask.mean())),
            max(sides_of(mask)) / SIZE if mask.any() else 0.0,
            float(np.log(self.look.grid.spacing_mm)),
        ]


def traits_of(series: Sequence[Seen]) -> Tensor:
    """Return (n, 3 * TRAITS): of each look of a series, the widest first, its own traits and its neighbours'.

    Where there is no wider or no nearer look, its traits are zeros.
    """
    alike = [agreement(wide, near) for wide, near in pairwise(series)]
    own = [
        [*seen.traits, *_beside(alike, number), float(number == 0), float(number == len(series) - 1)]
        for number, seen in enumerate(series)
    ]
    nothing = [0.0] * TRAITS
    padded = [nothing, *own, nothing]
    return torch.tensor([padded[n] + padded[n - 1] + padded[n + 1] for n in range(1, len(own) + 1)])


def agreement(wide: Seen, near: Seen) -> float:
    """Return the Dice coefficient, by volume, of the masks of two looks."""
    again = sampled(torch.from_numpy(wide.mask).float(), wide.look.grid.to_lps, near.look.grid, 0.0).numpy() > 0.5
    side, other = near.look.grid.spacing_mm, wide.look.grid.spacing_mm
    both = float((again & near.mask).sum()) * side**3
    total = float(near.mask.sum()) * side**3 + float(wide.mask.sum()) * other**3
    return 2.0 * both / total if total else 0.0


def _beside(alike: list[float], number: int) -> tuple[float, float]:
    """Return how far a look agrees with the wider and with the nearer; -1 where there is none."""
    return alike[number - 1] if number else -1.0, alike[number] if number < len(alike) else -1.0


def _stability(seen: Seen) -> float:
    """Return the intersection over union of the masks over a lower and over a higher level.

    After the stability score of Kirillov et al. 2023, arXiv 2304.02643, section 2.
    """
    level = seen.look.level
    low = replace(seen.look, level=level * (1 - _MOVED)).found_at(seen.points)
    high = replace(seen.look, level=level + (1 - level) * _MOVED).found_at(seen.points)
    return float((low & high).sum() / max(1, (low | high).sum()))


def _unlikeness(seen: Seen) -> list[float]:
    """Return how a mask differs from the shell round it: in ranks, in level over spreads, in level; and both spreads.

    The first is 2 |AUC - 1/2|: 1 where every voxel inside is brighter than all of the shell, or darker. Of two that are
    equal the one inside counts as the darker.
    """
    if not seen.mask.any():
        return [0.0] * 5
    [found] = ndimage.find_objects(seen.mask.astype(np.uint8))
    box = tuple(slice(max(0, one.start - _SHELL), one.stop + _SHELL) for one in found)
    mask, image = seen.mask[box], seen.inputs[0].cpu().numpy()[box]
    shell = ndimage.binary_dilation(mask, iterations=_SHELL) & ~mask
    inside = image[mask]
    around = image[shell] if shell.any() else inside
    below = np.searchsorted(np.sort(around), inside).mean() / len(around)
    apart = abs(float(np.median(inside)) - float(np.median(around)))
    spreads = float(inside.std()), float(around.std())
    levels = abs(float(inside.mean()) - float(around.mean()))
    return [2.0 * abs(float(below) - 0.5), apart / (float(np.hypot(*spreads)) + 1e-3), levels, *spreads]
