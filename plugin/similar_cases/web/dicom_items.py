"""A similar case as one data set, as a search would return it: the standard's attributes, and one private block.

The attributes of the standard are those that QIDO-RS returns for a study and for a series (PS3.18 10.6.3.3), as far as
the catalogue holds them; ours are in `web.private`. How a data set is written is another module's matter: `as_json`
here (PS3.18 annex F), ``dicom_xml`` (PS3.19 annex A).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydicom import Dataset, config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence

from similar_cases.domain.case import Case, RegionSummary
from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.description import RadiomicsVector
from similar_cases.domain.references import FrameRef
from similar_cases.domain.similarity import AgreeingFeature, MatchedFrames, Per, SimilarCase
from similar_cases.index.overview import StudyCounts
from similar_cases.web.ask import Wanted
from similar_cases.web.private import Block

SEG_CLASS, SR_CLASS = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.34"

#: keywords that stand in an answer only when `includefield` asks
FURTHER = ("PatientAge", "BodyPartExamined", "Manufacturer", "ManufacturerModelName")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What an item says beside its case.

    Attributes:
        per: the level of the search: attributes of a series are left out of an item that stands for a study.
        retrieve_root: address of the DICOMweb service, for Retrieve URL (0008,1190).
        studies: what the catalogue counts in Studies, by Study Instance UID.
        instances: number of Instances, by Series Instance UID.
    """

    per: Per = Per.CASE
    retrieve_root: str = ""
    studies: Mapping[str, StudyCounts] = field(default_factory=dict)
    instances: Mapping[str, int] = field(default_factory=dict)


def dicom_item(found: SimilarCase, wanted: Wanted, shown: Shown) -> Dataset:
    """Return one item.

    Args:
        found: the case, its score and its reasons.
        wanted: which further attributes stand in it.
        shown: what else it says.
    """
    item = Dataset()
    case = found.case
    values = {**_study_values(case, shown), **_further_values(case, wanted)}
    if shown.per is not Per.STUDY:
        values |= _series_values(case, shown)
    for keyword, value in values.items():
        _put(item, keyword, value)
    _put_similarity(Block(item), found)
    _put_case(Block(item), case, wanted)
    return item


def as_json(item: Dataset) -> dict[str, Any]:
    """Return the DICOM JSON Model: tag → attribute, in the order of the tags."""
    return dict(sorted(item.to_json_dict().items()))


def _study_values(case: Case, shown: Shown) -> dict[str, object]:
    """Return the attributes of a study (table 10.6.3-3); one that the catalogue does not hold is left out."""
    facts, study = case.facts, case.series.study_uid
    return {
        "SpecificCharacterSet": "ISO_IR 192",
        "StudyDate": facts.study_date,
        "StudyTime": facts.study_time,
        "AccessionNumber": facts.accession_number,
        "StudyDescription": facts.study_description,
        "RetrieveURL": f"{shown.retrieve_root}/studies/{study}",
        "PatientName": facts.patient_name,
        "PatientID": facts.patient_id,
        "PatientBirthDate": facts.patient_birth_date,
        "PatientSex": facts.patient_sex,
        "StudyInstanceUID": study,
        **_counted(shown.studies.get(study)),
    }


def _counted(counts: StudyCounts | None) -> dict[str, object]:
    if counts is None:
        return {}
    return {
        "ModalitiesInStudy": list(counts.modalities),
        "NumberOfStudyRelatedSeries": counts.series,
        "NumberOfStudyRelatedInstances": counts.instances,
    }


def _series_values(case: Case, shown: Shown) -> dict[str, object]:
    """Return the attributes of a series (table 10.6.3-4), with the series' own Retrieve URL."""
    facts, series = case.facts, case.series
    counted = shown.instances.get(series.series_uid)
    return {
        "Modality": facts.modality,
        "SeriesDescription": facts.series_description,
        "RetrieveURL": f"{shown.retrieve_root}/studies/{series.study_uid}/series/{series.series_uid}",
        "SeriesInstanceUID": series.series_uid,
        "SeriesNumber": facts.series_number,
        **({"NumberOfSeriesRelatedInstances": counted} if counted else {}),
    }


def _further_values(case: Case, wanted: Wanted) -> dict[str, object]:
    facts = case.facts
    held = {
        "PatientAge": age_string(facts.patient_age_years),
        "BodyPartExamined": facts.body_part_examined,
        "Manufacturer": facts.manufacturer,
        "ManufacturerModelName": facts.manufacturer_model_name,
    }
    return {keyword: value for keyword, value in held.items() if wanted.wants(keyword)}


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


def _one_value(text: str) -> str:
    """Return `text` without the backslash, which would split it (PS3.5 6.1.2.3)."""
    return text.replace("\\", "/")


def _put_similarity(block: Block, found: SimilarCase) -> None:
    block.put("SimilarityScore", found.similarity.score)
    block.put("SimilarityRank", found.rank)
    parts = [_part(part.name, part.value, part.weight) for part in found.similarity.parts]
    block.put("SimilarityPartSequence", Sequence(parts))
    block.put("SimilarityReason", [_one_value(reason) for reason in found.reasons] or None)
    block.put("MatchedFrameSequence", Sequence([_matched(one) for one in found.matches]) if found.matches else None)
    agreeing = [_agreeing(one) for one in found.features]
    block.put("AgreeingFeatureSequence", Sequence(agreeing) if agreeing else None)
    if found.certainty is not None:
        block.put("ChanceLevel", found.certainty.chance)
        block.put("ChancePairs", found.certainty.pairs)
        block.put("CandidateCount", found.certainty.candidates)


def _matched(match: MatchedFrames) -> Dataset:
    item = _reference(match.found)
    block = Block(item)
    block.put("AskedFrameSequence", Sequence([_reference(match.asked)]) if match.asked else None)
    block.put("FrameSimilarity", match.similarity)
    return item


def _agreeing(feature: AgreeingFeature) -> Dataset:
    item = Dataset()
    block = Block(item)
    block.put("AgreeingFeatureName", feature.name)
    block.put("AskedFeatureValue", feature.asked)
    block.put("FoundFeatureValue", feature.found)
    block.put("AskedFeaturePercentile", feature.asked_percentile)
    block.put("FoundFeaturePercentile", feature.found_percentile)
    return item


def _part(name: str, value: float, weight: float) -> Dataset:
    item = Dataset()
    block = Block(item)
    block.put("SimilarityPartName", name)
    block.put("SimilarityPartValue", value)
    block.put("SimilarityPartWeight", weight)
    return item


def _put_case(block: Block, case: Case, wanted: Wanted) -> None:
    radiomics = case.description.radiomics
    block.put("SimilarCaseUID", case.uid)
    block.put("SimilarCaseLevel", case.level.value.upper())
    block.put("VolumeNumber", case.volume_number)
    block.put("VolumeLabel", _one_value(case.volume_label))
    block.put("KeyFrameSequence", Sequence([_reference(case.key_frame)]))
    block.put("EmbeddingSpaceIdentifier", case.description.embedding.space.id)
    if case.region is not None:
        block.put("SimilarRegionSequence", Sequence([_region(case.region)]))
    if radiomics is not None:
        block.put("RadiomicsRecipeFingerprint", radiomics.recipe.fingerprint)
        if wanted.wants("RadiomicsFeatureSequence"):
            block.put("RadiomicsFeatureSequence", Sequence(_features(radiomics)))


def _features(radiomics: RadiomicsVector) -> list[Dataset]:
    items = []
    for name, value in radiomics.values.items():
        item = Dataset()
        block = Block(item)
        block.put("RadiomicsFeatureName", name)
        block.put("RadiomicsFeatureValue", value)
        items.append(item)
    return items


def _region(region: RegionSummary) -> Dataset:
    item = Dataset()
    _put(item, "TrackingUID", region.tracking_uid)
    if region.authorship:
        _put(item, "SegmentAlgorithmType", region.authorship)
    _put_concept(item, "SegmentedPropertyTypeCodeSequence", region.finding)
    _put_concept(item, "AnatomicRegionSequence", region.finding_site)
    block = Block(item)
    block.put("RegionVolume", region.volume_ml)
    block.put("RegionCentroid", list(region.centroid_lps))
    block.put("RegionLabel", _one_value(region.label))
    block.put("RegionQuality", region.quality)
    results = ((SEG_CLASS, region.seg_sop_instance_uid), (SR_CLASS, region.sr_sop_instance_uid))
    references = [_reference(FrameRef(sop_class, uid)) for sop_class, uid in results if uid]
    block.put("RegionResultSequence", Sequence(references) if references else None)
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
