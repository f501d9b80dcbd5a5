"""The training volumes, all of them on the device at once, and sampling of many crops in one go."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from similar_cases.segment.backends.promptable.inputs import SIZE

#: spacings of crops for which averaged copies of the volumes are kept ready, mm
_SPACINGS_MM = np.geomspace(0.4, 10.0, 40)


@dataclass(frozen=True, eq=False)
class Target:
    """One object of one item, mm from the item's first voxel along (k, j, i).

    Attributes:
        item, label: where it is.
        interior: (n, 3) places that may be clicked, the deeper ones more often.
        centroid: (3,) the voxel inside that is nearest to the middle.
        corners: (2, 3) first and last voxel.
    """

    item: int
    label: int
    interior: np.ndarray
    centroid: np.ndarray
    corners: np.ndarray

    @property
    def extent_mm(self) -> float:
        """The longest side."""
        return float((self.corners[1] - self.corners[0]).max())


class Items:
    """The volumes, decoded, and their targets by kind: ``sarcoma CT``, ``hippocampus``, ``organs`` and so on."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as packed:
            self.listing = json.loads(packed["listing"].tobytes())
            self.voxels = [torch.from_numpy(packed[f"voxels{n}"]) for n in range(len(self.listing))]
            self.labels = [packed[f"labels{n}"] for n in range(len(self.listing))]
        self.spacings = np.array([one["spacing_mm"] for one in self.listing])
        self.targets: dict[str, list[Target]] = {}
        self.validation: dict[str, list[Target]] = {}
        for number, one in enumerate(self.listing):
            kind = f"sarcoma {one['modality']}" if one["dataset"] == "sarcoma" else one["dataset"]
            into = self.targets if one["split"] == "train" else self.validation
            into.setdefault(kind, []).extend(self._targets_of(number))

    def affine(self, item: int) -> Tensor:
        """(4, 4) float64 from (k, j, i) to LPS mm."""
        k, j, i = self.spacings[item]
        x, y, z = self.listing[item]["origin_lps"]
        return torch.tensor([[0, 0, i, x], [0, j, 0, y], [k, 0, 0, z], [0, 0, 0, 1]], dtype=torch.float64)

    def of(self, dataset: str) -> list[int]:
        """Return the items of a data set that may be trained on."""
        return [n for n, one in enumerate(self.listing) if one["dataset"] == dataset and one["split"] == "train"]

    def _targets_of(self, number: int) -> Iterator[Target]:
        labels, spacing = self.labels[number], self.spacings[number]
        for label in np.unique(labels[labels > 0]):
            [box] = ndimage.find_objects((labels == label).astype(np.uint8))
            mask = labels[box] == label
            if mask.sum() < 12:
                continue
            depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
            first = np.array([axis.start for axis in box])
            where, weight = np.argwhere(mask) + first, depth[mask]
            drawn = np.random.default_rng(0).choice(len(where), min(400, len(where)), False, weight / weight.sum())
            middle = where[np.argmin((((where - where.mean(0)) * spacing) ** 2).sum(1))]
            corners = np.stack((where.min(0) - 0.5, where.max(0) + 0.5)) * spacing
            yield Target(number, int(label), where[drawn] * spacing, middle * spacing, corners)


@dataclass(frozen=True, eq=False)
class Crops:
    """Where a batch of crops lies, on the CPU.

    Attributes:
        items: (b,) int.
        to_mm: (b, 3, 4) float64 from crop index (z, y, x, 1) to mm from the item's first voxel, along (k, j, i).
        low, high: (b, 3) float64 index (k, j, i): voxels outside count as if they were not there.
        spacing_mm: (b,) float64, side of a crop's voxel.
    """

    items: np.ndarray
    to_mm: np.ndarray
    low: np.ndarray
    high: np.ndarray
    spacing_mm: np.ndarray


class Atlas:
    """The training items and averaged copies of them in one long tensor, labels in another."""

    def __init__(self, items: Items, device: str) -> None:
        self.device, self.spacings = device, items.spacings
        numbers = [n for n, one in enumerate(items.listing) if one["split"] == "train"]
        self._entries: dict[tuple[int, tuple[int, ...]], int] = {}
        parts, shapes, factors = [], [], []
        for number in numbers:
            for factor in sorted({self._factor(number, spacing) for spacing in _SPACINGS_MM}):
                pooled = averaged(items.voxels[number].to(device).float(), factor)
                self._entries[number, factor] = len(parts)
                parts.append(pooled.half().flatten())
                shapes.append(pooled.shape)
                factors.append(factor)
        self._voxels = torch.cat(parts)
        self._starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
        self._shapes, self._factors = np.array(shapes), np.array(factors)
        self._labels = torch.cat([torch.from_numpy(items.labels[n]).flatten() for n in numbers]).to(device)
        sizes = [items.labels[n].size for n in numbers]
        self._label_starts = dict(zip(numbers, np.cumsum([0, *sizes[:-1]]), strict=True))
        self._label_shapes = {n: items.labels[n].shape for n in numbers}
        self._lowest = {n: float(items.voxels[n].min()) for n in numbers}
        axis = torch.arange(SIZE, dtype=torch.float32, device=device)
        self._corners = [
            torch.tensor([n >> 2 & 1, n >> 1 & 1, n & 1], device=device).view(1, 3, 1, 1, 1) for n in range(8)
        ]
        self._grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"))  # (3, SIZE, SIZE, SIZE)

    def images(self, crops: Crops, warp: Tensor) -> Tensor:
        """Return (b, SIZE, SIZE, SIZE) of codes 0 to 255; `warp` is (b, 3, SIZE, SIZE, SIZE), crop voxels."""
        entries = [
            self._entries[int(item), self._factor(int(item), float(spacing))]
            for item, spacing in zip(crops.items, crops.spacing_mm, strict=True)
        ]
        factor, spacing = self._factors[entries], self.spacings[crops.items]
        scale, shift = 1.0 / (spacing * factor), (factor - 1) / (2.0 * factor)
        index = self._index(crops, scale, shift, warp)
        low = self._on_device((crops.low - 0.5) / factor - shift)
        high = self._on_device((crops.high - 0.5) / factor - shift)
        fill = self._on_device(np.array([self._lowest[int(item)] for item in crops.items]))
        start, shape = self._whole(self._starts[entries]), self._whole(self._shapes[entries])
        return self._sampled(
            index,
            start,
            shape,
            lambda at, good: torch.where(good, self._voxels[at].float(), fill.view(-1, 1, 1, 1)),
            (low, high),
        )

    def masks(self, crops: Crops, labels: np.ndarray, warp: Tensor) -> Tensor:
        """Return (b, SIZE, SIZE, SIZE): 1 where the label, (b,), of an item lies."""
        spacing = self.spacings[crops.items]
        index = self._index(crops, 1.0 / spacing, np.zeros_like(spacing), warp)
        wanted = self._whole(labels).view(-1, 1, 1, 1)
        start = self._whole(np.array([self._label_starts[int(item)] for item in crops.items]))
        shape = self._whole(np.array([self._label_shapes[int(item)] for item in crops.items]))
        bounds = self._on_device(crops.low - 0.5), self._on_device(crops.high - 0.5)
        share = self._sampled(
            index, start, shape, lambda at, good: ((self._labels[at] == wanted) & good).float(), bounds
        )
        return (share > 0.5).float()

    def _index(self, crops: Crops, scale: np.ndarray, shift: np.ndarray, warp: Tensor) -> Tensor:
        matrix = self._on_device(crops.to_mm[:, :, :3] * scale[:, :, None])
        constant = self._on_device(crops.to_mm[:, :, 3] * scale - shift)
        return torch.einsum("bij,bjzyx->bizyx", matrix, self._grid + warp) + constant[:, :, None, None, None]

    def _sampled(self, index: Tensor, start: Tensor, shape: Tensor, read, bounds: tuple[Tensor, Tensor]) -> Tensor:
        """Interpolate linearly what `read(flat index, is there)` gives at the eight neighbours."""
        floor = index.floor()
        rest, whole = index - floor, floor.long()
        size = shape[:, :, None, None, None]
        low, high = (bound[:, :, None, None, None] for bound in bounds)
        total = torch.zeros_like(index[:, 0])
        for step in self._corners:
            at = whole + step
            good = ((at >= 0) & (at < size) & (at >= low) & (at < high)).all(1)
            k, j, i = torch.minimum(at.clamp(min=0), size - 1).unbind(1)
            flat = start[:, None, None, None] + (k * size[:, 1] + j) * size[:, 2] + i
            weight = torch.where(step == 1, rest, 1 - rest).prod(1)
            total += weight * read(flat, good)
        return total

    def _factor(self, item: int, spacing_mm: float) -> tuple[int, ...]:
        """Return over how many voxels (k, j, i) inference averages at the kept spacing nearest to that of a crop."""
        kept = float(_SPACINGS_MM[np.argmin(np.abs(np.log(_SPACINGS_MM / spacing_mm)))])
        return tuple(max(1, round(kept / side)) for side in self.spacings[item])

    def _on_device(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).float().to(self.device, non_blocking=True)

    def _whole(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).long().to(self.device, non_blocking=True)


def averaged(voxels: Tensor, factor: tuple[int, ...]) -> Tensor:
    """Average blocks of `factor` voxels (k, j, i); a block at the end may be smaller."""
    if max(factor) == 1:
        return voxels
    factor = tuple(min(f, n) for f, n in zip(factor, voxels.shape, strict=True))
    return functional.avg_pool3d(voxels[None, None], factor, ceil_mode=True, count_include_pad=False)[0, 0]


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))
