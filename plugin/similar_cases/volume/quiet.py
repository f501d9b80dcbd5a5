"""Silence for pydicom's warnings about values, which archives are full of."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Ignore pydicom's warnings inside the block.

    They tell of odd values in a header, and quote them; here such a value counts as absent, and what needs it says so.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield
