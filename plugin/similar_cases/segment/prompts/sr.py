"""Measurement groups of TID 1500 reports → prompts (PS3.16 TID 1410, 1411, 1501; PS3.3 C.18.6, C.18.9)."""

import logging
from collections.abc import Iterator

from pydicom import Dataset

from similar_cases.domain.case import derived_uid
from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.errors import MalformedDicom
from similar_cases.domain.geometry import FloatArray
from similar_cases.domain.prompts import PromptOrigin, PromptSet
from similar_cases.domain.volume import Volume
from similar_cases.segment.prompts.attributes import code, points, text, uid
from similar_cases.segment.prompts.frames import SliceIndex, slices_by_frame, slices_of_images
from similar_cases.segment.prompts.references import content_items
from similar_cases.segment.prompts.shapes import MAX_POINTS, Shape, in_lps, prompts_of, shape_of

_LOG = logging.getLogger(__name__)

MAX_GROUPS = 10_000

_MEASUREMENT_GROUP = ("125007", "DCM")
_TRACKING_IDENTIFIER = ("112039", "DCM")
_TRACKING_UID = ("112040", "DCM")
_FINDING = ("121071", "DCM")
_FINDING_SITE = ("363698007", "SCT")
#: Referenced Segment, Referenced Segmentation Frame: the mask lies in a SEG, which is read itself
_SEGMENTS = frozenset({("121191", "DCM"), ("121214", "DCM")})


def read_sr(annotation: Dataset, volume: Volume) -> list[PromptSet]:
    """Return one set for each measurement group that has coordinates in `volume`, in the report's order.

    A group that refers to a segment is left to the SEG.

    Raises:
        MalformedDicom: when the report cannot be read or passes the bounds.
    """
    slices = slices_by_frame(volume)
    groups = [item for item in content_items(annotation) if _concept(item) == _MEASUREMENT_GROUP]
    if len(groups) > MAX_GROUPS:
        raise MalformedDicom(f"{len(groups)} measurement groups; more than {MAX_GROUPS} are not read")
    found = (_prompt_set(annotation, number, group, volume, slices) for number, group in enumerate(groups, start=1))
    return [prompts for prompts in found if prompts is not None]


def _concept(item: Dataset) -> tuple[str, str]:
    """Return (value, scheme) of what an item is about."""
    name = code(item, "ConceptNameCodeSequence")
    return (name.value, name.scheme) if name else ("", "")


def _prompt_set(
    annotation: Dataset, number: int, group: Dataset, volume: Volume, slices: SliceIndex
) -> PromptSet | None:
    """Return what one measurement group gives, None where it gives nothing."""
    below = list(content_items(group))
    concepts = [_concept(item) for item in below]
    if not _SEGMENTS.isdisjoint(concepts):
        return None
    shapes = [shape for item in below for shape in _shapes(item, volume, slices)]
    prompts, is_expert_mask = prompts_of(shapes, volume)
    source = uid(annotation, "SOPInstanceUID")
    if not prompts:
        _LOG.info("measurement group %d of report %s has no coordinates in the volume", number, source)
        return None
    values = dict(zip(reversed(concepts), reversed(below), strict=True))
    return PromptSet(
        prompts=prompts,
        tracking_uid=uid(values.get(_TRACKING_UID, Dataset()), "UID") or derived_uid(source, number),
        label=text(values.get(_TRACKING_IDENTIFIER, Dataset()), "TextValue"),
        finding=_coded(values.get(_FINDING)),
        finding_site=_coded(values.get(_FINDING_SITE)),
        origin=PromptOrigin.SR,
        source_sop_instance_uid=source,
        is_expert_mask=is_expert_mask,
    )


def _coded(item: Dataset | None) -> CodedConcept | None:
    return code(item, "ConceptCodeSequence") if item is not None else None


def _shapes(item: Dataset, volume: Volume, slices: SliceIndex) -> Iterator[Shape]:
    """Give the shapes, LPS mm, of one content item: of a SCOORD one for each slice of `volume` that it is drawn on."""
    value_type, graphic_type = text(item, "ValueType"), text(item, "GraphicType")
    if value_type == "SCOORD":
        shape = shape_of(graphic_type, _graphic_data(item, 2))
        images = (k for image in content_items(item) for k in slices_of_images(image, "ReferencedSOPSequence", slices))
        if shape is not None:
            yield from (in_lps(shape, volume, k) for k in images)
    elif value_type == "SCOORD3D":
        own, named = volume.geometry.frame_of_reference_uid, uid(item, "ReferencedFrameOfReferenceUID")
        shape = shape_of(graphic_type, _graphic_data(item, 3))
        if shape is not None and (not own or not named or own == named):
            yield shape


def _graphic_data(item: Dataset, dimensions: int) -> FloatArray:
    found = points(item, "GraphicData", dimensions)
    if len(found) > MAX_POINTS:
        raise MalformedDicom(f"GraphicData holds {len(found)} points; more than {MAX_POINTS} are not read")
    return found
