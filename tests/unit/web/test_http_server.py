"""The application on a real socket: what waitress lets through, which Flask's test client does not pass."""

import http.client
import threading

import pytest
from tests.unit.web.conftest import ROOT, TOKEN

from similar_cases import wire
from similar_cases.web.app import HttpServer


@pytest.fixture
def address(http):
    server = HttpServer(http.client.application, "127.0.0.1", 0, threads=2)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield server.host, server.port
    server.close()
    thread.join(10)
    assert not thread.is_alive()


def asked(address, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.request("GET", ROOT + path, headers={wire.TOKEN_HEADER: TOKEN, **headers})
    answer = connection.getresponse()
    told = answer.status, dict(answer.getheaders()), answer.read().decode()
    connection.close()
    return told


def test_the_callers_address_reaches_the_application(address):
    """Without it Retrieve URLs would name Orthanc as the worker sees it, which nobody else may reach."""
    seen = {"X-Forwarded-Host": "pacs.example:8443", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/pacs"}
    status, _, body = asked(address, wire.ROUTE_CAPABILITIES, **seen)
    assert status == 200
    assert f'base="https://pacs.example:8443/pacs{ROOT}/"' in body


def test_the_server_says_nothing_of_what_it_runs_on(address):
    _, headers, _ = asked(address, wire.ROUTE_HEALTH)
    assert "waitress" not in headers.get("Server", "")


def test_a_header_that_forges_another_is_refused(address):
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.putrequest("GET", f"{ROOT}/health")
    connection.putheader("X-Forwarded-Host", "good\r\n bad")
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status in (200, 400)
    assert "bad" not in str(answer.getheaders())
    connection.close()
