"""Runs every benchmark, one after another, and prints one JSON object: name → what it measured."""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def measured(name: str) -> object:
    """Run one benchmark, and return its JSON; what went wrong as text, so that the others still run."""
    command = [sys.executable, "-m", f"tests.benchmark.{name}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parents[1])
    try:
        return json.loads(run.stdout)
    except ValueError:
        return {"failed": (run.stderr or run.stdout).strip().splitlines()[-1:]}


def main() -> None:
    """Print one JSON object."""
    names = sorted(path.stem for path in HERE.glob("bench_*.py"))
    sys.stdout.write(json.dumps({name: measured(name) for name in names}, indent=2) + "\n")


if __name__ == "__main__":
    main()
