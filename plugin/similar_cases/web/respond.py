"""How answers leave: one table from error to status, content negotiation, and the headers that protect the reader."""

import json
import logging
import re
import traceback
from collections.abc import Mapping

from flask import Request, Response
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException, UnsupportedMediaType

from similar_cases import wire
from similar_cases.domain import errors

logger = logging.getLogger(__name__)

#: error class → HTTP status; a class that is not here has its nearest base's
STATUSES: Mapping[type[errors.SimilarCasesError], int] = {
    errors.InvalidRequest: 400,
    errors.NotFound: 404,
    errors.NotAcceptable: 406,
    errors.TooLarge: 413,
    errors.NotReady: 409,
    errors.Refused: 422,
    errors.SegmentationFailed: 422,
    errors.DescriptionFailed: 422,
    errors.PacsUnavailable: 503,
    errors.StoreFailed: 502,
    errors.LeaseLost: 409,
    errors.WrongEmbeddingSpace: 500,
    errors.InvalidSettings: 500,
    errors.SimilarCasesError: 500,
}
#: seconds after which a retryable error is worth another try
RETRY_AFTER_SECONDS = 5

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


def status_of(error: errors.SimilarCasesError) -> int:
    """Return the HTTP status of an error.

    >>> status_of(errors.InvalidUid()), status_of(errors.IncompleteTransfer())
    (400, 503)
    """
    return next(STATUSES[base] for base in type(error).__mro__ if base in STATUSES)


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


def error_response(error: errors.SimilarCasesError) -> Response:
    """Return an error of ours in its status, with the reason."""
    status = status_of(error)
    if status >= 500:
        logger.warning("%s: %s", type(error).__name__, error)
    response = json_response({"error": str(error), "class": type(error).__name__}, status)
    if error.retryable:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def http_error_response(error: HTTPException) -> Response:
    """Return an error of the HTTP layer (404 for a route, 405, 413, 415) in the same shape."""
    name = {413: "TooLarge", 404: "NotFound", 400: "InvalidRequest"}.get(error.code or 500, type(error).__name__)
    response = json_response({"error": error.description or error.name, "class": name}, error.code or 500)
    if allowed := getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def unexpected_response(error: Exception) -> Response:
    """Return 500 for a fault of ours; the log has its kind and place, but not its words: they may name a patient."""
    logger.error("unexpected %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
    return json_response({"error": "an unexpected fault; the worker's log tells more", "class": "Unexpected"}, 500)


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

    >>> origin_of_caller(Headers({"X-Forwarded-Host": "pacs.example", "X-Forwarded-Proto": "https"}), "")
    'https://pacs.example'
    """
    host, scheme = headers.get("X-Forwarded-Host", ""), headers.get("X-Forwarded-Proto", "http").lower()
    if scheme not in ("http", "https") or not re.fullmatch(
        r"[A-Za-z0-9.\-]+(:[0-9]{1,5})?|\[[0-9a-fA-F:]+\](:[0-9]{1,5})?", host
    ):
        return otherwise
    return f"{scheme}://{host}{forwarded_prefix(headers)}"


def warning_of_more(remaining: int) -> str:
    """Return the Warning header that tells of further answers (PS3.18 8.3.4.4).

    >>> warning_of_more(3)
    '299 similar-cases: "There are 3 additional results that can be requested"'
    """
    return f'299 similar-cases: "There are {remaining} additional results that can be requested"'
