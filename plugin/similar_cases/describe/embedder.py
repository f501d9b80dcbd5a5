"""What turns a Volume, or a Region in it, into vectors."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.description import Embedding, EmbeddingSpace
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


def sampled_slices(count: int, most: int) -> NDArray[np.intp]:
    """Return at most `most` of the indices below `count`, ascending, evenly spread, each in the middle of its share.

    >>> sampled_slices(3, 10).tolist(), sampled_slices(10, 3).tolist()
    ([0, 1, 2], [1, 5, 8])
    """
    if count <= most:
        return np.arange(count)
    return np.floor((np.arange(most) + 0.5) * count / most).astype(np.intp)
