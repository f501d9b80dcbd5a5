"""A Region as a DICOM Segmentation (PS3.3 A.51): BINARY, one segment, only the frames that hold a voxel of it."""

import numpy as np
from highdicom import (
    AlgorithmIdentificationSequence,
    PixelMeasuresSequence,
    PlaneOrientationSequence,
    PlanePositionSequence,
)
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from pydicom import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from similar_cases.domain.case import derived_uid
from similar_cases.domain.coding import LESION, CodedConcept
from similar_cases.domain.references import FrameRef
from similar_cases.domain.region import AlgorithmIdentity, Authorship, Region
from similar_cases.record import provenance
from similar_cases.record.codes import code_item, property_category
from similar_cases.record.planes import MaskPlanes
from similar_cases.record.provenance import MANUFACTURER, MODEL, UID_TO_COME, RecorderSettings, plain_code
from similar_cases.record.source import SourceHeader

#: orange, seen on grey images by every kind of colour vision
_COLOUR = CIELabColor(72.0, 30.0, 70.0)
_PATIENT_AXES = "PATIENT"


def segmentation(header: SourceHeader, planes: MaskPlanes, region: Region, settings: RecorderSettings) -> Dataset:
    """Make the SEG of `region`.

    Args:
        header: from ``source.header_of``.
        planes: where the frames lie, from ``planes.mask_planes``.
        region: the mask's owner.
        settings: the site's choices.
    """
    instance = _without_references(header, planes, region, settings)
    _refer_to_sources(instance, header, planes)
    _fix_dimension(instance, header, region)
    provenance.finish(instance, header, region.tracking_uid, settings)
    return instance


def region_label(region: Region) -> str:
    """Return the Region's label as LO allows it: one line, no backslash, at most 64 characters (PS3.5 6.2).

    It is cut at 64 bytes of UTF-8, as not every reader counts characters.
    """
    words = "".join(c if c.isprintable() and c != "\\" else " " for c in region.label).split()
    return " ".join(words).encode()[:64].decode(errors="ignore").strip() or "Region"


def algorithm_of(region: Region, settings: RecorderSettings) -> AlgorithmIdentity | None:
    """Return what drew the mask: None for an expert's; ourselves where a mask names no algorithm."""
    if region.authorship is Authorship.MANUAL:
        return None
    return region.algorithm or AlgorithmIdentity(MODEL, settings.software_version)


def _without_references(
    header: SourceHeader, planes: MaskPlanes, region: Region, settings: RecorderSettings
) -> Dataset:
    first = planes.planes[0]
    made = Segmentation(
        source_images=[_stand_in(header, planes, region)],
        pixel_array=planes.masks,
        segmentation_type="BINARY",
        segment_descriptions=[_segment(region, settings)],
        series_instance_uid=UID_TO_COME,
        series_number=1,
        sop_instance_uid=UID_TO_COME,
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=settings.software_version,
        device_serial_number=settings.device_serial_number,
        content_label="REGION",
        content_description="One region that similar cases are sought by",
        content_creator_name=MODEL.replace(" ", "^"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        plane_positions=[PlanePositionSequence(_PATIENT_AXES, plane.position_lps.tolist()) for plane in planes.planes],
        plane_orientation=PlaneOrientationSequence(_PATIENT_AXES, first.orientation.tolist()),
        pixel_measures=PixelMeasuresSequence(
            first.spacing_mm.tolist(), planes.slice_thickness_mm, planes.slice_spacing_mm
        ),
    )
    return Dataset(made)


def _stand_in(header: SourceHeader, planes: MaskPlanes, region: Region) -> Dataset:
    """Return what highdicom asks of a source image: patient, study and geometry.

    It stands for whatever the source is (classic or enhanced, one or more volumes), so that highdicom need not read
    every header; references to the true Instances and Frames are written by ``_refer_to_sources``.
    """
    first = planes.planes[0]
    image = header.nameless()
    image.update(header.compression)
    image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, UID_TO_COME
    image.FrameOfReferenceUID = region.geometry.frame_of_reference_uid
    image.PositionReferenceIndicator = ""
    image.Rows, image.Columns = first.size
    image.ImagePositionPatient = first.position_lps.tolist()
    image.ImageOrientationPatient = first.orientation.tolist()
    image.PixelSpacing = first.spacing_mm.tolist()
    image.SliceThickness, image.SpacingBetweenSlices = planes.slice_thickness_mm, planes.slice_spacing_mm
    return image


def _segment(region: Region, settings: RecorderSettings) -> SegmentDescription:
    finding = region.finding or LESION
    item = SegmentDescription(
        segment_number=1,
        segment_label=region_label(region),
        segmented_property_category=code_item(property_category(finding)),
        segmented_property_type=code_item(finding),
        algorithm_type=region.authorship.value,
        algorithm_identification=_identification(algorithm_of(region, settings)),
        tracking_uid=region.tracking_uid,
        tracking_id=region_label(region),
        anatomic_regions=[code_item(region.finding_site)] if region.finding_site else None,
        display_color=_COLOUR,
    )
    item.SegmentDescription = origin_in_words(region)
    return item


def origin_in_words(region: Region) -> str:
    """Tell whose mask it is and where its hint came from.

    The longest, with a UID of 64 characters, is well below the 1024 of an ST.
    """
    by = "Kept as drawn" if region.authorship is Authorship.MANUAL else "Drawn by an algorithm"
    where = f" in {region.origin.value}" if region.authorship is Authorship.MANUAL else f" from {region.origin.value}"
    return f"{by}{where} {region.source_sop_instance_uid}".strip()


def _identification(algorithm: AlgorithmIdentity | None) -> AlgorithmIdentificationSequence | None:
    if algorithm is None:
        return None
    return AlgorithmIdentificationSequence(
        name=algorithm.name[:64],
        family=code_item(_family(algorithm)),
        version=algorithm.version[:64],
        parameters=dict(algorithm.parameters) or None,
    )


def _family(algorithm: AlgorithmIdentity) -> CodedConcept:
    """Return the family (CID 7162): what names weights is a network, everything else looks at neighbouring voxels."""
    if any(name == "weights" for name, _ in algorithm.parameters):
        return CodedConcept("123110", "DCM", "Artificial Intelligence")
    return CodedConcept("123101", "DCM", "Neighborhood Analysis")


def _refer_to_sources(instance: Dataset, header: SourceHeader, planes: MaskPlanes) -> None:
    """Write the references: Instances for the whole (PS3.3 C.12.2), Frames for each frame (C.7.6.16.2.6)."""
    unique = dict.fromkeys((s.sop_class_uid, s.sop_instance_uid) for s in planes.sources)
    instance.SourceImageSequence = [reference(*pair) for pair in unique]
    series = Dataset()
    series.SeriesInstanceUID = header.series_uid
    series.ReferencedInstanceSequence = [reference(*pair) for pair in unique]
    instance.ReferencedSeriesSequence = [series]
    positions = np.array([plane.position_lps for plane in planes.planes])
    for groups in instance.PerFrameFunctionalGroupsSequence:  # sorted along the normal by highdicom
        here = np.asarray(groups.PlanePositionSequence[0].ImagePositionPatient, dtype=np.float64)
        source = planes.sources[int(np.abs(positions - here).max(axis=1).argmin())]
        groups.DerivationImageSequence = [_derivation(source, preserved=planes.preserved)]


def reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    """Return a reference to an Instance (PS3.3 10.8)."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
    return item


def _derivation(source: FrameRef, *, preserved: bool) -> Dataset:
    image = reference(source.sop_class_uid, source.sop_instance_uid)
    if source.frame_number is not None:
        image.ReferencedFrameNumber = source.frame_number
    image.SpatialLocationsPreserved = "YES" if preserved else "NO"
    image.PurposeOfReferenceCodeSequence = [plain_code("121322", "DCM", "Source image for image processing operation")]
    item = Dataset()
    item.DerivationCodeSequence = [plain_code("113076", "DCM", "Segmentation")]
    item.SourceImageSequence = [image]
    return item


def _fix_dimension(instance: Dataset, header: SourceHeader, region: Region) -> None:
    """Give the dimension organization a UID that is the same each time."""
    uid = derived_uid("dimension", header.series_uid, region.tracking_uid)
    for item in (*instance.DimensionOrganizationSequence, *instance.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
