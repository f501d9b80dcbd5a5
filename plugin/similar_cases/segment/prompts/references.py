"""What an annotation object refers to, and which objects are annotations."""

from collections.abc import Iterable, Iterator

from pydicom import Dataset

from similar_cases.domain.references import SeriesRef
from similar_cases.domain.volume import Volume
from similar_cases.segment.prompts.attributes import items, text, uid

RTSTRUCT_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.481.3"})
SEG_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
#: Basic Text, Enhanced, Comprehensive, Comprehensive 3D and Extensible SR
SR_CLASSES = frozenset(f"1.2.840.10008.5.1.4.1.1.88.{n}" for n in (11, 22, 33, 34, 35))
#: grayscale, color, pseudo-color, blending, XA/XRF, advanced blending and variable modality LUT presentation states
PR_CLASSES = frozenset(f"1.2.840.10008.5.1.4.1.1.11.{n}" for n in (1, 2, 3, 4, 5, 8, 12))

_ANNOTATION_CLASSES = RTSTRUCT_CLASSES | SEG_CLASSES | SR_CLASSES | PR_CLASSES
_ANNOTATION_MODALITIES = frozenset({"RTSTRUCT", "SEG", "SR", "PR"})
#: what our own SEG and SR carry as ManufacturerModelName
OUR_MODEL_NAME = "Similar Cases"


def is_annotation(sop_class_uid_or_modality: str) -> bool:
    """Tell whether a SOP Class UID or a Modality is of objects that prompts are read from.

    >>> is_annotation("RTSTRUCT"), is_annotation("1.2.840.10008.5.1.4.1.1.66.4"), is_annotation("CT")
    (True, True, False)
    """
    return sop_class_uid_or_modality in _ANNOTATION_CLASSES | _ANNOTATION_MODALITIES


def is_ours(dataset: Dataset) -> bool:
    """Tell whether we made an object, so that it is no prompt."""
    return text(dataset, "ManufacturerModelName") == OUR_MODEL_NAME


def referenced_series(annotation: Dataset) -> list[SeriesRef]:
    """Return the image Series that an RTSTRUCT, SEG, SR or presentation state refers to by UID, sorted.

    The Study is the reference's, or the annotation's own where the reference names none. Series of which only
    annotations are referenced (the SEG of a report) are left out. Where the object names no Series, see
    `referenced_frames_of_reference` and `referenced_instances`.

    Raises:
        MalformedDicom: when the references cannot be read.
    """
    own_study = uid(annotation, "StudyInstanceUID")
    found = {
        SeriesRef(study or own_study, uid(series, "SeriesInstanceUID"))
        for study, series in _series_items(annotation)
        if uid(series, "SeriesInstanceUID") and (study or own_study) and _may_be_images(series)
    }
    return sorted(found)


def _series_items(annotation: Dataset) -> Iterator[tuple[str, Dataset]]:
    """Give (Study Instance UID or empty, item that names a Series) of every place that an annotation has for them."""
    for frame in items(annotation, "ReferencedFrameOfReferenceSequence"):
        for study in items(frame, "RTReferencedStudySequence"):
            for series in items(study, "RTReferencedSeriesSequence"):
                yield uid(study, "ReferencedSOPInstanceUID"), series
    for keyword in (
        "StudiesContainingOtherReferencedInstancesSequence",
        "CurrentRequestedProcedureEvidenceSequence",
        "PertinentOtherEvidenceSequence",
        "BlendingSequence",
    ):
        for study in items(annotation, keyword):
            yield from ((uid(study, "StudyInstanceUID"), series) for series in items(study, "ReferencedSeriesSequence"))
    yield from (("", series) for series in items(annotation, "ReferencedSeriesSequence"))


def _instance_items(series: Dataset) -> list[Dataset]:
    """Return the references to Instances in an item that names a Series."""
    keywords = (
        "ContourImageSequence",
        "ReferencedSOPSequence",
        "ReferencedInstanceSequence",
        "ReferencedImageSequence",
    )
    return [item for keyword in keywords for item in items(series, keyword)]


def _may_be_images(series: Dataset) -> bool:
    """Tell whether a Series reference names an Instance that is no annotation, or none at all."""
    classes = [uid(item, "ReferencedSOPClassUID") for item in _instance_items(series)]
    return not classes or not all(is_annotation(sop_class) for sop_class in classes)


def referenced_instances(annotation: Dataset) -> list[str]:
    """Return the SOP Instance UIDs of the images that an annotation refers to, sorted.

    Raises:
        MalformedDicom: when the references cannot be read.
    """
    references = [item for _, series in _series_items(annotation) for item in _instance_items(series)]
    references += items(annotation, "SourceImageSequence")
    references += _contour_images(annotation) if not references else []
    references += [
        image
        for note in items(annotation, "GraphicAnnotationSequence")
        for image in items(note, "ReferencedImageSequence")
    ]
    images = (item for item in references if not is_annotation(uid(item, "ReferencedSOPClassUID")))
    return _sorted_uids(uid(item, "ReferencedSOPInstanceUID") for item in images)


def _contour_images(annotation: Dataset) -> list[Dataset]:
    """Return the references to images of single contours."""
    return [
        image
        for structure in items(annotation, "ROIContourSequence")
        for contour in items(structure, "ContourSequence")
        for image in items(contour, "ContourImageSequence")
    ]


def referenced_frames_of_reference(annotation: Dataset) -> list[str]:
    """Return the Frame of Reference UIDs that an annotation's coordinates count in, sorted; none where they are pixels.

    Raises:
        MalformedDicom: when the references cannot be read.
    """
    found = [uid(annotation, "FrameOfReferenceUID")]
    found += [uid(item, "FrameOfReferenceUID") for item in items(annotation, "ReferencedFrameOfReferenceSequence")]
    found += [uid(item, "ReferencedFrameOfReferenceUID") for item in items(annotation, "StructureSetROISequence")]
    found += [uid(item, "ReferencedFrameOfReferenceUID") for item in content_items(annotation)]
    return _sorted_uids(found)


def content_items(report: Dataset, depth: int = 0) -> Iterator[Dataset]:
    """Give every content item below `report`, parents first; items nested deeper than 32 are not looked at."""
    for item in items(report, "ContentSequence"):
        yield item
        if depth < 32:
            yield from content_items(item, depth + 1)


def _sorted_uids(uids: Iterable[str]) -> list[str]:
    return sorted({found for found in uids if found})


def applies_to(annotation: Dataset, volume: Volume) -> bool:
    """Tell whether an annotation is about `volume`: same Frame of Reference where both name one, and its Series.

    Where the annotation names no Series, the Frame of Reference decides; where it names none either, its Instances do.
    """
    frames_of_reference = referenced_frames_of_reference(annotation)
    own = volume.geometry.frame_of_reference_uid
    if own and frames_of_reference and own not in frames_of_reference:
        return False
    if series := referenced_series(annotation):
        return volume.series.series_uid in {ref.series_uid for ref in series}
    if own and own in frames_of_reference:
        return True
    return not {frame.sop_instance_uid for frame in volume.frames}.isdisjoint(referenced_instances(annotation))
