"""Prompts: hints where a Region lies, always in LPS mm, never in voxel indices."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.coding import LEFT, RIGHT, CodedConcept
from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.geometry import VolumeGeometry, read_only

PointLps = tuple[float, float, float]


class Polarity(StrEnum):
    """Whether a hint lies inside the Region."""

    #: inside
    POSITIVE = "positive"
    #: outside
    NEGATIVE = "negative"


@dataclass(frozen=True)
class PointPrompt:
    """A point in LPS mm (x, y, z)."""

    point_lps: PointLps
    polarity: Polarity = Polarity.POSITIVE

    def __post_init__(self) -> None:
        """Refuse a point that is no point."""
        point = tuple(float(value) for value in self.point_lps)
        if len(point) != 3 or not np.isfinite(point).all():
            raise InvalidRequest("a point prompt has three finite numbers, LPS mm")
        object.__setattr__(self, "point_lps", point)


@dataclass(frozen=True)
class BoxPrompt:
    """A box with sides along the axes of LPS; `lower_lps` holds the smaller x, y and z, mm."""

    lower_lps: PointLps
    upper_lps: PointLps

    def __post_init__(self) -> None:
        """Refuse a box without an inside."""
        lower, upper = (tuple(float(v) for v in corner) for corner in (self.lower_lps, self.upper_lps))
        if (
            len(lower) != 3
            or len(upper) != 3
            or not np.isfinite(lower + upper).all()
            or not np.less(lower, upper).all()
        ):
            raise InvalidRequest(
                "a box prompt has a lower and an upper corner, LPS mm, the lower smaller in x, y and z"
            )
        object.__setattr__(self, "lower_lps", lower)
        object.__setattr__(self, "upper_lps", upper)


@dataclass(frozen=True, eq=False, repr=False)
class MaskPrompt:
    """A mask (slices, rows, columns) of bool on its own grid, which need not be the volume's."""

    mask: NDArray[np.bool_]
    geometry: VolumeGeometry

    def __post_init__(self) -> None:
        """Freeze the mask; refuse one that does not fit its grid."""
        mask = read_only(self.mask, np.bool_)
        if mask.shape != self.geometry.shape:
            raise InvalidRequest(f"a mask of shape {mask.shape} on a grid of shape {self.geometry.shape}")
        object.__setattr__(self, "mask", mask)

    def __repr__(self) -> str:
        """Tell masks apart, and nothing more: UIDs are derived of it."""
        told = hashlib.sha256(np.packbits(self.mask).tobytes())
        told.update(self.geometry.affine.tobytes())
        return f"MaskPrompt({self.mask.shape}, {told.hexdigest()[:32]})"


@dataclass(frozen=True)
class ClassPrompt:
    """What kind of thing is meant: a coded structure, and the side where the code has none (CID 244)."""

    concept: CodedConcept
    side: CodedConcept | None = None

    def __post_init__(self) -> None:
        """Refuse a code without a value, and a side that is none."""
        if not self.concept.value or not self.concept.scheme:
            raise InvalidRequest("a class prompt has a code with a value and a scheme")
        if self.side is not None and (self.side.scheme, self.side.value) not in {
            (one.scheme, one.value) for one in (LEFT, RIGHT)
        }:
            raise InvalidRequest(f"a class prompt's side is {LEFT} or {RIGHT}, not {self.side}")


Prompt = PointPrompt | BoxPrompt | MaskPrompt | ClassPrompt


class PromptOrigin(StrEnum):
    """Where a prompt comes from."""

    #: RT Structure Set, contours of an expert
    RTSTRUCT = "RTSTRUCT"
    #: DICOM Segmentation
    SEG = "SEG"
    #: structured report, TID 1500
    SR = "SR"
    #: presentation state, graphic annotation
    PR = "PR"
    #: a person, now
    USER = "USER"
    #: nobody: an algorithm looked for whatever there is
    ALGORITHM = "ALGORITHM"


@dataclass(frozen=True, kw_only=True, eq=False)
class PromptSet:
    """All hints for one Region.

    A set that holds an expert's mask (`is_expert_mask`) *is* the Region: no backend redraws it.

    Attributes:
        tracking_uid: Tracking Unique Identifier of the Region; derived from the source where the source has none.
        label: what the source calls it (an ROI name, a segment label), for people.
        source_sop_instance_uid: the object that the prompt was read from; empty for a person's.
        notes: what was done to read it (slices interpolated between contours …), for people.
    """

    prompts: tuple[Prompt, ...]
    tracking_uid: str
    label: str = field(default="", repr=False)
    finding: CodedConcept | None = None
    finding_site: CodedConcept | None = None
    origin: PromptOrigin = PromptOrigin.USER
    source_sop_instance_uid: str = ""
    is_expert_mask: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an empty set."""
        if not self.prompts:
            raise InvalidRequest("a prompt set needs at least one point, box, mask or class")
