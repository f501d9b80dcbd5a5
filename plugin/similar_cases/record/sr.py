"""What was measured in a Region as a Comprehensive 3D SR: TID 1500 with one TID 1411 group (PS3.16)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite

from highdicom import sr
from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    ContainerContentItem,
    ContentSequence,
    ImageContentItem,
    Measurement,
    MeasurementReport,
    NumContentItem,
    UIDRefContentItem,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import Comprehensive3DSRStorage

from similar_cases.domain.coding import LESION, CodedConcept
from similar_cases.domain.description import Description, EmbeddingSpace, RadiomicsRecipe
from similar_cases.domain.references import FrameRef
from similar_cases.domain.region import Region
from similar_cases.domain.volume import Volume
from similar_cases.record import provenance
from similar_cases.record.codes import (
    MILLILITRE,
    NO_UNITS,
    SEGMENTATION_QUALITY,
    SUM_OF_VOXELS,
    VOLUME,
    code_item,
    feature_concept,
    feature_unit,
)
from similar_cases.record.planes import FramePlane, MaskPlanes
from similar_cases.record.provenance import MANUFACTURER, MODEL, RecorderSettings, Role
from similar_cases.record.seg import algorithm_of, origin_in_words, reference, region_label
from similar_cases.record.source import SourceHeader

#: what was done to the patient, where the source does not say (CID 100)
_PROCEDURES: Mapping[str, Code] = {
    "CT": codes.LN.CTUnspecifiedBodyRegion,
    "MR": codes.LN.MRIUnspecifiedBodyRegion,
    "PT": codes.LN.PETUnspecifiedBodyRegion,
    "NM": codes.LN.NMUnspecifiedBodyRegion,
}
#: CID 29
_MODALITIES: Mapping[str, Code] = {
    "CT": codes.DCM.ComputedTomography,
    "MR": codes.DCM.MagneticResonance,
    "PT": codes.DCM.PositronEmissionTomography,
    "NM": codes.DCM.NuclearMedicine,
    "US": codes.DCM.Ultrasound,
}
#: all that was to be measured is in it; nobody vouches for it; it is no final word
_FLAGS = ("COMPLETE", "UNVERIFIED", "PRELIMINARY")
_LANGUAGE = CodedConcept("en-US", "RFC5646", "English (United States)")
_ACQUISITION_CONTEXT = "HAS ACQ CONTEXT"


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What one report is about: the Region, what was computed of it, and the SEG that holds its mask."""

    volume: Volume
    region: Region
    description: Description
    seg: Dataset
    planes: MaskPlanes


def measurement_report(header: SourceHeader, measured: Measured, settings: RecorderSettings) -> Dataset:
    """Make the SR.

    Args:
        header: from ``source.header_of``.
        measured: what it is about.
        settings: the site's choices.
    """
    instance = _document(header, measured)
    instance.update(_content(header, measured, settings)[0])
    provenance.finish(instance, header, measured.region.tracking_uid, settings)
    return instance


def _document(header: SourceHeader, measured: Measured) -> Dataset:
    """Return what surrounds the content tree (PS3.3 A.35.13, C.17.2).

    highdicom's own constructor copies the tree and searches it for references, which takes twice as long as to make
    it; here it is known what is referred to.
    """
    document = Dataset()
    document.SOPClassUID, document.Modality = Comprehensive3DSRStorage, Role.SR.value
    document.CompletionFlag, document.VerificationFlag, document.PreliminaryFlag = _FLAGS
    document.ReferencedPerformedProcedureStepSequence = []
    document.PerformedProcedureCodeSequence = []
    document.CurrentRequestedProcedureEvidenceSequence = [_evidence(header, measured)]
    return document


def _evidence(header: SourceHeader, measured: Measured) -> Dataset:
    """Name each Instance that the report refers to, the SEG and the source images (PS3.3 C.17.2.3)."""
    images = dict.fromkeys((s.sop_class_uid, s.sop_instance_uid) for s in measured.planes.sources)
    seg = measured.seg
    study = Dataset()
    study.StudyInstanceUID = header.study_uid
    study.ReferencedSeriesSequence = [
        _evidence_series(seg.SeriesInstanceUID, [(seg.SOPClassUID, seg.SOPInstanceUID)]),
        _evidence_series(header.series_uid, images),
    ]
    return study


def _evidence_series(series_uid: str, instances: Iterable[tuple[str, str]]) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = series_uid
    series.ReferencedSOPSequence = [reference(*uids) for uids in instances]
    return series


def _content(header: SourceHeader, measured: Measured, settings: RecorderSettings) -> MeasurementReport:
    report = MeasurementReport(
        observation_context=_observation_context(settings),
        procedure_reported=_PROCEDURES.get(header.modality, codes.SCT.ImagingProcedure),
        imaging_measurements=[_measurement_group(header, measured, settings)],
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=sr.LanguageOfContentItemAndDescendants(code_item(_LANGUAGE)),
    )
    content = report[0].ContentSequence
    content.insert(len(content) - 1, _image_library(header, measured))
    return report


def _observation_context(settings: RecorderSettings) -> sr.ObservationContext:
    """The observer is a device (TID 1004), also where an expert drew the mask: it is the device that measured."""
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=settings.device_uid,
        name=MODEL,
        manufacturer_name=MANUFACTURER,
        model_name=MODEL,
        serial_number=settings.device_serial_number,
    )
    return sr.ObservationContext(
        observer_device_context=sr.ObserverContext(
            observer_type=codes.DCM.Device, observer_identifying_attributes=device
        )
    )


def _image_library(header: SourceHeader, measured: Measured) -> ContainerContentItem:
    """TID 1600: one group; what all its images share stands in the group, the position at each image."""
    group = ContainerContentItem(name=codes.DCM.ImageLibraryGroup, relationship_type="CONTAINS")
    group.ContentSequence = ContentSequence()
    group.ContentSequence.extend(_shared_descriptors(header, measured))
    group.ContentSequence.extend(_library_images(measured.planes))
    library = ContainerContentItem(name=codes.DCM.ImageLibrary, relationship_type="CONTAINS")
    library.ContentSequence = ContentSequence([group])
    return library


def _shared_descriptors(header: SourceHeader, measured: Measured) -> list[sr.ContentItem]:
    """TID 1602 and TID 1604, of what is the same in every image."""
    plane = measured.planes.planes[0]
    modality = _MODALITIES.get(header.modality)
    items: list[sr.ContentItem] = []
    if modality:
        items.append(CodeContentItem(codes.DCM.Modality, modality, _ACQUISITION_CONTEXT))
    uid = measured.volume.geometry.frame_of_reference_uid
    items.append(UIDRefContentItem(codes.DCM.FrameOfReferenceUID, uid, _ACQUISITION_CONTEXT))
    numbers = zip(_PLANE_CONCEPTS, (*plane.size, *plane.spacing_mm[::-1], *plane.orientation), strict=True)
    return items + [_context_number(name, value, unit) for (name, unit), value in numbers]


_PIXELS = Code("{pixels}", "UCUM", "Pixels")
_COSINE = Code("{-1:1}", "UCUM", "{-1:1}")
_PLANE_CONCEPTS = (
    (codes.DCM.PixelDataRows, _PIXELS),
    (codes.DCM.PixelDataColumns, _PIXELS),
    (codes.DCM.HorizontalPixelSpacing, codes.UCUM.Millimeter),
    (codes.DCM.VerticalPixelSpacing, codes.UCUM.Millimeter),
    (codes.DCM.ImageOrientationPatientRowX, _COSINE),
    (codes.DCM.ImageOrientationPatientRowY, _COSINE),
    (codes.DCM.ImageOrientationPatientRowZ, _COSINE),
    (codes.DCM.ImageOrientationPatientColumnX, _COSINE),
    (codes.DCM.ImageOrientationPatientColumnY, _COSINE),
    (codes.DCM.ImageOrientationPatientColumnZ, _COSINE),
)
_POSITION_CONCEPTS = (
    codes.DCM.ImagePositionPatientX,
    codes.DCM.ImagePositionPatientY,
    codes.DCM.ImagePositionPatientZ,
)


def _context_number(name: Code, value: float, unit: Code) -> NumContentItem:
    number = int(value) if unit is _PIXELS else float(value) + 0.0
    return NumContentItem(name, number, unit, relationship_type=_ACQUISITION_CONTEXT)


def _library_images(planes: MaskPlanes) -> list[ImageContentItem]:
    """TID 1601: each Instance once; a multi-frame one with the numbers of its Frames and without a position."""
    frames: dict[tuple[str, str], list[tuple[FrameRef, FramePlane]]] = {}
    for source, plane in zip(planes.sources, planes.planes, strict=True):
        frames.setdefault((source.sop_class_uid, source.sop_instance_uid), []).append((source, plane))
    return [_library_image(*uids, together) for uids, together in frames.items()]


def _library_image(
    sop_class_uid: str, sop_instance_uid: str, frames: Sequence[tuple[FrameRef, FramePlane]]
) -> ImageContentItem:
    numbers = sorted({source.frame_number for source, _ in frames if source.frame_number is not None})
    image = ImageContentItem(
        name=Code("260753009", "SCT", "Source"),
        referenced_sop_class_uid=sop_class_uid,
        referenced_sop_instance_uid=sop_instance_uid,
        referenced_frame_numbers=numbers or None,
        relationship_type="CONTAINS",
    )
    if not numbers:
        position = zip(_POSITION_CONCEPTS, frames[0][1].position_lps, strict=True)
        image.ContentSequence = ContentSequence(
            [_context_number(name, value, codes.UCUM.Millimeter) for name, value in position]
        )
    return image


def _measurement_group(
    header: SourceHeader, measured: Measured, settings: RecorderSettings
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    region = measured.region
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=region.tracking_uid, identifier=region_label(region)),
        referenced_segment=sr.ReferencedSegment(
            sop_class_uid=measured.seg.SOPClassUID,
            sop_instance_uid=measured.seg.SOPInstanceUID,
            segment_number=1,
            source_series=sr.SourceSeriesForSegmentation(header.series_uid),
        ),
        finding_type=code_item(region.finding or LESION),
        finding_sites=[sr.FindingSite(code_item(region.finding_site))] if region.finding_site else None,
        algorithm_id=_algorithm(measured, settings),
        measurements=[*_of_the_mask(region, settings), *_radiomics(measured)],
    )


def _algorithm(measured: Measured, settings: RecorderSettings) -> AlgorithmIdentification:
    """TID 4019 of the whole group: everything that one needs to compute the values again."""
    parameters: list[tuple[str, object]] = [("mask", origin_in_words(measured.region))]
    if radiomics := measured.description.radiomics:
        parameters += _recipe_parameters(radiomics.recipe)
        parameters += [("radiomics.note", note) for note in radiomics.notes]
    parameters += _space_parameters(measured.description.embedding.space)
    return AlgorithmIdentification(MODEL, settings.software_version, [f"{name}={value}" for name, value in parameters])


def _recipe_parameters(recipe: RadiomicsRecipe) -> list[tuple[str, object]]:
    told = {name: " ".join(v) if isinstance(v, tuple) else v for name, v in asdict(recipe).items() if v is not None}
    return [(f"radiomics.{name}", value) for name, value in (*told.items(), ("recipe", recipe.fingerprint))]


def _space_parameters(space: EmbeddingSpace) -> list[tuple[str, object]]:
    """Where the vector came from; the vector itself stays in the catalogue."""
    return [(f"embedding.{name}", value) for name, value in (*asdict(space).items(), ("space", space.id))]


def _of_the_mask(region: Region, settings: RecorderSettings) -> list[Measurement]:
    """What the mask alone tells; these carry the algorithm that drew it."""
    algorithm = _drawn_by(region, settings)
    measurements = [
        Measurement(
            name=code_item(VOLUME),
            value=_rounded(region.volume_ml),
            unit=code_item(MILLILITRE),
            method=code_item(SUM_OF_VOXELS),
            algorithm_id=algorithm,
        )
    ]
    if region.quality is not None:
        measurements.append(_number(SEGMENTATION_QUALITY, region.quality, NO_UNITS, algorithm))
    return measurements


def _drawn_by(region: Region, settings: RecorderSettings) -> AlgorithmIdentification | None:
    algorithm = algorithm_of(region, settings)
    if algorithm is None:
        return None
    parameters = [f"{name}={value}" for name, value in algorithm.parameters]
    return AlgorithmIdentification(algorithm.name, algorithm.version, parameters or None)


def _radiomics(measured: Measured) -> list[Measurement]:
    """One NUM a feature, in the recipe's order. What could not be computed has none."""
    radiomics = measured.description.radiomics
    unit = measured.volume.unit
    return [
        _number(feature_concept(name), value, feature_unit(name, unit))
        for name, value in (radiomics.values.items() if radiomics else ())
        if isfinite(value)
    ]


def _number(
    name: CodedConcept, value: float, unit: CodedConcept, algorithm: AlgorithmIdentification | None = None
) -> Measurement:
    return Measurement(name=code_item(name), value=_rounded(value), unit=code_item(unit), algorithm_id=algorithm)


def _rounded(value: float) -> float:
    """Keep seven digits: those behind them depend on where arrays lie in memory, and must not make another object."""
    return float(f"{value:.7g}")
