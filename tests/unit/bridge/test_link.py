"""The answer of a worker that hangs up is read to its end, even where it never read the question."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from similar_cases.bridge.link import Deadline, Exchange, WorkerAddress, WorkerAway

REFUSAL = (
    b"HTTP/1.1 413 Too Large\r\nContent-Type: text/plain\r\nContent-Length: 8\r\nConnection: close\r\n\r\ntoo long"
)


@contextmanager
def worker(answer: bytes, *, reads: int) -> Iterator[WorkerAddress]:
    """Take one connection, read a little, answer, and hang up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(reads)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield WorkerAddress(f"http://127.0.0.1:{listening.getsockname()[1]}", "token")
        thread.join()


@pytest.mark.parametrize("length", [0, 2_000, 8_000_000])
def test_an_answer_before_the_end_of_the_question_arrives_whole(length: int) -> None:
    with worker(REFUSAL, reads=1000) as address, Exchange(address, Deadline(5)) as exchange:
        response = exchange.ask("POST", "/x", {"Content-Type": "application/json"}, b"x" * length)
        assert response.status == 413
        assert exchange.read(response, 1000) == b"too long"
        assert exchange.read(response, 1000) == b""


def test_no_answer_at_all_is_a_worker_that_is_away() -> None:
    with (
        worker(b"", reads=1000) as address,
        Exchange(address, Deadline(5)) as exchange,
        pytest.raises(WorkerAway, match="hung up"),
    ):
        exchange.ask("POST", "/x", {}, b"x" * 8_000_000)
