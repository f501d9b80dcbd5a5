"""Attributes of a hostile Dataset, read without ever raising for their values.

pydicom converts an element when it is first asked for, so that a broken value raises there and then, with whatever
exception its parser meets. Here a value that cannot be read counts as absent; what needs it says so.
"""

import math
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from similar_cases.domain.errors import MalformedDicom

#: a longer text is cut: no attribute that is read here may be longer (PS3.5 table 6.2-1: LO 64, PN 3 × 64)
_MAX_TEXT = 1024


def value_of(dataset: Dataset, keyword: str | int) -> Any:
    """Return the value of an attribute, None where it is absent or cannot be read.

    Raises:
        MalformedDicom: where its sequences are nested deeper than Python's stack.
    """
    try:
        return dataset[_tag(keyword)].value
    except KeyError:
        return None
    except RecursionError as error:
        raise MalformedDicom("its sequences are nested too deeply to be read") from error
    except Exception:  # the value is hostile, and so is the choice of exception
        return None


@cache
def _tag(keyword: str | int) -> BaseTag:
    return Tag(keyword)


def words(dataset: Dataset, keyword: str | int) -> tuple[str, ...]:
    """Return the values of a text attribute, without control characters; empty where there are none.

    >>> image = Dataset()
    >>> image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    >>> words(image, "ImageType")
    ('ORIGINAL', 'PRIMARY', 'AXIAL')
    """
    value = value_of(dataset, keyword)
    if value is None or isinstance(value, bytes):
        return ()
    values = value if isinstance(value, MultiValue | list | tuple) else (value,)
    return tuple(_clean(one) for one in values)


def text(dataset: Dataset, keyword: str | int) -> str:
    """Return the first value of a text attribute; empty where there is none."""
    return next(iter(words(dataset, keyword)), "")


def _clean(value: object) -> str:
    plain = ""
    with suppress(Exception):  # a PersonName decodes its bytes here, by a character set that may not exist
        plain = str(value)
    plain = plain[:_MAX_TEXT]
    if not plain.isprintable():
        plain = "".join(letter for letter in plain if letter.isprintable())
    return plain.strip()


def numbers(dataset: Dataset, keyword: str | int, count: int) -> tuple[float, ...] | None:
    """Return `count` finite numbers, None where the attribute does not hold just so many.

    >>> image = Dataset()
    >>> image.PixelSpacing = [0.5, 0.7]
    >>> numbers(image, "PixelSpacing", 2), numbers(image, "ImagePositionPatient", 3)
    ((0.5, 0.7), None)
    """
    value = value_of(dataset, keyword)
    values = value if isinstance(value, MultiValue | list | tuple) else (value,)
    if value is None or len(values) != count:
        return None
    try:
        found = tuple(float(one) for one in values)
    except (TypeError, ValueError, OverflowError):
        return None
    # over a million kilometres, seconds or Hounsfield units nothing is meant
    return found if all(math.isfinite(one) and abs(one) < 1e15 for one in found) else None


def number(dataset: Dataset, keyword: str | int) -> float | None:
    """Return one finite number, None where there is none; the first of several."""
    value = value_of(dataset, keyword)
    if isinstance(value, MultiValue | list | tuple):
        value = value[0] if len(value) else None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and abs(found) < 1e15 else None


def whole(dataset: Dataset, keyword: str | int) -> int | None:
    """Return one whole number, None where there is none."""
    found = number(dataset, keyword)
    return None if found is None else int(found)


def items(dataset: Dataset, keyword: str | int) -> Sequence[Dataset]:
    """Return the items of a sequence; empty where there is none."""
    value = value_of(dataset, keyword)
    return value if value is not None and hasattr(value, "__len__") and not isinstance(value, str | bytes) else ()


def item(dataset: Dataset, keyword: str | int) -> Dataset | None:
    """Return the first item of a sequence, None where there is none."""
    first = next(iter(items(dataset, keyword)), None)
    return first if isinstance(first, Dataset) else None


def private(dataset: Dataset, group: int, offset: int, creator: str) -> Any:
    """Return the value of a private attribute in the block of `creator` (PS3.5 section 7.8.1), None where absent."""
    try:
        return dataset.private_block(group, creator)[offset].value
    except RecursionError as error:
        raise MalformedDicom("its sequences are nested too deeply to be read") from error
    except Exception:  # absent, or hostile
        return None
