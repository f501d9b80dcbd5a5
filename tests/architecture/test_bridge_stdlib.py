"""The bridge runs in Orthanc's interpreter: a bare one, without a single package, must be able to load it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[2] / "plugin"

#: imports the given module in an interpreter without site-packages, and prints the modules that are not its own
PROBE = """
import json, sys
before = set(sys.modules)
sys.path.insert(0, sys.argv[1])
__import__(sys.argv[2])
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps(sorted(new - set(sys.stdlib_module_names))))
"""


@pytest.mark.parametrize(
    "module",
    [
        "similar_cases.wire",
        "similar_cases.bridge",
        "similar_cases.bridge.config",
        "similar_cases.bridge.lifecycle",
        "similar_cases.bridge.notify",
        "similar_cases.bridge.proxy",
        "similar_cases.bridge.supervise",
    ],
)
def test_a_bare_interpreter_loads_it(module: str):
    # -I: no environment, no user's folder; -S: no site-packages
    command = [sys.executable, "-I", "-S", "-c", PROBE, str(PLUGIN), module]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["similar_cases"]


def test_the_probe_would_notice_a_package():
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROBE, str(PLUGIN), "similar_cases.domain.geometry"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert "numpy" in done.stderr
