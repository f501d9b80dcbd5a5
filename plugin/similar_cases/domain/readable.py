"""What a caller may read of the archive, which the archive alone decides."""

from collections.abc import Callable, Collection

#: Series Instance UIDs → those of them that the caller may read
Readable = Callable[[Collection[str]], Collection[str]]


def everything(series_uids: Collection[str]) -> Collection[str]:
    """Return all: where the archive makes no difference between its callers."""
    return series_uids
