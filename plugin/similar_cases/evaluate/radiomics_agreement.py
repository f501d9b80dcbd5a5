"""How alike in radiomics the answers are: correlation@5 by the subset of features that was asked with.

RadiomicsRetrieval (arXiv 2507.08546) reports it without a definition in its code; the working one here: the mean of
Pearson's r between the query's and each of the five answers' vectors of all 72 features, each min-max scaled to the
range in the archive. Regions of all patients correlate so, alike or not: look at chance first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from similar_cases.describe.embedder import Embedder, RadiomicsEmbedder
from similar_cases.describe.radiomics import PAPER_72, feature_names
from similar_cases.evaluate.describe_samples import DescribedRegion
from similar_cases.evaluate.row import Heading, Outcome
from similar_cases.evaluate.scores import correlations
from similar_cases.evaluate.ways import Way, by_learned_radiomics, by_radiomics, by_vector, values_of

DEPTH = 5
#: subsets that RadiomicsRetrieval asks with (retrieve.py of its release), and how many features each has
SUBSETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "all 72": PAPER_72,
        "shape (14)": feature_names("shape"),
        "first-order (18)": feature_names("firstorder"),
        "texture (40)": feature_names("glcm", "glszm"),
        "glcm (24)": feature_names("glcm"),
        "glszm (16)": feature_names("glszm"),
    }
)
#: each of the 72 asked with alone, the mean told
ONE_FEATURE = "one feature (mean of 72)"
#: queries by an image name no features
NO_FEATURES = "image"


@dataclass(frozen=True, kw_only=True, eq=False)
class Asking:
    """One query: the Region that asks, and the lesion that it stands for.

    Attributes:
        asks: what is described: the expert's mask, or what a click found.
        lesion: the same lesion by the expert's mask, with whose radiomics the answers' are compared.
    """

    asks: DescribedRegion
    lesion: DescribedRegion


def radiomics_agreement(
    queries: Sequence[Asking],
    archive: Sequence[DescribedRegion],
    embedders: Mapping[str, Embedder],
    data: Sequence[str],
) -> Iterator[tuple[Heading, Outcome]]:
    """Yield correlation@5 of each query in each way; the query's own patient is left out of the `archive`.

    Args:
        queries: each asks by image with every embedder, by its own values of every subset of features, and, where an
            embedder knows radiomics, by what it makes of them.
        archive: by its values features are scaled.
        embedders: by the names under which vectors stand.
        data: what the rows say of both; each name makes rows of its own, so that archives can be pooled under one.
    """
    everyone = list({one.uid: one for one in (*archive, *(query.lesion for query in queries))}.values())
    truth = _scaled(everyone, archive)
    asked = [(NO_FEATURES, by_vector(name)) for name in embedders]
    subsets = [*SUBSETS.items(), *((ONE_FEATURE, (name,)) for name in PAPER_72)]
    guests = [query.asks for query in queries]
    asked += [(task, by_radiomics(everyone, names, "radiomics values", guests)) for task, names in subsets]
    for name, embedder in embedders.items():
        if isinstance(embedder, RadiomicsEmbedder):
            title = f"{name}, radiomics values"
            asked += [(task, by_learned_radiomics(name, embedder, names, title)) for task, names in subsets]
    for task, way in asked:
        for outcome in _outcomes(queries, archive, way, truth):
            for name in data:
                yield Heading(data=name, task=task, way=way.name, metric=f"correlation@{DEPTH}"), outcome


def _outcomes(
    queries: Sequence[Asking], archive: Sequence[DescribedRegion], way: Way, truth: Mapping[str, NDArray[np.float64]]
) -> Iterator[Outcome]:
    for query in queries:
        lesion = query.lesion
        others = [one for one in archive if one.patient != lesion.patient]
        ranking = way.ranking(query.asks, others) if others else []
        found = correlations(truth[lesion.uid], np.stack([truth[one.uid] for one in ranking])) if ranking else _NOTHING
        if np.isfinite(found[:DEPTH]).any():
            score, chance = float(np.nanmean(found[:DEPTH])), float(np.nanmean(found))
            yield Outcome(patient=lesion.patient, score=score, chance=chance)


_NOTHING = np.empty(0)


def _scaled(everyone: Sequence[DescribedRegion], archive: Sequence[DescribedRegion]) -> dict[str, NDArray[np.float64]]:
    """Return (72,) min-max scaled values by UID, unclipped as in the release; NaN for a feature that never varies."""
    values, known = values_of(everyone, PAPER_72), values_of(archive, PAPER_72)
    low, high = np.nanmin(known, axis=0), np.nanmax(known, axis=0)
    span = np.where(high > low, high - low, np.nan)
    return {one.uid: row for one, row in zip(everyone, (values - low) / span, strict=True)}
