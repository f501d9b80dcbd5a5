"""Described volumes made by hand: which slices they have, and which way those point, is chosen."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from similar_cases.domain.description import EmbeddingSpace, Level
from similar_cases.evaluate.describe_volumes import DescribedVolume, VolumeSample
from similar_cases.index.exact import ExactIndex

SIZE = 16
SPACE = EmbeddingSpace(model="made", version="1", weights="", preprocessing="", level=Level.SLICE, size=SIZE)


def exact(space: EmbeddingSpace) -> ExactIndex:
    return ExactIndex(space, "cpu")


def volume(uid: str, slices: Sequence[Sequence[float]] | np.ndarray, **labels: str) -> DescribedVolume:
    rows = np.asarray(slices, dtype=np.float32)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    sample = VolumeSample(
        uid=uid,
        dataset=labels.pop("dataset", "made"),
        modality="CT",
        patient=labels.pop("patient", uid),
        load=lambda: None,
        source=Path(uid),
        labels=labels,
    )
    return DescribedVolume(sample=sample, slice_index=np.arange(len(rows)), slices=rows.astype(np.float16))


def axis(number: int) -> np.ndarray:
    return np.eye(SIZE)[number]


def shown(ks: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    return {name: list(slices) for name, slices in ks.items()}
