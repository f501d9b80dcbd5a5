"""Points, boxes, places and features as they are written on the command line."""

import re

from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.prompts import BoxPrompt, PointPrompt, Prompt
from similar_cases.domain.similarity import FeatureWish, Place

_FEATURE = re.compile(r"(?P<name>[A-Za-z0-9_-]+)(=(?P<value>[^%:=]+)(?P<percent>%)?)?(:(?P<weight>[^:]+))?")


def prompts(points: list[str], box: str) -> tuple[Prompt, ...]:
    """Return the hints that points, and a box as six numbers, give.

    Raises:
        InvalidRequest: for what is not written so.

    >>> prompts(["12.5,-30,80"], "")
    (PointPrompt(point_lps=(12.5, -30.0, 80.0), polarity=<Polarity.POSITIVE: 'positive'>),)
    """
    found: list[Prompt] = [PointPrompt(_three("a point", text)) for text in points]
    if box:
        x, y, z, *upper = _numbers("a box", box, 6)
        found.append(BoxPrompt((x, y, z), (upper[0], upper[1], upper[2])))
    return tuple(found)


def place(lps: str, relative: str, body: str) -> Place | None:
    """Return where answers should lie; None where nothing is said.

    Raises:
        InvalidRequest: for more than one way of saying it, or for what is not written so.
    """
    if sum(map(bool, (lps, relative, body))) > 1:
        raise InvalidRequest("give one of --at, --at-relative and --at-body")
    if lps:
        return Place(point_lps=_three("a place", lps))
    if relative:
        return Place(relative=_three("a relative place", relative))
    return Place(body=_three("a body coordinate", body)) if body else None


def feature(text: str) -> FeatureWish:
    """Return a feature written as ``name``, ``name=value`` or ``name=percentile%``, each with ``:weight`` behind it.

    Raises:
        InvalidRequest: for what is not written so.

    >>> feature("glcm_Contrast=90%:2")
    FeatureWish(name='glcm_Contrast', value=90.0, is_percentile=True, weight=2.0)
    """
    found = _FEATURE.fullmatch(text.strip())
    try:
        if not found:
            raise ValueError
        value, weight = (None if found[part] is None else float(found[part]) for part in ("value", "weight"))
    except ValueError:
        raise InvalidRequest(
            f"a feature is name, name=value or name=90%, each with :weight, got {text[:80]!r}"
        ) from None
    return FeatureWish(found["name"], value, found["percent"] is not None, 1.0 if weight is None else weight)


def _three(what: str, text: str) -> tuple[float, float, float]:
    x, y, z = _numbers(what, text, 3)
    return x, y, z


def _numbers(what: str, text: str, count: int) -> list[float]:
    try:
        numbers = [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        told = {3: "three numbers, as 12.5,-30,80", 6: "six numbers, as 0,-50,60,30,-10,90"}[count]
        raise InvalidRequest(f"{what} is {told}, got {text[:40]!r}")
    return numbers
