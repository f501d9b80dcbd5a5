"""What a step of the training sees of each lesion: image views, subsets of its radiomics, its place alone.

Radiomics must go with the image. So an image view that keeps its link to radiomics is turned, shifted and zoomed (the
network is told the size of a voxel) and gets little noise; a view in another contrast is linked to other image views,
and to the shape features alone.
"""

from dataclasses import dataclass

import torch
from models.region.bank import WIDE, Bank
from torch import Tensor
from torch.nn import functional

from similar_cases.describe.backends.region_token.inputs import SIZE, UNIT_SCALES, RegionInputs, inputs_of, rank_in

#: sizes of the subsets of features, as in the paper; the first one is all features in half of the steps
SUBSETS = (72, 54, 36, 18, 9, 3, 1)
ARBITRARY = len(UNIT_SCALES) - 1


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageViews:
    """n views of regions.

    Attributes:
        rows: (n,) which region of the bank.
        recoloured: (n,) bool, in another contrast than the radiomics were measured in.
        hidden: (n, 3) bool, which numbers (shape, intensity, body) are left out.
        body_mm: (n, 3), NaN where none is told.
    """

    inputs: RegionInputs
    rows: Tensor
    recoloured: Tensor
    hidden: Tensor
    body_mm: Tensor


def image_views(
    bank: Bank, rows: Tensor, random: torch.Generator, *, plain: bool = False, rough: bool = False
) -> ImageViews:
    """Return one view a row of `rows` (n,); `plain` ones as the product sees them, by a `rough` mask or a good one."""
    device, count = bank.images.device, len(rows)
    images, masks, spacings = _cubes(bank, rows, random, plain=plain)
    recoloured = torch.zeros(count, dtype=torch.bool, device=device)
    hidden = torch.zeros(count, 3, dtype=torch.bool, device=device)
    told = bank.told[rows]
    if rough or not plain:
        masks = _redrawn(masks, random)
    if not plain:
        recoloured = _luck(count, 0.25, random, device)
        images = torch.where(recoloured[:, None, None, None], _recoloured(images, random), _noisy(images, random))
        hidden = torch.stack(
            (_luck(count, 0.05, random, device), _luck(count, 0.15, random, device) | recoloured, ~told),
            dim=1,
        )
        told = told & _luck(count, 0.7, random, device)
    units = torch.where(recoloured, ARBITRARY, bank.units[rows])
    body = torch.where(told[:, None], bank.body_mm[rows], torch.nan)
    return ImageViews(
        inputs=inputs_of(images, masks, spacings, units), rows=rows, recoloured=recoloured, hidden=hidden, body_mm=body
    )


def subsets(values: Tensor, classes: Tensor, random: torch.Generator) -> list[Tensor]:
    """Return for each size in SUBSETS the values (n, features) with all but a random subset NaN.

    Args:
        values: (n, features) in -1 to 1, NaN where missing.
        classes: (features,) number of each feature's class; half of the subsets of 18 are of one class.
        random: where chance comes from.
    """
    found = []
    for size in SUBSETS:
        order = torch.rand(values.shape, generator=random, device=values.device)
        order = torch.where(values.isnan(), 2.0, order)  # what is missing is chosen last
        if size == 18:
            wanted = torch.randint(int(classes.max()) + 1, (len(values), 1), generator=random, device=values.device)
            other = (classes[None] != wanted) & _luck(len(values), 0.5, random, values.device)[:, None]
            order = order + other
        count = values.shape[1] if size == SUBSETS[0] and bool(_luck(1, 0.5, random, values.device)) else size
        kept = order.argsort(dim=1).argsort(dim=1) < count
        found.append(torch.where(kept, values, torch.nan))
    return found


def _cubes(bank: Bank, rows: Tensor, random: torch.Generator, *, plain: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Cut the network's cubes out of the bank's, some turned, shifted and zoomed; and the spacing of each."""
    images, masks = bank.images[rows].float(), bank.masks[rows].float() / 255
    spacings = bank.spacings_mm[rows]
    low = (WIDE - SIZE) // 2
    middle = (slice(None), *(slice(low, low + SIZE),) * 3)
    if plain:
        return images[middle], masks[middle], spacings
    count, device = len(rows), images.device
    zoom = torch.exp(torch.randn(count, generator=random, device=device) * 0.12)
    skew = torch.randn(count, 3, generator=random, device=device) * 0.15
    x, y, z = skew.T
    none = torch.zeros_like(x)
    turn = torch.stack((none, -z, y, z, none, -x, -y, x, none), dim=1).reshape(-1, 3, 3)
    shift = torch.randn(count, 3, generator=random, device=device) * 0.05
    matrix = torch.linalg.matrix_exp(turn) * (zoom * (SIZE / WIDE))[:, None, None]
    grid = functional.affine_grid(
        torch.cat((matrix, shift[:, :, None]), dim=2), [count, 1, SIZE, SIZE, SIZE], align_corners=False
    )
    lowest = images.amin((1, 2, 3))[:, None, None, None]
    both = torch.stack((images - lowest, masks), dim=1)
    moved = functional.grid_sample(both, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    still = _luck(count, 0.3, random, device)
    keep = still[:, None, None, None]
    images = torch.where(keep, images[middle], moved[:, 0] + lowest)
    masks = torch.where(keep, masks[middle], moved[:, 1])
    return images, masks, torch.where(still, spacings, spacings * zoom)


def _redrawn(masks: Tensor, random: torch.Generator) -> Tensor:
    """Draw some masks as a network or a hurried person would: grown, shrunk, wavy, a part lost."""
    count, device = len(masks), masks.device
    soft = functional.avg_pool3d(masks[:, None], 5, stride=1, padding=2)
    waves = torch.randn(count, 1, 8, 8, 8, generator=random, device=device)
    waves = functional.interpolate(waves, masks.shape[1:], mode="trilinear", align_corners=True)
    level = torch.rand(count, 1, 1, 1, 1, generator=random, device=device) * 0.5 + 0.25
    strength = torch.rand(count, 1, 1, 1, 1, generator=random, device=device) * 0.3
    near = (soft > 0.01) & (soft < 0.99)
    wavy = torch.sigmoid((soft + strength * waves * near - level) * 12.0)[:, 0] * (soft[:, 0] > 0.01)
    axis = torch.linspace(-1, 1, masks.shape[-1], device=device)
    where = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"))
    side = functional.normalize(torch.randn(count, 3, generator=random, device=device))
    cut_off = torch.einsum("nc,czyx->nzyx", side, where) > 0.15
    lost = _luck(count, 0.12, random, device)[:, None, None, None] & cut_off
    drawn = torch.where(_luck(count, 0.6, random, device)[:, None, None, None], wavy, masks)
    drawn = drawn * ~lost
    gone = drawn.sum((1, 2, 3)) < 0.25 * masks.sum((1, 2, 3))
    return torch.where(gone[:, None, None, None], masks, drawn)


def _recoloured(images: Tensor, random: torch.Generator) -> Tensor:
    """Map each image's grey values along a random curve, often against its order, as another modality would."""
    device, knots = images.device, 6
    curve = torch.rand(len(images), knots, generator=random, device=device)
    rising = torch.sort(curve, dim=1, descending=False).values
    curve = torch.where(_luck(len(images), 0.5, random, device)[:, None], rising, curve)
    ranks = rank_in(images) * (knots - 1)
    low = ranks.floor().long().clamp(max=knots - 2)
    flat = low.flatten(1)
    a, b = curve.gather(1, flat), curve.gather(1, flat + 1)
    mapped = torch.lerp(a, b, (ranks - low).flatten(1)).reshape(images.shape)
    return (mapped + 0.03 * torch.randn(images.shape, generator=random, device=device)) * 400.0


def _noisy(images: Tensor, random: torch.Generator) -> Tensor:
    """Add noise of a few hundredths of the image's spread."""
    strength = torch.rand(len(images), 1, 1, 1, generator=random, device=images.device) * 0.04
    noise = torch.randn(images.shape, generator=random, device=images.device)
    return images + strength * images.std((1, 2, 3))[:, None, None, None] * noise


def _luck(count: int, chance: float, random: torch.Generator, device: torch.device) -> Tensor:
    return torch.rand(count, generator=random, device=device) < chance
