"""Finding the right scale: look from afar, then again at the size of what was found."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from similar_cases.models.cube import Cube, sampled
from similar_cases.segment.backends.promptable.inputs import (
    SIZE,
    coded_ct,
    crop_at,
    network_input,
)
from similar_cases.segment.backends.promptable.network import PromptableUNet

#: each start is nearer by this ratio, and none has voxels smaller than this share of the volume's
_NEARER, _FINER_THAN_VOXELS = 2.15, 0.65
#: a mask so far that asks for this many times its spacing was but a part of what is there
_OUTGROWN = 1.5


@dataclass(frozen=True, kw_only=True)
class ZoomRecipe:
    """How often and at what scale to look; every number here changes masks. Chosen on the training patients.

    Attributes:
        first_spacing_mm: of the widest first look, the size being unknown; 64 voxels of 6.5 mm are 42 cm.
        volume_share: the first look is at most so many times as wide as the volume is long; emptiness tells nothing.
        smallest_spacing_mm, largest_spacing_mm: bounds of every look.
        wanted_share: a found region should fill this share of the crop's side.
        looks: at most so many, after the starts.
        starts: how many scales the first look is taken at.
        held_share: a start holds what it found where that fills at most this share of its side.
        fairly_sure: share of the best start's quality that a nearer one must reach.
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
    held_share: float = 0.6
    fairly_sure: float = 0.5
    enough: float = 1.3
    threshold: float = 0.5
    mirrored: bool = True
    spread: float = 1.0


@dataclass(frozen=True, eq=False)
class Grid:
    """Voxels (k, j, i), on the CPU or the network's device, and (4, 4) float64 from (k, j, i) to LPS mm.

    Attributes:
        hounsfield: whether the voxels are Hounsfield units; the network reads them as ``inputs.coded_ct``.
    """

    voxels: NDArray[np.float32] | NDArray[np.bool_] | Tensor
    affine: Tensor
    hounsfield: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Hints:
    """What a person showed, LPS mm.

    Attributes:
        positive, negative: (n, 3) points inside and outside.
        box: (2, 3) lower and upper corner, or None.
        previous: a mask so far, 0 and 1 on its own grid, or None.
    """

    positive: Tensor = field(default_factory=lambda: torch.zeros(0, 3, dtype=torch.float64))
    negative: Tensor = field(default_factory=lambda: torch.zeros(0, 3, dtype=torch.float64))
    box: Tensor | None = None
    previous: Grid | None = None

    def known_corners(self) -> Tensor | None:
        """Return the (2, 3) corners of the box, or round the mask so far; None where neither tells the size."""
        if self.box is not None or self.previous is None:
            return self.box
        index = torch.from_numpy(np.argwhere(np.asarray(self.previous.voxels))).double()
        lps: Tensor = index @ self.previous.affine[:3, :3].T + self.previous.affine[:3, 3]
        return torch.stack((lps.amin(0), lps.amax(0)))

    def first_click(self) -> "Hints":
        """Return the first positive point alone."""
        return Hints(positive=self.positive[:1])


@dataclass(frozen=True, eq=False)
class Look:
    """What one look showed.

    Attributes:
        grid: the crop's.
        probability: (SIZE, SIZE, SIZE) float32.
        quality: the network's estimate of the intersection over union, 0 to 1.
        level: probability over which a voxel is inside.
    """

    grid: Cube
    probability: Tensor
    quality: float
    level: float

    def found_at(self, points: Tensor) -> NDArray[np.bool_]:
        """Return the parts (z, y, x) within two voxels of any point (n, 3), LPS mm; all of it without points."""
        mask = self.probability.numpy() > self.level
        if not len(points):
            return mask
        labels, _ = ndimage.label(mask)
        near = np.unique(labels[_near(self.grid.to_index(points))])
        return np.isin(labels, near[near > 0])

    def reduced_to(self, points: Tensor) -> "Look":
        """Return the look with nothing but the parts at the points; what is likeliest there where none is inside."""
        found, level = self.found_at(points), self.level
        if not found.any() and len(points):
            level = float(self.probability[_near(self.grid.to_index(points))].max()) / 2
            found = replace(self, level=level).found_at(points)
        return replace(self, probability=self.probability * torch.from_numpy(found), level=level)


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
        not throw the scale over.

        Args:
            volume: (k, j, i), any unit.
            hints: at least one positive point, a box or a mask.
        """
        fill = _lowest(volume)
        known = hints.known_corners()
        if known is None:
            grid = self._fitting_grid(volume, hints, fill)
            inputs = self._input_of(volume, hints, grid, fill)
            look = self._steadied(self._look(inputs, grid), inputs, volume, hints, fill)
        else:
            grid = _told_grid(known, hints, self.recipe)
            look = self._look(self._input_of(volume, hints, grid, fill), grid)
            wanted = _wanted_spacing(look.found_at(hints.positive), grid.spacing_mm, self.recipe)
            if hints.box is None and wanted > _OUTGROWN * grid.spacing_mm:
                grid = _holding(crop_at(grid.centre_lps, wanted), hints.positive)
                look = self._look(self._input_of(volume, hints, grid, fill), grid)
        return look.reduced_to(hints.positive)

    def _fitting_grid(self, volume: Grid, hints: Hints, fill: float) -> Cube:
        """Look at the first click until the crop fits what is found in it; return that crop, widened for all clicks."""
        click = hints.first_click()
        grid, found = self._starting(volume, click, fill)
        for number in range(self.recipe.looks - 1):
            if number:
                found = self._look(self._input_of(volume, click, grid, fill), grid).found_at(click.positive)
            wanted = _wanted_spacing(found, grid.spacing_mm, self.recipe)
            if abs(np.log(wanted / grid.spacing_mm)) < np.log(self.recipe.enough):
                break
            grid = crop_at(grid.centre_lps, wanted)
        return _holding(grid, hints.positive)

    def _starting(self, volume: Grid, click: Hints, fill: float) -> tuple[Cube, NDArray[np.bool_]]:
        """Look from afar and from ever nearer; return the nearest crop that holds what it is fairly sure of, and that.

        From afar a small lesion is lost in its organ, and the organ is found; from too near there is no border. A look
        that sees neither is much less sure than the best.
        """
        grids, finest = [_first_grid(volume, click, self.recipe)], _FINER_THAN_VOXELS * _smallest_side(volume)
        while len(grids) < self.recipe.starts and grids[-1].spacing_mm / _NEARER >= finest:
            grids.append(crop_at(grids[-1].centre_lps, grids[-1].spacing_mm / _NEARER))
        looks = [self._look(self._input_of(volume, click, grid, fill), grid) for grid in grids]
        found = [look.found_at(click.positive) for look in looks]
        enough = self.recipe.fairly_sure * max(look.quality for look in looks)
        for look, mask in reversed(list(zip(looks, found, strict=True))):
            if look.quality >= enough and mask.any() and max(_sides(mask)) <= self.recipe.held_share * SIZE:
                return look.grid, mask
        return grids[0], found[0]

    def _steadied(self, look: Look, inputs: Tensor, volume: Grid, hints: Hints, fill: float) -> Look:
        """Average the last look with its mirror image's and with looks at neighbouring scales."""
        others = []
        if self.recipe.mirrored:
            mirrored = self._look(inputs.flip(-1), look.grid)
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
        image = _sampled(volume, grid, fill).to(self.device)
        previous = _sampled(hints.previous, grid, 0.0) if hints.previous else torch.zeros(SIZE, SIZE, SIZE)
        maps = (one[None].to(self.device) for one in (_box_map(hints.box, grid), previous))
        points = (grid.to_index(one).float()[None].to(self.device) for one in (hints.positive, hints.negative))
        shown = coded_ct(image) if volume.hounsfield else image
        return network_input(shown[None], *points, *maps)[0]

    def mask(self, volume: Grid, hints: Hints) -> "Found":
        """Return what is found, on a box of the volume's grid."""
        return back_to_volume(self.find(volume, hints), volume)


@dataclass(frozen=True, eq=False)
class Found:
    """A mask (k, j, i) on a box of a volume's grid, which may be empty; where the box begins; the quality, 0 to 1."""

    mask: NDArray[np.bool_]
    lower_index: NDArray[np.int64]
    quality: float

    def full_mask(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return the mask over a whole volume of `shape` (slices, rows, columns)."""
        whole = np.zeros(shape, dtype=bool)
        whole[tuple(slice(low, low + n) for low, n in zip(self.lower_index, self.mask.shape, strict=True))] = self.mask
        return whole


def one_mask(
    network: PromptableUNet, voxels: Tensor, affine: Tensor, positive_lps: Tensor, *, device: str = "cpu"
) -> NDArray[np.bool_]:
    """Return the mask (k, j, i) that positive points (n, 3), LPS mm, give in a whole volume."""
    looker = Looker(network=network, device=device)
    found = looker.mask(Grid(voxels.numpy(), affine), Hints(positive=positive_lps))
    return found.full_mask(tuple(voxels.shape))


def back_to_volume(look: Look, volume: Grid) -> Found:
    """Sample a look's probability at the voxels of the volume; inside is where it is over its level."""
    low, high = _reach(volume, look.grid, *_extent(look.probability))
    if (high <= low).any():
        return Found(np.zeros((0, 0, 0), dtype=bool), low.numpy(), look.quality)
    to_crop = torch.linalg.solve(look.grid.to_lps, volume.affine)
    axes = [torch.arange(int(a), int(b), dtype=torch.float64) for a, b in zip(low, high, strict=True)]
    k, j, i = (to_crop[:3, axis, None] * values for axis, values in enumerate(axes))
    index = k[:, :, None, None] + j[:, None, :, None] + i[:, None, None, :] + to_crop[:3, 3, None, None, None]
    where = (index * (2.0 / (SIZE - 1)) - 1.0).flip(0).permute(1, 2, 3, 0).float()[None]
    sampled = functional.grid_sample(
        look.probability[None, None], where, mode="bilinear", padding_mode="zeros", align_corners=True
    )
    return Found((sampled[0, 0] > look.level).numpy(), low.numpy(), look.quality)


def _extent(probability: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and last voxel (z, y, x) that are not zero; the last before the first where all are."""
    spans = [probability.amax(dim=others).nonzero() for others in ((1, 2), (0, 2), (0, 1))]
    if not len(spans[0]):
        return torch.zeros(3), -torch.ones(3)
    return torch.stack([span[0, 0] for span in spans]), torch.stack([span[-1, 0] for span in spans])


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


def _lowest(volume: Grid) -> float:
    """Return the lowest of some thousand voxels, which stands for what lies outside; what is no number does not count.

    All of them, for each click, would cost more than a look.
    """
    steps = (max(1, n // 64) for n in volume.voxels.shape)
    some = volume.voxels[tuple(slice(None, None, step) for step in steps)]
    values = some.cpu().numpy() if isinstance(some, Tensor) else some
    finite = values[np.isfinite(values)]
    return float(finite.min()) if finite.size else 0.0


def _sampled(volume: Grid, grid: Cube, fill: float) -> Tensor:
    """Sample what the crop reaches of the volume: averaging all of a large one would cost more than the look."""
    low, high = _reach(volume, grid, torch.zeros(3), torch.full((3,), SIZE - 1.0))
    if (high <= low).any():
        return torch.full((SIZE, SIZE, SIZE), fill)
    part = volume.voxels[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))]
    part = part.float() if isinstance(part, Tensor) else torch.from_numpy(part.astype(np.float32))
    moved = volume.affine.clone()
    moved[:3, 3] += volume.affine[:3, :3] @ low.double()
    return sampled(part, moved, grid, fill).nan_to_num(nan=fill, posinf=fill, neginf=fill)


def _reach(volume: Grid, grid: Cube, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """Return the box of voxels (k, j, i) that the crop's voxels `first` to `last` reach, and one round them.

    `first` and `last` are (3,) crop indices (z, y, x); the upper corner is exclusive.
    """
    if (last < first).any():
        return torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64)
    ends = [torch.stack((a, b)).double() for a, b in zip(first - 1, last + 1, strict=True)]
    corners = torch.cartesian_prod(*ends)
    lps = corners @ grid.to_lps[:3, :3].T + grid.to_lps[:3, 3]
    index = torch.linalg.solve(volume.affine[:3, :3], (lps - volume.affine[:3, 3]).T)
    shape = torch.tensor(volume.voxels.shape)
    low = index.amin(1).floor().long().clamp(min=0)
    return low, torch.minimum(index.amax(1).ceil().long() + 2, shape)


def _box_map(box: Tensor | None, grid: Cube) -> Tensor:
    if box is None:
        return torch.zeros(SIZE, SIZE, SIZE)
    ends = grid.to_index(box)
    low, high = ends.amin(0), ends.amax(0)
    axis = torch.arange(SIZE, dtype=torch.float64)
    z, y, x = ((axis >= a - 0.5) & (axis <= b + 0.5) for a, b in zip(low, high, strict=True))
    inside: Tensor = z[:, None, None] & y[None, :, None] & x[None, None, :]
    return inside.float()


def _near(points: Tensor) -> NDArray[np.bool_]:
    """Tell which voxels of a crop (z, y, x) lie within two voxels, a side, of any point (n, 3), crop indices."""
    near = np.zeros((SIZE, SIZE, SIZE), dtype=bool)
    for point in points.round().long().clamp(0, SIZE - 1).tolist():
        near[tuple(slice(max(0, c - 2), c + 3) for c in point)] = True
    return near


def _sides(mask: NDArray[np.bool_]) -> list[int]:
    """Return how far a mask, which is not empty, reaches along each axis, voxels."""
    return [int(np.ptp(np.flatnonzero(mask.any(axis=others)))) + 1 for others in ((1, 2), (0, 2), (0, 1))]


def _smallest_side(volume: Grid) -> float:
    return float(volume.affine[:3, :3].norm(dim=0).min())


def _wanted_spacing(found: NDArray[np.bool_], spacing: float, recipe: ZoomRecipe) -> float:
    """Return the spacing at which what was found would fill the wanted share of the crop, at most a step away."""
    if not found.any():
        return max(spacing / 2, recipe.smallest_spacing_mm)
    wanted = max(_sides(found)) * spacing / (SIZE * recipe.wanted_share)
    nearest, farthest = max(spacing / 3, recipe.smallest_spacing_mm), min(spacing * 2, recipe.largest_spacing_mm)
    return float(np.clip(wanted, nearest, farthest))
