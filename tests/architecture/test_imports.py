"""The picture of the layers in DESIGN is a test: import-linter reads pyproject.toml."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_imports_run_one_way():
    """In a process of its own: import-linter switches other libraries' loggers off."""
    command = [
        str(Path(sys.executable).with_name("lint-imports")),
        "--config",
        str(ROOT / "pyproject.toml"),
        "--no-cache",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


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
