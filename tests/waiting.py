"""Waiting for something to come about, as long as that may take on a machine that others use."""

import time
from collections.abc import Callable
from typing import TypeVar

#: only a fault takes so long
PATIENCE_SECONDS = 120

T = TypeVar("T")


def wait_until(holds: Callable[[], T]) -> T:
    """Wait until `holds()` is true, and return what it is.

    Raises:
        AssertionError: when it is not in time.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := holds()):
        assert time.monotonic() < deadline, f"waited {PATIENCE_SECONDS} s in vain"
        time.sleep(0.01)
    return found
