"""What a caller may not read is in no answer, by whatever route they ask."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest
from tests.unit.web.conftest import ROOT, TOKEN, checked

from similar_cases import wire
from similar_cases.domain.description import Level
from similar_cases.web.app import create_app
from similar_cases.web.rights import Rights
from similar_cases.web.services import WebOptions

#: who may read the series with these numbers
READERS = {"chief": {0, 1, 2, 3}, "guest": {0, 1}}


@pytest.fixture(scope="module")
def served(archive):
    ids = {ref.series_uid: f"orthanc-{number}" for number, ref in enumerate(archive.refs)}

    def ask_orthanc(shown: Mapping[str, str], orthanc_ids: Collection[str]) -> set[str]:
        return {f"orthanc-{number}" for number in READERS.get(shown.get("token", ""), set())} & set(orthanc_ids)

    rights = Rights(
        credentials=("token",),
        orthanc_ids_of=lambda uids: {uid: ids[uid] for uid in uids if uid in ids},
        ask=ask_orthanc,
    )
    return create_app(replace(archive.services, rights=rights), WebOptions(token=TOKEN)).test_client()


@pytest.fixture
def by(served):
    def asked(user: str, path: str, method: str = "GET", **options: object):
        headers = {wire.TOKEN_HEADER: TOKEN, "token": user, **options.pop("headers", {})}
        answer = served.open(ROOT + path, method=method, headers=headers, buffered=True, **options)
        return checked(answer, method, served)

    return asked


@pytest.fixture
def region_of(archive):
    def found(number: int):
        cases = archive.services.lookups.cases_of(archive.refs[number].series_uid)
        return next(case for case in cases if case.level is Level.REGION)

    return found


def similar_to(ref) -> str:
    return wire.ROUTE_SERIES_SIMILAR.format(study=ref.study_uid, series=ref.series_uid)


def series_in(answer) -> set[str]:
    return {case["series"] for case in answer.get_json()["cases"]}


def test_answers_hold_what_the_caller_may_read(by, archive):
    uids = [ref.series_uid for ref in archive.refs]
    assert series_in(by("chief", similar_to(archive.refs[0]))) == {uids[1], uids[2], uids[3]}
    found = by("guest", similar_to(archive.refs[0]))
    assert series_in(found) == {uids[1]}
    assert "Warning" not in found.headers, "nothing is left behind the page"
    alone = by("guest", f"/series?similar-to={uids[0]}", headers={"Accept": wire.DICOM_JSON})
    assert [item["0020000E"]["Value"] for item in alone.get_json()] == [[uids[1]]]


def test_pages_are_cut_from_what_the_caller_may_read(by, archive):
    first = by("chief", f"{similar_to(archive.refs[0])}?limit=1").get_json()
    rest = by("guest", f"{similar_to(archive.refs[0])}?limit=1&offset=1")
    assert len(first["cases"]) == 1
    assert rest.status_code == 204


def test_whoever_shows_nothing_reads_nothing(by, archive):
    assert by("", similar_to(archive.refs[0])).status_code == 403
    assert by("", "/archive/series").get_json()["series"] == []


def test_what_is_asked_about_must_be_readable(by, archive, region_of):
    hidden, shown = region_of(3), region_of(0)
    tracking = hidden.region.tracking_uid
    asked = [
        ("GET", similar_to(archive.refs[3]), None),
        ("GET", f"/studies/{archive.refs[3].study_uid}/similar", None),
        ("GET", f"/series?similar-to={tracking}", None),
        ("POST", "/similar", {"tracking_uid": tracking}),
        ("POST", "/similar", {"study": archive.refs[3].study_uid, "series": archive.refs[3].series_uid}),
        ("POST", "/similar", {"like": [shown.uid, hidden.uid]}),
        ("POST", "/similar", {"tracking_uid": shown.region.tracking_uid, "unlike": [hidden.uid]}),
    ]
    for method, path, body in asked:
        options = {"json": body} if body else {}
        refused = by("guest", path, method, **options)
        assert refused.status_code == 403, (method, path, body)
        assert refused.get_json()["class"] == "NotAllowed"
        assert by("chief", path, method, **options).status_code == 200, (method, path, body)


def test_nothing_of_a_hidden_series_is_looked_at(by, archive, region_of):
    ref, hidden = archive.refs[3], region_of(3)
    below = f"/studies/{ref.study_uid}/series/{ref.series_uid}"
    paths = [
        f"/archive/series/{ref.series_uid}",
        f"{below}/volumes/0",
        f"{below}/volumes/0/slices?first=0&last=0",
        f"{below}/picture",
        f"{below}/regions/{hidden.region.tracking_uid}",
        f"/cases/{hidden.uid}",
        f"/cases/{hidden.uid}/picture",
    ]
    for path in paths:
        assert by("guest", path).status_code == 403, path
        assert by("chief", path).status_code == 200, path
    body = {"study": ref.study_uid, "series": ref.series_uid, "points": [{"lps": hidden.region.centroid_lps}]}
    assert by("guest", "/region", "POST", json=body).status_code == 403
    for act in ("retry", "hurry"):
        assert by("guest", f"/archive/series/{ref.series_uid}/{act}", "POST", json={}).status_code == 403


def test_the_list_of_series_and_words_on_answers_are_cut(by, archive, region_of):
    listed = by("guest", "/archive/series").get_json()["series"]
    assert {row["series"] for row in listed} == {archive.refs[0].series_uid, archive.refs[1].series_uid}
    for asked, answered in ((0, 1), (0, 3)):
        ref = archive.refs[asked]
        body = {
            "asked": {"study": ref.study_uid, "series": ref.series_uid},
            "case": region_of(answered).uid,
            "verdict": "alike",
        }
        assert by("chief", "/feedback", "POST", json=body).status_code == 200
    assert by("guest", "/feedback", "POST", json=body).status_code == 403
    assert len(by("chief", "/feedback").get_json()["feedback"]) == 2
    assert [one["case_series_uid"] for one in by("guest", "/feedback").get_json()["feedback"]] == [
        archive.refs[1].series_uid
    ]


def test_a_series_that_orthanc_is_not_known_to_have_is_nobodys(by, archive):
    assert by("chief", similar_to(archive.flat)).status_code == 403
