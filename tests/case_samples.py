"""Cases made by hand, for tests of the catalogue and of the questions."""

import numpy as np

from similar_cases.domain.case import Case, RegionSummary, derived_uid
from similar_cases.domain.coding import LESION
from similar_cases.domain.description import (
    BodyCoordinate,
    Description,
    Embedding,
    EmbeddingSpace,
    Level,
    Location,
    RadiomicsRecipe,
    RadiomicsVector,
)
from similar_cases.domain.references import FrameRef, SeriesRef
from similar_cases.domain.volume import SeriesFacts

SIZE = 8
RECIPE = RadiomicsRecipe(classes=("shape",), library="test 1")
BODY = BodyCoordinate((4.0, 5.0, 6.0), "test 1")


def space(level: Level = Level.REGION, version: str = "1", size: int = SIZE) -> EmbeddingSpace:
    return EmbeddingSpace(model="m", version=version, weights="w", preprocessing="p", level=level, size=size)


def series(number: int, study: int | None = None) -> SeriesRef:
    return SeriesRef(f"1.2.{number if study is None else study}", f"1.2.{number}.1")


def sample(
    ref: SeriesRef,
    key: object = 0,
    vector: np.ndarray | None = None,
    radiomics: dict[str, float] | None = None,
    level: Level = Level.REGION,
    version: str = "1",
    **facts: object,
) -> Case:
    """A Case of `ref`; another `key` is another Region (or Volume, at Series level)."""
    if vector is None:
        seed = abs(hash((ref.series_uid, str(key)))) % 2**32
        vector = np.random.default_rng(seed).normal(size=SIZE)
    own = space(level, version, len(vector))
    is_region = level is Level.REGION
    tracking = derived_uid("track", ref.series_uid, key)
    frame = FrameRef("1.2.840.10008.5.1.4.1.1.2", "1.9.9", 3)
    summary = RegionSummary(
        tracking_uid=tracking,
        label="GTV",
        finding=LESION,
        authorship="MANUAL",
        origin="RTSTRUCT",
        volume_ml=1.5,
        centroid_lps=(1.0, 2.0, 3.0),
        lower_index=(0, 1, 2),
        upper_index=(3, 4, 5),
        key_frame=frame,
        seg_sop_instance_uid=derived_uid("seg", tracking),
        sr_sop_instance_uid=derived_uid("sr", tracking),
    )
    return Case(
        uid=derived_uid("case", ref.series_uid, key, level),
        level=level,
        series=ref,
        volume_number=0 if is_region else int(str(key)),
        volume_label="",
        facts=SeriesFacts(**{"patient_id": ref.study_uid, "modality": "CT", **facts}),
        key_frame=frame,
        description=Description(
            embedding=Embedding(np.asarray(vector, np.float32), own),
            radiomics=RadiomicsVector(radiomics, RECIPE, {"shape_Lost": "too small"}) if radiomics else None,
            location=Location((1.0, 2.0, 3.0), (0.1, 0.2, 0.3), BODY) if is_region else None,
            slice_vectors=None if is_region else np.eye(3, SIZE, dtype=np.float16),
            slice_space=None if is_region else space(Level.SLICE, version),
        ),
        region=summary if is_region else None,
    )
