"""Waiting longer every time, without chance."""


class Patience:
    """Seconds to wait: each time twice as long, up to a bound, until something succeeds.

    >>> patience = Patience(first_seconds=1.0, longest_seconds=3.0)
    >>> [patience.next_seconds() for _ in range(3)]
    [1.0, 2.0, 3.0]
    """

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        self._first = first_seconds
        self._longest = longest_seconds
        self._next = first_seconds

    def next_seconds(self) -> float:
        """Return the next wait."""
        now = self._next
        self._next = min(self._longest, 2.0 * now)
        return now

    def reset(self) -> None:
        """Begin again at the first wait."""
        self._next = self._first
