"""Errors as answers: one table from error to status, and one shape, that of RFC 9457."""

import json
import logging
import traceback
from collections.abc import Mapping
from http import HTTPStatus

from flask import Response
from werkzeug.exceptions import HTTPException

from similar_cases import wire
from similar_cases.domain import errors

logger = logging.getLogger(__name__)

#: error class → HTTP status; a class that is not here has its nearest base's
STATUSES: Mapping[type[errors.SimilarCasesError], int] = {
    errors.InvalidRequest: 400,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.NotAcceptable: 406,
    errors.TooLarge: 413,
    errors.NotReady: 409,
    errors.Refused: 422,
    errors.SegmentationFailed: 422,
    errors.SegmenterUnavailable: 503,
    errors.DescriptionFailed: 422,
    errors.PacsUnavailable: 503,
    errors.StoreFailed: 502,
    errors.LeaseLost: 409,
    errors.WrongEmbeddingSpace: 500,
    errors.InvalidSettings: 500,
    errors.SimilarCasesError: 500,
}
#: status → what helps in general
ADVICE: Mapping[int, str] = {
    400: "Correct the request as the detail says; the API's document tells what each route takes.",
    401: "Ask through Orthanc, with its login.",
    403: "Ask the archive's administrator for the right to read that study.",
    404: "Check the identifier; what was deleted in the archive is gone from here, too.",
    405: "Use one of the methods that the header Allow names.",
    406: "Name one of the offered media types in Accept.",
    409: "Ask again after the seconds that Retry-After tells.",
    413: "Ask for less at once.",
    415: "Send application/json.",
    422: "Ask about another series, or give other hints.",
    502: "Ask again after the seconds that Retry-After tells; if it stays so, see the archive's log.",
    503: "Ask again after the seconds that Retry-After tells; if it stays so, see that what the detail names runs.",
}
#: the advice where no table helps
OTHERWISE = "See the worker's log."
#: seconds after which a retryable error is worth another try
RETRY_AFTER_SECONDS = 5
#: the class that an error of the HTTP layer has
_HTTP_CLASSES = {413: "TooLarge", 404: "NotFound", 400: "InvalidRequest"}


def status_of(error: errors.SimilarCasesError) -> int:
    """Return the HTTP status of an error.

    >>> status_of(errors.InvalidUid()), status_of(errors.IncompleteTransfer())
    (400, 503)
    """
    return next(STATUSES[base] for base in type(error).__mro__ if base in STATUSES)


def problem(status: int, title: str, detail: str, kind: str) -> Response:
    """Return an answer that says what is wrong.

    Args:
        status: of the answer.
        title: what is wrong in general.
        detail: what was wrong here.
        kind: class of the error.
    """
    body = {
        "title": title,
        "status": status,
        "detail": detail,
        "class": kind,
        "advice": ADVICE.get(status, OTHERWISE),
    }
    text = json.dumps(body, ensure_ascii=False)
    return Response(text, status, {"Cache-Control": "no-store"}, content_type=wire.PROBLEM)


def error_response(error: errors.SimilarCasesError) -> Response:
    """Return an error of ours in its status, with the reason."""
    status = status_of(error)
    if status >= 500:
        logger.warning("%s: %s", type(error).__name__, error)
    response = problem(status, type(error).__doc__ or "", str(error), type(error).__name__)
    if error.retryable:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def http_error_response(error: HTTPException) -> Response:
    """Return an error of the HTTP layer (404 for a route, 405, 413, 415) in the same shape."""
    status = error.code or 500
    kind = _HTTP_CLASSES.get(status, type(error).__name__)
    response = problem(status, f"{HTTPStatus(status).phrase}.", error.description or error.name, kind)
    if allowed := getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def unexpected_response(error: Exception) -> Response:
    """Return 500 for a fault of ours; the log has its kind and place, but not its words: they may name a patient."""
    logger.error("unexpected %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
    return problem(500, "A fault of ours.", "an unexpected fault; the worker's log tells more", "Unexpected")
