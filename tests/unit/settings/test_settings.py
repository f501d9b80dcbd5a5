"""Settings: their order, their origin, and what is refused."""

import json
import re
from pathlib import Path

import pytest

from similar_cases import wire
from similar_cases.cli.settings_file import as_toml
from similar_cases.domain.errors import InvalidSettings
from similar_cases.settings import Settings, load_settings, setting_names, shown

ROOT = Path(__file__).parents[3]


def toml(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "settings.toml"
    file.write_text(text, "utf-8")
    return file


def test_flag_wins_over_environment_over_file_over_default(tmp_path):
    file = toml(tmp_path, "[web]\nport = 1\nhost = '10.0.0.1'\nthreads = 3\n")
    environment = {"SIMILAR_CASES_WEB__PORT": "2", "SIMILAR_CASES_WEB__HOST": "10.0.0.2"}
    effective = load_settings({"web": {"port": 3}}, file, environment)
    web = effective.settings.web
    assert (web.port, web.host, web.threads, web.prefix) == (3, "10.0.0.2", 3, "/similar-cases")
    origins = [effective.origins[f"web.{name}"] for name in ("port", "host", "threads", "prefix")]
    assert origins == ["flag", "environment", "file", "default"]


def test_every_setting_has_an_origin_and_a_description():
    effective = load_settings({}, None, {})
    names = [known.path for known in setting_names()]
    assert [path for path, _, _ in effective.rows()] == names
    assert set(effective.origins) == set(names)
    assert all(known.field.description for known in setting_names())


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SIMILAR_CASES_PAX__USERNAME": "x"}, "did you mean SIMILAR_CASES_PACS__USERNAME"),
        ({"SIMILAR_CASES_WEB__PROT": "1"}, "did you mean SIMILAR_CASES_WEB__PORT"),
        ({"SIMILAR_CASES_WEB_PORT": "1"}, "did you mean SIMILAR_CASES_WEB__PORT"),
        ({"similar_cases_web__port": "1"}, "did you mean SIMILAR_CASES_WEB__PORT"),
        ({"SIMILAR_CASES_WEB__PORT": "many"}, "web.port (environment)"),
        ({"SIMILAR_CASES_WEB__PORT": "65536"}, "web.port (environment)"),
        ({"SIMILAR_CASES_PACS__ORTHANC_URL": "ftp://x"}, "must start with http"),
        ({"SIMILAR_CASES_WEB__PREFIX": "/a b"}, "must be a path"),
        ({"SIMILAR_CASES_RANK__WEIGHTS": "appearance"}, "rank.weights"),
        ({"SIMILAR_CASES_RANK__WEIGHTS": "appearance=-1"}, "rank.weights"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(environment, message):
    with pytest.raises(InvalidSettings, match=re.escape(message)) as refused:
        load_settings({}, None, environment)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[web]\nprot = 1\n", "unknown setting web.prot; did you mean web.port?"),
        ("[wep]\nport = 1\n", "unknown setting wep"),
        ("port = 1\n", "stands outside a section"),
        ("[web]\nport = \n", "cannot be read"),
        ("[pacs]\npassword = 'x'\n", "give it as SIMILAR_CASES_PACS__PASSWORD"),
        ("[web]\ntoken = 'x'\n", "give it as SIMILAR_CASES_WEB__TOKEN"),
    ],
)
def test_a_file_with_a_fault_is_refused(tmp_path, text, message):
    with pytest.raises(InvalidSettings, match=re.escape(message)):
        load_settings({}, toml(tmp_path, text), {})


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InvalidSettings, match="cannot be read"):
        load_settings({}, tmp_path / "absent.toml", {})


def test_a_secret_never_shows():
    effective = load_settings(
        {}, None, {"SIMILAR_CASES_PACS__PASSWORD": "hunter2", "SIMILAR_CASES_WEB__TOKEN": "t0ken"}
    )
    assert effective.settings.pacs.password.get_secret_value() == "hunter2"
    everything = repr(effective) + str(effective.settings) + str(list(effective.rows()))
    assert "hunter2" not in everything
    assert "t0ken" not in everything


def test_a_faulty_secret_does_not_show_in_the_refusal():
    with pytest.raises(InvalidSettings) as refused:
        load_settings({"pacs": {"timeout_seconds": "hunter2"}}, None, {})
    assert "hunter2" not in str(refused.value)


def test_lists_and_weights_come_by_environment():
    environment = {
        "SIMILAR_CASES_WORKER__MODALITIES": "ct, MR",
        "SIMILAR_CASES_RANK__WEIGHTS": "appearance=1, radiomics=0.5",
    }
    settings = load_settings({}, None, environment).settings
    assert settings.worker.modalities == ("CT", "MR")
    assert settings.rank.weights == {"appearance": 1.0, "radiomics": 0.5}


def test_an_empty_variable_says_nothing():
    assert load_settings({}, None, {"SIMILAR_CASES_WEB__PORT": ""}).origins["web.port"] == "default"


def test_other_names_under_the_prefix_are_let_pass():
    load_settings({}, None, {"SIMILAR_CASES_DATA": "/x", "SIMILAR_CASES_SETTINGS": "/y", "HOME": "/z"})


def test_every_name_that_the_bridge_sets_is_a_setting():
    known = {setting.env for setting in setting_names()}
    assert {value for name, value in vars(wire).items() if name.startswith("ENV_")} <= known


def test_settings_are_frozen():
    settings = Settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.web.port = 1  # type: ignore[misc]


def test_the_generated_file_holds_the_defaults(tmp_path):
    lines = (line.removeprefix("# ") for line in as_toml().splitlines())
    live = "\n".join(line for line in lines if re.match(r"\[|[a-z_]+ = ", line))
    assert load_settings({}, toml(tmp_path, live), {}).settings == Settings()


def test_viewers_are_addresses(tmp_path):
    told = '{"OHIF": "/viewer?StudyInstanceUIDs={study}"}'
    named = load_settings({}, None, {"SIMILAR_CASES_WEB__VIEWERS": told}).settings.web.viewers
    assert named == {"OHIF": "/viewer?StudyInstanceUIDs={study}"}
    for address in ("javascript:alert('{study}')", "//elsewhere/{study}", "/viewer"):
        with pytest.raises(InvalidSettings, match="viewers"):
            load_settings({}, None, {"SIMILAR_CASES_WEB__VIEWERS": json.dumps({"X": address})})


def test_the_file_of_the_image_is_the_generated_one():
    assert (ROOT / "docker" / "worker" / "settings.toml").read_text("utf-8") == as_toml()


def test_values_are_shown_as_people_read_them():
    assert shown({"a": 1.0, "b": 0.5}) == "a=1.0, b=0.5"
    assert shown(None) == ""
