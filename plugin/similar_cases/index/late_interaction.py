"""Late interaction: two sets of vectors are compared vector by vector, as a Volume's slices or a Study's Regions.

MaxSim is ColBERT's (Khattab and Zaharia, SIGIR 2020, section 3.3), as re-ranking of volumes by their slices uses it:
every vector of the query looks for its nearest among the candidate's, and what it found is added up. Here it is the
mean instead of the sum, which gives the same order, and stays a cosine whatever the size of the query.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from similar_cases.domain.errors import WrongEmbeddingSpace

#: cosines are told to so many decimals, alike on every processor
DECIMALS = 6
#: a later vector is preferred only where it is nearer by more than this, so that equal slices match the first of them
_SAME = 1e-6
#: rows of candidates in one product
_ROWS = 2048


@dataclass(frozen=True, kw_only=True, eq=False)
class SetMatch:
    """How a candidate's set of vectors answers a query's.

    Attributes:
        score: mean over the query's vectors of the cosine to the nearest of the candidate's, -1 to 1.
        matched: (q,) position in the candidate's set of what each vector of the query found, the first of equals.
        cosines: (q,) how near that is, -1 to 1.
    """

    score: float
    matched: NDArray[np.int64]
    cosines: NDArray[np.float64]

    def best_pairs(self, count: int) -> list[tuple[int, int, float]]:
        """Return the nearest (position in the query, position in the candidate, cosine), most similar first.

        >>> SetMatch(score=0.75, matched=np.array([4, 0]), cosines=np.array([0.5, 1.0])).best_pairs(1)
        [(1, 0, 1.0)]
        """
        order = np.lexsort((np.arange(len(self.cosines)), -self.cosines))[: max(0, count)]
        return [(int(at), int(self.matched[at]), float(self.cosines[at])) for at in order]


def max_sim(
    query: NDArray[np.floating[Any]], candidates: Sequence[NDArray[np.floating[Any]]], device: str = "cpu"
) -> list[SetMatch]:
    """Compare the vectors of `query` with those of every candidate, and return one match a candidate, in their order.

    The fast product in single precision tells which vectors match; those pairs are computed again in double precision,
    so the scores do not depend on the processor, nor on which other candidates are asked about.

    Args:
        query: (q, size), q at least 1; need not be of unit length, half precision is enough.
        candidates: each (n, size), n at least 1, of any n.
        device: ``cpu`` or ``cuda``.

    Raises:
        WrongEmbeddingSpace: for an empty set, for another size than the query's, or a number that is not finite.

    >>> east, north = [1.0, 0.0], [0.0, 1.0]
    >>> [match] = max_sim(np.array([east, north]), [np.array([north, [1.0, 1.0], north])])
    >>> match.score, match.matched.tolist(), match.cosines.tolist()
    (0.853554, [1, 0], [0.707107, 1.0])
    """
    for vectors in (query, *candidates):
        _require_set(vectors, query)
    asked = torch.from_numpy(np.array(query, dtype=np.float64)).to(device)
    asked = asked / _lengths(asked, 1)
    found: dict[int, SetMatch] = {}
    for block in _blocks([len(vectors) for vectors in candidates]):
        found |= zip(block, _matches(asked, [candidates[at] for at in block]), strict=True)
    return [found[at] for at in range(len(candidates))]


def _require_set(vectors: NDArray[np.floating[Any]], query: NDArray[np.floating[Any]]) -> None:
    if vectors.ndim != 2 or len(vectors) == 0 or vectors.shape[1] != query.shape[-1]:
        raise WrongEmbeddingSpace(
            f"a set of vectors is (n, {query.shape[-1]}), n at least 1, got shape {vectors.shape}"
        )


def _blocks(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Yield positions of candidates that are computed together: of like size, as the short are filled up."""
    block: list[int] = []
    for at in sorted(range(len(sizes)), key=lambda at: (sizes[at], at)):
        if block and (len(block) + 1) * sizes[at] > _ROWS:
            yield block
            block = []
        block.append(at)
    if block:
        yield block


def _matches(asked: torch.Tensor, candidates: Sequence[NDArray[np.floating[Any]]]) -> list[SetMatch]:
    sizes = torch.tensor([len(vectors) for vectors in candidates], device=asked.device)
    rows = _filled_up(candidates).to(asked.device)  # (c, n, size)
    matched = _nearest(asked.float(), rows.float(), sizes)  # (c, q)
    first = torch.arange(len(rows), device=rows.device)[:, None] * rows.shape[1]
    pairs = rows.flatten(0, 1).index_select(0, (matched + first).flatten()).double()
    pairs = pairs.view(*matched.shape, -1)  # (c, q, size)
    exact = (torch.einsum("cqd,qd->cq", pairs, asked) / _lengths(pairs, 2)[:, :, 0]).cpu().numpy()
    cosines = np.clip(np.round(exact, DECIMALS), -1.0, 1.0) + 0.0
    means = np.round(cosines.mean(axis=1), DECIMALS)
    positions = matched.cpu().numpy()
    return [SetMatch(score=float(means[at]), matched=positions[at], cosines=cosines[at]) for at in range(len(cosines))]


def _filled_up(candidates: Sequence[NDArray[np.floating[Any]]]) -> torch.Tensor:
    """Return (c, n, size) in the widest precision that came, with zeros where a set is shorter than the longest."""
    kind = np.result_type(np.float16, *{vectors.dtype for vectors in candidates})
    rows = np.zeros((len(candidates), max(map(len, candidates)), candidates[0].shape[1]), dtype=kind)
    for at, vectors in enumerate(candidates):
        rows[at, : len(vectors)] = vectors
    return torch.from_numpy(rows)


def _nearest(asked: torch.Tensor, rows: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    """Return (c, q) positions in `rows` (c, n, size), single precision, of the nearest to (q, size) unit `asked`."""
    cosines = torch.matmul(rows, asked.T).div_(_lengths(rows, 2))  # (c, n, q)
    places = torch.arange(rows.shape[1], device=rows.device)
    if bool((sizes < rows.shape[1]).any()):
        cosines.masked_fill_((places[None, :] >= sizes[:, None])[:, :, None], -torch.inf)
    best = cosines.amax(dim=1, keepdim=True)
    return torch.where(cosines >= best - _SAME, places.to(torch.int32)[None, :, None], rows.shape[1]).amin(dim=1).long()


def _lengths(vectors: torch.Tensor, dim: int) -> torch.Tensor:
    """Return the lengths along `dim`, which stays; what has none divides to zero.

    Raises:
        WrongEmbeddingSpace: for a number that is not finite.
    """
    lengths: torch.Tensor = torch.linalg.vector_norm(vectors, dim=dim, keepdim=True)
    if not bool(torch.isfinite(lengths).all()):
        raise WrongEmbeddingSpace("a vector that is not finite cannot be compared")
    return lengths.clamp_min(torch.finfo(lengths.dtype).tiny)
