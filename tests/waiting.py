"""Waiting for something to come about, as long as that may take on a machine that others use."""

import time
from collections.abc import Callable
from typing import TypeVar

#: only a fault takes so long
PATIENCE_SECONDS = 120

T = TypeVar("T")


def wait_until(
    holds: Callable[[], T],
    what: str = "what is waited for",
    *,
    pause_seconds: float = 0.01,
    patience_seconds: float = PATIENCE_SECONDS,
) -> T:
    """Wait until `holds()` is true, and return what it is.

    Raises:
        AssertionError: when it is not in time.
    """
    deadline = time.monotonic() + patience_seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not in {patience_seconds:.0f} s: {what}"
        time.sleep(pause_seconds)
    return found
