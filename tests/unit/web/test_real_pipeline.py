"""The whole way over HTTP: real volumes, regions, SEG, SR, catalogue and ranking on a folder of phantoms."""

import json

import pytest
from pydicom import Dataset

from similar_cases import wire
from similar_cases.cli.foreground import Selection, ingest_now
from similar_cases.domain.case import SeriesState
from similar_cases.domain.errors import NotFound


def similar(ref) -> str:
    return wire.ROUTE_SERIES_SIMILAR.format(study=ref.study_uid, series=ref.series_uid)


def region_of(ask, ref) -> dict:
    return next(case for case in ask(f"/archive/series/{ref.series_uid}").get_json()["cases"] if "region" in case)


def test_everything_was_indexed_in_the_foreground_and_what_makes_no_volume_refused(archive, ask):
    states = {row.series: row.state for row in archive.rows}
    assert [states[ref] for ref in archive.refs] == [SeriesState.INDEXED] * 4
    assert states[archive.flat] is SeriesState.REFUSED
    refused = ask(f"/archive/series/{archive.flat.series_uid}").get_json()
    assert refused["reason"]
    assert ask("/status").get_json()["cases"] == {"region": 4, "series": 4}


def test_the_lesion_of_the_same_kind_comes_first(archive, ask):
    asked = region_of(ask, archive.refs[0])["region"]["tracking_uid"]
    body = ask(f"{similar(archive.refs[0])}?tracking-uid={asked}").get_json()
    assert body["cases"][0]["series"] == archive.refs[1].series_uid
    assert len(body["cases"]) == 3
    assert [case["rank"] for case in body["cases"]] == [1, 2, 3]
    assert body["cases"][0]["reasons"]


def test_pages_are_a_partition_of_the_whole(archive, ask):
    whole = ask(similar(archive.refs[0])).get_json()["cases"]
    first, second = (ask(f"{similar(archive.refs[0])}?limit=2&offset={offset}") for offset in (0, 2))
    assert [case["case"] for answer in (first, second) for case in answer.get_json()["cases"]] == [
        case["case"] for case in whole
    ]
    assert "There are 1 additional results" in first.headers["Warning"]
    assert ask(f"{similar(archive.refs[0])}?offset=3").status_code == 204


def test_a_point_is_segmented_there_and_then(archive, ask):
    point = region_of(ask, archive.refs[0])["region"]["centroid_lps"]
    ref = archive.refs[0]
    body = {"study": ref.study_uid, "series": ref.series_uid, "points": [{"lps": point}]}
    answer = ask("/similar", "POST", json=body)
    assert answer.status_code == 200
    assert answer.get_json()["segmented"]["centroid_lps"] == pytest.approx(point, abs=15.0)
    body["points"] = [{"lps": [9999.0, 0.0, 0.0]}]
    assert ask("/similar", "POST", json=body).status_code == 422


def test_filters_narrow_and_unknown_ones_are_refused(archive, ask):
    assert ask(f"{similar(archive.refs[0])}?PatientID=P1").get_json()["candidates"] == 1
    assert ask(f"{similar(archive.refs[0])}?Modality=MR").status_code == 204
    assert ask(f"{similar(archive.refs[0])}?PatientWeight=80").status_code == 400
    assert ask(f"{similar(archive.refs[0])}?StudyDate=tomorrow").status_code == 400
    assert ask(f"{similar(archive.refs[0])}?weight=colour:1").status_code == 400


def test_the_same_patient_is_left_out_unless_asked_for(archive, ask):
    own = {case["series"] for case in ask(f"{similar(archive.refs[0])}?include-same-patient=true").get_json()["cases"]}
    others = {case["series"] for case in ask(similar(archive.refs[0])).get_json()["cases"]}
    assert archive.refs[0].series_uid not in own | others
    assert others == {ref.series_uid for ref in archive.refs[1:]}


def test_dicom_json_of_real_cases_round_trips(archive, ask):
    items = ask(f"{similar(archive.refs[0])}?includefield=all", headers={"Accept": wire.DICOM_JSON}).get_json()
    assert [Dataset.from_json(json.dumps(item)).to_json_dict() for item in items] == items


def test_what_is_not_there_and_what_was_refused(archive, ask):
    assert ask("/studies/1.9/series/1.9.1/similar").status_code == 404
    assert ask(similar(archive.flat)).status_code == 422


def test_ingesting_again_changes_nothing_unless_anew(archive):
    uid = archive.refs[0].series_uid
    held = archive.held
    stored = len(held.pacs.stored)
    ingest_now(Selection(series_uid=uid), held.tools, held.reconciliation, held.feed)
    assert len(held.pacs.stored) == stored
    moves = []
    [row] = ingest_now(
        Selection(series_uid=uid),
        held.tools,
        held.reconciliation,
        held.feed,
        anew=True,
        moved=lambda *at: moves.append(at),
    )
    assert (row.state, len(held.pacs.stored)) == (SeriesState.INDEXED, stored + 2)
    assert moves[-1][0] == moves[-1][1]
    with pytest.raises(NotFound):
        ingest_now(Selection(series_uid="1.9"), held.tools, held.reconciliation, held.feed)
