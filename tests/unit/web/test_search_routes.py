"""Find similar in QIDO-RS's shapes, over a real small archive: what is asked about, what an item holds, the paging."""

import json

import pytest
from pydicom import Dataset
from tests.unit.web.conftest import ROOT, TOKEN

from similar_cases import wire
from similar_cases.domain.case import SeriesState

DICOM = {"Accept": wire.DICOM_JSON}


@pytest.fixture
def first(archive):
    """The first patient's series and the region in it."""
    cases = archive.held.tools.lookups.cases_of(archive.refs[0].series_uid)
    return archive.refs[0], next(case for case in cases if case.region)


def items(answer) -> list[Dataset]:
    assert (answer.status_code, answer.content_type) == (200, wire.DICOM_JSON)
    return [Dataset.from_json(json.dumps(one)) for one in answer.get_json()]


def test_series_are_searched_by_any_uid_of_what_is_asked_about(ask, archive, first):
    ref, case = first
    by_region = items(ask(f"/series?similar-to={case.region.tracking_uid}", headers=DICOM))
    # the patient with the same kind of lesion first, the asked patient not at all
    assert by_region[0].SeriesInstanceUID == archive.refs[1].series_uid
    assert {one.SeriesInstanceUID for one in by_region} == {one.series_uid for one in archive.refs[1:]}
    assert items(ask(f"/series?similar-to={case.uid}", headers=DICOM)) == by_region
    by_series = items(ask(f"/series?similar-to={ref.series_uid}", headers=DICOM))
    assert {one.private_block(0x77, wire.PRIVATE_CREATOR)[0x09].value for one in by_series} == {"SERIES"}
    assert items(ask(f"/series?similar-to={ref.study_uid}", headers=DICOM)) == by_series
    assert items(ask(f"/studies/{ref.study_uid}/similar", headers=DICOM)) == by_series


def test_an_item_of_a_study_says_what_the_study_holds(ask, archive, first):
    _, case = first
    found = items(ask(f"/studies?similar-to={case.region.tracking_uid}", headers=DICOM))
    assert found[0].StudyInstanceUID == archive.refs[1].study_uid
    for one in found:
        assert "SeriesInstanceUID" not in one
        assert "Modality" not in one
        assert set(one.ModalitiesInStudy) >= {"CT", "RTSTRUCT"}
        series = list(archive.held.tools.pacs.search_series(one.StudyInstanceUID))
        assert one.NumberOfStudyRelatedSeries <= len(series)
        assert one.RetrieveURL.endswith(f"/dicom-web/studies/{one.StudyInstanceUID}")


def test_an_item_of_a_series_says_what_the_series_holds(ask, archive, first):
    _, case = first
    for one in items(ask(f"/series?similar-to={case.region.tracking_uid}", headers=DICOM)):
        assert one.NumberOfSeriesRelatedInstances == 10
        assert one.RetrieveURL.endswith(f"/studies/{one.StudyInstanceUID}/series/{one.SeriesInstanceUID}")


def test_the_series_of_one_study_are_searched_below_it(ask, archive, first):
    _, case = first
    study = archive.refs[2].study_uid
    [one] = items(ask(f"/studies/{study}/series?similar-to={case.region.tracking_uid}", headers=DICOM))
    assert one.SeriesInstanceUID == archive.refs[2].series_uid
    # the asked patient's own study holds nothing but the patient, who is left out unless asked for
    own = f"/studies/{first[0].study_uid}/series?similar-to={case.region.tracking_uid}"
    assert ask(own).status_code == 204
    assert ask("/studies/1.9/series?similar-to=" + case.region.tracking_uid).status_code == 204


def test_filters_narrow_a_search(ask, archive, first):
    _, case = first
    uid = archive.refs[3].series_uid
    path = f"/series?similar-to={case.region.tracking_uid}"
    assert [one.SeriesInstanceUID for one in items(ask(f"{path}&SeriesInstanceUID={uid}", headers=DICOM))] == [uid]
    assert ask(f"{path}&Modality=MR").status_code == 204
    assert [one.PatientID for one in items(ask(f"{path}&PatientID=P3", headers=DICOM))] == ["P3"]


@pytest.mark.parametrize("path", ["/series", "/studies"])
def test_pages_follow_each_other_and_say_what_remains(ask, first, path):
    asked = f"{path}?similar-to={first[1].region.tracking_uid}"
    whole = items(ask(f"{asked}&limit=100", headers=DICOM))
    pages = [ask(f"{asked}&limit=2&offset={offset}", headers=DICOM) for offset in (0, 2)]
    assert [one for page in pages for one in items(page)] == whole
    assert f"There are {len(whole) - 2} additional results that can be requested" in pages[0].headers["Warning"]
    assert "Warning" not in pages[1].headers
    assert ask(f"{asked}&offset=100").status_code == 204


def test_a_frame_asks_about_the_region_that_reaches_into_it(ask, archive, first):
    ref, case = first
    volume = archive.held.tools
    [held] = [one for one in archive.held.tools.lookups.cases_of(ref.series_uid) if one.region]
    lower, upper = held.region.lower_index[0], held.region.upper_index[0]
    images = sorted(volume.pacs.retrieve_series(ref), key=lambda one: float(one.ImagePositionPatient[2]))
    below = f"/studies/{ref.study_uid}/series/{ref.series_uid}/instances/{{}}/frames/{{}}/similar"

    def levels(slice_number: int) -> set[str]:
        answer = ask(below.format(images[slice_number].SOPInstanceUID, 1))
        assert answer.status_code == 200
        return {one["level"] for one in answer.get_json()["cases"]}

    assert [levels(k) for k in (lower, upper - 1)] == [{"region"}] * 2
    assert levels(0 if lower > 0 else len(images) - 1) == {"series"}
    whole = ask(below.format(images[lower].SOPInstanceUID, 1)).get_json()
    by_region = f"/studies/{ref.study_uid}/series/{ref.series_uid}/similar?tracking-uid={case.region.tracking_uid}"
    assert whole == ask(by_region).get_json()
    assert ask(below.format(images[0].SOPInstanceUID, 2)).status_code == 404
    assert ask(below.format("1.2.3", 1)).status_code == 404
    assert ask(below.format(images[0].SOPInstanceUID, "x")).status_code == 400


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/series", 400, "similar-to"),
        ("/studies?similar-to=", 400, "similar-to"),
        ("/series?similar-to=abc", 400, "UID"),
        ("/series?similar-to=1.9.9", 404, "1.9.9"),
        ("/series?similar-to=1.9.9&tracking-uid=1.2", 400, "tracking-uid"),
        ("/series?similar-to=1.9.9&no-such=1", 400, "no-such"),
        ("/series?similar-to=1.9&similar-to=1.8", 400, "twice"),
        ("/studies/1.9/similar", 404, "1.9"),
        ("/studies/1.9/similar?rank-by=no-such", 404, "1.9"),
        ("/studies/1.9/similar?similar-to=1.9", 400, "similar-to"),
        ("/studies/x/similar", 400, "UID"),
        ("/studies/x/series?similar-to=1.9", 400, "UID"),
        ("/series?similar-to=1.9&charset=latin-1", 406, "utf-8"),
        ("/series?similar-to=1.9&accept=text/html", 406, "multipart/related"),
    ],
)
def test_what_cannot_be_answered_says_why(ask, path, status, word):
    answer = ask(path)
    assert answer.status_code == status
    assert word in answer.get_json()["detail"]


def test_an_unknown_ranking_names_the_known_ones(ask, first):
    answer = ask(f"/series?similar-to={first[1].region.tracking_uid}&rank-by=no-such")
    assert answer.status_code == 400
    assert "no-such" in answer.get_json()["detail"]


def test_what_is_not_indexed_says_its_state(ask, archive):
    study, uid = archive.flat.study_uid, archive.flat.series_uid
    assert ask(f"/series?similar-to={uid}").status_code == 422
    row = archive.held.tools.lookups.series_row(uid)
    assert row.state is SeriesState.REFUSED
    assert ask(f"/studies/{study}/series/{uid}/instances/1.2/frames/1/similar").status_code == 422


def test_head_says_what_get_would(archive, first):
    path = f"{ROOT}/series?similar-to={first[1].region.tracking_uid}"
    headers = {wire.TOKEN_HEADER: TOKEN}
    head, get = (archive.client.open(path, method=method, headers=headers) for method in ("HEAD", "GET"))
    assert (head.status_code, head.content_type, head.data) == (200, get.content_type, b"")
    assert head.content_length == get.content_length
