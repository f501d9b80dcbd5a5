"""What the last questions needed, so that the next one need not fetch or compute it again."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from similar_cases.domain.volume import Volume

Value = TypeVar("Value")

#: what it is of, and what tells one state of its content from another
Key = tuple[str, ...]


@dataclass
class _Held(Generic[Value]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    value: Value | None = None


class LastUsed(Generic[Value]):
    """Least recently used first out. Who asks for what another thread is fetching waits for that one."""

    def __init__(self, capacity: int) -> None:
        self._capacity = max(1, capacity)
        self._held: OrderedDict[Key, _Held[Value]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key, fetch: Callable[[], Value]) -> Value:
        """Return the value under `key`; `fetch` is called where there is none, and its errors are passed on."""
        with self._lock:
            held = self._held.setdefault(key, _Held())
            self._held.move_to_end(key)
            while len(self._held) > self._capacity:
                self._held.popitem(last=False)
        with held.lock:
            if held.value is None:
                held.value = fetch()
            return held.value


#: the volumes of the last Series that somebody looked at or clicked in
VolumeCache = LastUsed[list[Volume]]
