"""What turns a Volume, or a Region in it, into vectors."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.description import BodyCoordinate, Embedding, EmbeddingSpace, RadiomicsRecipe
from similar_cases.domain.region import Region
from similar_cases.domain.volume import Volume


class Embedder(Protocol):
    """Vectors for retrieval. The same input gives the same bytes twice: nothing is random at inference."""

    @property
    def region_space(self) -> EmbeddingSpace:
        """The space of Region vectors."""
        ...

    @property
    def series_space(self) -> EmbeddingSpace:
        """The space of Volume vectors."""
        ...

    @property
    def slice_space(self) -> EmbeddingSpace:
        """The space of slice vectors."""
        ...

    def embed_regions(self, volume: Volume, regions: Sequence[Region]) -> list[Embedding]:
        """Return one vector a Region, in the order of `regions`."""
        ...

    def embed_volume(self, volume: Volume) -> tuple[Embedding, NDArray[np.float16]]:
        """Return the Volume's vector, and (n, size) float16 unit vectors of slices, in ascending k.

        n is the number of slices or the backend's bound, whichever is smaller; row r is slice ``sampled_slices(slices,
        n)[r]``.
        """
        ...


@runtime_checkable
class RadiomicsEmbedder(Protocol):
    """An Embedder whose Region space is shared with radiomics: named values stand where such a Region would.

    Ask ``isinstance(embedder, RadiomicsEmbedder)``; an Embedder that cannot do it lacks the methods.
    """

    @property
    def radiomics_recipe(self) -> RadiomicsRecipe:
        """The recipe that values must follow, as it was trained."""
        ...

    @property
    def radiomics_names(self) -> tuple[str, ...]:
        """The features that it knows, ``class_Feature``."""
        ...

    def embed_radiomics(
        self, values: Mapping[str, float], recipe: RadiomicsRecipe, body: BodyCoordinate | None = None
    ) -> Embedding:
        """Return the vector, in the Region space, of any features and, or, a place in the body.

        Args:
            values: name → value in the recipe's own units; features left out are absent, not zero. Empty for a place
                alone.
            recipe: how the values were computed.
            body: where in the body; None where that is left open.

        Raises:
            WrongEmbeddingSpace: for another recipe, or a coordinate of another model, than those it was trained with.
            InvalidRequest: without a feature and a place, or for a feature that it does not know.
        """
        ...


def sampled_slices(count: int, most: int) -> NDArray[np.intp]:
    """Return at most `most` of the indices below `count`, ascending, evenly spread, each in the middle of its share.

    >>> sampled_slices(3, 10).tolist(), sampled_slices(10, 3).tolist()
    ([0, 1, 2], [1, 5, 8])
    """
    if count <= most:
        return np.arange(count)
    return np.floor((np.arange(most) + 0.5) * count / most).astype(np.intp)
