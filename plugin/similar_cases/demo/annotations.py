"""A mask made into what experts leave in an archive: a DICOM SEG, or an RT Structure Set with contours."""

from collections.abc import Sequence

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.sr.codedict import codes
from pydicom.uid import RTStructureSetStorage
from pydicom.valuerep import DT
from skimage import measure

from similar_cases.demo.image_series import with_file_meta
from similar_cases.domain.case import derived_uid

_STUDY_KEYWORDS = (
    "SpecificCharacterSet", "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID",
    "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber", "StudyDescription",
)  # fmt: skip
_MAKER = "Similar Cases Phantoms"


def segmentation_of(images: Sequence[Dataset], mask: NDArray[np.bool_], label: str) -> Dataset:
    """Return a BINARY SEG with one segment, drawn by hand; empty frames are left out.

    Args:
        images: the Instances of one series, in the order of their slices.
        mask: (slices, rows, columns), slice k on image k, at least one voxel set.
        label: Segment Label.
    """
    key = (images[0].SeriesInstanceUID, label)
    seg = hd.seg.Segmentation(
        source_images=images,
        pixel_array=mask.astype(np.uint8),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(label, derived_uid("demo tracking", *key))],
        series_instance_uid=derived_uid("demo seg series", *key),
        series_number=int(images[0].SeriesNumber) + 100,
        sop_instance_uid=derived_uid("demo seg", *key),
        instance_number=1,
        manufacturer=_MAKER,
        manufacturer_model_name="Phantom",
        software_versions="1",
        device_serial_number="1",
        series_description=f"Mask of {label}",
        content_creator_name="Phantom^Maker",
    )
    seg.ContentDate = seg.SeriesDate = seg.InstanceCreationDate = images[0].StudyDate
    seg.ContentTime = seg.SeriesTime = seg.InstanceCreationTime = images[0].StudyTime
    for equipment in seg.ContributingEquipmentSequence:
        equipment.ContributionDateTime = DT(f"{images[0].StudyDate}{images[0].StudyTime}")
    _replace_dimension_uid(seg, derived_uid("demo seg dimensions", *key))
    return seg


def structure_set_of(images: Sequence[Dataset], mask: NDArray[np.bool_], label: str) -> Dataset:
    """Return an RTSTRUCT with one ROI whose closed contours run half-way between the voxels in and out.

    Rasterized at voxel centres, holes by XOR, it gives `mask` again.

    Args:
        images: as in ``segmentation_of``.
        mask: as in ``segmentation_of``.
        label: ROI Name.
    """
    first = images[0]
    structure_set = _structure_set_header(first, label)
    structure_set.ReferencedFrameOfReferenceSequence = DicomSequence([_referenced_frame_of_reference(images)])
    roi = Dataset()
    roi.ROINumber = 1
    roi.ReferencedFrameOfReferenceUID = first.FrameOfReferenceUID
    roi.ROIName = label
    roi.ROIGenerationAlgorithm = "MANUAL"
    structure_set.StructureSetROISequence = DicomSequence([roi])
    structure_set.ROIContourSequence = DicomSequence([_roi_contour(images, mask)])
    observation = Dataset()
    observation.ObservationNumber = observation.ReferencedROINumber = 1
    observation.RTROIInterpretedType = "GTV"
    observation.ROIInterpreter = ""
    structure_set.RTROIObservationsSequence = DicomSequence([observation])
    return with_file_meta(structure_set)


def _segment(label: str, tracking_uid: str) -> hd.seg.SegmentDescription:
    return hd.seg.SegmentDescription(
        segment_number=1,
        segment_label=label,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        tracking_uid=tracking_uid,
        tracking_id=label,
    )


def _replace_dimension_uid(seg: Dataset, uid: str) -> None:
    """Make the UID that highdicom draws by chance one that follows from the inputs."""
    for item in (*seg.DimensionOrganizationSequence, *seg.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid


def _structure_set_header(first: Dataset, label: str) -> Dataset:
    structure_set = Dataset()
    for keyword in _STUDY_KEYWORDS:
        if keyword in first:
            setattr(structure_set, keyword, first[keyword].value)
    structure_set.SOPClassUID = RTStructureSetStorage
    structure_set.SOPInstanceUID = derived_uid("demo rtstruct", first.SeriesInstanceUID, label)
    structure_set.SeriesInstanceUID = derived_uid("demo rtstruct series", first.SeriesInstanceUID, label)
    structure_set.Modality = "RTSTRUCT"
    structure_set.SeriesNumber = int(first.SeriesNumber) + 200
    structure_set.SeriesDescription = f"Contours of {label}"
    structure_set.OperatorsName = ""
    structure_set.Manufacturer = _MAKER
    structure_set.ManufacturerModelName = "Phantom"
    structure_set.InstanceNumber = 1
    structure_set.StructureSetLabel = "PHANTOM"
    structure_set.StructureSetDate, structure_set.StructureSetTime = first.StudyDate, first.StudyTime
    structure_set.FrameOfReferenceUID = first.FrameOfReferenceUID
    structure_set.PositionReferenceIndicator = ""
    return structure_set


def _reference(image: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = image.SOPClassUID
    item.ReferencedSOPInstanceUID = image.SOPInstanceUID
    return item


def _referenced_frame_of_reference(images: Sequence[Dataset]) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = images[0].SeriesInstanceUID
    series.ContourImageSequence = DicomSequence([_reference(image) for image in images])
    study = Dataset()
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"  # retired, and still what PS3.3 C.8.8.5 writes
    study.ReferencedSOPInstanceUID = images[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = DicomSequence([series])
    frame = Dataset()
    frame.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = DicomSequence([study])
    return frame


def _roi_contour(images: Sequence[Dataset], mask: NDArray[np.bool_]) -> Dataset:
    roi_contour = Dataset()
    roi_contour.ReferencedROINumber = 1
    roi_contour.ROIDisplayColor = [255, 0, 0]
    roi_contour.ContourSequence = DicomSequence(
        [_contour(image, outline) for image, plane in zip(images, mask, strict=True) for outline in _outlines(plane)]
    )
    return roi_contour


def _outlines(plane: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return closed outlines, each (n, 2) of (row, column) without the repeated last point."""
    padded = np.pad(plane, 1).astype(np.float64)
    return [outline[:-1] - 1 for outline in measure.find_contours(padded, 0.5)]  # type: ignore[no-untyped-call]


def _contour(image: Dataset, outline: NDArray[np.float64]) -> Dataset:
    row_spacing, column_spacing = (float(value) for value in image.PixelSpacing)
    along_row, along_column = np.array(image.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    points = (
        np.array(image.ImagePositionPatient, dtype=np.float64)
        + outline[:, :1] * row_spacing * along_column
        + outline[:, 1:] * column_spacing * along_row
    )
    contour = Dataset()
    contour.ContourImageSequence = DicomSequence([_reference(image)])
    contour.ContourGeometricType = "CLOSED_PLANAR"
    contour.NumberOfContourPoints = len(points)
    contour.ContourData = [f"{value:.4f}" for value in points.ravel()]
    return contour
