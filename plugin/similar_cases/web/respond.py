"""How answers leave: their bodies, what caches may do with them, and the headers that protect the reader."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit

from flask import Request, Response, request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import UnsupportedMediaType

from similar_cases import wire

#: nothing inline, nothing from elsewhere; Orthanc Explorer may frame the page
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'self'; form-action 'none'; frame-ancestors 'self'"
)
#: headers of every answer
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def json_response(body: object, status: int = 200, media_type: str = wire.JSON) -> Response:
    """Return `body` as JSON that no cache keeps: it may hold patients' data."""
    text = json.dumps(body, ensure_ascii=False, allow_nan=False)
    return Response(text, status, {"Cache-Control": "no-store"}, content_type=media_type)


def require_json(asked: Request) -> None:
    """Refuse other media types: a browser cannot send JSON from another site without being allowed to (CORS)."""
    if asked.mimetype != wire.JSON:
        raise UnsupportedMediaType(f"the body must be {wire.JSON}")


def no_content() -> Response:
    """Return 204: nothing matches (PS3.18 8.3.4.4)."""
    return Response(status=204, headers={"Cache-Control": "no-store"})


def cached(*identity: object, make: Callable[[], Response]) -> Response:
    """Return the answer, or 304 to a browser that has it: what it is made of never changes under its identity."""
    tag = hashlib.sha256(repr(identity).encode()).hexdigest()[:32]
    response = Response(status=304) if tag in request.if_none_match else make()
    response.set_etag(tag)
    # the browser keeps it for this user, and asks each time whether the archive still has it
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def secured(response: Response) -> Response:
    """Return `response` with the headers of every answer."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def forwarded_prefix(headers: Headers) -> str:
    """Return the path that a reverse proxy in front of Orthanc takes away, empty for none.

    >>> [forwarded_prefix(Headers({"X-Forwarded-Prefix": told})) for told in ("/pacs/", "x")]
    ['/pacs', '']
    """
    told = headers.get(wire.FORWARDED_PREFIX_HEADER, "").rstrip("/")
    return told if re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", told) else ""


def origin_of_caller(headers: Headers, otherwise: str) -> str:
    """Return the origin that the caller sees, with the proxy's path, from the headers that the bridge passes on.

    Args:
        headers: of the request.
        otherwise: the archive's address as the worker knows it. It counts where the caller tells none, and where they
            tell the same host without a port, no proxy between: dicomweb-client's Host header leaves it out.

    >>> origin_of_caller(Headers({"X-Forwarded-Host": "pacs.example", "X-Forwarded-Proto": "https"}), "")
    'https://pacs.example'
    >>> origin_of_caller(Headers({"X-Forwarded-Host": "localhost"}), "http://localhost:8042/")
    'http://localhost:8042'
    """
    host, scheme = headers.get("X-Forwarded-Host", ""), headers.get("X-Forwarded-Proto", "").lower()
    known = urlsplit(otherwise)
    is_same = not scheme and host == known.hostname and not forwarded_prefix(headers)
    if (
        is_same
        or (scheme or "http") not in ("http", "https")
        or not re.fullmatch(r"[A-Za-z0-9.\-]+(:[0-9]{1,5})?|\[[0-9a-fA-F:]+\](:[0-9]{1,5})?", host)
    ):
        return otherwise.rstrip("/")
    return f"{scheme or 'http'}://{host}{forwarded_prefix(headers)}"


def user_of(headers: Headers) -> str:
    """Return who asks, as Orthanc authenticated them; empty where it does not.

    >>> user_of(Headers({"X-Similar-Cases-User": "Dr%20No"}))
    'Dr No'
    """
    return unquote(headers.get(wire.USER_HEADER, ""))[:128]


def warning_of_more(remaining: int) -> str:
    """Return the Warning header that tells of further answers (PS3.18 8.3.4.4).

    >>> warning_of_more(3)
    '299 similar-cases: "There are 3 additional results that can be requested"'
    """
    return f'299 similar-cases: "There are {remaining} additional results that can be requested"'
