"""What can be set, asked, called or raised stands in the documents; what the documents name exists."""

import re
from pathlib import Path

import pytest

import similar_cases
from similar_cases import wire
from similar_cases.cli import app
from similar_cases.cli.console import ExitCode
from similar_cases.cli.settings_file import as_toml
from similar_cases.domain import errors
from similar_cases.rank.filters import ATTRIBUTES
from similar_cases.settings import Settings, setting_names, shown
from similar_cases.web import problems
from similar_cases.web.ask import OWN_PARAMETERS
from similar_cases.web.private import DICTIONARY
from similar_cases.web.question import SimilarBody

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "plugin" / "docs"
PACKAGE = ROOT / "plugin" / "similar_cases"


def doc(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


@pytest.mark.parametrize(
    "package", sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists() and path.is_dir())
)
def test_package_stands_in_the_map_and_in_the_architecture(package):
    assert f"``{package}``" in similar_cases.__doc__
    assert f"`{package}`" in doc("architecture.md")


def error_classes() -> list[type[errors.SimilarCasesError]]:
    def below(base):
        return [base, *(found for one in base.__subclasses__() for found in below(one))]

    return below(errors.SimilarCasesError)


@pytest.mark.parametrize("known", list(setting_names()), ids=lambda known: known.path)
def test_setting_stands_in_the_operations_page(known):
    default = "secret, by environment alone" if known.is_secret else shown(known.default)
    [line] = re.findall(rf"^\| `{re.escape(known.path)}` \|.*$", doc("operations.md"), flags=re.MULTILINE)
    assert known.field.description in line
    assert default in line


def test_operations_page_names_no_setting_that_is_gone():
    told = set(re.findall(r"^\| `([a-z]+\.[a-z0-9_]+)` \|", doc("operations.md"), flags=re.MULTILINE))
    assert told == {known.path for known in setting_names()}


def test_every_setting_is_in_the_file_of_the_image():
    assert (ROOT / "docker" / "worker" / "settings.toml").read_text("utf-8") == as_toml()


def test_sections_are_named_as_packages_and_have_a_word_of_explanation():
    for section, holder in Settings.model_fields.items():
        assert (PACKAGE / section).is_dir(), section
        assert holder.annotation.__doc__.strip() in doc("operations.md")


@pytest.mark.parametrize("command", app.registered_commands, ids=lambda command: command.callback.__name__)
def test_command_stands_in_the_operations_page(command):
    name = command.name or command.callback.__name__
    told = f"| `similar-cases {name}" in doc("operations.md")
    assert told is not command.hidden


def test_operations_page_names_no_command_that_is_gone():
    told = set(re.findall(r"^\| `similar-cases ([a-z]+)", doc("operations.md"), flags=re.MULTILINE))
    commands = {one.name or one.callback.__name__ for one in app.registered_commands if not one.hidden}
    assert told == commands | {group.name for group in app.registered_groups}


@pytest.mark.parametrize("code", ExitCode)
def test_exit_code_stands_in_the_operations_page(code):
    assert f"\n| {code.value} | " in doc("operations.md")


@pytest.mark.parametrize("name", [name for name in vars(wire) if name.startswith("ROUTE_")])
def test_route_stands_in_the_api_page(name):
    assert re.search(rf"`(GET|POST) {re.escape(getattr(wire, name))}`", doc("api.md"))


@pytest.mark.parametrize("error", error_classes(), ids=lambda error: error.__name__)
def test_error_stands_in_the_api_page_with_its_status_and_in_its_tree(error):
    lines = re.findall(rf"^\| (\d+) \|.*`{error.__name__}`.*$", doc("api.md"), flags=re.MULTILINE)
    assert lines == [str(problems.status_of(error()))]
    drawn = re.search(rf"[─ ]{error.__name__} .* (\d+)$", errors.__doc__, flags=re.MULTILINE)
    if error is not errors.SimilarCasesError:
        assert drawn, "the tree in domain/errors.py lacks it"
        assert int(drawn[1]) == problems.status_of(error())


def test_api_page_names_every_parameter_attribute_and_field():
    text = doc("api.md")
    assert [name for name in OWN_PARAMETERS if f"`{name}`" not in text] == []
    assert [name for name in ATTRIBUTES if name not in text] == []
    assert [name for name in SimilarBody.model_fields if f'"{name}"' not in text] == []


def test_conformance_statement_has_the_dictionary_of_our_private_block():
    row = r"^\| (> )?\(0077,xx([0-9A-F]{2})\) \| (\w\w) \| (\S+) \| (.+?) \| (.+) \|$"
    told = re.findall(row, doc("dicom-conformance.md"), flags=re.MULTILINE)
    on_request = "; on `includefield` alone"
    assert {(bool(nested), *rest) for nested, *rest in told} == {
        (bool(one.within), f"{one.element:02X}", one.vr, one.vm, one.name, one.meaning + on_request * one.on_request)
        for one in DICTIONARY
    }
    assert wire.PRIVATE_CREATOR in doc("dicom-conformance.md")


def test_every_word_of_the_glossary_that_is_code_is_in_the_code():
    source = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    rows = re.findall(r"^\| (.+?) \|", doc("glossary.md"), flags=re.MULTILINE)
    words = [word for row in rows for word in re.findall(r"`([A-Za-z_]+)`", row)]
    assert words
    # Segment is DICOM's own word: an item of a SEG, by highdicom
    assert [word for word in words if not re.search(rf"\b(class {word}\b|{word} =|def {word}\b)", source)] in (
        [],
        ["Segment"],
    )


def test_every_package_stands_in_the_map():
    import similar_cases

    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert [name for name in sorted(packages) if f"``{name}``" not in similar_cases.__doc__] == []
