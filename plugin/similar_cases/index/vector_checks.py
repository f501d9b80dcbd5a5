"""What every index asks of a vector before it takes it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.description import EmbeddingSpace
from similar_cases.domain.errors import WrongEmbeddingSpace


def require_vector(space: EmbeddingSpace, vector: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (size,) `vector` with unit length, in double precision.

    Raises:
        WrongEmbeddingSpace: when it has another size, or no direction.
    """
    require_vectors(space, [""], np.asarray(vector)[np.newaxis])
    wide = np.asarray(vector, dtype=np.float64)
    unit: NDArray[np.float64] = wide / np.linalg.norm(wide)
    return unit


def require_vectors(space: EmbeddingSpace, case_uids: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """Refuse `vectors` that are not one finite (size,) row with a direction for each of `case_uids`.

    Raises:
        WrongEmbeddingSpace: when they are not.
    """
    if vectors.shape != (len(case_uids), space.size):
        raise WrongEmbeddingSpace(
            f"{len(case_uids)} vectors of {space.size} are wanted in space {space.id}, got shape {vectors.shape}"
        )
    lengths = np.linalg.norm(vectors, axis=1)
    if not np.all(np.isfinite(lengths) & (lengths > 0)):
        raise WrongEmbeddingSpace(f"a vector without a direction cannot go into space {space.id}")
