"""The parts of a ``multipart/related`` message as they come (RFC 2046 section 5.1, PS3.18 section 8.7.1)."""

from collections.abc import Iterable, Iterator
from email.message import Message

from similar_cases.domain.errors import Refused

#: a part's own header lines; more than this is no header
_MAX_HEADER_BYTES = 65_536


class BrokenMessage(Exception):
    """The message ended before its last boundary, or is no multipart message."""


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that a Content-Type names.

    Raises:
        BrokenMessage: when it is no multipart message.

    >>> boundary_of('multipart/related; type="application/dicom"; boundary=abc')
    b'abc'
    """
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary()
    if header.get_content_maintype() != "multipart" or not boundary:
        raise BrokenMessage(f"a multipart message is wanted, the archive answered {content_type[:80]!r}")
    return boundary.encode()


def parts_of(chunks: Iterable[bytes], boundary: bytes, max_part_bytes: int) -> Iterator[bytes]:
    r"""Yield the content of each part as soon as it is whole; never more than one part is held.

    Raises:
        BrokenMessage: when `chunks` end before the closing boundary; the parts before were yielded.
        Refused: when a part is larger than `max_part_bytes`.

    >>> list(parts_of([b"--x\r\nA: b\r\n\r\none\r\n--", b"x\r\n\r\ntwo\r\n--x--"], b"x", 99))
    [b'one', b'two']
    """
    delimiter = b"\r\n--" + boundary
    buffer = bytearray(b"\r\n")  # so that the first boundary looks like the others
    searched = 0
    is_preamble = True
    for chunk in chunks:
        buffer += chunk
        while (at := buffer.find(delimiter, searched)) >= 0:
            if not is_preamble:
                yield _content(buffer[:at])
            is_preamble = False
            del buffer[: at + len(delimiter)]
            searched = 0
        if buffer[:2] == b"--" and not is_preamble:
            return
        searched = max(0, len(buffer) - len(delimiter) + 1)
        if len(buffer) > max_part_bytes + _MAX_HEADER_BYTES:
            raise Refused(f"an instance is larger than {max_part_bytes} bytes, the bound for one")
    raise BrokenMessage("the message ended before its last boundary")


def _content(part: bytearray) -> bytes:
    end = part.find(b"\r\n\r\n", 0, _MAX_HEADER_BYTES)
    if end < 0:
        raise BrokenMessage("a part without the empty line that ends its header")
    return bytes(part[end + 4 :])
