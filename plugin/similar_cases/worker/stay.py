"""Ending with the parent: a process that reads its standard input, and ends when it closes, outlives nobody."""

import os
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO


def end_with_parent(last_act: Callable[[], None] = lambda: None, stdin: BinaryIO | None = None) -> threading.Thread:
    """End this process as soon as its standard input closes, however its parent ended, `last_act` done before.

    The process ends in the middle of whatever it does: every step of the product bears that.
    """
    source = stdin or sys.stdin.buffer

    def wait() -> None:
        while source.read(1024):
            continue
        try:
            last_act()
        finally:
            os._exit(0)

    thread = threading.Thread(target=wait, name="stay-with-parent", daemon=True)
    thread.start()
    return thread
