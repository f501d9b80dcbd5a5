"""The size that a compressed frame claims for itself, read before a decoder believes it.

A frame of a few hundred bytes can claim 65535 × 65535 pixels, whatever the header says, and a decoder takes memory
for what the frame claims.
"""

import struct

_JPEG_START = b"\xff\xd8"
_J2K_SIZE = b"\xff\x4f\xff\x51"
#: frame headers of JPEG and JPEG-LS; C4, C8 and CC among them mean something else (ITU-T T.81 table B.1, T.87)
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_STANDALONE = frozenset(range(0xD0, 0xDA)) | {0x01, 0xFF}


def claimed_size(frame: bytes) -> tuple[int, int] | None:
    """Return (rows, columns) of a JPEG, JPEG-LS, JPEG 2000 or HTJ2K frame; None for anything else.

    >>> claimed_size(bytes.fromhex("ffd8 ffc0 0011 08 0002 0003 01 011100"))
    (2, 3)
    """
    if frame[:2] == _JPEG_START:
        return _jpeg_size(frame)
    start = frame.find(_J2K_SIZE, 0, 4096)  # at 0, or in a JP2 box where a vendor wraps it against the standard
    if start < 0 or len(frame) < start + 24:
        return None
    x1, y1, x0, y0 = struct.unpack_from(">4I", frame, start + 8)
    return y1 - y0, x1 - x0


def _jpeg_size(frame: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker in _FRAME_MARKERS:
            rows, columns = struct.unpack_from(">2H", frame, at + 5)
            return rows, columns
        at += 1 if marker == 0xFF else 2 if marker in _STANDALONE else 2 + struct.unpack_from(">H", frame, at + 2)[0]
    return None
