"""What is said of a Region or a Series: radiomics, embeddings, location."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.errors import WrongEmbeddingSpace
from similar_cases.domain.geometry import read_only
from similar_cases.domain.prompts import PointLps
from similar_cases.domain.references import FrameRef


@dataclass(frozen=True, kw_only=True)
class RadiomicsRecipe:
    """Everything that changes a radiomics value.

    Attributes:
        classes: feature classes in pyradiomics' words.
        bin_count: number of grey levels over the ROI's range (RadiomicsRetrieval's 128), exclusive with `bin_width`.
        spacing_mm: isotropic spacing that image (linear) and mask (nearest) are resampled to; None keeps the grid.
        max_voxels: a Region that would have more voxels than this is resampled to the isotropic spacing at which it has
            about as many; None for no bound. The rule is part of the recipe, so the vectors of large Regions compare.
        library: name and version of the code that computes.
    """

    classes: tuple[str, ...] = ("shape", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")
    bin_count: int | None = 128
    bin_width: float | None = None
    spacing_mm: float | None = 1.5
    max_voxels: int | None = 200_000
    library: str = ""

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change when any value would."""
        return fingerprint(asdict(self))


@dataclass(frozen=True)
class RadiomicsVector:
    """Named values in the recipe's order. A feature that could not be computed is absent, with the reason in `missing`.

    Names are ``class_Feature`` in pyradiomics' words, such as ``glcm_Contrast`` or ``shape_MeshVolume``. `notes` tell
    people where the Region asked for more than the recipe's plain way (a coarser spacing, a mask thinner than a voxel).
    """

    values: Mapping[str, float]
    recipe: RadiomicsRecipe
    missing: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Freeze the mappings."""
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))
        object.__setattr__(self, "missing", MappingProxyType(dict(self.missing)))


class Level(StrEnum):
    """What a vector or a Case stands for."""

    #: one Region
    REGION = "region"
    #: one Volume of a Series
    SERIES = "series"
    #: one slice of a Volume
    SLICE = "slice"
    #: the words on a Region or Volume
    TEXT = "text"


@dataclass(frozen=True, kw_only=True)
class EmbeddingSpace:
    """What a vector belongs to; vectors of two spaces never meet.

    Attributes:
        model: name of the network, with the hash of its weights in `weights`.
        preprocessing: words that name everything done before and after (window, size, pooling).
        size: length of a vector.
    """

    model: str
    version: str
    weights: str
    preprocessing: str
    level: Level
    size: int
    metric: str = "cosine"

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits that tell this space from every other."""
        return fingerprint(asdict(self))


@dataclass(frozen=True, eq=False)
class Embedding:
    """A vector (size,) float32, read-only, of unit length, and the space that it belongs to."""

    vector: NDArray[np.float32]
    space: EmbeddingSpace

    def __post_init__(self) -> None:
        """Scale to unit length; refuse a vector of another size or one that holds no direction."""
        vector = np.asarray(self.vector, dtype=np.float32)
        length = float(np.linalg.norm(vector))
        if vector.shape != (self.space.size,) or not np.isfinite(length) or length == 0.0:
            raise WrongEmbeddingSpace(
                f"a finite vector of {self.space.size} is wanted in space {self.space.id}, got shape {vector.shape}"
            )
        object.__setattr__(self, "vector", read_only(vector / np.float32(length)))


@dataclass(frozen=True)
class BodyCoordinate:
    """Where in a human body a point lies, whosever body it is: the same place of two patients has nearly the same one.

    Attributes:
        at_mm: along axes (x, y, z) that run as those of LPS do; the origin is the model's own. Apart by one millimetre
            in the body is apart by about one here.
        space: name and weights of the model that gave it; coordinates of two models are never compared.

    >>> BodyCoordinate((0.0, 3.0, 0.0), "m 1").distance_mm(BodyCoordinate((4.0, 0.0, 0.0), "m 1"))
    5.0
    """

    at_mm: tuple[float, float, float]
    space: str

    def distance_mm(self, other: "BodyCoordinate") -> float:
        """Return how far apart two places of the body are.

        Raises:
            WrongEmbeddingSpace: when the two come from different models.
        """
        if self.space != other.space:
            raise WrongEmbeddingSpace(f"body coordinates of {self.space!r} and {other.space!r} are never compared")
        return math.dist(self.at_mm, other.at_mm)


@dataclass(frozen=True)
class Location:
    """Where a Region lies.

    Attributes:
        centroid_lps: LPS mm.
        relative: its centroid in the Volume's box, each of (k, j, i) in 0 to 1.
        body: its centroid in the body; None where no model tells it for this kind of image.
    """

    centroid_lps: PointLps
    relative: tuple[float, float, float]
    body: BodyCoordinate | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Description:
    """All that was computed of one Region or Series.

    Attributes:
        slice_vectors: (n, size) float16, one row a slice, unit length, for re-ranking; None at Region level.
        slice_space: the space of `slice_vectors`.
        slice_frames: the (k, Frame) of each slice vector.
        caption: words on it, of coded facts and measurements; never a patient's name.
        report: the text of its Study's reports.
        text_embedding: what a sentence model makes of both; None where the site has none.
    """

    embedding: Embedding
    radiomics: RadiomicsVector | None = None
    location: Location | None = None
    slice_vectors: NDArray[np.float16] | None = None
    slice_space: EmbeddingSpace | None = None
    slice_frames: tuple[tuple[int, FrameRef], ...] = ()
    caption: str = field(default="", repr=False)
    report: str = field(default="", repr=False)
    text_embedding: Embedding | None = None


def fingerprint(value: object) -> str:
    """Return twelve hexadecimal digits of the SHA-256 of `value` as canonical JSON.

    >>> fingerprint({"a": 1}) == fingerprint({"a": 1}), len(fingerprint([]))
    (True, 12)
    """
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
