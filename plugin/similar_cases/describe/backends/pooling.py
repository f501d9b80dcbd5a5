"""An Embedder of any 2-D network: slices and crops in, vectors pooled over the picture, the mask and the volume out.

A slice vector is what the network says of a whole slice. A Volume's vector is the mean of its slice vectors (other
poolings can be made of the slice vectors later). A Region's vector is made of square crops round it, on its slices: the
local features' mean inside the mask plus what the network says of the crop, each of unit length, averaged over the
slices.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from similar_cases.describe.embedder import sampled_slices
from similar_cases.describe.windows import WINDOWS, Windows, windows_of
from similar_cases.domain.description import Embedding, EmbeddingSpace, Level
from similar_cases.domain.errors import DescriptionFailed
from similar_cases.domain.region import Region
from similar_cases.domain.volume import Volume

#: a Series of more slices is described by this many, evenly spread
MAX_SLICES = 300
#: slices of a Region that are looked at, evenly spread
MAX_REGION_SLICES = 12
#: context round a Region on each side, of the longer side of its box
CONTEXT = 0.25
#: and at least so much, mm: a nodule is told by what surrounds it
LEAST_CONTEXT_MM = 5.0


@dataclass(frozen=True)
class Features:
    """What a network says of n pictures: `whole` (n, size), and `maps` (n, size, rows, columns) of where."""

    whole: torch.Tensor
    maps: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class BackboneFacts:
    """What names a network in an EmbeddingSpace.

    Attributes:
        weights: SHA-256 of the weights, hexadecimal.
        input_size: pixels a side of the pictures that the network sees.
        scaling: words for what is done to channels in 0 to 1 before the network.
        whole: words for what stands for a whole picture.
        size: length of a vector.
    """

    model: str
    version: str
    weights: str
    input_size: int
    scaling: str
    whole: str
    size: int


class Backbone(Protocol):
    """A 2-D network in evaluation mode, on its device; nothing in it is random."""

    @property
    def facts(self) -> BackboneFacts:
        """What names it."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    def features(self, channels: torch.Tensor) -> Features:
        """Look at (n, 3, input_size, input_size) float32 channels in 0 to 1, on the processor."""
        ...


class PooledEmbedder:
    """Implements Embedder. Inference only; holds no state between calls, and may be shared by threads."""

    def __init__(self, backbone: Backbone, batch_size: int = 8) -> None:
        self._backbone = backbone
        self._batch_size = batch_size

    @property
    def region_space(self) -> EmbeddingSpace:
        """The space of Region vectors."""
        crops = f"crops of {MAX_REGION_SLICES} slices, context {CONTEXT} and {LEAST_CONTEXT_MM} mm; mask + crop mean"
        return self._space(Level.REGION, crops)

    @property
    def series_space(self) -> EmbeddingSpace:
        """The space of Volume vectors."""
        return self._space(Level.SERIES, f"mean of at most {MAX_SLICES} slices")

    @property
    def slice_space(self) -> EmbeddingSpace:
        """The space of slice vectors."""
        return self._space(Level.SLICE, self._backbone.facts.whole)

    def embed_regions(self, volume: Volume, regions: Sequence[Region]) -> list[Embedding]:
        """Return one vector a Region, in the order of `regions`."""
        windows = windows_of(volume)
        return [Embedding(self._region_vector(volume, region, windows), self.region_space) for region in regions]

    def embed_volume(self, volume: Volume) -> tuple[Embedding, NDArray[np.float16]]:
        """Return the Volume's vector, and the unit vectors of ``sampled_slices(slices, MAX_SLICES)``, float16."""
        windows, spacing_mm = windows_of(volume), volume.geometry.spacing_mm[1:]
        chosen = sampled_slices(volume.geometry.shape[0], MAX_SLICES)
        batches = (volume.array[part] for part in self._parts(chosen))
        vectors = np.concatenate([self._whole_vectors(self._fit(pixels, spacing_mm), windows) for pixels in batches])
        return Embedding(vectors.mean(axis=0), self.series_space), vectors.astype(np.float16)

    def _space(self, level: Level, pooling: str) -> EmbeddingSpace:
        facts = self._backbone.facts
        fitted = f"resized in mm to {facts.input_size}, aspect kept; {facts.scaling}"
        return EmbeddingSpace(
            model=facts.model,
            version=facts.version,
            weights=facts.weights,
            preprocessing=f"{WINDOWS}; {fitted}; {pooling}",
            level=level,
            size=facts.size,
        )

    def _parts(self, indices: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
        return (indices[start : start + self._batch_size] for start in range(0, len(indices), self._batch_size))

    def _fit(self, pixels: NDArray[np.float32], spacing_mm: tuple[float, ...]) -> torch.Tensor:
        return fit(pixels, spacing_mm, self._backbone.facts.input_size)

    def _whole_vectors(self, pixels: torch.Tensor, windows: Windows) -> NDArray[np.float32]:
        return _unit(self._features(pixels, windows).whole)

    def _region_vector(self, volume: Volume, region: Region, windows: Windows) -> NDArray[np.float32]:
        spacing_mm = volume.geometry.spacing_mm[1:]
        rows, columns = crop_box(volume, region)
        filled = np.flatnonzero(region.mask.any(axis=(1, 2)))
        vectors = []
        for part in self._parts(filled[sampled_slices(len(filled), MAX_REGION_SLICES)]):
            pixels = volume.array[part + region.lower_index[0], rows, columns]
            masks = _masks_in(region, part, rows, columns)
            seen = self._features(self._fit(pixels, spacing_mm), windows)
            weights = fit(masks, spacing_mm, self._backbone.facts.input_size, fill=0.0).to(self._backbone.device)
            vectors.append(_unit(mean_inside(seen.maps, weights)) + _unit(seen.whole))
        return np.asarray(np.concatenate(vectors).mean(axis=0))

    def _features(self, pixels: torch.Tensor, windows: Windows) -> Features:
        """Run (n, size, size) pixels, in the Volume's unit, through the network."""
        deterministic = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), deterministic:
            return self._backbone.features(torch.from_numpy(windows.apply(pixels.numpy())))


def fit(
    pixels: NDArray[np.float32], spacing_mm: tuple[float, ...], size: int, fill: float = -float("inf")
) -> torch.Tensor:
    """Resize (n, rows, columns) so that the longer side in mm has `size` pixels; the rest is `fill`, centred."""
    sides_mm = np.array(pixels.shape[1:]) * spacing_mm
    rows, columns = np.maximum(1, np.round(sides_mm / sides_mm.max() * size)).astype(int).tolist()
    finite = torch.from_numpy(np.nan_to_num(pixels, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32))
    resized = functional.interpolate(finite[:, None], (rows, columns), mode="bilinear", antialias=True)[:, 0]
    top, left = (size - rows) // 2, (size - columns) // 2
    return functional.pad(resized, (left, size - columns - left, top, size - rows - top), value=fill)


def crop_box(volume: Volume, region: Region) -> tuple[slice, slice]:
    """Return (rows, columns) of a square in mm round the Region's box with its context, cut at the Volume's border."""
    spacing_mm = np.array(volume.geometry.spacing_mm[1:])
    sizes = np.array(region.mask.shape[1:])
    longest_mm = float((sizes * spacing_mm).max())
    half = (longest_mm / 2 + max(CONTEXT * longest_mm, LEAST_CONTEXT_MM)) / spacing_mm
    middle = np.array(region.lower_index[1:]) + sizes / 2
    starts = np.maximum(0, np.floor(middle - half)).astype(int)
    ends = np.minimum(volume.geometry.shape[1:], np.ceil(middle + half)).astype(int)
    return slice(int(starts[0]), int(ends[0])), slice(int(starts[1]), int(ends[1]))


def _masks_in(region: Region, slices: NDArray[np.intp], rows: slice, columns: slice) -> NDArray[np.float32]:
    """Return the Region's mask on `slices` of its box, laid into the crop of `rows` and `columns` of the Volume."""
    masks = np.zeros((len(slices), rows.stop - rows.start, columns.stop - columns.start), dtype=np.float32)
    top, left = region.lower_index[1] - rows.start, region.lower_index[2] - columns.start
    masks[:, top : top + region.mask.shape[1], left : left + region.mask.shape[2]] = region.mask[slices]
    return masks


def mean_inside(maps: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Average (n, size, h, w) over (n, pixels, pixels) masks, each cell weighted by how much of it the mask fills."""
    weights = functional.adaptive_avg_pool2d(masks[:, None], (maps.shape[2], maps.shape[3]))
    total = weights.sum(dim=(2, 3))
    return (maps * weights).sum(dim=(2, 3)) / total.clamp_min(torch.finfo(total.dtype).tiny)


def _unit(vectors: torch.Tensor) -> NDArray[np.float32]:
    """Scale (n, size) to unit length.

    Raises:
        DescriptionFailed: for a vector without a direction.
    """
    lengths = vectors.norm(dim=1, keepdim=True)
    if not bool((torch.isfinite(lengths) & (lengths > 0)).all()):
        raise DescriptionFailed("the network gave a vector without a direction")
    return np.asarray((vectors / lengths).cpu().numpy())
