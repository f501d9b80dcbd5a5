"""The attributes that most filters ask about, in memory, a number a Case: a condition over a million is a millisecond.

Only columns with few different values are worth it; a condition on any other is asked in SQL, whose index is made for
it. What a condition means is ``matching``'s, in SQL; here it is the same, and a test holds the two together.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement

from similar_cases.domain.conditions import Condition, Match
from similar_cases.index.case_index import Mask, Rows
from similar_cases.index.schema import cases
from similar_cases.index.vector_store import capacity_for

#: keyword → column of ``cases``
TEXTS: Mapping[str, ColumnElement[str]] = MappingProxyType(
    {
        "StudyDate": cases.c.study_date,
        "Modality": cases.c.modality,
        "Manufacturer": cases.c.manufacturer,
        "ManufacturerModelName": cases.c.manufacturer_model_name,
        "StudyDescription": cases.c.study_description,
        "SeriesDescription": cases.c.series_description,
        "PatientSex": cases.c.patient_sex,
        "BodyPartExamined": cases.c.body_part_examined,
    }
)
#: what is to be read for `AttributeColumns.put`, in this order
READ: tuple[ColumnElement[Any], ...] = (*TEXTS.values(), cases.c.patient_age_years)


class AttributeColumns:
    """One entry a row of a CaseIndex. For one thread at a time."""

    def __init__(self) -> None:
        self._texts = {keyword: _TextColumn() for keyword in TEXTS}
        self._ages = np.zeros(0)

    def put(self, rows: Rows, values: Sequence[Sequence[Any]]) -> None:
        """Keep the `READ` columns of n rows, one sequence a column."""
        for column, texts in zip(self._texts.values(), values, strict=False):
            column.put(rows, texts)
        self._ages = _grown(self._ages, int(rows.max(initial=-1)) + 1)
        self._ages[rows] = np.array([np.nan if age is None else age for age in values[-1]], dtype=np.float64)

    def passing(self, condition: Condition, count: int) -> Mask | None:
        """Return which of the first `count` rows satisfy `condition`; None where only the catalogue can tell."""
        if condition.match is Match.YEARS:
            low, high = (float(value) if value else None for value in condition.values)
            ages = self._ages[:count]
            # NaN is neither
            return (ages >= (-np.inf if low is None else low)) & (ages < (np.inf if high is None else high))
        column = self._texts.get(condition.keyword)
        if column is None:
            return None
        if condition.match is Match.RANGE:
            first, last = condition.values
            return column.within(first, last, count)
        return column.passing(_test_of(condition), count)


class _TextColumn:
    """A value a row, each different one once. Values are sorted, so that a range of them is a stretch of codes.

    Code 0 is a row that was never put; code n + 1 stands for value n. Sorted as text, by code points, as SQLite does.
    """

    def __init__(self) -> None:
        self._codes: NDArray[np.int32] = np.zeros(0, np.int32)
        self._values: list[str] = []
        self._code_of: dict[str, int] = {}

    def put(self, rows: Rows, texts: Sequence[str]) -> None:
        self._codes = _grown(self._codes, int(rows.max(initial=-1)) + 1)
        if new := set(texts) - self._code_of.keys():
            self._enter(new)
        self._codes[rows] = [self._code_of[text] for text in texts]

    def passing(self, test: Callable[[str], bool], count: int) -> Mask:
        passes = np.array([False, *map(test, self._values)])
        chosen = np.flatnonzero(passes)
        if len(chosen) and chosen[-1] - chosen[0] + 1 == len(chosen):
            return self._between(int(chosen[0]), int(chosen[-1]) + 1, count)
        found: Mask = np.take(passes, self._codes[:count], mode="clip")
        return found

    def within(self, low: str, high: str, count: int) -> Mask:
        """Return which rows have a value from `low` to `high`, each empty for no bound; no value is in no range."""
        first = max(bisect_left(self._values, low), bisect_right(self._values, ""))
        last = bisect_right(self._values, high) if high else len(self._values)
        return self._between(first + 1, last + 1, count)

    def _between(self, first: int, last: int, count: int) -> Mask:
        """Return which rows have a code from `first` on and below `last`: comparing is quicker than looking up."""
        codes = self._codes[:count]
        found: Mask = codes == first if last == first + 1 else (codes >= first) & (codes < last)
        return found

    def _enter(self, new: Iterable[str]) -> None:
        old, self._values = self._values, sorted([*self._values, *new])
        self._code_of = {value: number for number, value in enumerate(self._values, 1)}
        moved = np.array([0, *(self._code_of[value] for value in old)], dtype=np.int32)
        self._codes = np.take(moved, self._codes)


def _test_of(condition: Condition) -> Callable[[str], bool]:
    """Return `condition` as ``matching`` says it in SQL, for one value."""
    values = condition.values
    if condition.match is Match.LIST:
        return frozenset(values).__contains__
    if condition.match is Match.WILDCARD:
        return _wildcard(values[0])
    return values[0].__eq__


def _wildcard(pattern: str) -> Callable[[str], bool]:
    """Return DICOM's wildcard matching; each piece is taken where it first fits, so that no pattern takes long.

    >>> test = _wildcard("T?*50%*")
    >>> test("T1 50%"), test("T1 post 50%, late"), test("T50% "), test("")
    (True, True, False, False)
    """
    first, *others = [
        re.compile("".join("." if one == "?" else re.escape(one) for one in piece), re.DOTALL)
        for piece in pattern.split("*")
    ]
    if not others:
        return lambda text: bool(text) and first.fullmatch(text) is not None
    *middle, last = others
    tail = len(pattern) - pattern.rindex("*") - 1

    def test(text: str) -> bool:
        at, end = first.match(text), len(text) - tail
        for piece in middle:
            at = at and piece.search(text, at.end(), max(end, 0))
        return bool(text) and at is not None and at.end() <= end and last.match(text, end) is not None

    return test


def _grown(column: NDArray[Any], needed: int) -> NDArray[Any]:
    more = capacity_for(needed, len(column)) - len(column)
    return np.concatenate([column, np.zeros(more, column.dtype)]) if more else column
