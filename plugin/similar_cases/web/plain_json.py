"""The same answers as plain JSON, with the words of the glossary as names."""

from dataclasses import asdict
from typing import Any

from similar_cases.domain.case import Case, RegionSummary
from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.references import FrameRef
from similar_cases.domain.similarity import MatchedFrames, SimilarCase, SimilarityAnswer
from similar_cases.domain.volume import SeriesFacts
from similar_cases.index.rows import SeriesRow


def answer_json(answer: SimilarityAnswer) -> dict[str, Any]:
    """Return the answer to `find similar`."""
    body: dict[str, Any] = {
        "cases": [similar_case_json(found) for found in answer.cases],
        "candidates": answer.candidates,
        "remaining": answer.remaining,
        "ranking": answer.ranking,
        "weights": dict(answer.weights),
        "list": answer.frozen,
    }
    if answer.segmented is not None:
        volume_ml, centroid_lps = answer.segmented
        body["segmented"] = {"volume_ml": volume_ml, "centroid_lps": list(centroid_lps)}
    if answer.asked is not None and (radiomics := radiomics_json(answer.asked)):
        body["asked"] = {"radiomics": radiomics}
    return body


def similar_case_json(found: SimilarCase) -> dict[str, Any]:
    """Return one case with its rank, its score in named parts, and its reasons."""
    parts = [{"name": part.name, "value": part.value, "weight": part.weight} for part in found.similarity.parts]
    body = {
        "rank": found.rank,
        "score": found.similarity.score,
        "parts": parts,
        "reasons": list(found.reasons),
        "features": [asdict(feature) for feature in found.features] or None,
        "matches": [_matched_json(match) for match in found.matches] or None,
        "certainty": asdict(found.certainty) if found.certainty else None,
    }
    return {**_known(body), **case_json(found.case)}


def _matched_json(match: MatchedFrames) -> dict[str, Any]:
    asked = _frame_json(match.asked) if match.asked else None
    return _known({"asked": asked, "found": _frame_json(match.found), "similarity": match.similarity})


def case_json(case: Case) -> dict[str, Any]:
    """Return what is known of a case; what is unknown is absent."""
    body = {
        "case": case.uid,
        "level": case.level.value,
        "study": case.series.study_uid,
        "series": case.series.series_uid,
        "volume_number": case.volume_number,
        "volume_label": case.volume_label,
        **facts_json(case.facts),
        "key_frame": _frame_json(case.key_frame),
        "region": region_json(case.region) if case.region else None,
    }
    return _known(body)


def described_case_json(case: Case) -> dict[str, Any]:
    """Return a case with its radiomics."""
    return _known({**case_json(case), "radiomics": radiomics_json(case)})


def radiomics_json(case: Case) -> dict[str, float] | None:
    """Return the features by name; None for a case without, absent where one could not be computed."""
    measured = case.description.radiomics
    return dict(measured.values) if measured else None


def region_json(region: RegionSummary) -> dict[str, Any]:
    """Return what is known of a region."""
    return _known(
        {
            "tracking_uid": region.tracking_uid,
            "label": region.label,
            "finding": _concept_json(region.finding),
            "finding_site": _concept_json(region.finding_site),
            "authorship": region.authorship,
            "origin": region.origin,
            "algorithm": region.algorithm,
            "quality": region.quality,
            "volume_ml": region.volume_ml,
            "centroid_lps": list(region.centroid_lps),
            "seg": region.seg_sop_instance_uid,
            "sr": region.sr_sop_instance_uid,
        }
    )


def series_json(row: SeriesRow, facts: SeriesFacts | None, place: int | None) -> dict[str, Any]:
    """Return where a series stands; `facts` are known of an indexed one, `place` of one that waits."""
    return _known(
        {
            "study": row.series.study_uid,
            "series": row.series.series_uid,
            "kind": row.kind.value,
            "modality": row.modality,
            "instances": row.instance_count,
            "state": row.state.value if row.state else None,
            "reason": row.reason,
            "attempts": row.attempts,
            "place": place,
            "timings": dict(row.timings) or None,
            "seconds": sum(row.timings.values()) if row.timings else None,
            "notes": list(row.notes) or None,
            "updated_at": row.updated_at,
            "indexed_at": row.indexed_at,
            "orthanc_id": row.series_orthanc_id,
            "about": facts_json(facts) if facts else None,
        }
    )


def facts_json(facts: SeriesFacts) -> dict[str, Any]:
    """Return what the headers say, as people read it."""
    return _known(
        {
            "patient_id": facts.patient_id,
            "patient_name": facts.patient_name,
            "patient_sex": facts.patient_sex,
            "patient_age_years": facts.patient_age_years,
            "study_date": facts.study_date,
            "study_description": facts.study_description,
            "modality": facts.modality,
            "series_number": facts.series_number,
            "series_description": facts.series_description,
            "body_part_examined": facts.body_part_examined,
            "manufacturer": facts.manufacturer,
        }
    )


def _frame_json(frame: FrameRef) -> dict[str, Any]:
    return _known({"instance": frame.sop_instance_uid, "frame": frame.frame_number})


def _concept_json(concept: CodedConcept | None) -> dict[str, str] | None:
    return {"value": concept.value, "scheme": concept.scheme, "meaning": concept.meaning} if concept else None


def _known(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None and value != ""}
