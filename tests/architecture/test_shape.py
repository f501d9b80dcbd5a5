"""Small modules, small functions, names that say what is inside."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "plugin"
MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted(PACKAGE.rglob("*.js"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "generic", "others"}

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PUBLIC_METHODS = 12
MAX_PUBLIC_NAMES = 10


def functions_in(module: Path) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.FunctionDef))


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of code, the docstring left out."""
    first = function.body[0]
    is_docstring = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    documented = first.end_lineno - first.lineno + 1 if is_docstring else 0
    return function.end_lineno - function.lineno + 1 - documented


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_is_a_room_with_a_name(module):
    assert len(module.read_text().splitlines()) <= MAX_MODULE_LINES
    assert module.stem not in FORBIDDEN_NAMES


def test_modules_of_tests_are_rooms_too():
    assert [str(module) for module in TESTS if len(module.read_text().splitlines()) > MAX_MODULE_LINES] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_of_the_page_is_a_room_that_says_what_is_in_it(script):
    lines = script.read_text("utf-8").splitlines()
    assert len(lines) <= MAX_MODULE_LINES
    assert lines[0].startswith(("// ", "/* "))
    assert script.stem not in FORBIDDEN_NAMES


def test_functions_are_short():
    lengths = {
        f"{module.relative_to(PACKAGE)}:{f.lineno} {f.name}": body_lines(f)
        for module in MODULES
        for f in functions_in(module)
    }
    too_long = {where: lines for where, lines in lengths.items() if lines > MAX_FUNCTION_LINES}
    assert not too_long
    assert statistics.median(lengths.values()) <= 9
    assert statistics.quantiles(lengths.values(), n=10)[-1] <= 30


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_classes_are_small(module):
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ClassDef):
            public = [f.name for f in node.body if isinstance(f, ast.FunctionDef) and not f.name.startswith("_")]
            assert len(public) <= MAX_PUBLIC_METHODS, (node.name, public)


@pytest.mark.parametrize(
    "module", [m for m in MODULES if m.name == "__init__.py"], ids=lambda path: str(path.parent.relative_to(PACKAGE))
)
def test_packages_offer_few_names(module):
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            assert len(ast.literal_eval(node.value)) <= MAX_PUBLIC_NAMES


def test_nothing_is_swallowed_and_nothing_is_printed():
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ExceptHandler):
                only_pass = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
                broad = node.type is None or (
                    isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
                )
                assert not (only_pass and broad), f"{module}:{node.lineno} swallows everything"


def test_top_level_holds_what_the_design_names():
    tracked = {
        "README.md",
        "pyproject.toml",
        "Makefile",
        "LICENSE",
        "CHANGELOG.md",
        "plugin",
        "orthanc-config",
        "models",
        "tests",
        "docker",
    }
    hidden = {path.name for path in ROOT.iterdir() if path.name.startswith(".")}
    found = (
        {path.name for path in ROOT.iterdir()}
        - hidden
        - {"build", "dist", "node_modules", "package.json", "package-lock.json"}
    )
    assert found <= tracked | {"CONTRIBUTING.md", "SECURITY.md", "CITATION.cff"}
