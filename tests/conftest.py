"""Options of the test run, and where the real data lie."""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# on a machine that others use, an example that takes long says nothing
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("similar cases")
    group.addoption(
        "--require-orthanc", action="store_true", help="fail where no Orthanc is installed, instead of skipping"
    )
    group.addoption("--require-forky", action="store_true", help="fail where the chroot with Orthanc 1.13.0 is absent")
    group.addoption("--require-browser", action="store_true", help="fail where chromium, nginx or OHIF is absent")
    group.addoption("--require-postgresql", action="store_true", help="fail where pgserver starts no PostgreSQL")
    group.addoption("--require-gpu", action="store_true", help="fail where torch finds no GPU, instead of skipping")
    group.addoption("--require-data", action="store_true", help="fail where SIMILAR_CASES_DATA is not set")


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Let the programs that tests start be interrupted, though a run in the background (`make test &`) is not."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Take back what a command that runs in this process does to logging: its stream closes with its test."""
    root, *loggers = (logging.getLogger(name) for name in (None, "pydicom", "similar_cases"))
    handlers, levels = list(root.handlers), [one.level for one in (root, *loggers)]
    yield
    for handler in [one for one in root.handlers if one not in handlers]:
        root.removeHandler(handler)
    for one, level in zip((root, *loggers), levels, strict=True):
        one.setLevel(level)


@pytest.fixture(scope="session")
def data_dir(request: pytest.FixtureRequest) -> Path:
    """The folder of real data; laid out as `similar-cases evaluate click-to-mask --help` tells."""
    named = os.environ.get("SIMILAR_CASES_DATA", "")
    if named and Path(named).is_dir():
        return Path(named)
    reason = f"SIMILAR_CASES_DATA names no folder ({named!r}): tests on real images need it"
    if request.config.getoption("--require-data"):
        pytest.fail(reason)
    pytest.skip(reason)
