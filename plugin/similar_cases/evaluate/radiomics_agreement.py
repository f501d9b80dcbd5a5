"""How alike in radiomics the answers are: correlation@5 by the subset of features that was asked with.

RadiomicsRetrieval (arXiv 2507.08546) reports it without a definition in its code; the working one here: the mean of
Pearson's r between the query's and each of the five answers' vectors of all 72 features, each min-max scaled to the
range in the archive. Regions of all patients correlate so, alike or not: look at chance first.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from similar_cases.describe.radiomics import PAPER_72, feature_names
from similar_cases.evaluate.describe_samples import DescribedRegion
from similar_cases.evaluate.row import Heading, Outcome, Row, rows_of
from similar_cases.evaluate.scores import correlations
from similar_cases.evaluate.ways import Way, by_radiomics, values_of

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


def radiomics_agreement(
    queries: Sequence[DescribedRegion], archive: Sequence[DescribedRegion], looks: Sequence[Way], data: str
) -> list[Row]:
    """Return correlation@5 of each way; the query's own patient is left out of the `archive`.

    Args:
        queries: each asks by image in every one of `looks`, and by its own values of every subset.
        archive: by its values features are scaled.
        looks: ways that see the image.
        data: what the rows say of both.
    """
    everyone = list({one.uid: one for one in (*archive, *queries)}.values())
    truth = _scaled(everyone, archive)
    asked = [(NO_FEATURES, way) for way in looks]
    asked += [(subset, by_radiomics(everyone, names, "radiomics values")) for subset, names in SUBSETS.items()]
    asked += [(ONE_FEATURE, by_radiomics(everyone, (name,), "radiomics values")) for name in PAPER_72]
    return rows_of(
        (Heading(data=data, task=task, way=way.name, metric=f"correlation@{DEPTH}"), outcome)
        for task, way in asked
        for outcome in _outcomes(queries, archive, way, truth)
    )


def _outcomes(
    queries: Sequence[DescribedRegion],
    archive: Sequence[DescribedRegion],
    way: Way,
    truth: Mapping[str, NDArray[np.float64]],
) -> Iterator[Outcome]:
    for query in queries:
        others = [one for one in archive if one.patient != query.patient]
        ranking = way.ranking(query, others) if others else []
        found = (
            correlations(truth[query.uid], np.stack([truth[one.uid] for one in ranking])) if ranking else np.empty(0)
        )
        if np.isfinite(found).any() and np.isfinite(found[:DEPTH]).any():
            score, chance = float(np.nanmean(found[:DEPTH])), float(np.nanmean(found))
            yield Outcome(patient=query.patient, score=score, chance=chance)


def _scaled(everyone: Sequence[DescribedRegion], archive: Sequence[DescribedRegion]) -> dict[str, NDArray[np.float64]]:
    """Return (72,) min-max scaled values by UID, unclipped as in the release; NaN for a feature that never varies."""
    values, known = values_of(everyone, PAPER_72), values_of(archive, PAPER_72)
    low, high = np.nanmin(known, axis=0), np.nanmax(known, axis=0)
    span = np.where(high > low, high - low, np.nan)
    return {one.uid: row for one, row in zip(everyone, (values - low) / span, strict=True)}
