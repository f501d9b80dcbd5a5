"""Vectors steered by examples: what is asked about, drawn towards what is alike and away from what is not."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.errors import InvalidRequest

Vector = NDArray[np.float32]
#: weights of the examples beside the query's own vector (Rocchio 1971, with the customary 0.75 and 0.15 of Manning,
#: Raghavan, Schütze 2008, section 9.1.1); an example is one vector of the same model, so means of unit vectors compare
LIKE, UNLIKE = 0.75, 0.15


def steered(asked: Sequence[Vector], like: Sequence[Vector], unlike: Sequence[Vector]) -> list[Vector]:
    """Return the unit vectors to search with: one for each of `asked`, or one where only examples are given.

    q' = q + 0.75 · mean(like) - 0.15 · mean(unlike). One vector is one product with the index, however many examples
    there are, and the answer stays exact; fusing a ranked list an example would cost a search each, and could not look
    away from anything.

    Raises:
        InvalidRequest: when nothing is asked for but what answers should not look like, or the examples cancel out.

    >>> steered([np.float32([1, 0])], [np.float32([0, 1])], [])[0].tolist()
    [0.800000011920929, 0.6000000238418579]
    """
    if not asked and not like:
        raise InvalidRequest("examples that are not alike need something that is: a query, or an example that is alike")
    nothing = np.zeros_like((*asked, *like)[0])
    positive, negative = (np.mean(some, axis=0) if some else nothing for some in (like, unlike))
    towards = LIKE * positive - UNLIKE * negative
    return [_unit(np.asarray(vector + towards, dtype=np.float32)) for vector in (asked or [nothing])]


def _unit(vector: Vector) -> Vector:
    length = float(np.linalg.norm(vector))
    if length < 1e-6:
        raise InvalidRequest("the examples that are alike and those that are not cancel each other out")
    unit: Vector = vector / np.float32(length)
    return unit
