"""Where the time of one ingestion goes, and what was left out on the way."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

#: the steps of an ingestion, in their order
STEPS = ("retrieve", "build", "segment", "everything", "describe", "record", "store", "index")


@dataclass
class Steps:
    """Adds up seconds a step, and collects notes.

    Attributes:
        keep_going: called before each step; raises LeaseLost when the work is for nothing by now.
    """

    keep_going: Callable[[], None] = lambda: None
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Count the time inside towards step `name`."""
        self.keep_going()
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
