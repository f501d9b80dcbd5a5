"""Ways to rank described Regions: by an embedding, by radiomics, by both, as the product does."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from similar_cases.describe.embedder import RadiomicsEmbedder
from similar_cases.describe.normalise import Population, agreements, matrix_of
from similar_cases.evaluate.describe_samples import DescribedRegion
from similar_cases.rank.fuse import Values, calibrated, ranks_of, reciprocal_rank, weighted
from similar_cases.rank.ranking import APPEARANCE, RADIOMICS, Fusion, Ranking

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


def by_radiomics(
    everyone: Iterable[DescribedRegion],
    names: Sequence[str],
    title: str = "radiomics",
    guests: Iterable[DescribedRegion] = (),
) -> Way:
    """Return the ranking by how well radiomics agree.

    As in the product, each value counts as its percentile among the Regions of its own modality: `everyone` that an
    archive would hold, the query among them.

    Args:
        everyone: by whom values become percentiles.
        names: the features that count.
        title: of the rows.
        guests: who may ask too, and change no percentile.
    """
    of_modality = _by_modality(everyone)
    populations = {kind: Population(names, values_of(regions, names)) for kind, regions in of_modality.items()}
    scaled = {
        one.uid: row
        for some in (of_modality, _by_modality(guests))
        for kind, regions in some.items()
        for one, row in zip(regions, populations[kind].scale(values_of(regions, names)), strict=True)
    }

    def scores(query: DescribedRegion, candidates: Sequence[DescribedRegion]) -> NDArray[np.float64]:
        return agreements(scaled[query.uid], np.stack([scaled[one.uid] for one in candidates]), names)

    return Way(title, scores)


def by_learned_radiomics(name: str, embedder: RadiomicsEmbedder, names: Sequence[str], title: str) -> Way:
    """Return the ranking of Regions' vectors by the vector that an embedder gives the query's radiomics alone.

    Args:
        name: of the embedder, under which the vectors stand.
        embedder: whose space radiomics share.
        names: the features that are told; those that it does not know, or the query lacks, are left out.
        title: of the rows.
    """
    known = [one for one in names if one in set(embedder.radiomics_names)]

    def scores(query: DescribedRegion, candidates: Sequence[DescribedRegion]) -> NDArray[np.float64]:
        measured = query.radiomics
        values = {one: measured.values[one] for one in known if one in measured.values} if measured else {}
        if measured is None or not values:
            return np.full(len(candidates), np.nan)
        vector = embedder.embed_radiomics(values, measured.recipe).vector
        return np.stack([one.vectors[name] for one in candidates]).astype(np.float64) @ vector

    return Way(title, scores)


def fused(appearance: Way, radiomics: Way, ranking: Ranking, everyone: Sequence[DescribedRegion] = ()) -> Way:
    """Return the product's fusion of two ways.

    Args:
        appearance: its scores are cosines.
        radiomics: its scores are agreements.
        ranking: tells weights and fusion; weighted, calibrated and reciprocal rank are known here.
        everyone: whose pairs tell what scores chance gives, by which parts are calibrated.
    """
    weights = dict(ranking.weights)
    chance = _chance({APPEARANCE: appearance, RADIOMICS: radiomics}, everyone)

    def scores(query: DescribedRegion, candidates: Sequence[DescribedRegion]) -> NDArray[np.float64]:
        parts = _parts({APPEARANCE: appearance, RADIOMICS: radiomics}, query, candidates)
        if ranking.fusion is Fusion.RECIPROCAL:
            uids = [one.uid for one in candidates]
            return reciprocal_rank({name: ranks_of(values, uids) for name, values in parts.items()}, weights)
        return weighted(calibrated(parts, chance) if ranking.fusion is Fusion.CALIBRATED else parts, weights)

    return Way(f"{appearance.name} + {radiomics.name}, {ranking.fusion.value}", scores)


def _by_modality(regions: Iterable[DescribedRegion]) -> dict[str, list[DescribedRegion]]:
    groups: dict[str, list[DescribedRegion]] = {}
    for one in regions:
        groups.setdefault(one.modality, []).append(one)
    return groups


def _parts(ways: Mapping[str, Way], query: DescribedRegion, candidates: Sequence[DescribedRegion]) -> dict[str, Values]:
    """Return each part's (n,) values, 0 to 1: opposite and unrelated vectors are both 0, as `rank.fuse` has it."""
    found = {name: way.scores(query, candidates) for name, way in ways.items()}
    return {name: np.where(np.isfinite(values), np.clip(values, 0.0, 1.0), np.nan) for name, values in found.items()}


def _chance(ways: Mapping[str, Way], everyone: Sequence[DescribedRegion]) -> dict[str, Values]:
    """Return each part's values over all pairs of `everyone`, ascending."""
    pairs = [_parts(ways, one, [other for other in everyone if other.uid != one.uid]) for one in everyone[1:]]
    if not pairs:
        return {}
    values = {name: np.concatenate([parts[name] for parts in pairs]) for name in ways}
    return {name: np.sort(known[np.isfinite(known)]) for name, known in values.items()}


def values_of(regions: Sequence[DescribedRegion], names: Sequence[str]) -> NDArray[np.float64]:
    """Return (regions, names) values, NaN where a Region has none."""
    matrix = np.full((len(regions), len(names)), np.nan)
    measured = [(row, one.radiomics) for row, one in enumerate(regions) if one.radiomics is not None]
    if measured:
        matrix[[row for row, _ in measured]] = matrix_of([vector for _, vector in measured], names)
    return matrix
