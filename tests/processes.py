"""Processes that tests look at from outside: any of them may end between two looks."""

import contextlib
from collections.abc import Iterable, Iterator

import psutil


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and waits to be buried does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def named(word: str, processes: Iterable[psutil.Process]) -> Iterator[psutil.Process]:
    """Yield those processes whose command has the word in it; those that have ended have none."""
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if word in " ".join(one.cmdline()):
                yield one
