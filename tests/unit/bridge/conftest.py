"""A worker over real HTTP, and Orthanc's outputs of both versions."""

import threading
from collections.abc import Iterator

import pytest
from tests.bridge_doubles import TOKEN, NewOutput, OldOutput
from tests.fake_worker import Worker

from similar_cases import wire
from similar_cases.bridge.link import WorkerAddress


@pytest.fixture(params=[OldOutput, NewOutput], ids=["plugin 4.0", "plugin 7.1"])
def output(request: pytest.FixtureRequest) -> OldOutput:
    made: OldOutput = request.param()
    return made


@pytest.fixture
def worker() -> Iterator[Worker]:
    """The stand-in for the worker, in a thread."""
    server = Worker({wire.ENV_TOKEN: TOKEN})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def address(worker: Worker) -> WorkerAddress:
    return WorkerAddress(f"http://127.0.0.1:{worker.server_port}", TOKEN)
