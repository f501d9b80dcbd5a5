"""Annotation objects and the volumes that they are about, made by code; SEG, SR and PR written by highdicom."""

from collections.abc import Sequence
from io import BytesIO

import highdicom as hd
import numpy as np
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian
from tests.phantoms import Grid, series

from similar_cases.domain.case import derived_uid
from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.references import FrameRef, SeriesRef
from similar_cases.domain.volume import SeriesFacts, Volume, VoxelUnit

EQUIPMENT = {
    "manufacturer": "Somebody",
    "manufacturer_model_name": "Workstation",
    "software_versions": "1",
    "device_serial_number": "1",
}
RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"


def source(name: str = "annotated", grid: Grid | None = None) -> list[Dataset]:
    """A CT series."""
    return series(name, grid=grid or Grid())


def volume_of(instances: Sequence[Dataset], grid: Grid | None = None) -> Volume:
    """The volume of a phantom, without its voxels, which no prompt needs."""
    where = grid or Grid()
    row, column = np.array(where.orientation[:3]), np.array(where.orientation[3:])
    affine = np.eye(4)
    step = where.origin_of(1) - where.origin_of(0)
    affine[:3, :3] = np.stack([step, column * where.spacing_mm[1], row * where.spacing_mm[2]], axis=1)
    affine[:3, 3] = where.origin_of(0)
    first = instances[0]
    return Volume(
        array=np.zeros(where.shape, np.float32),
        geometry=VolumeGeometry(affine, where.shape, str(first.FrameOfReferenceUID)),
        unit=VoxelUnit.HU,
        series=SeriesRef(str(first.StudyInstanceUID), str(first.SeriesInstanceUID)),
        facts=SeriesFacts(modality="CT"),
        frames=tuple(FrameRef(str(one.SOPClassUID), str(one.SOPInstanceUID)) for one in instances),
    )


def reread(dataset: Dataset) -> Dataset:
    """The object as it comes from an archive: through bytes."""
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return dcmread(BytesIO(buffer.getvalue()))


def contour(points_lps: np.ndarray, kind: str = "CLOSED_PLANAR") -> Dataset:
    """One contour of (n, 3) LPS mm."""
    item = Dataset()
    item.ContourGeometricType = kind
    item.NumberOfContourPoints = len(points_lps)
    item.ContourData = [f"{value:.6f}"[:16] for value in np.asarray(points_lps).ravel()]
    return item


def square(grid: VolumeGeometry, k: float, low: float, high: float) -> np.ndarray:
    """A square of (4, 3) LPS mm in slice k, from index `low` to `high` along rows and columns."""
    corners = [(k, low, low), (k, low, high), (k, high, high), (k, high, low)]
    return grid.index_to_lps(corners)


def rtstruct(volume: Volume, structures: dict[str, tuple[str, Sequence[Dataset]]], name: str = "structures") -> Dataset:
    """An RT Structure Set of name → (interpreted type, contours), numbered from 1."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = RTSTRUCT_CLASS
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = derived_uid("test", name)
    dataset.StudyInstanceUID = volume.series.study_uid
    dataset.SeriesInstanceUID = derived_uid("test", name, "series")
    dataset.Modality = "RTSTRUCT"
    series_item, study, frame = Dataset(), Dataset(), Dataset()
    series_item.SeriesInstanceUID = volume.series.series_uid
    series_item.ContourImageSequence = [_image(frame_ref) for frame_ref in volume.frames]
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    study.ReferencedSOPInstanceUID = volume.series.study_uid
    study.RTReferencedSeriesSequence = [series_item]
    frame.FrameOfReferenceUID = volume.geometry.frame_of_reference_uid
    frame.RTReferencedStudySequence = [study]
    dataset.ReferencedFrameOfReferenceSequence = [frame]
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    dataset.RTROIObservationsSequence = []
    for number, (roi_name, (kind, contours)) in enumerate(structures.items(), start=1):
        roi, drawn, observation = Dataset(), Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, roi_name
        roi.ReferencedFrameOfReferenceUID = volume.geometry.frame_of_reference_uid
        drawn.ReferencedROINumber, drawn.ContourSequence = number, list(contours)
        observation.ObservationNumber = observation.ReferencedROINumber = number
        observation.RTROIInterpretedType = kind
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.append(drawn)
        dataset.RTROIObservationsSequence.append(observation)
    return dataset


def _image(frame: FrameRef) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = frame.sop_class_uid, frame.sop_instance_uid
    return item


def segmentation(instances: Sequence[Dataset], mask: np.ndarray, kind: str, segments: int = 1) -> Dataset:
    """A SEG by highdicom; `mask` is (slices, rows, columns), with a last axis for several segments."""
    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"part {number}",
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Neoplasm,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
            anatomic_regions=[codes.SCT.Lung],
            tracking_uid=derived_uid("test", "tracked", number),
            tracking_id=f"tracked {number}",
        )
        for number in range(1, segments + 1)
    ]
    return hd.seg.Segmentation(
        source_images=list(instances),
        pixel_array=mask,
        segmentation_type=kind,
        segment_descriptions=descriptions,
        series_instance_uid=derived_uid("test", "seg", "series"),
        series_number=2,
        sop_instance_uid=derived_uid("test", "seg"),
        instance_number=1,
        max_fractional_value=100,
        omit_empty_frames=True,
        **EQUIPMENT,
    )


def report(instances: Sequence[Dataset], groups: Sequence[object]) -> Dataset:
    """A Comprehensive 3D SR of TID 1500 by highdicom."""
    observer = hd.sr.ObserverContext(
        observer_type=codes.DCM.Person,
        observer_identifying_attributes=hd.sr.PersonObserverIdentifyingAttributes(name="Reader^One"),
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_person_context=observer),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=list(groups),
    )
    return hd.sr.Comprehensive3DSR(
        evidence=list(instances),
        content=content[0],
        series_instance_uid=derived_uid("test", "sr", "series"),
        series_number=3,
        sop_instance_uid=derived_uid("test", "sr"),
        instance_number=1,
        manufacturer="Somebody",
    )


def tracking(number: int = 1) -> hd.sr.TrackingIdentifier:
    """A tracking identifier of a report."""
    return hd.sr.TrackingIdentifier(uid=derived_uid("test", "sr tracked", number), identifier=f"lesion {number}")


def region_on(image: Dataset, graphic_type: str, points: Sequence[tuple[float, float]]) -> hd.sr.ImageRegion:
    """A region of (column, row) points on one image."""
    return hd.sr.ImageRegion(
        graphic_type=hd.sr.GraphicTypeValues(graphic_type),
        graphic_data=np.array(points, dtype=float),
        source_image=hd.sr.SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID),
    )


def presentation_state(
    instances: Sequence[Dataset],
    on: Sequence[Dataset],
    graphics: Sequence[hd.pr.GraphicObject] = (),
    texts: Sequence[hd.pr.TextObject] = (),
) -> Dataset:
    """A grayscale softcopy presentation state by highdicom with one annotation on the images `on`."""
    layer = hd.pr.GraphicLayer("LAYER", order=1)
    note = hd.pr.GraphicAnnotation(
        referenced_images=list(on), graphic_layer=layer, graphic_objects=list(graphics), text_objects=list(texts)
    )
    return hd.pr.GrayscaleSoftcopyPresentationState(
        referenced_images=list(instances),
        series_instance_uid=derived_uid("test", "pr", "series"),
        series_number=4,
        sop_instance_uid=derived_uid("test", "pr"),
        instance_number=1,
        content_label="NOTES",
        graphic_annotations=[note],
        graphic_layers=[layer],
        **EQUIPMENT,
    )


def graphic(kind: str, points: Sequence[tuple[float, float]], units: str = "PIXEL") -> hd.pr.GraphicObject:
    """A graphic of (column, row) points."""
    return hd.pr.GraphicObject(graphic_type=kind, graphic_data=np.array(points, dtype=float), units=units)
