"""Finding the right scale: look from afar, then again at the size of what was found."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from similar_cases.models.cube import Cube, sampled
from similar_cases.segment.backends.promptable.inputs import (
    SIZE,
    coded_ct,
    crop_at,
    network_input,
)
from similar_cases.segment.backends.promptable.look import (
    Found,
    Grid,
    Hints,
    Look,
    back_to_volume,
    lowest,
    sampled_on,
    sides_of,
)
from similar_cases.segment.backends.promptable.network import PromptableUNet
from similar_cases.segment.backends.promptable.traits import Seen, traits_of

#: each start is nearer by this ratio, and none has voxels smaller than this share of the volume's
_NEARER, _FINER_THAN_VOXELS = 2.15, 0.65
#: a mask so far that asks for this many times its spacing was but a part of what is there
_OUTGROWN = 1.5
#: a look is believed rather than a later one, at the scale of what it found, where it is judged better by this
_CLEARLY = 0.1
#: a point outside that is this share as deep in a mask so far as its middle denies all of it
_MIDDLE = 0.6


@dataclass(frozen=True, kw_only=True)
class ZoomRecipe:
    """How often and at what scale to look; every number here changes masks. Chosen on the training patients.

    Attributes:
        first_spacing_mm: of the widest first look, the size being unknown; 64 voxels of 6.5 mm are 42 cm.
        volume_share: the first look is at most so many times as wide as the volume is long; emptiness tells nothing.
        smallest_spacing_mm, largest_spacing_mm: bounds of every look.
        wanted_share: a found region should fill this share of the crop's side.
        looks: at most so many at each region, the start that is believed among them.
        starts: how many scales the first look is taken at.
        enough: ratio of wanted and present spacing below which another look would show the same.
        threshold: probability from which a voxel is inside.
        mirrored: whether the last look, where clicks alone are known, is averaged with its mirror image's.
        spread: the last look is averaged with looks at so many times its spacing and at so much less; 1 for none.
    """

    first_spacing_mm: float = 6.5
    volume_share: float = 1.5
    smallest_spacing_mm: float = 0.5
    largest_spacing_mm: float = 8.0
    wanted_share: float = 0.5
    looks: int = 4
    starts: int = 4
    enough: float = 1.3
    threshold: float = 0.5
    mirrored: bool = True
    spread: float = 1.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Looker:
    """The network, where it computes, and how it looks."""

    network: PromptableUNet
    recipe: ZoomRecipe = field(default_factory=ZoomRecipe)
    device: str = "cpu"

    def find(self, volume: Grid, hints: Hints) -> Look:
        """Return the last look, its stray parts removed.

        A box or a mask so far tells where to look, once; a second time where far more than the mask was found. Else the
        first click alone finds the scale, and a last look there sees all clicks: corrections refine a region, and do
        not throw the scale over. Only a click outside that lies in the very middle of the mask so far does: that mask
        was of something else, and what holds the click is not believed.

        Args:
            volume: (k, j, i), any unit.
            hints: at least one positive point, a box or a mask.
        """
        fill = lowest(volume)
        known = hints.known_corners()
        if known is None or self._is_denied(hints, known):
            look = self._sought(volume, replace(hints, previous=None), fill)
        else:
            look = self._told(volume, hints, known, fill)
        return look.reduced_to(hints.positive)

    def starts(self, volume: Grid, click: Hints, fill: float) -> list[Seen]:
        """Look at the first click from afar and from ever nearer; the widest comes first."""
        grids, finest = [_first_grid(volume, click, self.recipe)], _FINER_THAN_VOXELS * _smallest_side(volume)
        while len(grids) < self.recipe.starts and grids[-1].spacing_mm / _NEARER >= finest:
            grids.append(crop_at(grids[-1].centre_lps, grids[-1].spacing_mm / _NEARER))
        return [self._seen(volume, click, grid, fill) for grid in grids]

    def _sought(self, volume: Grid, hints: Hints, fill: float) -> Look:
        """Believe one of the starts, or what is seen at the scale of what it found; look there with all clicks."""
        click = hints.first_click()
        starts = self.starts(volume, click, fill)
        believed = int(self._worth(starts, hints.negative).argmax())

        def worth(seen: Seen) -> float:
            return float(self._worth([*starts[:believed], seen, *starts[believed + 1 :]], hints.negative)[believed])

        looks = self._fitted(volume, click, starts[believed], fill)
        seen = max(looks, key=lambda one: worth(one) + (_CLEARLY if one is looks[0] else 0.0))
        if len(hints.positive) + len(hints.negative) > 1:
            seen = self._seen(volume, hints, _holding(seen.look.grid, hints.positive), fill)
        seen = replace(seen, look=self._steadied(seen, volume, hints, fill))
        return replace(seen.look, quality=worth(seen))

    def _is_denied(self, hints: Hints, known: Tensor) -> bool:
        """Tell whether a click outside lies in the middle of the mask so far, where no box, but a click tells more."""
        if hints.previous is None or hints.box is not None or not len(hints.positive) or not len(hints.negative):
            return False
        grid = _told_grid(known, hints, self.recipe)
        mask = sampled_on(hints.previous, grid, 0.0).numpy() > 0.5
        depth = ndimage.distance_transform_edt(mask)
        return bool(max(_at(depth, grid, hints.negative)) > _MIDDLE * depth.max())

    def _told(self, volume: Grid, hints: Hints, known: Tensor, fill: float) -> Look:
        """Look where a box or a mask so far of `known` corners is; from further away where far more was found."""
        grid = _told_grid(known, hints, self.recipe)
        look = self._look(self._input_of(volume, hints, grid, fill), grid)
        wanted = _wanted_spacing(look.found_at(hints.positive), grid.spacing_mm, self.recipe)
        if hints.box is None and wanted > _OUTGROWN * grid.spacing_mm:
            grid = _holding(crop_at(grid.centre_lps, wanted), hints.positive)
            look = self._look(self._input_of(volume, hints, grid, fill), grid)
        return look

    def _fitted(self, volume: Grid, click: Hints, start: Seen, fill: float) -> list[Seen]:
        """Look at the first click until the crop fits what is found in it; return all looks, the last first."""
        looks = [start]
        while len(looks) < self.recipe.looks:
            last = looks[0].look
            wanted = _wanted_spacing(last.found_at(click.positive), last.grid.spacing_mm, self.recipe)
            if abs(np.log(wanted / last.grid.spacing_mm)) < np.log(self.recipe.enough):
                break
            looks.insert(0, self._seen(volume, click, crop_at(last.grid.centre_lps, wanted), fill))
        return looks

    def _seen(self, volume: Grid, hints: Hints, grid: Cube, fill: float) -> Seen:
        inputs = self._input_of(volume, hints, grid, fill)
        return Seen(self._look(inputs, grid), inputs, hints.positive)

    def _worth(self, series: Sequence[Seen], outside: Tensor) -> Tensor:
        """Return how likely each look shows the whole, 0 to 1; 0 where its mask holds a point (n, 3) outside."""
        with torch.inference_mode():
            worth: Tensor = self.network.scale_judge(traits_of(series).to(self.device)).cpu()
        holds = [any(_at(one.mask, one.look.grid, outside)) for one in series]
        return worth.masked_fill(torch.tensor(holds), 0.0)

    def _steadied(self, seen: Seen, volume: Grid, hints: Hints, fill: float) -> Look:
        """Average the last look with its mirror image's and with looks at neighbouring scales."""
        look, others = seen.look, []
        if self.recipe.mirrored:
            mirrored = self._look(seen.inputs.flip(-1), look.grid)
            others.append(replace(mirrored, probability=mirrored.probability.flip(-1)))
        if self.recipe.spread != 1.0:
            for ratio in (self.recipe.spread, 1 / self.recipe.spread):
                grid = crop_at(look.grid.centre_lps, look.grid.spacing_mm * ratio)
                others.append(self._look(self._input_of(volume, hints, grid, fill), grid))
        return _averaged(look, others) if others else look

    def _look(self, inputs: Tensor, grid: Cube) -> Look:
        with torch.inference_mode(), torch.autocast(self.device, dtype=torch.bfloat16):
            logits, quality = self.network(inputs[None])
        return Look(grid, logits[0, 0].float().sigmoid().cpu(), float(quality[0]), self.recipe.threshold)

    def _input_of(self, volume: Grid, hints: Hints, grid: Cube, fill: float) -> Tensor:
        image = sampled_on(volume, grid, fill).to(self.device)
        previous = sampled_on(hints.previous, grid, 0.0) if hints.previous else torch.zeros(SIZE, SIZE, SIZE)
        maps = (one[None].to(self.device) for one in (_box_map(hints.box, grid), previous))
        points = (grid.to_index(one).float()[None].to(self.device) for one in (hints.positive, hints.negative))
        shown = coded_ct(image) if volume.hounsfield else image
        return network_input(shown[None], *points, *maps)[0]

    def mask(self, volume: Grid, hints: Hints) -> "Found":
        """Return what is found, on a box of the volume's grid."""
        return back_to_volume(self.find(volume, hints), volume)


def _averaged(look: Look, others: list[Look]) -> Look:
    """Return the mean, on the grid of `look`, of what all saw that cover a voxel."""
    total, seen = look.probability.clone(), torch.ones(SIZE, SIZE, SIZE)
    for other in others:
        total += sampled(other.probability, other.grid.to_lps, look.grid, 0.0)
        seen += sampled(torch.ones(SIZE, SIZE, SIZE), other.grid.to_lps, look.grid, 0.0)
    quality = (look.quality + sum(other.quality for other in others)) / (1 + len(others))
    return replace(look, probability=total / seen, quality=quality)


def _told_grid(known: Tensor, hints: Hints, recipe: ZoomRecipe) -> Cube:
    """Return the crop that a box or a mask of `known` corners fills as it should."""
    wanted = float((known[1] - known[0]).max()) / (SIZE * recipe.wanted_share)
    spacing = float(np.clip(wanted, recipe.smallest_spacing_mm, recipe.largest_spacing_mm))
    return _holding(crop_at(known.mean(0), spacing), hints.positive)


def _at(values: NDArray[Any], grid: Cube, points: Tensor) -> list[Any]:
    """Return the values (z, y, x) of a crop at points (n, 3), LPS mm; 0 for those that lie beside it."""
    index = grid.to_index(points).round().long()
    within = ((index >= 0) & (index < SIZE)).all(1)
    return [values[tuple(at)] if there else 0 for at, there in zip(index.tolist(), within.tolist(), strict=True)]


def _first_grid(volume: Grid, hints: Hints, recipe: ZoomRecipe) -> Cube:
    """Return where to look first: round the first click, from afar."""
    longest = float((volume.affine[:3, :3].norm(dim=0) * torch.tensor(volume.voxels.shape)).max())
    return crop_at(hints.positive[0], min(recipe.first_spacing_mm, recipe.volume_share * longest / SIZE))


def _holding(grid: Cube, points: Tensor) -> Cube:
    """Return the crop, widened where a point (n, 3), LPS mm, lies outside or at its border."""
    if not len(points):
        return grid
    farthest = float((points - grid.centre_lps).abs().max())
    return crop_at(grid.centre_lps, max(grid.spacing_mm, 2.2 * farthest / SIZE))


def _box_map(box: Tensor | None, grid: Cube) -> Tensor:
    if box is None:
        return torch.zeros(SIZE, SIZE, SIZE)
    ends = grid.to_index(box)
    low, high = ends.amin(0), ends.amax(0)
    axis = torch.arange(SIZE, dtype=torch.float64)
    z, y, x = ((axis >= a - 0.5) & (axis <= b + 0.5) for a, b in zip(low, high, strict=True))
    inside: Tensor = z[:, None, None] & y[None, :, None] & x[None, None, :]
    return inside.float()


def _smallest_side(volume: Grid) -> float:
    return float(volume.affine[:3, :3].norm(dim=0).min())


def _wanted_spacing(found: NDArray[np.bool_], spacing: float, recipe: ZoomRecipe) -> float:
    """Return the spacing at which what was found would fill the wanted share of the crop, at most a step away."""
    if not found.any():
        return max(spacing / 2, recipe.smallest_spacing_mm)
    wanted = max(sides_of(found)) * spacing / (SIZE * recipe.wanted_share)
    nearest, farthest = max(spacing / 3, recipe.smallest_spacing_mm), min(spacing * 2, recipe.largest_spacing_mm)
    return float(np.clip(wanted, nearest, farthest))
