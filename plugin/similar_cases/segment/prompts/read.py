"""One annotation object → the prompts that it holds for one volume."""

import logging
from collections.abc import Callable

from pydicom import Dataset

from similar_cases.domain.errors import MalformedDicom
from similar_cases.domain.prompts import PromptSet
from similar_cases.domain.volume import Volume
from similar_cases.segment.prompts.attributes import reading, uid
from similar_cases.segment.prompts.pr import read_pr
from similar_cases.segment.prompts.references import PR_CLASSES, RTSTRUCT_CLASSES, SEG_CLASSES, SR_CLASSES, applies_to
from similar_cases.segment.prompts.rtstruct import read_rtstruct
from similar_cases.segment.prompts.seg import read_seg
from similar_cases.segment.prompts.sr import read_sr

_LOG = logging.getLogger(__name__)

_READERS: tuple[tuple[frozenset[str], Callable[[Dataset, Volume], list[PromptSet]]], ...] = (
    (RTSTRUCT_CLASSES, read_rtstruct),
    (SEG_CLASSES, read_seg),
    (SR_CLASSES, read_sr),
    (PR_CLASSES, read_pr),
)


def read_prompts(annotation: Dataset, volume: Volume) -> list[PromptSet]:
    """Return the prompts that an annotation holds for `volume`, one set a structure, all in LPS mm.

    Empty where the annotation is about another Series or another Frame of Reference, or is of a kind that holds no
    prompts. Masks lie on boxes of the volume's own grid; one that has no voxel in it is given all the same, and
    `region_of_expert` then tells why.

    Raises:
        MalformedDicom: when the object breaks its own rules or passes the bounds.
    """
    source = uid(annotation, "SOPInstanceUID")
    if not source:
        raise MalformedDicom("the annotation has no SOP Instance UID")
    kind = uid(annotation, "SOPClassUID")
    reader = next((read for classes, read in _READERS if kind in classes), None)
    if reader is None or not applies_to(annotation, volume):
        _LOG.info("annotation %s holds nothing for series %s", source, volume.series.series_uid)
        return []
    with reading("the annotation"):
        return reader(annotation, volume)
