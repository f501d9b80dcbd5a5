"""The command line: its words, its exit codes, one line for an error, and nothing heavy before it is needed."""

import gc
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.phantoms import oblique, to_bytes
from typer.testing import CliRunner, Result

from similar_cases.cli import app
from similar_cases.cli.console import EXIT_CODES, ExitCode, JsonLines, exit_code_of, print_table, shown
from similar_cases.cli.foreground import Selection
from similar_cases.domain import errors
from similar_cases.domain.references import SeriesRef
from similar_cases.pacs.orthanc_changes import OrthancSeries

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command in an empty environment, its data in a folder of the test."""
    for name in [name for name in os.environ if name.startswith("SIMILAR_CASES_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SIMILAR_CASES_INDEX__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SIMILAR_CASES_PACS__ORTHANC_URL", NOBODY)

    def invoked(*words: str) -> Result:
        return CliRunner().invoke(app, list(words), catch_exceptions=False)

    return invoked


def commands() -> list[str]:
    return [command.name or command.callback.__name__ for command in app.registered_commands if not command.hidden]


def test_the_commands_are_there(run):
    assert {"serve", "send", "ingest", "find", "forget", "reindex", "status", "doctor", "settings"} <= set(commands())
    listed = run("--help").stdout
    assert all(name in listed for name in commands())
    assert "work" not in [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line.split()]


@pytest.mark.parametrize("name", ["send", "ingest", "find", "forget", "reindex", "status", "doctor", "settings"])
def test_each_command_speaks_json(run, name):
    assert "--json" in run(name, "--help").stdout


def test_settings_are_printed_with_their_origin(run, monkeypatch, tmp_path):
    monkeypatch.setenv("SIMILAR_CASES_PACS__PASSWORD", "hunter2")
    file = tmp_path / "settings.toml"
    file.write_text("[web]\nthreads = 3\n")
    result = run("--settings", str(file), "settings", "--json")
    told = json.loads(result.stdout)
    assert told["web.threads"] == {"value": "3", "origin": "file"}
    assert told["pacs.orthanc_url"] == {"value": NOBODY, "origin": "environment"}
    assert told["pacs.password"] == {"value": "********", "origin": "environment"}
    assert "hunter2" not in result.output
    assert "web.threads" in run("settings").stdout


def test_a_settings_file_can_be_made(run):
    assert run("settings", "--as-toml").stdout.startswith("# Settings of the Similar Cases worker")


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        (("SIMILAR_CASES_PAX__USERNAME", "x"), "did you mean SIMILAR_CASES_PACS__USERNAME?"),
        (("SIMILAR_CASES_WEB__PORT", "x"), "web.port (environment)"),
    ],
)
@pytest.mark.parametrize("command", ["settings", "status", "doctor", "serve"])
def test_a_wrong_setting_is_one_line_and_usage(run, monkeypatch, variable, said, command):
    monkeypatch.setenv(*variable)
    result = run(command)
    assert result.exit_code == ExitCode.USAGE
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_status_of_an_empty_catalogue(run):
    told = json.loads(run("status", "--json").stdout)
    assert told["states"] == {"waiting": 0, "working": 0, "indexed": 0, "refused": 0, "failed": 0}
    assert run("status").exit_code == ExitCode.OK


def test_feedback_is_exported_as_json_and_as_csv(run):
    assert json.loads(run("feedback", "export", "--json").stdout) == []
    assert run("feedback", "export", "--csv").stdout.startswith("asked_uid,case_uid,user,")
    assert run("feedback", "export", "--series", "x").exit_code == ExitCode.USAGE


def test_serve_without_a_token_says_what_to_do(run):
    result = run("serve")
    assert result.exit_code == ExitCode.USAGE
    assert "SIMILAR_CASES_WEB__TOKEN" in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("find", "--series", "abc"), ExitCode.USAGE, "not a DICOM UID"),
        (("find", "--series", "1.2.3"), ExitCode.NOTHING_FOUND, "not in the catalogue"),
        (("find", "--series", "1.2.3", "--point", "1,2"), ExitCode.USAGE, "three numbers"),
        (("find", "--series", "1.2.3", "--point", "1,2,nan"), ExitCode.USAGE, "finite"),
        (("find",), ExitCode.USAGE, "asks about a study"),
        (("find", "--text", "mass", "--rank-by", "luck"), ExitCode.USAGE, "there are appearance"),
        (("find", "--unlike", "1.2.3"), ExitCode.USAGE, "need something that is"),
        (("find", "--point", "1,2,3"), ExitCode.USAGE, "prompts need the series"),
        (("find", "--at", "1,2,3"), ExitCode.USAGE, "needs the series"),
        (("find", "--at-body", "1,2,3", "--at-relative", "0,0,0"), ExitCode.USAGE, "one of --at"),
        (("find", "--radiomics", "=3"), ExitCode.USAGE, "a feature is name"),
        (("find", "--radiomics", "glcm_Contrast=101%"), ExitCode.USAGE, "from 0 to 100"),
        (("find", "--study", "1.2.3"), ExitCode.NOTHING_FOUND, "no volume of study"),
        (("forget", "--series", "1.2.3"), ExitCode.NOTHING_FOUND, "knows no series"),
        (("forget",), ExitCode.USAGE, "exactly one"),
        (("forget", "--series", "1.2", "--study", "1.3"), ExitCode.USAGE, "exactly one"),
        (("ingest",), ExitCode.USAGE, "exactly one"),
        (("ingest", "--series", "x"), ExitCode.USAGE, "not a DICOM UID"),
        (("send", "/nowhere"), ExitCode.USAGE, "does not exist"),
        (("nonsense",), ExitCode.USAGE, "nonsense"),
    ],
)
def test_an_error_has_its_exit_code_and_no_traceback(run, words, code, said):
    result = run(*words)
    assert result.exit_code == code
    assert said in " ".join(result.stderr.split())
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_an_error_is_json_where_json_is_asked_for(run):
    result = run("find", "--series", "1.2.3", "--json")
    assert json.loads(result.stderr) == {"error": "series 1.2.3 is not in the catalogue", "class": "NotFound"}


# pynetdicom leaves the socket of a refused connection to the garbage collector
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning")
def test_sending_to_nobody_is_pacs_away(run, tmp_path):
    (tmp_path / "one.dcm").write_bytes(to_bytes(oblique()[0]))
    result = run("send", str(tmp_path / "one.dcm"), "--port", "9")
    assert result.exit_code == ExitCode.PACS_AWAY
    assert "takes no association" in result.stderr
    gc.collect()


def test_doctor_tells_of_everything_and_what_to_do(run):
    result = run("doctor", "--json")
    assert result.exit_code == ExitCode.FAILED
    told = {one["what"]: one for one in json.loads(result.stdout)}
    assert told["orthanc"]["state"] == "broken"
    assert "pacs.orthanc_url" in told["orthanc"]["advice"]
    assert {told[name]["state"] for name in ("python", "folder", "catalogue", "embedder", "segmenter", "decoders")} == {
        "ok"
    }
    assert told["token"]["state"] == "warning"


def test_sending_what_is_no_dicom_finds_nothing(run, tmp_path):
    (tmp_path / "text.txt").write_text("no DICOM")
    result = run("send", str(tmp_path), "--json")
    assert result.exit_code == ExitCode.NOTHING_FOUND
    assert json.loads(result.stdout)["sent"] == 0


def test_every_error_has_an_exit_code():
    def tree(base):
        return [base, *(sub for one in base.__subclasses__() for sub in tree(one))]

    for error in tree(errors.SimilarCasesError):
        assert isinstance(exit_code_of(error()), ExitCode)
    assert exit_code_of(errors.SimilarCasesError()) is ExitCode.FAILED
    assert ExitCode.OK not in EXIT_CODES.values()


def test_what_an_archive_holds_cannot_command_the_terminal(capsys):
    print_table("t", ("a",), [("\x1b[2J[bold]x[/bold]\x07",)])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "[bold]x[/bold]" in out
    assert shown(None) == ""


def test_log_lines_are_json():
    record = logging.LogRecord("similar_cases.x", logging.WARNING, "f", 1, "two\nlines %s", ("ü",), None)
    assert json.loads(JsonLines().format(record))["message"] == "two\nlines ü"


def series(study: str, uid: str, modality: str = "CT") -> OrthancSeries:
    return OrthancSeries(
        orthanc_id=uid,
        study_orthanc_id=study,
        patient_orthanc_id="p",
        series=SeriesRef(study, uid),
        modality=modality,
        instance_count=1,
        is_stable=True,
    )


def test_a_selection_takes_the_annotations_of_the_same_study_along():
    listed = [series("1.1", "1.1.1"), series("1.1", "1.1.2", "RTSTRUCT"), series("1.2", "1.2.1")]
    assert [one.series.series_uid for one in Selection(series_uid="1.1.1").of(listed)] == ["1.1.1", "1.1.2"]
    assert [one.series.series_uid for one in Selection(study_uid="1.2").of(listed)] == ["1.2.1"]
    assert len(Selection().of(listed)) == 3
    with pytest.raises(errors.NotFound):
        Selection(series_uid="9").of(listed)


@pytest.mark.parametrize("words", [["--help"], ["settings"], ["status"], ["find", "--help"]])
def test_nothing_heavy_is_loaded_before_it_is_needed(words, tmp_path):
    heavy = ("torch", "monai", "highdicom", "SimpleITK", "scipy", "skimage", "pynetdicom", "flask")
    script = (
        "import sys\n"
        "from similar_cases.cli import app\n"
        f"try:\n    app({words!r})\nexcept SystemExit:\n    pass\n"
        f"loaded = [name for name in {heavy!r} if name in sys.modules]\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)\n"
    )
    environment = {"PATH": os.environ["PATH"], "SIMILAR_CASES_INDEX__DATA_DIR": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=Path(__file__).parents[3] / "plugin",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
