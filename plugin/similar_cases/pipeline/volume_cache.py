"""The volumes of the last Series that somebody clicked in, so that the second click need not fetch them again."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from similar_cases.domain.volume import Volume

#: Series Instance UID, and what tells one state of its content from another
Key = tuple[str, str]


@dataclass
class _Held:
    lock: threading.Lock = field(default_factory=threading.Lock)
    volumes: list[Volume] | None = None


class VolumeCache:
    """Least recently used first out. Who asks for a Series that another thread is fetching waits for that one."""

    def __init__(self, capacity: int) -> None:
        self._capacity = max(1, capacity)
        self._held: OrderedDict[Key, _Held] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key, fetch: Callable[[], list[Volume]]) -> list[Volume]:
        """Return the volumes under `key`; `fetch` is called where there are none, and its errors are passed on."""
        with self._lock:
            held = self._held.setdefault(key, _Held())
            self._held.move_to_end(key)
            while len(self._held) > self._capacity:
                self._held.popitem(last=False)
        with held.lock:
            if held.volumes is None:
                held.volumes = fetch()
            return held.volumes
