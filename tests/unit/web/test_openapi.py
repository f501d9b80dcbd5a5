"""The API's document: valid, in step with Flask's routes, readable; and the capabilities."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from openapi_spec_validator import validate
from tests.unit.web.conftest import ROOT

from similar_cases import wire
from similar_cases.web.operations import OPERATIONS, WADL

NS = "{http://wadl.dev.java.net/2009/02}"


@pytest.fixture
def told(http):
    answer = http.get("/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, wire.JSON)
    return answer.get_json()


def test_the_document_is_valid_openapi(told):
    validate(told)
    assert told["openapi"].startswith("3.1")
    assert told["servers"] == [{"url": ROOT}]


def test_the_document_has_every_rule_of_flask_and_no_other(http, told):
    rules = {
        (rule.rule.removeprefix(ROOT).replace("<", "{").replace(">", "}"), method)
        for rule in http.client.application.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert rules == {(path, method.upper()) for path, methods in told["paths"].items() for method in methods}


def test_every_path_takes_options_and_every_get_takes_head(http):
    allowed = {}
    for rule in http.client.application.url_map.iter_rules():
        allowed.setdefault(rule.rule, set()).update(rule.methods)
    for methods in allowed.values():
        assert "OPTIONS" in methods
        assert ("HEAD" in methods) is ("GET" in methods)


def test_names_are_used_once_and_parameters_say_what_they_mean(told):
    operations = [one for methods in told["paths"].values() for one in methods.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)
    for one in operations:
        assert all(parameter["description"] and parameter["schema"] for parameter in one["parameters"])
        assert one["summary"]


def test_what_a_query_string_may_say_is_what_the_routes_take(told):
    """The grammar's own list of names, and the document's."""
    from similar_cases.web.ask import OWN_PARAMETERS

    similar = [told["paths"][one.path]["get"] for one in OPERATIONS if one.may_be_empty and one.method == "GET"]
    named = {p["name"] for one in similar for p in one["parameters"] if p["in"] == "query" and "-" in p["name"]}
    assert named == {name for name in OWN_PARAMETERS if "-" in name}


@pytest.mark.parametrize("path", [wire.ROUTE_OPENAPI, wire.ROUTE_API, wire.ROUTE_CAPABILITIES])
def test_what_does_not_change_is_not_sent_twice(http, path):
    first = http.get(path)
    assert "no-cache" in first.headers["Cache-Control"]
    again = http.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_proxy_in_front_of_orthanc_is_in_the_address(http):
    answer = http.get("/openapi.json", headers={"X-Forwarded-Prefix": "/pacs"})
    assert answer.get_json()["servers"] == [{"url": f"/pacs{ROOT}"}]


class Reading(HTMLParser):
    """Identifiers, links and whatever would need the policy to be laxer."""

    def __init__(self) -> None:
        super().__init__()
        self.ids, self.links, self.forbidden = [], [], []

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.ids += [named["id"]] if "id" in named else []
        self.links += [named[name] for name in ("href", "src") if name in named]
        if tag in ("script", "style", "iframe") or "style" in named or any(name.startswith("on") for name in named):
            self.forbidden.append(tag)


def test_the_reading_has_every_operation_and_needs_nothing_from_elsewhere(http, told):
    answer = http.get("/api")
    assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8")
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    reading = Reading()
    reading.feed(answer.text)
    assert not reading.forbidden
    assert {one["operationId"] for methods in told["paths"].values() for one in methods.values()} <= set(reading.ids)
    assert set(told["components"]["schemas"]) <= set(reading.ids)
    assert len(set(reading.ids)) == len(reading.ids)
    for link in reading.links:
        assert not re.match(r"\w+:|//", link)
        if link.startswith("#"):
            assert link[1:] in reading.ids
        else:
            assert http.get(f"/{link}").status_code == 200, link


HOSTILE = '/"><script>x</script>'


@pytest.mark.parametrize("name", ["X-Forwarded-Prefix", "X-Forwarded-Host", "X-Forwarded-Proto"])
def test_what_a_caller_says_of_the_address_becomes_no_markup(http, name):
    answer = http.get("/api", headers={name: HOSTILE})
    reading = Reading()
    reading.feed(answer.text)
    assert not reading.forbidden
    told = http.get("/openapi.json", headers={name: HOSTILE})
    assert told.is_json
    assert told.headers["X-Content-Type-Options"] == "nosniff"
    root = ElementTree.fromstring(http.get("/capabilities", headers={name: HOSTILE}).data)
    assert not [one for one in root.iter() if one.tag.endswith("script")]


def test_the_capabilities_name_every_route_as_wadl(http):
    answer = http.get("/capabilities")
    assert (answer.status_code, answer.content_type) == (200, WADL)
    root = ElementTree.fromstring(answer.data)
    found = {
        (f"/{resource.get('path')}", method.get("name"))
        for resource in root.iter(f"{NS}resource")
        for method in resource.iter(f"{NS}method")
    }
    assert found == {(one.path, one.method) for one in OPERATIONS}
    [search] = [one for one in root.iter(f"{NS}method") if one.get("id") == "similar_series"]
    named = {one.get("name"): one.get("required") for one in search.iter(f"{NS}param")}
    assert named["similar-to"] == "true"
    assert named["Modality"] is None
    types = {one.get("mediaType") for one in search.iter(f"{NS}representation")}
    assert types == {wire.JSON, wire.DICOM_JSON, wire.DICOM_XML}


def test_options_on_the_root_answers_the_capabilities(http):
    as_json = http.get("/capabilities", headers={"Accept": wire.JSON})
    answer = http._open("OPTIONS", "/", headers={"Accept": wire.JSON})
    assert (answer.status_code, answer.get_json()) == (200, as_json.get_json())
    assert "GET" in answer.headers["Allow"]
    assert {one["path"] for one in as_json.get_json()["resources"]} == {one.path for one in OPERATIONS}
    assert http.get("/capabilities?accept=text/html").status_code == 406


def test_options_says_which_methods_a_path_takes(http):
    told = {
        path: http._open("OPTIONS", path) for path in ("/series", "/similar", "/feedback", "/archive/series/1.2/retry")
    }
    assert {path: (answer.status_code, answer.headers["Allow"]) for path, answer in told.items()} == {
        "/series": (204, "GET, HEAD, OPTIONS"),
        "/similar": (204, "OPTIONS, POST"),
        "/feedback": (204, "GET, HEAD, OPTIONS, POST"),
        "/archive/series/1.2/retry": (204, "OPTIONS, POST"),
    }


def test_the_document_needs_the_token(http):
    assert http.client.get(f"{ROOT}/openapi.json").status_code == 401
    assert http.client.options(f"{ROOT}/series").status_code == 401
