"""Simulated lesions of many sizes and textures in real backgrounds: the same number always gives the same lesion.

prepare.py measures their radiomics, train.py makes them anew from their numbers; so the file that travels stays small.
"""

import math

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from similar_cases.describe.backends.cube import Cube, cut

#: voxels a side of what a lesion is set into
SIDE = 48


def simulated(voxels: Tensor, affine: Tensor, seed: int) -> tuple[Tensor, np.ndarray, float]:
    """Return (image, mask, spacing): a cube (z, y, x) of SIDE voxels in the unit of `voxels`, and the lesion in it.

    Args:
        voxels: (k, j, i) float32 background.
        affine: (4, 4) float64 to LPS mm.
        seed: which lesion.
    """
    rng = np.random.default_rng(seed)
    shape = np.array(voxels.shape)
    spacing = float(np.exp(rng.uniform(math.log(0.8), math.log(3.0))))
    while True:
        centre = affine[:3, :3] @ torch.from_numpy(rng.uniform(0.15, 0.85, 3) * shape) + affine[:3, 3]
        image = cut(voxels, affine, Cube(centre, spacing, SIDE), float(voxels.min()))
        if float(image.std()) > 1e-3 * max(1.0, float(image.abs().max())):  # not in the air beside the body
            break
    mask = _blob(rng)
    return _textured(image, mask, float(voxels.min()), rng), mask, spacing


def _blob(rng: np.random.Generator) -> np.ndarray:
    """Return a bent, lobed or smooth ellipsoid round the middle."""
    axis = np.linspace(-1, 1, SIDE)
    while True:
        radii = math.exp(rng.uniform(math.log(0.08), math.log(0.55))) * np.exp(rng.normal(0, 0.3, 3))
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        where = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1) @ turn / np.minimum(radii, 0.8)
        bent = np.linalg.norm(where, axis=-1) + rng.uniform(0, 0.6) * noise(rng, int(rng.integers(4, 14)))
        labels, count = ndimage.label(bent < 1)
        if count:
            mask: np.ndarray = labels == 1 + int(np.bincount(labels.ravel())[1:].argmax())
            if mask.sum() >= 20:
                return mask


def _textured(image: Tensor, mask: np.ndarray, lowest: float, rng: np.random.Generator) -> Tensor:
    """Fill the lesion: its level, what it keeps of the tissue, its own grain, and for some a core, a rim or chalk."""
    tissue = image.numpy()
    spread = max(float(tissue[mask].std()), 0.15 * float(tissue.std()), 1e-3)
    contrast = float(rng.choice([-1, 1]) * rng.uniform(0.4, 3.0)) * spread
    level = float(np.median(tissue[mask])) + contrast
    grain = rng.uniform(0, 0.6) * noise(rng, int(rng.integers(6, 24))) + rng.uniform(0, 0.25) * rng.normal(
        size=mask.shape
    )
    inside = level + rng.uniform(0, 0.8) * (tissue - np.median(tissue[mask])) + grain * abs(contrast)
    kind, depth = rng.random(), ndimage.distance_transform_edt(mask)
    if kind < 0.25:
        inside = inside - contrast * rng.uniform(0.3, 1.2) * (depth > rng.uniform(0.3, 0.7) * depth.max())
    elif kind < 0.4:
        inside = inside + contrast * rng.uniform(0.3, 1.0) * (depth < 2.5)
    elif kind < 0.5:
        inside = inside + 3.0 * abs(contrast) * (noise(rng, 16) > 1.6)
    edge = ndimage.gaussian_filter(mask.astype(np.float32), rng.uniform(0.3, 1.2))
    filled = np.maximum(tissue * (1 - edge) + inside * edge, lowest)
    return torch.from_numpy(filled.astype(np.float32))


def noise(rng: np.random.Generator, cells: int, side: int = SIDE) -> np.ndarray:
    """Return smooth noise (side, side, side), about `cells` grains along each side."""
    coarse = torch.from_numpy(rng.normal(size=(1, 1, cells, cells, cells))).float()
    fine = torch.nn.functional.interpolate(coarse, (side, side, side), mode="trilinear", align_corners=True)
    return fine[0, 0].numpy()
