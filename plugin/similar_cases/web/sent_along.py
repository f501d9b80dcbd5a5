"""DICOM that comes with a query in one body: ``multipart/related`` as DICOMweb stores it, or a form; never kept."""

from collections.abc import Iterator

from flask import Request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from similar_cases.domain.errors import InvalidRequest, Refused, TooLarge
from similar_cases.pacs.multipart import BrokenMessage, boundary_of, parts_of

RELATED, FORM = "multipart/related", "multipart/form-data"
#: what such a body may be
MEDIA_TYPES = (RELATED, FORM)
#: the field, or the file, of a form that holds the JSON body
QUERY = "query"
#: parts of one message
MAX_PARTS = 20_000
_CHUNK = 2**20
_MAX_QUERY_BYTES = 2 * 2**20
#: a form can be sent by a page of another site without being allowed to (CORS); browsers say where they stand
_OWN_SITE = ("", "same-origin", "none")


def read(asked: Request, most_bytes: int) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the JSON body, ``{}`` where none came, and the DICOM files (PS3.10).

    Raises:
        InvalidRequest: when the message cannot be read, or holds something else.
        TooLarge: when it is longer than `most_bytes`.
        UnsupportedMediaType: for a form from a page of another site.
    """
    asked.max_content_length = most_bytes
    asked.max_form_parts = MAX_PARTS
    asked.max_form_memory_size = _MAX_QUERY_BYTES
    if (asked.content_length or 0) > most_bytes:
        raise TooLarge(f"the body is longer than {most_bytes} bytes")
    try:
        parts = list(_related(asked) if asked.mimetype == RELATED else _form(asked))
    except RequestEntityTooLarge:
        raise TooLarge(f"the body is longer than {most_bytes} bytes, or has more than {MAX_PARTS} parts") from None
    files = tuple(part for part in parts if is_dicom(part))
    others = [part for part in parts if not is_dicom(part)]
    if len(others) > 1:
        raise InvalidRequest("a message holds DICOM files and at most one JSON body; some part is neither")
    if not files:
        raise InvalidRequest("the message holds no DICOM file (PS3.10: DICM after 128 bytes)")
    return (others[0] if others else b"{}"), files


def is_dicom(part: bytes) -> bool:
    """Tell whether a part is a DICOM file (PS3.10 section 7.1).

    >>> is_dicom(bytes(128) + b"DICM"), is_dicom(b"{}")
    (True, False)
    """
    return part[128:132] == b"DICM"


def _related(asked: Request) -> Iterator[bytes]:
    try:
        boundary = boundary_of(asked.content_type or "")
        for count, part in enumerate(parts_of(_chunks(asked), boundary, asked.max_content_length or 0)):
            if count >= MAX_PARTS:
                raise TooLarge(f"more than {MAX_PARTS} parts")
            yield part
    except BrokenMessage as error:
        raise InvalidRequest(f"the multipart message is broken: {error}") from None
    except Refused as error:
        raise TooLarge(str(error)) from None


def _chunks(asked: Request) -> Iterator[bytes]:
    while chunk := asked.stream.read(_CHUNK):
        yield chunk


def _form(asked: Request) -> Iterator[bytes]:
    if asked.headers.get("Sec-Fetch-Site", "") not in _OWN_SITE:
        raise UnsupportedMediaType("a form is taken from this site's own pages and from programs alone")
    if QUERY in asked.form:
        yield asked.form[QUERY].encode()
    files: list[FileStorage] = [one for _, some in asked.files.lists() for one in some]
    for one in files:
        yield one.stream.read()
