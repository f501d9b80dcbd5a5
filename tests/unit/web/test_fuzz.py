"""A fuzzer that reads the API's document (schemathesis) against a real small archive: no 5xx, nothing undocumented.

Half of what it sends keeps to the document, half breaks it in one place; half of the identifiers are such that the
archive holds. The seed is fixed. The long run is `-m slow`.
"""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.unit.web.conftest import ROOT, TOKEN

from similar_cases import wire
from similar_cases.web.operations import OPERATIONS, Operation

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
HEADERS = {wire.TOKEN_HEADER: TOKEN}
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.large_base_example]


@pytest.fixture(scope="module")
def known(archive) -> dict[str, list[str]]:
    """Identifiers that the archive holds, by the names under which they are asked for."""
    cases = [case for ref in archive.refs for case in archive.held.tools.lookups.cases_of(ref.series_uid)]
    regions = [case.region.tracking_uid for case in cases if case.region]
    series = [ref.series_uid for ref in archive.refs]
    images = [str(one.SOPInstanceUID) for one in archive.held.tools.pacs.retrieve_series(archive.refs[0])]
    return {
        "study": [ref.study_uid for ref in archive.refs],
        "series": [*series, archive.flat.series_uid],
        "instance": images,
        "region": regions,
        "tracking-uid": regions,
        "tracking_uid": regions,
        "case": [case.uid for case in cases],
        "similar-to": [*regions, *series],
    }


@pytest.fixture(scope="module")
def api(archive):
    return schemathesis.openapi.from_wsgi(f"{ROOT}/openapi.json", archive.client.application, headers=HEADERS)


def with_known(case: Case, known: dict[str, list[str]], number: int) -> Case:
    """Put identifiers that are there into the path, the query and the body; the same patient under one number."""
    for place in (case.path_parameters, case.query, case.body):
        if isinstance(place, dict):
            for name in place.keys() & known.keys():
                place[name] = known[name][number % len(known[name])]
            if isinstance(place.get("asked"), dict):
                place["asked"] |= {name: known[name][number % len(known[name])] for name in ("study", "series")}
    if "frame" in case.path_parameters:
        case.path_parameters["frame"] = 1
    if "volume" in case.path_parameters:
        case.path_parameters["volume"] = 0
    return case


def fuzz(api, known: dict[str, list[str]], operation: Operation, examples: int) -> None:
    told = api.find_operation_by_id(operation.name)
    right, wrong = (told.as_strategy(generation_mode=mode) for mode in GenerationMode)

    @settings(max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=QUIET)
    @given(st.one_of(right, wrong), st.booleans(), st.integers(0, 4))
    def run(case: Case, is_known: bool, number: int) -> None:
        asked = with_known(case, known, number) if is_known else case
        asked.call_and_validate(headers=HEADERS, checks=CHECKS)

    run()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_no_request_leaves_the_document(api, known, operation):
    fuzz(api, known, operation, examples=20)


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_no_request_of_many_leaves_the_document(api, known, operation):
    fuzz(api, known, operation, examples=100)
