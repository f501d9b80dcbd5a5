"""Everything else over HTTP: who may ask, states of series, nudges, measures, and the page."""

import json
import re
from pathlib import Path

import pytest
from tests.unit.web.conftest import ROOT, STUDY, TOKEN, series_of

from similar_cases import wire
from similar_cases.domain.case import SeriesState
from similar_cases.web import respond
from similar_cases.web.app import create_app
from similar_cases.web.services import WebOptions

PAGE = Path(respond.__file__).parent / "page"


@pytest.mark.parametrize("shown", [None, "", "wrong", TOKEN + "x", "ü"])
def test_nobody_gets_in_without_the_token(http, shown):
    headers = {} if shown is None else {wire.TOKEN_HEADER: shown}
    for rule in http.client.application.url_map.iter_rules():
        if rule.rule == ROOT + wire.ROUTE_HEALTH:
            continue
        method = "POST" if "POST" in rule.methods else "GET"
        answer = http.client.open(rule.rule.replace("<", "").replace(">", ""), method=method, headers=headers)
        assert answer.status_code == 401, rule
        assert STUDY not in answer.text


def test_health_needs_no_token_and_tells_nothing_more(http):
    answer = http.client.get(ROOT + "/health")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok", "version": "0.1.0"})


def test_an_app_without_a_token_is_refused(http):
    with pytest.raises(ValueError, match="token"):
        create_app(http.services, WebOptions(token=""))


@pytest.mark.parametrize("path", ["/", "/status", "/archive/series", "/nowhere", "/page/main.js", "/health"])
def test_every_answer_has_the_headers_that_protect_the_reader(http, path):
    headers = http.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Server" not in headers


def test_answers_about_patients_stay_out_of_caches(http):
    for path in (
        "/archive/series",
        f"/archive/series/{STUDY}.1.1",
        f"/studies/{STUDY}.1/series/{STUDY}.1.1/similar",
        "/status",
        "/nowhere",
    ):
        assert http.get(path).headers["Cache-Control"] == "no-store", path


def test_status_counts_series_cases_and_the_queue(http):
    body = http.get("/status").get_json()
    assert body["states"] == {"waiting": 1, "working": 0, "indexed": 3, "refused": 1, "failed": 1}
    assert body["cases"] == {"region": 3, "series": 0}
    assert body["queue"] == {"waiting": 1, "working": []}
    assert body["links"] == {"orthanc": "../", "dicomweb": "../dicom-web", "explorer": "../app/explorer.html"}


def test_links_climb_out_of_a_deep_prefix(http):
    app = create_app(http.services, WebOptions(token=TOKEN, prefix="/a/b", dicomweb_path="/dw/"))
    body = app.test_client().get("/a/b/status", headers={wire.TOKEN_HEADER: TOKEN}).get_json()
    assert body["links"] == {"orthanc": "../../", "dicomweb": "../../dw", "explorer": "../../app/explorer.html"}


def test_series_are_listed_with_state_reason_and_what_headers_say(http):
    body = http.get("/archive/series").get_json()
    assert body["total"] == 6
    rows = {row["series"]: row for row in body["series"]}
    refused, indexed, waiting = (rows[series_of(number).series_uid] for number in (5, 1, 4))
    assert (refused["state"], refused["reason"]) == ("refused", "a localizer")
    assert indexed["about"]["series_description"] == "Lunge 1,0 B70f"
    assert indexed["seconds"] >= 0.75
    assert waiting["place"] == 0


def test_series_are_filtered_and_paged(http):
    assert [row["state"] for row in http.get("/archive/series?state=indexed").get_json()["series"]] == ["indexed"] * 3
    first, second = (http.get(f"/archive/series?limit=4&offset={offset}").get_json()["series"] for offset in (0, 4))
    assert (len(first), len(second)) == (4, 2)
    assert not {row["series"] for row in first} & {row["series"] for row in second}
    assert [row["study"] for row in http.get(f"/archive/series?study={STUDY}.2").get_json()["series"]] == [f"{STUDY}.2"]


@pytest.mark.parametrize(
    "query", ["state=gone", "limit=x", "colour=1", "study=abc", "state=failed&state=failed", "annotations=1"]
)
def test_a_malformed_list_is_400(http, query):
    assert http.get(f"/archive/series?{query}").status_code == 400


def test_one_series_comes_with_its_cases(http):
    body = http.get(f"/archive/series/{STUDY}.1.1").get_json()
    assert body["state"] == "indexed"
    assert body["timings"].items() >= {"retrieve": 0.5, "build": 0.25}.items()
    assert body["cases"][0]["region"]["label"] == "GTV \\ left"
    assert http.get("/archive/series/1.9").status_code == 404
    assert http.get("/archive/series/abc").status_code == 400


def test_retry_puts_a_failed_series_first(http):
    failed = series_of(6).series_uid
    assert http.post(f"/archive/series/{failed}/retry", json={}).status_code == 202
    row = http.get(f"/archive/series/{failed}").get_json()
    assert (row["state"], row["place"]) == ("waiting", 0)
    assert http.get(f"/archive/series/{series_of(4).series_uid}").get_json()["place"] == 1


def test_hurry_overtakes(http):
    http.services.worklist.ask_again([series_of(5).series_uid])
    assert http.get(f"/archive/series/{series_of(5).series_uid}").get_json()["place"] == 1
    assert http.post(f"/archive/series/{series_of(5).series_uid}/hurry", json={}).status_code == 202
    assert http.get(f"/archive/series/{series_of(5).series_uid}").get_json()["place"] == 0
    assert http.post(f"/archive/series/{series_of(1).series_uid}/hurry", json={}).status_code == 404


@pytest.mark.parametrize("act", ["retry", "hurry"])
def test_acts_take_json_alone_so_that_no_other_site_can_call_them(http, act):
    answer = http.post(f"/archive/series/{series_of(6).series_uid}/{act}", data="", content_type="text/plain")
    assert answer.status_code == 415
    assert http.services.lookups.series_row(series_of(6).series_uid).state is SeriesState.FAILED
    assert http.post("/archive/series/1.9/retry", json={}).status_code == 404
    assert http.post("/archive/series/abc/retry", json={}).status_code == 400


def test_a_nudge_is_taken_at_once(http):
    nudge = wire.Nudge("deleted", "study", "abc")
    assert http.post("/nudge", data=nudge.to_json()).status_code == 202
    assert http.asked.nudges == [nudge]


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"kind":"x","level":"y","orthancId":"z"}'])
def test_what_is_no_nudge_is_400(http, data):
    assert http.post("/nudge", data=data).status_code == 400
    assert not http.asked.nudges


def test_measures_are_prometheus_text(http):
    http.get("/archive/series")
    answer = http.get("/metrics")
    assert answer.content_type.startswith("text/plain")
    assert 'similar_cases_series{state="indexed"} 3.0' in answer.text
    assert 'similar_cases_requests_total{route="/similar-cases/archive/series",status="200"} 1.0' in answer.text


def test_measures_do_not_grow_with_addresses(http):
    for number in range(5):
        http.get(f"/nowhere/{number}")
        http.get(f"/archive/series/1.9.{number}")
    routes = set(re.findall(r'requests_total\{route="([^"]*)"', http.get("/metrics").text))
    assert routes == {"none", "/similar-cases/archive/series/<series>"}


def test_the_page_is_served_with_its_base(http):
    answer = http.get("/")
    assert answer.content_type.startswith("text/html")
    assert '<base href="/similar-cases/">' in answer.text
    proxied = http.get("/", headers={"X-Forwarded-Prefix": "/pacs"}).text
    assert '<base href="/pacs/similar-cases/">' in proxied
    assert '<base href="/similar-cases/">' in http.get("/", headers={"X-Forwarded-Prefix": '"><script>'}).text


def test_the_page_and_all_that_it_loads_are_there_and_hold_nothing_inline(http):
    markup = http.get("/").text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", markup)
    assert "Research software, not a medical device" in markup
    for name in sorted(path.name for path in PAGE.iterdir()):
        assert http.get(f"/page/{name}").status_code == 200, name
    for source in re.findall(r'(?:src|href)="(page/[^"]+)"', markup):
        assert http.get(f"/{source}").status_code == 200


def test_scripts_are_modules_that_find_each_other_and_never_make_markup_of_data():
    for script in PAGE.glob("*.js"):
        text = script.read_text("utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), script.name
        assert "http://" not in text
        assert "https://" not in text
        for name in re.findall(r'from "\./([^"]+)"', text):
            assert (PAGE / name).exists(), (script.name, name)
        imported = re.findall(r"import \{([^}]*)\} from \"\./([^\"]+)\"", text)
        for names, source in imported:
            offered = (PAGE / source).read_text("utf-8")
            for name in (word.strip() for word in names.split(",") if word.strip()):
                assert re.search(rf"export (async )?(function|const|class) {name}\b", offered), (script.name, name)


def test_words_for_people_stand_in_one_file():
    for script in PAGE.glob("*.js"):
        code = re.sub(r"^\s*(//|/?\*).*$", "", script.read_text("utf-8"), flags=re.MULTILINE)
        sentences = re.findall(r"[\"`][A-Z][a-z]+ [a-z][^\"`]*[\"`]", code)
        assert bool(sentences) == (script.name == "strings.js"), (script.name, sentences)


@pytest.mark.parametrize("name", ["../app.py", "%2e%2e/app.py", "..%2fapp.py", ".", "nothing.js"])
def test_nothing_else_is_served(http, name):
    assert http.get(f"/page/{name}").status_code == 404


def test_the_caller_sees_addresses_of_its_own(http):
    headers = {
        "Accept": wire.DICOM_JSON,
        "X-Forwarded-Host": "pacs.example:8443",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/orthanc",
    }
    path = f"/studies/{STUDY}.1/series/{STUDY}.1.1/similar"
    [first, _] = http.get(path, headers=headers).get_json()
    assert first["00081190"]["Value"] == [
        f"https://pacs.example:8443/orthanc/dicom-web/studies/{STUDY}.2/series/{STUDY}.2.1"
    ]
    headers["X-Forwarded-Host"] = "evil/x?y"
    [first, _] = http.get(path, headers=headers).get_json()
    assert first["00081190"]["Value"][0].startswith("http://127.0.0.1:8042/dicom-web/")


def test_error_answers_are_json(http):
    for path in ("/nowhere", "/archive/series/abc"):
        answer = http.get(path)
        assert answer.content_type == wire.PROBLEM
        told = json.loads(answer.data)
        assert set(told) == {"title", "status", "detail", "class", "advice"}
        assert told["status"] == answer.status_code
        assert all(told.values())
