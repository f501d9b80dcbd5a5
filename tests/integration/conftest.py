"""Real Orthancs as fixtures. Function-scoped ones start clean; a start takes about a second."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.orthanc_server import OrthancServer, Version, orthanc_server, why_not

StartOrthanc = Callable[..., OrthancServer]


def require(version: Version, config: pytest.Config) -> None:
    """Skip where this Orthanc cannot run here, or fail under ``--require-orthanc`` and ``--require-forky``."""
    reason = why_not(version)
    if reason is None:
        return
    if config.getoption("--require-orthanc" if version == "debian" else "--require-forky"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def start_orthanc(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[StartOrthanc]:
    """A function that starts Orthancs (arguments of ``orthanc_server`` but the folder); all end with the test."""
    with ExitStack() as running:

        def start(**options: Any) -> OrthancServer:
            require(options.get("version", "debian"), request.config)
            folder = tmp_path / f"orthanc-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return running.enter_context(orthanc_server(folder, **options))

        yield start


@pytest.fixture
def plain_orthanc(start_orthanc: StartOrthanc) -> OrthancServer:
    """This machine's Orthanc with DICOMweb, without the plugin."""
    return start_orthanc()


@pytest.fixture(
    scope="module",
    params=[pytest.param("debian", marks=pytest.mark.orthanc), pytest.param("forky", marks=pytest.mark.forky)],
)
def version(request: pytest.FixtureRequest) -> Version:
    """Both versions of Orthanc, one after the other."""
    chosen: Version = request.param
    require(chosen, request.config)
    return chosen
