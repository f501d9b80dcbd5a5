"""The picture of the layers in DESIGN is a test: import-linter reads pyproject.toml."""

import re
from pathlib import Path

from importlinter import cli

ROOT = Path(__file__).parents[2]


def test_imports_run_one_way(capsys):
    status = cli.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == 0, capsys.readouterr().out


def test_only_bootstrap_and_cli_read_settings():
    package = ROOT / "plugin" / "similar_cases"
    readers = {
        path.relative_to(package).parts[0]
        for path in package.rglob("*.py")
        if re.search(
            r"^\s*(from|import) similar_cases(\.| import )settings|os\.environ|os\.getenv", path.read_text(), re.M
        )
    }
    # the bridge passes an environment on to the worker that it starts; it reads no setting of ours from it
    assert readers <= {"bootstrap.py", "cli.py", "cli", "settings.py", "demo", "bridge"}
