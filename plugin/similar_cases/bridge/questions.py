"""How a request that came to Orthanc is asked of the worker.

Orthanc's SDK hands over a path that is decoded, without its query, without a slash at its end; GET's arguments as a
dictionary (of a repeated name the last one; of other methods none). Whether those arguments are decoded depends on the
web server that Orthanc was built with: raw in Debian 12's 1.10.1, decoded in Debian forky's 1.13.0.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from similar_cases import wire

#: headers that the worker gets as they came. Range is not among them: Orthanc cannot say 206 with its media type, and
#: a server may answer a range with the whole (RFC 9110 section 14.2)
FORWARDED = (
    "accept",
    "accept-language",
    "content-encoding",
    "content-type",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "origin",
    "sec-fetch-site",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-prefix",
    "x-forwarded-proto",
)
#: characters of a query that an encoder never leaves as they are (RFC 3986 section 3.4)
_ONLY_WHEN_DECODED = re.compile(r"[^A-Za-z0-9._~!$'()*+,;:@/?%-]|%(?![0-9A-Fa-f]{2})")


def target_of(path: str, arguments: Mapping[str, str], prefix: str, *, is_decoded: bool | None) -> str:
    """Return the target of the worker's request line.

    Args:
        path: as Orthanc hands it over, decoded.
        arguments: GET's arguments, as Orthanc hands them over.
        prefix: where our routes begin.
        is_decoded: whether this Orthanc decodes arguments; None where that is not known, and then each request is
            judged by the characters that it holds.

    >>> target_of("/similar-cases", {"a": "b c"}, "/similar-cases", is_decoded=True)
    '/similar-cases/?a=b%20c'
    >>> target_of("/similar-cases/x", {"a": "b%20c"}, "/similar-cases", is_decoded=None)
    '/similar-cases/x?a=b%20c'
    """
    target = prefix + wire.ROUTE_PAGE if path == prefix else quote(path)
    query = _query(arguments, is_decoded=is_decoded)
    return f"{target}?{query}" if query else target


def _query(arguments: Mapping[str, str], *, is_decoded: bool | None) -> str:
    """Return the query; an argument that the web server has torn apart at an encoded ``&`` loses its second half."""
    given = {name: value for name, value in arguments.items() if name}
    if is_decoded is None:
        is_decoded = any(_ONLY_WHEN_DECODED.search(text) for pair in given.items() for text in pair)
    if is_decoded:
        return urlencode(given, quote_via=quote)
    # already encoded: what is still no part of a query (a client's carelessness) is encoded now
    return "&".join(f"{quote(name, _AS_IS)}={quote(value, _AS_IS)}" for name, value in given.items())


_AS_IS = "%+!$'()*,;:@/?"


def headers_of(request: Mapping[str, Any], *, authenticates: bool, credentials: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the headers that the worker gets.

    Args:
        request: the named arguments of Orthanc's callback; names of headers are in lower case there.
        authenticates: whether Orthanc has checked the caller's password; else the caller's word counts for nothing.
        credentials: further headers, by which the worker asks Orthanc what the caller may read.
    """
    came: Mapping[str, str] = request.get("headers", {})
    headers = {name: came[name] for name in (*FORWARDED, *credentials) if name in came}
    headers.setdefault("x-forwarded-host", came.get("host", ""))
    user = user_of(came.get("authorization", "")) if authenticates else ""
    return {**headers, wire.USER_HEADER: user} if user else headers


def user_of(authorization: str) -> str:
    """Return the user's name in a Basic Authorization header (RFC 7617), percent-encoded; empty where there is none.

    >>> user_of("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    'Aladdin'
    """
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        name = base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return quote(name)
