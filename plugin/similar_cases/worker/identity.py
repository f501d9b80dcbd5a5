"""Who holds a lease: host and process."""

import os
import socket
from collections.abc import Iterable


def worker_id(pid: int | None = None) -> str:
    """Return the name of process `pid` (this one if None) of this host, as leases carry it."""
    return f"{socket.gethostname()}:{os.getpid() if pid is None else pid}"


def dead_workers(names: Iterable[str]) -> set[str]:
    """Return those of `names` that are processes of this host and do not live any more.

    >>> dead_workers([worker_id(), "elsewhere:1"])
    set()
    """
    host = socket.gethostname() + ":"
    return {name for name in names if name.startswith(host) and not _lives(name.removeprefix(host))}


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
