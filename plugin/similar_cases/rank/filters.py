"""QIDO's matching grammar (PS3.18 8.3.4, PS3.4 C.2.2.2) parsed into conditions that the catalogue understands."""

import re
from collections.abc import Callable
from math import isfinite

from similar_cases.domain.conditions import ATTRIBUTES, Condition, Match
from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.references import require_uid
from similar_cases.domain.similarity import Filters

#: more ``*`` than this in one pattern makes matching costly and helps nobody
MAX_WILDCARDS = 8
#: a longer value matches nothing (PS3.5 table 6.2-1: PN has 3 x 64 characters and separators)
MAX_VALUE_LENGTH = 324

_KEYWORD_OF_TAG = {attribute.tag: keyword for keyword, attribute in ATTRIBUTES.items()}
_DATE = re.compile(r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?")
_AGE = re.compile(r"(\d{1,3})([DWMY])")
_YEARS_OF_UNIT = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}


def conditions_of(filters: Filters) -> tuple[Condition, ...]:
    """Return the conditions that `filters` ask, in their order; same-patient exclusion is the pipeline's, not here.

    Raises:
        InvalidRequest: for an attribute that is not supported, or a value that its VR does not allow.
    """
    asked = tuple(parse_condition(name, value) for name, value in filters.attributes)
    return tuple(condition for condition in (*asked, _age_condition(filters.age_years)) if condition)


def parse_condition(name: str, value: str) -> Condition | None:
    r"""Parse one attribute filter; None where it asks nothing (universal matching, PS3.4 C.2.2.2.3).

    Args:
        name: keyword, or tag as eight hexadecimal digits.
        value: single value, list (``\`` or ``,`` between UIDs and code strings), wildcard or range.

    Raises:
        InvalidRequest: for an attribute that is not supported, or a value that its VR does not allow.

    >>> parse_condition("00080060", "CT,MR")
    Condition(keyword='Modality', match=<Match.LIST: 'list'>, values=('CT', 'MR'))
    >>> parse_condition("StudyDate", "20200101-").values
    ('20200101', '')
    >>> parse_condition("PatientAge", "045Y").values  # completed years: from 45 to below 46
    ('45.0', '46.0')
    """
    keyword = keyword_of(name)
    text = value.strip(" \0")
    if text.strip("*") == "":
        return None
    vr = ATTRIBUTES[keyword].vr
    if vr == "DA":
        return _range(keyword, text, _date_bounds)
    if vr == "TM":
        return _range(keyword, text, _time_bounds)
    if vr == "AS":
        return Condition(keyword, Match.YEARS, _age_range(text))
    if vr in ("UI", "CS"):
        return _listed(keyword, vr, re.split(r"[\\,]", text))
    return _text(keyword, text)


def keyword_of(name: str) -> str:
    """Return the keyword that `name`, a keyword or a tag as eight hexadecimal digits, stands for.

    Raises:
        InvalidRequest: when Cases cannot be filtered by that attribute.

    >>> keyword_of("0020000e")
    'SeriesInstanceUID'
    """
    keyword = _KEYWORD_OF_TAG.get(name.upper(), name)
    if keyword not in ATTRIBUTES:
        known = ", ".join(sorted(ATTRIBUTES))
        raise InvalidRequest(f"cannot filter by {name[:80]!r}; these attributes can be asked for: {known}")
    return keyword


def _text(keyword: str, text: str) -> Condition:
    if len(text) > MAX_VALUE_LENGTH:
        raise InvalidRequest(f"the value of {keyword} is longer than {MAX_VALUE_LENGTH} characters")
    if "*" not in text and "?" not in text:
        return Condition(keyword, Match.SINGLE, (text,))
    pattern = re.sub(r"\*+", "*", text)
    if pattern.count("*") > MAX_WILDCARDS:
        raise InvalidRequest(f"the pattern of {keyword} has more than {MAX_WILDCARDS} wildcards *")
    return Condition(keyword, Match.WILDCARD, (pattern,))


def _listed(keyword: str, vr: str, items: list[str]) -> Condition:
    values = tuple(item.strip() for item in items if item.strip())
    if vr == "UI":
        values = tuple(require_uid(value) for value in values)
    if len(values) == 1:
        return _text(keyword, values[0])
    if not values:
        raise InvalidRequest(f"the list of {keyword} is empty")
    if any(character in value for value in values for character in "*?"):
        raise InvalidRequest(f"the list of {keyword} holds a wildcard; ask for one pattern, or for a list of values")
    return Condition(keyword, Match.LIST, tuple(dict.fromkeys(values)))


def _range(keyword: str, text: str, bounds_of: Callable[[str, str], tuple[str, str]]) -> Condition:
    low_text, dash, high_text = text.partition("-")
    low, _ = bounds_of(keyword, low_text)
    _, high = bounds_of(keyword, high_text if dash else low_text)
    if not low and not high:
        raise InvalidRequest(f"the range of {keyword} has no bound")
    if low and high and low > high:
        raise InvalidRequest(f"the range of {keyword} ends before it begins")
    return Condition(keyword, Match.SINGLE, (low,)) if low == high else Condition(keyword, Match.RANGE, (low, high))


def _date_bounds(keyword: str, text: str) -> tuple[str, str]:
    date = text.strip()
    if date and not _DATE.fullmatch(date):
        raise InvalidRequest(f"{keyword} is a date YYYYMMDD or a range of two with -, got {text[:40]!r}")
    return date, date


def _time_bounds(keyword: str, text: str) -> tuple[str, str]:
    """Return the first and the last moment that a TM value of any precision (PS3.5 6.2) covers."""
    time = text.strip()
    if not time:
        return "", ""
    if not _TIME.fullmatch(time):
        raise InvalidRequest(f"{keyword} is a time HHMMSS.FFFFFF or a range of two with -, got {text[:40]!r}")
    clock, _, fraction = time.partition(".")
    return clock.ljust(6, "0") + (f".{fraction}" if fraction else ""), (
        clock + "5959"[len(clock) - 2 :] + "." + fraction.ljust(6, "0" if fraction else "9")
    )


def _age_range(text: str) -> tuple[str, str]:
    low_text, dash, high_text = (part.strip() for part in text.partition("-"))
    low, _ = _age_bounds(low_text)
    _, high = _age_bounds(high_text if dash else low_text)
    if not low and not high:
        raise InvalidRequest("the range of PatientAge has no bound")
    if low and high and float(low) >= float(high):
        raise InvalidRequest("the range of PatientAge ends before it begins")
    return low, high


def _age_bounds(text: str) -> tuple[str, str]:
    """Return the years from which an AS value (PS3.5 6.2) holds, and those from which it no longer does."""
    if not text:
        return "", ""
    found = _AGE.fullmatch(text)
    if not found:
        raise InvalidRequest(f"PatientAge is three digits and one of D, W, M, Y, such as 045Y, got {text[:40]!r}")
    number, unit = int(found[1]), _YEARS_OF_UNIT[found[2]]
    return str(number * unit), str((number + 1) * unit)


def _age_condition(age_years: tuple[float | None, float | None]) -> Condition | None:
    """Count completed years as people do: up to 60 includes who is 60 and a half; up to 0.5 ends there."""
    low, high = age_years
    if low is None and high is None:
        return None
    if not all(bound is None or (isfinite(bound) and bound >= 0) for bound in age_years):
        raise InvalidRequest("an age is a number of years, 0 or more")
    if low is not None and high is not None and low > high:
        raise InvalidRequest("the range of ages ends before it begins")
    end = None if high is None else high + 1 if float(high).is_integer() else high
    texts = tuple("" if bound is None else str(float(bound)) for bound in (low, end))
    return Condition("PatientAge", Match.YEARS, texts)
