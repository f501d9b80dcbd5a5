"""The section SimilarCases: what is understood, and what is refused by name."""

from pathlib import Path
from typing import Any

import pytest
from tests.bridge_doubles import config_of

from similar_cases import wire
from similar_cases.bridge.config import DEFAULTS, ConfigRefused, read_config


def test_an_absent_section_means_an_embedded_worker():
    config = read_config({"StorageDirectory": "/var/lib/orthanc"}, {})
    assert config.enable
    assert config.worker_url is None
    assert config.data_dir == Path("/var/lib/orthanc/similar-cases")
    assert config.worker_command == ("similar-cases",)
    assert config.modalities == ("CT", "MR", "PT")
    assert config.route_prefix == wire.DEFAULT_PREFIX
    assert config.token is None


def test_eight_keys_are_enough():
    assert len(DEFAULTS) <= 8


def test_an_unknown_key_is_named_with_the_known_ones():
    with pytest.raises(ConfigRefused, match=r"SimilarCases: unknown Workerurl; the known keys are Enable, .*WorkerUrl"):
        config_of({"Workerurl": "http://worker:1"})


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ({"Enable": "yes"}, "Enable must be true or false"),
        ({"Worker": "somewhere"}, 'Worker must be "embedded" or "external"'),
        ({"Worker": "external"}, "needs WorkerUrl"),
        ({"WorkerUrl": "http://worker:1"}, 'only with "Worker": "external"'),
        ({"Worker": "external", "WorkerUrl": "worker:8043"}, "must look as"),
        ({"Worker": "external", "WorkerUrl": "http://worker:8043/similar-cases"}, "without a path"),
        ({"Worker": "external", "WorkerUrl": "http://w:1", "WorkerCommand": ["x"]}, 'only with "Worker": "embedded"'),
        ({"WorkerCommand": "similar-cases serve"}, "WorkerCommand must be a list of strings"),
        ({"WorkerCommand": []}, "not empty"),
        ({"Modalities": ["ct"]}, "'ct' is no Modality"),
        ({"Modalities": [1]}, "Modalities must be a list of strings"),
        ({"RoutePrefix": "similar-cases"}, "RoutePrefix must look as"),
        ({"RoutePrefix": "/similar-cases/"}, "RoutePrefix must look as"),
        ({"RoutePrefix": "/a(.*)"}, "RoutePrefix must look as"),
        ({"RoutePrefix": "/studies/similar"}, "taken by Orthanc"),
        ({"TimeoutSeconds": "30"}, "TimeoutSeconds must be a number"),
        ({"TimeoutSeconds": True}, "TimeoutSeconds must be a number"),
        ({"TimeoutSeconds": 0}, "from 1 to 600"),
        ({"TimeoutSeconds": float("nan")}, "TimeoutSeconds must be a number"),
    ],
)
def test_what_is_not_understood_is_refused_with_the_reason(section: dict[str, Any], why: str):
    with pytest.raises(ConfigRefused, match=why) as refused:
        config_of(section)
    assert str(refused.value).startswith("SimilarCases: ")


def test_a_section_that_is_no_object_is_refused():
    with pytest.raises(ConfigRefused, match="must be an object"):
        read_config({wire.SECTION: []}, {})


def test_a_worker_elsewhere_needs_a_token():
    section = {"Worker": "external", "WorkerUrl": "http://worker:8043/"}
    assert config_of(section).worker_url == "http://worker:8043"
    assert config_of(section).data_dir is None
    with pytest.raises(ConfigRefused, match=wire.ENV_TOKEN):
        read_config({wire.SECTION: section}, {})


def test_without_http_nobody_could_ask():
    with pytest.raises(ConfigRefused, match="HttpServerEnabled"):
        config_of({}, HttpServerEnabled=False)
    assert not config_of({"Enable": False}, HttpServerEnabled=False).enable


def test_the_prefix_must_not_be_the_dicomweb_root():
    with pytest.raises(ConfigRefused, match="taken by Orthanc"):
        config_of({"RoutePrefix": "/dw/similar"}, DicomWeb={"Root": "/dw/"})


def test_headers_that_carry_credentials_are_named_in_lower_case():
    assert config_of({}).caller_credentials == ()
    assert config_of({"CallerCredentials": ["Authorization", "token"]}).caller_credentials == ("authorization", "token")


@pytest.mark.parametrize(
    "names", ["token", ["to ken"], ["a: b"], [""], [wire.TOKEN_HEADER], [wire.USER_HEADER.lower()]]
)
def test_what_is_no_header_of_a_caller_is_refused(names):
    with pytest.raises(ConfigRefused, match="CallerCredentials"):
        config_of({"CallerCredentials": names})


def test_orthanc_is_found_at_its_own_port():
    assert config_of({}, HttpPort=8999).orthanc_url == "http://127.0.0.1:8999"
    assert config_of({}, SslEnabled=True).orthanc_url == "https://127.0.0.1:8042"


@pytest.mark.parametrize("options", [{}, {"StorageDirectory": "OrthancStorage"}])
def test_a_folder_for_the_worker_that_nobody_could_find_is_refused(options: dict[str, str]):
    with pytest.raises(ConfigRefused, match=f"StorageDirectory.*{wire.ENV_DATA_DIR}"):
        read_config(options, {})
    assert read_config(options, {wire.ENV_DATA_DIR: "/srv/similar"}).data_dir == Path("/srv/similar")
    assert read_config({**options, wire.SECTION: {"Enable": False}}, {}).data_dir is None


@pytest.mark.parametrize(
    ("options", "asks"),
    [
        ({}, False),
        ({"RemoteAccessAllowed": True}, True),
        ({"RemoteAccessAllowed": True, "AuthenticationEnabled": False}, False),
        ({"AuthenticationEnabled": True}, True),
    ],
)
def test_whether_orthanc_asks_for_passwords_follows_its_own_rule(options: dict[str, bool], asks: bool):
    assert config_of({}, **options).authenticates is asks
