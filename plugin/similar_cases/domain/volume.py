"""A Volume: the voxels of one Series on one regular grid, and what is known of the Series."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.geometry import VolumeGeometry, read_only
from similar_cases.domain.references import FrameRef, SeriesRef


class VoxelUnit(StrEnum):
    """What a voxel's number means; the values are UCUM codes."""

    #: Hounsfield units (CT)
    HU = "[hnsf'U]"
    #: standardised uptake value, body weight (PET)
    SUVBW = "g/ml{SUVbw}"
    #: activity concentration (PET of which the SUV cannot be computed)
    BQML = "Bq/ml"
    #: arbitrary (MR, and everything else)
    ARBITRARY = "1"


@dataclass(frozen=True, kw_only=True)
class SeriesFacts:
    """What the Series' headers say. Patient attributes are kept out of `repr`, and so out of log lines."""

    patient_id: str = field(default="", repr=False)
    #: PN as one string, ideographic and phonetic groups included (PS3.5 6.2.1)
    patient_name: str = field(default="", repr=False)
    patient_sex: str = field(default="", repr=False)
    patient_birth_date: str = field(default="", repr=False)
    #: PatientAge in years at the study, computed from the birth date where the attribute is absent
    patient_age_years: float | None = field(default=None, repr=False)
    study_date: str = ""
    study_time: str = ""
    study_description: str = field(default="", repr=False)
    accession_number: str = field(default="", repr=False)
    modality: str = ""
    series_number: int | None = None
    series_description: str = field(default="", repr=False)
    body_part_examined: str = ""
    manufacturer: str = ""
    manufacturer_model_name: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Volume:
    """A regular 3-D grid built from one Series.

    Attributes:
        array: (slices, rows, columns) float32, read-only, in `unit`.
        geometry: where the voxels lie, LPS mm.
        series: the Series it was built from.
        frames: the Frame of each slice k.
        number: 0 for the first volume of the Series; several (echoes, phases, diffusion weightings) count on.
        label: what tells it from the other volumes of its Series, such as ``EchoTime=12.0``; else empty.
        notes: what was mended on the way (resampled gantry tilt, filled gap …), for people.
    """

    array: NDArray[np.float32]
    geometry: VolumeGeometry
    unit: VoxelUnit
    series: SeriesRef
    facts: SeriesFacts
    frames: tuple[FrameRef, ...]
    number: int = 0
    label: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Freeze the voxels; refuse an array that does not fit its geometry."""
        array = read_only(self.array, np.float32)
        if array.shape != self.geometry.shape:
            raise InvalidRequest(f"voxels of shape {array.shape} on a grid of shape {self.geometry.shape}")
        object.__setattr__(self, "array", array)
