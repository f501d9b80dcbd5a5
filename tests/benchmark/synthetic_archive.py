"""A million made-up Regions, alike on every machine: vectors in clusters, attributes as a hospital's, some by cluster.

No real embeddings of a million lesions exist to be shipped. What makes search hard or easy is kept: clusters of very
unequal size and tightness about a common direction (a network's embeddings are not spread over the whole sphere),
repeated examinations of one patient close together, and attributes of which some go with the cluster (Modality,
BodyPartExamined) and some do not (PatientSex, StudyDate).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.description import EmbeddingSpace, Level

SIZE = 384
CLUSTERS = 2000
BLOCK = 50_000
FIRST_DAY = np.datetime64("2005-01-01")
DAYS = 7300
BODY_PARTS = ("CHEST", "ABDOMEN", "HEAD", "PELVIS", "NECK", "LEG", "ARM", "SPINE")
MAKERS = ("GE MEDICAL SYSTEMS", "SIEMENS", "Philips", "TOSHIBA", "UIH")


@dataclass(frozen=True)
class Attributes:
    """One entry a Region."""

    patient: NDArray[np.int64]
    modality: NDArray[np.str_]
    sex: NDArray[np.str_]
    age: NDArray[np.float64]
    date: NDArray[np.str_]
    body_part: NDArray[np.str_]
    manufacturer: NDArray[np.str_]


def _clusters() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """Return (clusters, SIZE) centres, how widely each is spread, and how likely it is."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(CLUSTERS, SIZE)) + 0.6 * rng.normal(size=SIZE)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    weights = 1.0 / np.arange(1, CLUSTERS + 1) ** 0.7
    return centres.astype(np.float32), rng.uniform(0.4, 1.2, CLUSTERS).astype(np.float32), weights / weights.sum()


def members(count: int) -> NDArray[np.int64]:
    """Return the cluster of each of `count` Regions."""
    return np.random.default_rng(2).choice(CLUSTERS, size=count, p=_clusters()[2])


def vectors(count: int) -> NDArray[np.float16]:
    """Return (count, SIZE) vectors in half precision, as the catalogue keeps them."""
    found = np.empty((count, SIZE), np.float16)
    cluster = members(count)
    for start in range(0, count, BLOCK):
        some = cluster[start : start + BLOCK]
        found[start : start + BLOCK] = _around(some, np.random.default_rng([3, start]))
    return found


def queries(count: int) -> NDArray[np.float32]:
    """Return (count, SIZE) vectors of the same kind that are not among those of the archive."""
    rng = np.random.default_rng(4)
    return _around(rng.choice(CLUSTERS, size=count, p=_clusters()[2]), rng).astype(np.float16).astype(np.float32)


def attributes(count: int) -> Attributes:
    """Return what a filter can ask: Modality PT keeps one in ten, a week of StudyDate about one in a thousand."""
    rng, cluster = np.random.default_rng(5), members(count)
    days = rng.integers(0, DAYS, count)
    dates = np.array([str(FIRST_DAY + day).replace("-", "") for day in range(DAYS)])
    return Attributes(
        patient=rng.integers(0, max(1, count // 4), count),
        modality=_modality(cluster, rng),
        sex=np.array(["F", "M", ""])[rng.choice(3, count, p=[0.49, 0.49, 0.02])],
        age=np.round(rng.uniform(0, 100, count), 1),
        date=dates[days],
        body_part=np.array(BODY_PARTS)[cluster % len(BODY_PARTS)],
        manufacturer=np.array(MAKERS)[rng.integers(0, len(MAKERS), count)],
    )


def _modality(cluster: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.str_]:
    """Seven of ten Regions have the Modality of their cluster, the others any."""
    own = rng.choice(3, CLUSTERS, p=[0.6, 0.3, 0.1])[cluster]
    any_one = rng.choice(3, len(cluster), p=[0.6, 0.3, 0.1])
    return np.array(["CT", "MR", "PT"])[np.where(rng.random(len(cluster)) < 0.7, own, any_one)]


def _around(cluster: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    centres, spread, _ = _clusters()
    noise = rng.standard_normal((len(cluster), SIZE), dtype=np.float32) * (spread[cluster] / np.sqrt(SIZE))[:, None]
    found = centres[cluster] + noise
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def uid_of(position: int) -> str:
    """Return the UID of the Case at a position; UIDs sort as positions do."""
    return f"2.25.{10**9 + position}"


def space() -> EmbeddingSpace:
    """Return the space of the vectors."""
    return EmbeddingSpace(
        model="made up", version="1", weights="none", preprocessing="none", level=Level.REGION, size=SIZE
    )
