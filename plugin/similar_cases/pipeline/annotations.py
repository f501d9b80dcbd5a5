"""What others say of images: which Series an annotation is about, and what prompts it holds for one."""

import logging
from collections.abc import Sequence

from pydicom import Dataset

from similar_cases.domain.errors import MalformedDicom, NotFound, Refused, SimilarCasesError
from similar_cases.domain.prompts import PromptSet
from similar_cases.domain.references import SeriesRef
from similar_cases.domain.volume import Volume
from similar_cases.index.catalogue import ANY_IMAGES
from similar_cases.pipeline.faults import told
from similar_cases.pipeline.steps import Steps
from similar_cases.pipeline.tools import Tools
from similar_cases.segment.prompts import is_annotation, is_ours, read_prompts, referenced_series

_LOG = logging.getLogger(__name__)


def images_of_annotation(annotation: SeriesRef, tools: Tools) -> frozenset[str]:
    """Return the image Series that an annotation Series is about; `ANY_IMAGES` where it names none.

    Raises:
        MalformedDicom: when not one of its objects can be read.
        NotFound: when the PACS does not have it.
    """
    found: set[str] = set()
    faults: list[str] = []
    for instance in _by_others(tools.pacs.retrieve_series(annotation)):
        try:
            named = {ref.series_uid for ref in referenced_series(instance)}
        except SimilarCasesError as error:
            faults.append(str(error))
            continue
        found |= (named - {annotation.series_uid}) or {ANY_IMAGES}
    if faults and not found:
        raise MalformedDicom(f"no annotation of the series can be read: {faults[0]}")
    return frozenset(found)


def retrieve_annotations(series: Sequence[SeriesRef], tools: Tools, steps: Steps) -> list[Dataset]:
    """Return the annotation objects of several Series; a Series that cannot be read is noted and left out.

    Raises:
        PacsUnavailable: when the PACS does not answer: what it holds then must not count as absent.
    """
    found: list[Dataset] = []
    for ref in series:
        try:
            found += _by_others(tools.pacs.retrieve_series(ref))
        except (Refused, NotFound) as error:
            steps.failures.append(f"annotation series {ref.series_uid} was left out: {error}")
    return found


def prompts_for(volume: Volume, annotations: Sequence[Dataset], steps: Steps) -> list[PromptSet]:
    """Return all prompts for `volume`, experts' masks first; of several about one Region the first."""
    found: list[PromptSet] = []
    for annotation in annotations:
        try:
            found += read_prompts(annotation, volume)
        except MemoryError:
            raise
        except Exception as error:  # whatever one hostile object does to its reader, the others are read
            uid = annotation.get("SOPInstanceUID", "without a UID")
            steps.failures.append(told(f"annotation {uid}", error))
    unique: dict[str, PromptSet] = {}
    for prompts in sorted(found, key=lambda one: not one.is_expert_mask):
        unique.setdefault(prompts.tracking_uid, prompts)
    if len(unique) < len(found):
        steps.notes.append(f"{len(found) - len(unique)} prompts tell of a region that another one tells of")
    return list(unique.values())


def _by_others(instances: Sequence[Dataset]) -> list[Dataset]:
    return [one for one in instances if is_annotation(str(one.get("SOPClassUID", ""))) and not is_ours(one)]
