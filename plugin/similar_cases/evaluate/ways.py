"""Ways to rank described Regions: by an embedding, by radiomics, by both, as the product does."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from similar_cases.describe.normalise import Population, agreements, matrix_of
from similar_cases.evaluate.describe_samples import DescribedRegion
from similar_cases.rank.fuse import appearance_of, fuse
from similar_cases.rank.ranking import APPEARANCE, RADIOMICS, Ranking

#: (query, n candidates) → (n,) scores, the larger the more alike; NaN where nothing can be said
Scores = Callable[[DescribedRegion, Sequence[DescribedRegion]], NDArray[np.float64]]


@dataclass(frozen=True)
class Way:
    """A way to rank, and what its rows are called."""

    name: str
    scores: Scores

    def ranking(self, query: DescribedRegion, candidates: Sequence[DescribedRegion]) -> list[DescribedRegion]:
        """Return the candidates, best first; equal scores by UID, and last of all those without a score."""
        scores = np.round(self.scores(query, candidates), 6)
        order = np.lexsort((np.array([one.uid for one in candidates]), -scores))  # NaN sorts last
        return [candidates[at] for at in order]


def by_vector(name: str) -> Way:
    """Return the ranking by the cosine of an embedder's vectors."""

    def scores(query: DescribedRegion, candidates: Sequence[DescribedRegion]) -> NDArray[np.float64]:
        return np.stack([one.vectors[name] for one in candidates]).astype(np.float64) @ query.vectors[name]

    return Way(name, scores)


def by_radiomics(everyone: Iterable[DescribedRegion], names: Sequence[str], title: str = "radiomics") -> Way:
    """Return the ranking by how well radiomics agree.

    As in the product, each value counts as its percentile among the Regions of its own modality: `everyone` that an
    archive would hold, the query among them.

    Args:
        everyone: by whom values become percentiles.
        names: the features that count.
        title: of the rows.
    """
    of_modality: dict[str, list[DescribedRegion]] = {}
    for one in everyone:
        of_modality.setdefault(one.modality, []).append(one)
    populations = {kind: Population(names, values_of(regions, names)) for kind, regions in of_modality.items()}
    scaled = {
        one.uid: row
        for kind, regions in of_modality.items()
        for one, row in zip(regions, populations[kind].scale(values_of(regions, names)), strict=True)
    }

    def scores(query: DescribedRegion, candidates: Sequence[DescribedRegion]) -> NDArray[np.float64]:
        return agreements(scaled[query.uid], np.stack([scaled[one.uid] for one in candidates]), names)

    return Way(title, scores)


def fused(appearance: Way, radiomics: Way, rule: Ranking | None = None) -> Way:
    """Return the product's fusion of two ways, by the weights of `rule`."""
    weights = dict((rule or Ranking()).weights)

    def scores(query: DescribedRegion, candidates: Sequence[DescribedRegion]) -> NDArray[np.float64]:
        looks, measures = appearance.scores(query, candidates), radiomics.scores(query, candidates)
        parts = (
            {APPEARANCE: appearance_of(look) if np.isfinite(look) else None, RADIOMICS: measure}
            for look, measure in zip(looks.tolist(), measures.tolist(), strict=True)
        )
        return np.array([fuse(one, weights).score for one in parts])

    return Way(f"{appearance.name} + {radiomics.name}", scores)


def values_of(regions: Sequence[DescribedRegion], names: Sequence[str]) -> NDArray[np.float64]:
    """Return (regions, names) values, NaN where a Region has none."""
    matrix = np.full((len(regions), len(names)), np.nan)
    measured = [(row, one.radiomics) for row, one in enumerate(regions) if one.radiomics is not None]
    if measured:
        matrix[[row for row, _ in measured]] = matrix_of([vector for _, vector in measured], names)
    return matrix
