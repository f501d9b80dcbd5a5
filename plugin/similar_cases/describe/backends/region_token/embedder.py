"""`Embedder` and `RadiomicsEmbedder` by our own networks: Regions and their radiomics in one space of 384 numbers.

Series and slices are another Embedder's, the composite's second half.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from similar_cases.describe.backends.cube import Cube, cut, cut_from
from similar_cases.describe.backends.region_token.inputs import SHARE, SIZE, cube_round, inputs_of
from similar_cases.describe.backends.region_token.network import SIZE as VECTOR
from similar_cases.describe.backends.region_token.network import RegionShape, SharedSpace
from similar_cases.describe.backends.region_token.quantiles import scaled
from similar_cases.describe.embedder import Embedder
from similar_cases.describe.location import BodyPosition
from similar_cases.domain.description import BodyCoordinate, Embedding, EmbeddingSpace, Level, RadiomicsRecipe
from similar_cases.domain.errors import DescriptionFailed, InvalidRequest, InvalidSettings, WrongEmbeddingSpace
from similar_cases.domain.region import Region
from similar_cases.domain.volume import Volume, VoxelUnit
from similar_cases.models.bundle import fill, no_network, read_bundle
from similar_cases.models.shipped import shipped_bundle

#: in the order of ``inputs.UNIT_SCALES``
_UNITS = (VoxelUnit.HU, VoxelUnit.SUVBW, VoxelUnit.BQML, VoxelUnit.ARBITRARY)
#: voxels round a mask; a Region hundreds of times as long as a voxel of its thin side is seen roughly
_MOST_MARGIN = 16


class RegionTokenEmbedder:
    """The bundle in `folder` (None for the one that is shipped), on `device`. May be shared by threads.

    Args:
        series: describes Volumes and slices.
        position: tells where in the body a Region lies; where it does not know, that is left out, as in training, and
            without it from all, places that are asked for too.

    Raises:
        InvalidSettings: when the bundle is incomplete, its weights have another hash, or it was trained with another
            model of body coordinates.
    """

    def __init__(
        self, series: Embedder, position: BodyPosition | None, *, folder: Path | None = None, device: str = "cpu"
    ) -> None:
        folder = folder or shipped_bundle("region")
        metadata, weights = read_bundle(folder)
        try:
            self._knots = weights.pop("knots").double().numpy()
            self._network = SharedSpace(RegionShape(tuple(metadata["network"]["widths"]), len(self._knots)))
            self._names = tuple(metadata["radiomics"]["names"])
            self._recipe = _recipe_of(metadata["radiomics"]["recipe"])
            trained_with = str(metadata["body_position"])
        except (KeyError, TypeError, ValueError) as error:
            raise no_network(folder, error) from error
        fill(self._network, weights, folder)
        self._network.to(device)
        self._device, self._series, self._position = device, series, position
        self._version, self._weights = str(metadata["version"]), str(metadata["weights_sha256"])
        if position is not None and position.space != trained_with:
            raise InvalidSettings(f"{folder} was trained with {trained_with!r}, not with {position.space!r}")

    @property
    def region_space(self) -> EmbeddingSpace:
        """The space of Region vectors, and of radiomics."""
        return EmbeddingSpace(
            model="region-token",
            version=self._version,
            weights=self._weights,
            preprocessing=f"cube of {SIZE} voxels, the region's longest side {SHARE} of it; "
            f"{self._position.space if self._position else 'no body position'}",
            level=Level.REGION,
            size=VECTOR,
        )

    @property
    def series_space(self) -> EmbeddingSpace:
        """The space of Volume vectors: the other Embedder's."""
        return self._series.series_space

    @property
    def slice_space(self) -> EmbeddingSpace:
        """The space of slice vectors: the other Embedder's."""
        return self._series.slice_space

    @property
    def radiomics_recipe(self) -> RadiomicsRecipe:
        """The recipe whose values it was trained on."""
        return self._recipe

    @property
    def radiomics_names(self) -> tuple[str, ...]:
        """The features that it knows."""
        return self._names

    def embed_volume(self, volume: Volume) -> tuple[Embedding, NDArray[np.float16]]:
        """Return what the other Embedder says of the Volume and its slices."""
        return self._series.embed_volume(volume)

    def embed_regions(self, volume: Volume, regions: Sequence[Region]) -> list[Embedding]:
        """Return one vector a Region, in the order of `regions`.

        Raises:
            DescriptionFailed: for a vector without a direction.
        """
        space, lowest = self.region_space, _lowest(volume)
        return [Embedding(self._vector(volume, region, lowest), space) for region in regions]

    def embed_radiomics(
        self, values: Mapping[str, float], recipe: RadiomicsRecipe, body: BodyCoordinate | None = None
    ) -> Embedding:
        """Return the vector, in the Region space, of any features and, or, a place in the body.

        Raises:
            WrongEmbeddingSpace: for another recipe, or a coordinate of another model, than those it was trained with.
            InvalidRequest: without a feature and a place, or for a feature that it does not know.
        """
        row = torch.from_numpy(self._row(values, recipe))
        place = torch.tensor([self._place(body)])
        if bool(row.isnan().all()) and bool(place.isnan().all()):
            raise InvalidRequest("radiomics need at least one feature with a value, or a place in the body")
        with torch.inference_mode():
            [vector] = self._network.radiomics(row.to(self._device), place.to(self._device)).cpu().numpy()
        return Embedding(vector, self.region_space)

    def _row(self, values: Mapping[str, float], recipe: RadiomicsRecipe) -> NDArray[np.float32]:
        """Return (1, features) in -1 to 1, NaN for what is absent."""
        if values and recipe.fingerprint != self._recipe.fingerprint:
            raise WrongEmbeddingSpace(
                f"radiomics of recipe {recipe.fingerprint} are not those of recipe {self._recipe.fingerprint}, which "
                "the region model was trained with; keep [describe] bin_count, bin_width and spacing_mm as they come"
            )
        unknown = sorted(set(values) - set(self._names))
        if unknown:
            raise InvalidRequest(
                f"unknown radiomics features {', '.join(unknown[:5])}; known are such as {self._names[0]}"
            )
        odd = sorted(name for name, value in values.items() if not math.isfinite(value))
        if odd:
            raise InvalidRequest(f"radiomics without a finite value: {', '.join(odd[:5])}; leave out what is missing")
        row = np.array([[values.get(name, np.nan) for name in self._names]], dtype=np.float64)
        return scaled(row, self._knots)

    def _place(self, body: BodyCoordinate | None) -> list[float]:
        if body is None or self._position is None:
            return [math.nan] * 3  # left out, as it often was in training
        if body.space != self._position.space:
            raise WrongEmbeddingSpace(f"a body coordinate of {body.space!r} in a space of {self._position.space!r}")
        return list(body.at_mm)

    def _vector(self, volume: Volume, region: Region, lowest: float) -> NDArray[np.float32]:
        """Return the vector of one Region; alone, since what is computed beside it could change its last bits."""
        cube = _cube_of(region)
        affine = torch.from_numpy(np.array(volume.geometry.affine))
        image = cut_from(volume.array, affine, cube, lowest, self._device)
        mask = _mask_in(region, cube).to(self._device)
        spacing = torch.tensor([cube.spacing_mm], device=self._device)
        unit = torch.tensor([_UNITS.index(volume.unit)], device=self._device)
        body = torch.tensor([self._place_of(volume, region)], device=self._device)
        deterministic = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), deterministic:
            inputs = inputs_of(image[None], mask[None], spacing, unit)
            vector: NDArray[np.float32] = self._network.region(inputs, body)[0].cpu().numpy()
        if not np.isfinite(vector).all() or not np.linalg.norm(vector):
            raise DescriptionFailed("the network gave a vector without a direction")
        return vector

    def _place_of(self, volume: Volume, region: Region) -> list[float]:
        if self._position is None:
            return self._place(None)
        return self._place(self._position.coordinates(volume, np.array([region.centroid_lps]))[0])


def _cube_of(region: Region) -> Cube:
    """Return the cube at a Region's own scale."""
    ends = np.stack((np.full(3, -0.5), np.array(region.mask.shape) - 0.5)).T
    corners = torch.from_numpy(region.geometry.index_to_lps(np.stack(np.meshgrid(*ends), axis=-1).reshape(-1, 3)))
    return cube_round(corners.amin(0), corners.amax(0))


def _mask_in(region: Region, cube: Cube) -> Tensor:
    """Return the share of each voxel of the cube (z, y, x) that the Region fills."""
    # room for whole blocks to be averaged: a block cut off at the box would count as full
    blocks = np.ceil(cube.spacing_mm / np.array(region.geometry.spacing_mm)).astype(int)
    margin = np.minimum(blocks + 1, _MOST_MARGIN)
    padded = np.pad(region.mask, [(n, n) for n in margin]).astype(np.float32)
    affine = np.array(region.geometry.affine)
    affine[:3, 3] -= affine[:3, :3] @ margin
    return cut(torch.from_numpy(padded), torch.from_numpy(affine), cube, 0.0)


def _lowest(volume: Volume) -> float:
    """Return the lowest voxel that is a number, which stands for what lies outside; 0 where none is."""
    lowest = float(volume.array.min())
    if np.isfinite(lowest):
        return lowest
    finite = volume.array[np.isfinite(volume.array)]
    return float(finite.min()) if finite.size else 0.0


def _recipe_of(told: Mapping[str, Any]) -> RadiomicsRecipe:
    return RadiomicsRecipe(**{**told, "classes": tuple(told["classes"])})
