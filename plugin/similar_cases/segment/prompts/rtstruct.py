"""RT Structure Sets → prompts (PS3.3 C.8.8.5, C.8.8.6, C.8.8.8)."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom import Dataset

from similar_cases.domain.case import derived_uid
from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.errors import MalformedDicom
from similar_cases.domain.geometry import FloatArray
from similar_cases.domain.prompts import PointPrompt, Prompt, PromptOrigin, PromptSet
from similar_cases.domain.volume import Volume
from similar_cases.segment.prompts.attributes import code, items, points, required_integer, text, uid
from similar_cases.segment.prompts.contours import draw_contours
from similar_cases.segment.prompts.findings import finding_of_structure

_LOG = logging.getLogger(__name__)

MAX_STRUCTURES = 2_000
MAX_CONTOURS = 100_000
MAX_POINTS = 10_000_000

_CLOSED = frozenset({"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"})
#: points of these types mark the plan or the patient's setup, not something in the image
_PLAN_MARKS = frozenset(
    {"MARKER", "ISOCENTER", "REGISTRATION", "CONTROL", "DOSE_REGION", "DOSE_MEASUREMENT", "BRACHY_SRC_APP"}
)


@dataclass(frozen=True, eq=False)
class Structure:
    """One ROI: its items in the three sequences that share its number."""

    number: int
    roi: Dataset
    contours: Dataset
    observation: Dataset

    @property
    def interpreted_type(self) -> str:
        """RT ROI Interpreted Type, such as GTV or ORGAN."""
        return text(self.observation, "RTROIInterpretedType").upper()

    @property
    def name(self) -> str:
        """ROI Name."""
        return text(self.roi, "ROIName")

    @property
    def finding(self) -> CodedConcept:
        """Its code where it carries one, else what its name and type tell."""
        coded = code(self.observation, "RTROIIdentificationCodeSequence")
        return coded or finding_of_structure(self.name, self.interpreted_type)

    @property
    def tracking_uid(self) -> str:
        """Its own Tracking UID, empty for none."""
        return uid(self.roi, "TrackingUID") or uid(self.observation, "TrackingUID")


def read_rtstruct(annotation: Dataset, volume: Volume) -> list[PromptSet]:
    """Return one set for each structure with closed contours (an expert's mask) or with points, by its number.

    Points that mark the plan (isocenters, markers) are no prompts.

    Raises:
        MalformedDicom: when the object cannot be read, or has more structures, contours or points than the bounds.
    """
    found = (_prompt_set(annotation, structure, volume) for structure in _structures(annotation, volume))
    return [prompts for prompts in found if prompts is not None]


def _structures(annotation: Dataset, volume: Volume) -> Iterator[Structure]:
    """Give the structures in the volume's Frame of Reference, in the order of their numbers."""
    rois = _by_number(annotation, "StructureSetROISequence", "ROINumber")
    observations = _by_number(annotation, "RTROIObservationsSequence", "ReferencedROINumber")
    drawn = _by_number(annotation, "ROIContourSequence", "ReferencedROINumber")
    own = volume.geometry.frame_of_reference_uid
    for number, contours in sorted(drawn.items()):
        roi = rois.get(number, Dataset())
        frame_of_reference = uid(roi, "ReferencedFrameOfReferenceUID")
        if own and frame_of_reference and frame_of_reference != own:
            _LOG.info(
                "structure %d of %s lies in another frame of reference", number, uid(annotation, "SOPInstanceUID")
            )
            continue
        yield Structure(number, roi, contours, observations.get(number, Dataset()))


def _by_number(annotation: Dataset, keyword: str, number: str) -> dict[int, Dataset]:
    return {required_integer(item, number): item for item in items(annotation, keyword, MAX_STRUCTURES)}


def _prompt_set(annotation: Dataset, structure: Structure, volume: Volume) -> PromptSet | None:
    """Return what one structure gives, None where it gives nothing."""
    closed = _coordinates(structure, _CLOSED, least=3)
    notes: tuple[str, ...] = ()
    prompts: tuple[Prompt, ...]
    if closed:
        drawn = draw_contours(closed, volume.geometry)
        prompts, notes = (drawn.prompt,), drawn.notes
    elif structure.interpreted_type in _PLAN_MARKS:
        return None
    else:
        prompts = tuple(PointPrompt(tuple(p)) for group in _coordinates(structure, {"POINT"}, least=1) for p in group)
    if not prompts:
        return None
    source = uid(annotation, "SOPInstanceUID")
    return PromptSet(
        prompts=prompts,
        tracking_uid=structure.tracking_uid or derived_uid(source, structure.number),
        label=structure.name,
        finding=structure.finding,
        origin=PromptOrigin.RTSTRUCT,
        source_sop_instance_uid=source,
        is_expert_mask=bool(closed),
        notes=notes,
    )


def _coordinates(structure: Structure, types: frozenset[str] | set[str], least: int) -> list[FloatArray]:
    """Return the contours of some types that have at least `least` points, each (n, 3) LPS mm."""
    wanted = (
        contour
        for contour in items(structure.contours, "ContourSequence", MAX_CONTOURS)
        if text(contour, "ContourGeometricType").upper() in types
    )
    found, total = [], 0
    for contour in wanted:
        coordinates = points(contour, "ContourData", 3)
        total += len(coordinates)
        if total > MAX_POINTS:
            raise MalformedDicom(f"structure {structure.number} has more than {MAX_POINTS} points")
        if len(coordinates) >= least:
            found.append(coordinates)
    return found
