"""Described Regions made by hand: what their vectors and radiomics are is chosen."""

from collections.abc import Mapping

import numpy as np

from similar_cases.describe.radiomics import PAPER_72
from similar_cases.domain.case import derived_uid
from similar_cases.domain.description import RadiomicsRecipe, RadiomicsVector
from similar_cases.evaluate.describe_samples import DescribedRegion

RECIPE = RadiomicsRecipe()


def region(
    patient: str,
    modality: str = "CT",
    vector: tuple[float, ...] = (1.0, 0.0),
    values: Mapping[str, float] | None = None,
    **more: object,
) -> DescribedRegion:
    unit = np.array(vector, np.float32) / np.float32(np.linalg.norm(vector))
    return DescribedRegion(
        **{
            "uid": derived_uid(patient, modality, more.get("label", "")),
            "dataset": "made",
            "modality": modality,
            "patient": patient,
            "radiomics": RadiomicsVector(values, RECIPE) if values else None,
            "vectors": {"oracle": unit},
            **more,
        }
    )


def values_along(at: float, seed: int = 0) -> dict[str, float]:
    """72 values that move together with `at`, each at its own pace; the seed chooses which ones rise and which fall."""
    pace = np.random.default_rng(seed).standard_normal(72)
    return dict(zip(PAPER_72, (pace * at).tolist(), strict=True))
