"""A similar case as one item of application/dicom+json (PS3.18 annex F).

The attributes of the standard are those that QIDO-RS returns for a study and a series (PS3.18 10.6.3.3); ours stand in
one private block under `wire.PRIVATE_CREATOR`, whose dictionary is in ``docs/api.md``.
"""

import math
from typing import Any

from pydicom import Dataset, config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence

from similar_cases import wire
from similar_cases.domain.case import Case, RegionSummary
from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.references import FrameRef
from similar_cases.domain.similarity import SimilarCase
from similar_cases.web.ask import Wanted

#: group of our private block
PRIVATE_GROUP = 0x0077
#: element of the block, and its VR; the dictionary in docs/api.md
SCORE, RANK, PARTS, PART_NAME, PART_VALUE, PART_WEIGHT, REASONS = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07
CASE_UID, LEVEL, VOLUME_NUMBER, VOLUME_LABEL, KEY_FRAME, REGION = 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D
REGION_ML, CENTROID_LPS, LABEL, QUALITY, RESULTS, SPACE, RECIPE = 0x0E, 0x0F, 0x10, 0x11, 0x12, 0x13, 0x14

SEG_CLASS, SR_CLASS = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.34"

#: keywords that stand in an answer only when `includefield` asks
FURTHER = ("PatientAge", "BodyPartExamined", "Manufacturer", "ManufacturerModelName")


def dicom_json_item(found: SimilarCase, wanted: Wanted, retrieve_root: str) -> dict[str, Any]:
    """Return one item: tag → attribute, in the order of the tags.

    Args:
        found: the case, its score and its reasons.
        wanted: which further attributes stand in it.
        retrieve_root: address of the DICOMweb service, for Retrieve URL (0008,1190).
    """
    item = Dataset()
    case = found.case
    values = {**_standard_values(case, retrieve_root), **_further_values(case, wanted)}
    for keyword, value in values.items():
        _put(item, keyword, value)
    _put_similarity(item, found)
    _put_case(item, case)
    return dict(sorted(item.to_json_dict().items()))


def _standard_values(case: Case, retrieve_root: str) -> dict[str, object]:
    """Return the attributes of a study (table 10.6.3-3) and of a series (table 10.6.3-4) that the catalogue holds."""
    facts, series = case.facts, case.series
    return {
        "SpecificCharacterSet": "ISO_IR 192",
        "StudyDate": facts.study_date,
        "StudyTime": facts.study_time,
        "AccessionNumber": facts.accession_number,
        "Modality": facts.modality,
        "StudyDescription": facts.study_description,
        "SeriesDescription": facts.series_description,
        "RetrieveURL": f"{retrieve_root}/studies/{series.study_uid}/series/{series.series_uid}",
        "PatientName": facts.patient_name,
        "PatientID": facts.patient_id,
        "PatientBirthDate": facts.patient_birth_date,
        "PatientSex": facts.patient_sex,
        "StudyInstanceUID": series.study_uid,
        "SeriesInstanceUID": series.series_uid,
        "SeriesNumber": facts.series_number,
    }


def _further_values(case: Case, wanted: Wanted) -> dict[str, object]:
    facts = case.facts
    held = {
        "PatientAge": age_string(facts.patient_age_years),
        "BodyPartExamined": facts.body_part_examined,
        "Manufacturer": facts.manufacturer,
        "ManufacturerModelName": facts.manufacturer_model_name,
    }
    return {keyword: value for keyword, value in held.items() if wanted.everything or keyword in wanted.keywords}


def age_string(years: float | None) -> str:
    """Return an age as AS (PS3.5 table 6.2-1); below two years in months, empty where unknown.

    >>> age_string(45.9), age_string(0.5), age_string(None)
    ('045Y', '006M', '')
    """
    if years is None or not math.isfinite(years) or not 0 <= years < 1000:
        return ""
    return f"{int(years):03d}Y" if years >= 2 else f"{int(years * 12 + 1e-6):03d}M"


def _put(item: Dataset, keyword: str, value: object) -> None:
    """Set an attribute as the archive holds it, its value not judged; an absent one stands empty, as QIDO asks."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    item.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE))


def _put_similarity(item: Dataset, found: SimilarCase) -> None:
    block = item.private_block(PRIVATE_GROUP, wire.PRIVATE_CREATOR, create=True)
    block.add_new(SCORE, "FD", found.similarity.score)
    block.add_new(RANK, "UL", found.rank)
    parts = [_part(part.name, part.value, part.weight) for part in found.similarity.parts]
    block.add_new(PARTS, "SQ", Sequence(parts))
    if found.reasons:
        # a backslash would split the value (PS3.5 6.1.2.3)
        block.add_new(REASONS, "UC", [reason.replace("\\", "/") for reason in found.reasons])


def _part(name: str, value: float, weight: float) -> Dataset:
    item = Dataset()
    block = item.private_block(PRIVATE_GROUP, wire.PRIVATE_CREATOR, create=True)
    block.add_new(PART_NAME, "LO", name)
    block.add_new(PART_VALUE, "FD", value)
    block.add_new(PART_WEIGHT, "FD", weight)
    return item


def _put_case(item: Dataset, case: Case) -> None:
    block = item.private_block(PRIVATE_GROUP, wire.PRIVATE_CREATOR)
    block.add_new(CASE_UID, "UI", case.uid)
    block.add_new(LEVEL, "CS", case.level.value.upper())
    block.add_new(VOLUME_NUMBER, "UL", case.volume_number)
    if case.volume_label:
        block.add_new(VOLUME_LABEL, "UC", case.volume_label.replace("\\", "/"))
    block.add_new(KEY_FRAME, "SQ", Sequence([_reference(case.key_frame)]))
    block.add_new(SPACE, "LO", case.description.embedding.space.id)
    if case.description.radiomics is not None:
        block.add_new(RECIPE, "LO", case.description.radiomics.recipe.fingerprint)
    if case.region is not None:
        block.add_new(REGION, "SQ", Sequence([_region(case.region)]))


def _region(region: RegionSummary) -> Dataset:
    item = Dataset()
    _put(item, "TrackingUID", region.tracking_uid)
    if region.authorship:
        _put(item, "SegmentAlgorithmType", region.authorship)
    _put_concept(item, "SegmentedPropertyTypeCodeSequence", region.finding)
    _put_concept(item, "AnatomicRegionSequence", region.finding_site)
    block = item.private_block(PRIVATE_GROUP, wire.PRIVATE_CREATOR, create=True)
    block.add_new(REGION_ML, "FD", region.volume_ml)
    block.add_new(CENTROID_LPS, "FD", list(region.centroid_lps))
    if region.label:
        block.add_new(LABEL, "UC", region.label.replace("\\", "/"))
    if region.quality is not None:
        block.add_new(QUALITY, "FD", region.quality)
    results = ((SEG_CLASS, region.seg_sop_instance_uid), (SR_CLASS, region.sr_sop_instance_uid))
    references = [_reference(FrameRef(sop_class, uid)) for sop_class, uid in results if uid]
    if references:
        block.add_new(RESULTS, "SQ", Sequence(references))
    return item


def _put_concept(item: Dataset, keyword: str, concept: CodedConcept | None) -> None:
    if concept is None:
        return
    code = Dataset()
    _put(code, "CodeValue", concept.value)
    _put(code, "CodingSchemeDesignator", concept.scheme)
    _put(code, "CodeMeaning", concept.meaning)
    _put(item, keyword, Sequence([code]))


def _reference(frame: FrameRef) -> Dataset:
    item = Dataset()
    _put(item, "ReferencedSOPClassUID", frame.sop_class_uid)
    _put(item, "ReferencedSOPInstanceUID", frame.sop_instance_uid)
    if frame.frame_number is not None:
        _put(item, "ReferencedFrameNumber", frame.frame_number)
    return item
