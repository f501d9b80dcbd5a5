"""The two routes that find similar cases: QIDO's grammar, JSON bodies, media types and statuses."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from tests.unit.web.conftest import ROOT, STUDY, TOKEN, series_of

from similar_cases import wire
from similar_cases.domain import errors
from similar_cases.domain.prompts import BoxPrompt, PointPrompt, Polarity
from similar_cases.domain.references import SeriesRef

PATH = f"/studies/{STUDY}.1/series/{STUDY}.1.1/similar"
BODY = {"study": f"{STUDY}.1", "series": f"{STUDY}.1.1"}


def test_json_names_score_parts_reasons_and_the_case(http):
    answer = http.get(PATH)
    assert (answer.status_code, answer.content_type) == (200, wire.JSON)
    body = answer.get_json()
    assert (body["candidates"], body["remaining"]) == (9, 7)
    first = body["cases"][0]
    assert (first["rank"], first["score"], first["series"]) == (1, 1.0, series_of(2).series_uid)
    assert first["parts"][0] == {"name": "appearance", "value": 1.0, "weight": 0.7}
    assert first["reasons"] == ["both small", "back\\slash"]
    assert first["key_frame"] == {"instance": f"{STUDY}.2.1.7", "frame": 3}
    assert first["region"]["finding"]["meaning"] == "Lesion"
    assert first["orthanc_id"] == f"orthanc-{STUDY}.2.1"


def test_dicom_json_is_read_by_pydicom_as_qido_items(http):
    answer = http.get(PATH, headers={"Accept": wire.DICOM_JSON})
    assert (answer.status_code, answer.content_type) == (200, wire.DICOM_JSON)
    items = answer.get_json()
    assert [list(item) for item in items] == [sorted(item) for item in items]
    assert items[0]["00100010"] == {
        "vr": "PN",
        "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}],
    }
    dataset = Dataset.from_json(json.dumps(items[0]))
    assert (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.Modality) == (
        f"{STUDY}.2",
        f"{STUDY}.2.1",
        "CT",
    )
    assert dataset.SeriesNumber == 4
    assert dataset.RetrieveURL == f"http://127.0.0.1:8042/dicom-web/studies/{STUDY}.2/series/{STUDY}.2.1"
    block = dataset.private_block(0x0077, wire.PRIVATE_CREATOR)
    assert (block[0x01].value, block[0x02].value, block[0x09].value) == (1.0, 1, "REGION")
    parts = [item.private_block(0x0077, wire.PRIVATE_CREATOR) for item in block[0x03].value]
    assert [(part[0x04].value, part[0x05].value, part[0x06].value) for part in parts] == [
        ("appearance", 1.0, 0.7),
        ("radiomics", 0.5, 0.3),
    ]
    assert list(block[0x07].value) == ["both small", "back/slash"]
    region = block[0x0D].value[0]
    assert region.TrackingUID == f"{STUDY}.2.1.9"
    assert region.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Lesion"
    key = block[0x0C].value[0]
    assert (key.ReferencedSOPInstanceUID, key.ReferencedFrameNumber) == (f"{STUDY}.2.1.7", 3)


def test_dicom_json_written_and_read_again_is_the_same(http):
    for item in http.get(PATH, headers={"Accept": wire.DICOM_JSON}).get_json():
        assert Dataset.from_json(json.dumps(item)).to_json_dict() == item


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ("", set()),
        ("includefield=BodyPartExamined", {"00180015"}),
        ("includefield=00180015,PatientAge", {"00180015", "00101010"}),
        ("includefield=00180015&includefield=PatientAge", {"00180015", "00101010"}),
        ("includefield=all", {"00180015", "00101010", "00080070", "00081090"}),
        ("includefield=PatientComments", set()),
    ],
)
def test_includefield_adds_attributes(http, include, expected):
    further = {"00180015", "00101010", "00080070", "00081090"}
    item = http.get(f"{PATH}?{include}", headers={"Accept": wire.DICOM_JSON}).get_json()[0]
    assert further & set(item) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", wire.JSON),
        ("*/*", wire.JSON),
        ("application/*", wire.JSON),
        ("application/json", wire.JSON),
        ("application/dicom+json", wire.DICOM_JSON),
        ("application/dicom+json; transfer-syntax=*", wire.DICOM_JSON),
        ("application/json;q=0.5, application/dicom+json;q=0.6", wire.DICOM_JSON),
        ("application/json;q=0, */*", wire.DICOM_JSON),
        ("text/html, application/xhtml+xml, */*;q=0.8", wire.JSON),
        ("APPLICATION/DICOM+JSON", wire.DICOM_JSON),
        ("multipart/related; type=application/dicom", 406),
        ("application/json;q=0, application/dicom+json;q=0", 406),
        ("image/png", 406),
        (";;;,,", 406),
    ],
)
def test_the_media_type_is_negotiated(http, accept, expected):
    answer = http.get(PATH, headers={"Accept": accept})
    if expected == 406:
        assert answer.status_code == 406
        assert answer.get_json()["class"] == "NotAcceptable"
        assert not http.asked.queries
    else:
        assert (answer.status_code, answer.content_type) == (200, expected)


def test_the_parameter_accept_wins_over_the_header(http):
    answer = http.get(f"{PATH}?accept=application/dicom%2Bjson", headers={"Accept": "image/png"})
    assert answer.content_type == wire.DICOM_JSON
    assert http.get(f"{PATH}?accept=image/png").status_code == 406


def test_nothing_similar_is_204_without_a_body(with_answer):
    answer = with_answer(cases=(), remaining=0).get(PATH)
    assert (answer.status_code, answer.data) == (204, b"")


def test_more_to_come_is_a_warning(with_answer):
    assert with_answer().get(PATH).headers["Warning"].startswith("299 ")
    assert "There are 7 additional results" in with_answer().get(PATH).headers["Warning"]
    assert "Warning" not in with_answer(remaining=0).get(PATH).headers


def test_the_query_string_becomes_a_query(http):
    http.get(
        f"{PATH}?limit=3&offset=20&Modality=CT,MR&00100040=F&StudyDate=20200101-20201231&age-min=40&age-max=60.5"
        f"&include-same-patient=true&tracking-uid=1.2.9&volume-number=1&weight=appearance:1,radiomics:0.5"
        "&fuzzymatching=true&rank-by=slices"
    )
    [query] = http.asked.queries
    assert query.series == SeriesRef(f"{STUDY}.1", f"{STUDY}.1.1")
    assert (query.limit, query.offset, query.tracking_uid, query.volume_number) == (3, 20, "1.2.9", 1)
    assert query.filters.attributes == (
        ("Modality", "CT,MR"),
        ("PatientSex", "F"),
        ("StudyDate", "20200101-20201231"),
    )
    assert query.filters.age_years == (40.0, 60.5)
    assert not query.filters.exclude_same_patient
    assert query.weights == (("appearance", 1.0), ("radiomics", 0.5))
    assert query.rank_by == "slices"


def test_by_default_ten_of_other_patients(http):
    http.get(PATH)
    [query] = http.asked.queries
    assert (query.limit, query.offset, query.filters.exclude_same_patient) == (10, 0, True)


def test_a_limit_above_the_bound_is_cut_to_it(http):
    http.get(f"{PATH}?limit=100000")
    http.post("/similar", json={**BODY, "limit": 100000})
    assert [query.limit for query in http.asked.queries] == [100, 100]


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1", "limit=ten", "limit=1.5", "limit=", "limit=99999999999999", "offset=-1", "limit=1&limit=2",
        "age-min=old", "age-min=nan", "age-max=-3", "include-same-patient=yes", "fuzzymatching=1", "tracking-uid=abc",
        "weight=appearance", "weight=:1", "weight=appearance:much", "weight=appearance:-1", "NoSuchKeyword=1",
        "0010004=F", "colour-map=1",
        "includefield=Nonsense", "includefield=all,PatientID", "includefield=", "volume-number=x", "=1",
        "Modality=CT&Modality=MR",
        "Modality=" + "x" * 2000, "&".join(f"limit{n}=1" for n in range(100)),
    ],
)  # fmt: skip
def test_a_malformed_query_string_is_400_with_the_reason(http, query):
    answer = http.get(f"{PATH}?{query}")
    assert answer.status_code == 400
    assert answer.content_type == wire.PROBLEM
    assert answer.get_json()["detail"]
    assert not http.asked.queries


@pytest.mark.parametrize("series", ["abc", "1.2.x", "1" * 65, "1..2"])
def test_what_is_no_uid_is_400(http, series):
    answer = http.get(f"/studies/{STUDY}/series/{series}/similar")
    assert (answer.status_code, answer.get_json()["class"]) == (400, "InvalidUid")


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (errors.NotFound("x"), 404, False),
        (errors.NotReady("x"), 409, True),
        (errors.TooLarge("x"), 413, False),
        (errors.NotAVolume("x"), 422, False),
        (errors.SegmentationFailed("x"), 422, False),
        (errors.IncompleteTransfer("x"), 503, True),
        (errors.StoreFailed("x"), 502, True),
        (errors.WrongEmbeddingSpace("x"), 500, False),
    ],
)
def test_an_error_of_ours_has_its_status_and_class(http, error, status, retry):
    http.asked.error = error
    answer = http.get(PATH)
    told = answer.get_json()
    assert (answer.status_code, told["status"], told["detail"], told["class"]) == (
        *(status, status, "x", type(error).__name__),
    )
    assert told["title"] == type(error).__doc__
    assert told["advice"]
    assert ("Retry-After" in answer.headers) is retry


def test_a_fault_of_ours_tells_the_log_alone(http, caplog):
    http.asked.error = RuntimeError("Doe^John")
    answer = http.get(PATH)
    assert answer.status_code == 500
    assert "RuntimeError" in caplog.text
    assert "conftest.py" in caplog.text
    assert "Doe" not in answer.text + caplog.text


def test_a_body_asks_by_points_and_box(http):
    body = {
        **BODY,
        "points": [{"lps": [1, 2.5, -3]}, {"lps": [4, 5, 6], "positive": False}],
        "box": {"lower_lps": [0, 0, 0], "upper_lps": [9, 9, 9]},
        "filters": {"attributes": {"Modality": "CT"}, "age_min": 40, "include_same_patient": True},
        "weights": {"appearance": 2},
        "limit": 5,
    }
    assert http.post("/similar", json=body).status_code == 200
    [query] = http.asked.queries
    assert query.prompts == (
        PointPrompt((1.0, 2.5, -3.0)),
        PointPrompt((4.0, 5.0, 6.0), Polarity.NEGATIVE),
        BoxPrompt((0, 0, 0), (9, 9, 9)),
    )
    assert query.filters.attributes == (("Modality", "CT"),)
    assert (query.filters.age_years, query.filters.exclude_same_patient) == ((40.0, None), False)
    assert (query.weights, query.limit) == ((("appearance", 2.0),), 5)


def test_the_region_that_prompts_gave_is_told(with_answer):
    answer = with_answer(segmented=(12.5, (1.0, 2.0, 3.0))).post("/similar", json=BODY)
    assert answer.get_json()["segmented"] == {"volume_ml": 12.5, "centroid_lps": [1.0, 2.0, 3.0]}


def test_a_body_asks_by_region_in_dicom_json(http):
    answer = http.post("/similar", json={**BODY, "tracking_uid": "1.2.9"}, headers={"Accept": wire.DICOM_JSON})
    assert answer.content_type == wire.DICOM_JSON
    assert http.asked.queries[0].tracking_uid == "1.2.9"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"series": "abc"}, "series"),
        ({"series": 12}, "series"),
        ({"colour": 1}, "colour"),
        ({"points": [{"lps": [1, 2]}]}, "points.0.lps"),
        ({"points": [{"lps": [1, 2, "x"]}]}, "points.0.lps"),
        ({"points": [{"lps": [1, 2, 1e9]}]}, "points.0.lps"),
        ({"points": [{"lps": [1, 2, 3], "index": 1}]}, "points.0.index"),
        ({"box": {"lower_lps": [0, 0, 0]}}, "box.upper_lps"),
        ({"box": {"lower_lps": [9, 0, 0], "upper_lps": [1, 1, 1]}}, "box prompt"),
        ({"tracking_uid": "1.2", "points": [{"lps": [1, 2, 3]}]}, "not both"),
        ({"limit": -1}, "limit"),
        ({"limit": "5"}, "limit"),
        ({"filters": {"attributes": {"Nonsense": "x"}}}, "Nonsense"),
        ({"filters": {"age_min": -1}}, "age_min"),
        ({"weights": {"appearance": -1}}, "weights.appearance"),
        ({"points": [{"lps": [1, 2, 3]}] * 257}, "points"),
    ],
)
def test_a_malformed_body_is_400_and_says_where(http, change, place):
    answer = http.post("/similar", json={**BODY, **change})
    assert (answer.status_code, answer.get_json()["class"] in ("InvalidRequest", "InvalidUid")) == (400, True)
    assert place in answer.get_json()["detail"]
    assert not http.asked.queries


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{", b'{"study": NaN}', b"\xff", b'"' * 9, b"[" * 50000])
def test_what_is_no_json_object_is_400(http, data):
    assert http.post("/similar", data=data, content_type=wire.JSON).status_code == 400


def test_a_body_that_is_too_long_is_413(http):
    answer = http.post("/similar", data=b" " * 70_000, content_type=wire.JSON)
    assert (answer.status_code, answer.get_json()["class"]) == (413, "TooLarge")


def test_a_form_from_another_site_is_415(http):
    assert http.post("/similar", data="x=1", content_type="text/plain").status_code == 415


def test_a_method_that_is_not_there_is_405(http):
    answer = http.post(PATH, json={})
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_the_same_question_has_the_same_bytes(http):
    assert http.get(PATH).data == http.get(PATH).data


ODD = st.text(max_size=40)
KEYS = st.one_of(
    ODD, st.sampled_from(["limit", "offset", "includefield", "Modality", "00100020", "StudyDate", "weight", "accept"])
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(KEYS, ODD), max_size=6), ODD)
def test_no_query_string_is_a_fault_of_ours(http, pairs, accept):
    header = accept.encode("latin-1", "ignore").decode("latin-1").replace("\r", "").replace("\n", "")
    answer = http.client.get(ROOT + PATH, query_string=pairs, headers={wire.TOKEN_HEADER: TOKEN, "Accept": header})
    assert answer.status_code in (200, 400, 406)


JSONS = st.recursive(
    st.none() | st.booleans() | st.floats() | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.one_of(ODD, st.sampled_from(["points", "box", "filters", "weights", "limit", "tracking_uid"])),
        JSONS,
        max_size=4,
    )
)
def test_no_body_is_a_fault_of_ours(http, change):
    answer = http.post("/similar", data=json.dumps({**BODY, **change}), content_type=wire.JSON)
    assert answer.status_code in (200, 400)
