"""Which media type an answer comes in: the caller's ranges against what a route offers (PS3.18 8.7.5, RFC 9110 12.5).

Tolerant in what is understood, strict in what is sent.
"""

import re
from dataclasses import dataclass

from similar_cases import wire
from similar_cases.domain.errors import NotAcceptable

#: what `find similar` offers, in our own order of preference
SIMILAR = (wire.JSON, wire.DICOM_JSON, wire.DICOM_XML)
#: the only character set that is sent (PS3.18 8.7.7)
CHARSET = "utf-8"
#: a range that names a type fits at least so closely
_NAMED = 3
_MAX_PARAMETERS = 16
_BETWEEN_COMMAS = re.compile(r'(?:[^,"]|"[^"]*"?)+')
_BETWEEN_SEMICOLONS = re.compile(r'(?:[^;"]|"[^"]*"?)+')
_QUALITY = re.compile(r"[0-9](\.[0-9]{0,6})?")


@dataclass(frozen=True)
class _Range:
    """One media range of an Accept: how closely a type fits it, and how much the caller likes it."""

    kind: str
    parameters: dict[str, str]
    quality: float

    def closeness(self, offered: str) -> int:
        """Return 0 where `offered` does not fit, and more the closer it fits."""
        kind, parameters = _split(offered)
        if self.parameters.get("charset", CHARSET).lower() not in (CHARSET, "utf8"):
            return 0
        # what DICOM writes about XML is always in parts; who names the type of a part alone means the whole
        if self.kind == parameters.get("type"):
            return _NAMED
        if self.kind == kind:
            wanted = self.parameters.get("type")
            return 0 if wanted not in (None, parameters.get("type")) else _NAMED + (wanted is not None)
        if self.kind == kind.partition("/")[0] + "/*":
            return 2
        return int(self.kind == "*/*")


def negotiated(accept: str, override: str | None = None, offered: tuple[str, ...] = SIMILAR) -> str:
    """Return the media type to answer in: the best of `offered` by the caller's q-values.

    Args:
        accept: the Accept header, empty for none, which takes anything.
        override: the query parameter ``accept`` (PS3.18 8.3.3.1), which wins over the header where it is given.
        offered: in our own order of preference. Of those that the caller likes as much as each other, the one that is
            named first is taken: dicomweb-client names both of our JSONs, and reads what DICOM names.

    Raises:
        NotAcceptable: when none fits, with the list of what is offered.

    >>> negotiated("application/json;q=0.2, application/dicom+json;q=0.9")
    'application/dicom+json'
    >>> negotiated("text/html, */*;q=0.1")
    'application/json'
    >>> negotiated("application/dicom+json, application/json")
    'application/dicom+json'
    >>> negotiated('multipart/related; type="application/dicom+xml"')
    'multipart/related; type="application/dicom+xml"'
    """
    asked = accept if override is None else _mended(override)
    if not asked.strip():
        return offered[0]
    ranges = _ranges(asked)
    liked = [(*_liked(ranges, one), -order, one) for order, one in enumerate(offered)]
    quality, _, _, taken = max(liked)
    if not quality:
        raise NotAcceptable(f"this answer comes as {', or '.join(offered)}; the request accepts none of them")
    return taken


def require_utf8(charset: str | None) -> None:
    """Refuse a query parameter ``charset`` (PS3.18 8.3.3.2) without UTF-8, which is all that is sent.

    Raises:
        NotAcceptable: when UTF-8 is not among what it names.
    """
    if charset is None:
        return
    names = {one.kind for one in _ranges(charset) if one.quality}
    if not names & {CHARSET, "utf8", "*"}:
        raise NotAcceptable(f"answers are in {CHARSET}; charset={charset[:40]!r} does not name it")


def _liked(ranges: list[_Range], offered: str) -> tuple[float, int]:
    """Return the quality of the range that fits closest, and, to be compared, how early `offered` is named in it."""
    closest = max(((one.closeness(offered), -place) for place, one in enumerate(ranges)), default=(0, 0))
    if not closest[0]:
        return 0.0, 0
    is_named = closest[0] >= _NAMED
    return ranges[-closest[1]].quality, closest[1] if is_named else -len(ranges)


def _ranges(text: str) -> list[_Range]:
    """Read a list of ranges with q-values; one whose q-value is no number counts as refused.

    >>> _ranges('a/b;q=0.5, c/d; type=e/f+g;q=2, h/i; type="j, k"; q=x')[1:]  # doctest: +NORMALIZE_WHITESPACE
    [_Range(kind='c/d', parameters={'type': 'e/f+g'}, quality=1.0),
     _Range(kind='h/i', parameters={'type': 'j, k'}, quality=0.0)]
    """
    found = []
    for one in _BETWEEN_COMMAS.findall(text):
        kind, parameters = _split(one)
        told = parameters.pop("q", "1")
        if kind:
            found.append(_Range(kind, parameters, min(1.0, float(told)) if _QUALITY.fullmatch(told) else 0.0))
    return found


def _split(text: str) -> tuple[str, dict[str, str]]:
    """Read a type and its parameters; values may hold a slash without quotes, as many clients send them."""
    kind, *rest = _BETWEEN_SEMICOLONS.findall(text)[:_MAX_PARAMETERS] or [""]
    pairs = (one.partition("=") for one in rest)
    return kind.strip().lower(), {name.strip().lower(): value.strip().strip('"').lower() for name, _, value in pairs}


def _mended(override: str) -> str:
    """Give back the plus that a query string turns into a space where it is not encoded."""
    return re.sub(r"(?<=/dicom) (?=json|xml)", "+", override)
