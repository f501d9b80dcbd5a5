"""Clicks in whole training volumes, as a person gives them: on what was annotated, and on lesions set into the images.

Where ``scenes.py`` makes crops whose scale is known, this asks at which scale to look.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from models.promptable.atlas import Items, log_uniform
from models.promptable.scenes import LUNG_CODE
from numpy.typing import NDArray
from scipy import ndimage

from similar_cases.segment.backends.promptable.look import Grid, Hints

#: clicks on each target by kind; of the hippocampi, which are many and alike, every fourth
CLICKS = {"sarcoma CT": 3, "sarcoma MR": 3, "sarcoma PT": 3, "organs": 1, "hippocampus": 1}
_EVERY = {"hippocampus": 4}
#: share of the set-in lesions by background
_BACKGROUNDS = {"backgrounds": 0.4, "sarcoma": 0.35, "organs": 0.15, "hippocampus": 0.1}
#: fewer voxels are no lesion
_LEAST_VOXELS = 12


@dataclass(frozen=True, eq=False, kw_only=True)
class Asked:
    """A click and the object that was meant.

    Attributes:
        kind: of the target, ``set in`` for a lesion that was.
        patient: whose image it is; no patient may teach and examine.
        volume: codes 0 to 255, as the training items keep them.
        hints: one click.
        truth: (k, j, i) bool.
    """

    kind: str
    patient: str
    volume: Grid
    hints: Hints
    truth: NDArray[np.bool_]


def targets_asked(items: Items) -> Iterator[tuple[str, int, int]]:
    """Yield kind, number and repetition of each click on what was annotated."""
    for kind, targets in items.targets.items():
        for number in range(0, len(targets), _EVERY.get(kind, 1)):
            yield from ((kind, number, again) for again in range(CLICKS.get(kind, 1)))


def on_target(items: Items, kind: str, number: int, again: int, rng: np.random.Generator) -> Asked:
    """Click a target: at its middle, or, when it is asked again, anywhere inside, the image mirrored in half."""
    target = items.targets[kind][number]
    voxels, truth = items.voxels[target.item].float().numpy(), items.labels[target.item] == target.label
    if again and rng.random() < 0.5:
        voxels, truth = voxels[:, :, ::-1].copy(), truth[:, :, ::-1].copy()
    return _asked(items, target.item, kind, (voxels, truth), rng, central=not again)


def on_lesion(items: Items, rng: np.random.Generator) -> Asked:
    """Set a bent ellipsoid of 3 to 110 mm into a training image, with a level, a texture and an edge, and click it."""
    while True:
        dataset = str(rng.choice(list(_BACKGROUNDS), p=list(_BACKGROUNDS.values())))
        item = int(rng.choice(items.of(dataset)))
        voxels, spacing = items.voxels[item].float().numpy().copy(), items.spacings[item]
        place = np.rint(rng.uniform(0.1, 0.9, 3) * (np.array(voxels.shape) - 1)).astype(int)
        if voxels[tuple(place)] <= voxels.min() + 3:
            continue  # air
        longest = float((np.array(voxels.shape) * spacing).max())
        largest = float(np.clip(longest / 1.5, 16.0, 110.0))
        size = log_uniform(rng, 3.0, 25.0) if rng.random() < 0.6 else log_uniform(rng, 15.0, largest)
        truth = set_in(voxels, spacing, place, max(size, 2.4 * float(spacing.max())), rng)
        if np.count_nonzero(truth) >= _LEAST_VOXELS:
            return _asked(items, item, "set in", (voxels, truth), rng, central=bool(rng.random() < 0.5))


def set_in(
    voxels: NDArray[np.float32], spacing: NDArray[np.float64], place: NDArray[np.int64], size: float, rng
) -> NDArray[np.bool_]:
    """Change `voxels` (k, j, i) where a lesion of about `size` mm round the voxel `place` is; return where that is."""
    box, distance = _ellipsoids(voxels.shape, spacing, place * spacing, size, rng)
    target, part = distance < 1, voxels[box]
    truth = np.zeros(voxels.shape, dtype=bool)
    if not target.any():
        return truth
    lung = bool(np.median(part[target]) < LUNG_CODE)
    if lung:
        target &= ndimage.uniform_filter((part < LUNG_CODE).astype(np.float32), 3) > 0.35
    if not target.any():
        return truth
    mean, around = float(part[target].mean()), part[ndimage.binary_dilation(target, iterations=3)]
    apart = rng.choice([-1, 1]) * max(4.0, float(around.std())) * rng.uniform(0.8, 3.0)
    level = np.clip(rng.uniform(30, 145) if lung else mean + apart, 0, 255)
    texture = level + (0.0 if lung else rng.uniform(0, 0.6)) * (part - mean)
    texture += _noise(part.shape, 14, rng) * abs(level - mean) * rng.uniform(0, 0.35)
    edge = ndimage.gaussian_filter(target.astype(np.float32), rng.uniform(0.4, 1.2) * spacing.min() / spacing)
    voxels[box] = np.clip(part * (1 - edge) + texture * edge, 0, 255)
    truth[box] = target
    labels, _ = ndimage.label(truth)
    return np.asarray(labels == 1 + np.bincount(labels.ravel())[1:].argmax())


def _ellipsoids(shape, spacing, centre_mm, size: float, rng) -> tuple[tuple[slice, ...], NDArray[np.float64]]:
    """Return a box of the volume, and in it a distance: below 1 inside of one to three ellipsoids grown together."""
    low = np.maximum(0, np.floor((centre_mm - size) / spacing).astype(int))
    high = np.minimum(shape, np.ceil((centre_mm + size) / spacing).astype(int) + 1)
    axes = [np.arange(a, b) * side - c for a, b, side, c in zip(low, high, spacing, centre_mm, strict=True)]
    parts = []
    for number in range(3):
        if number and rng.random() < 0.6:
            continue
        radii = size / 2 * np.exp(rng.normal(0, 0.25, 3))
        offset = rng.normal(0, 0.25, 3) * size * bool(number)
        z, y, x = ((axis - o) / r for axis, o, r in zip(axes, offset, radii, strict=True))
        apart = np.sqrt(z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2)
        parts.append(apart * (1.3 if number else 1.0))
    distance = np.minimum.reduce(parts)
    distance += rng.uniform(0, 0.4) * _noise(distance.shape, int(rng.integers(4, 12)), rng)
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True)), distance


def _noise(shape: tuple[int, ...], knots: int, rng: np.random.Generator) -> NDArray[np.float64]:
    factors = np.array(shape) / knots
    return ndimage.zoom(rng.normal(0, 1, (knots,) * 3), factors, order=1, mode="nearest", grid_mode=True)


def _asked(items: Items, item: int, kind: str, shown: tuple, rng: np.random.Generator, *, central: bool) -> Asked:
    voxels, truth = shown
    spacing, affine = items.spacings[item], items.affine(item)
    where = np.argwhere(truth)
    if central:
        clicked = where[(((where - where.mean(0)) * spacing) ** 2).sum(1).argmin()]
    else:
        depth = ndimage.distance_transform_edt(np.pad(truth, 1), sampling=spacing)[1:-1, 1:-1, 1:-1][truth]
        clicked = where[rng.choice(len(where), p=depth / depth.sum())]
    click = affine[:3, :3] @ torch.from_numpy(clicked.astype(np.float64)) + affine[:3, 3]
    one = items.listing[item]
    patient = f"{one['dataset']} {one.get('patient') or item}"
    return Asked(
        kind=kind, patient=patient, volume=Grid(voxels, affine), hints=Hints(positive=click[None]), truth=truth
    )
