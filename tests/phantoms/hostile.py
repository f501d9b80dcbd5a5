"""Very many instances, and what no library would write."""

import struct

from pydicom import Dataset

from tests.phantoms.classic import Grid, series, to_bytes
from tests.phantoms.multi_frame import enhanced


def many_instances(count: int = 10_000, name: str = "many-instances") -> list[Dataset]:
    """Very many tiny slices, 0.5 mm apart."""
    return series(
        name, grid=Grid(shape=(count, 4, 4), spacing_mm=(0.5, 10.0, 10.0)), values=lambda at: at[..., 2] % 500
    )


def nested_bomb(depth: int = 20_000, *, defined_length: bool = False, tag: int = 0x52009229) -> bytes:
    """A file with a sequence nested `depth` times, in the place of the functional groups of an enhanced CT.

    With `defined_length` a lazy reader meets the bomb only when it asks for the sequence.
    """
    [whole] = enhanced("nested-bomb")
    for keyword in ("SharedFunctionalGroupsSequence", "PixelData"):
        del whole[keyword]
    plain = to_bytes(whole)
    head = struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, b"SQ", 0)
    if defined_length:
        body = b""
        for _ in range(depth):
            item = struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body
            body = head + struct.pack("<I", len(item)) + item
    else:
        opening = head + b"\xff\xff\xff\xff" + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        closing = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
        body = opening * depth + closing * depth
    return plain + body


def truncated_file() -> bytes:
    """A CT file that ends in the middle of its pixels."""
    whole = to_bytes(series("truncated-file")[0])
    return whole[: len(whole) * 2 // 3]


def raw_objects() -> dict[str, bytes]:
    """Return what no library would write, as files by name; each must be refused with a reason, and crash nothing."""
    return {
        "nested-bomb": nested_bomb(),
        "nested-bomb-defined": nested_bomb(2_000, defined_length=True),
        "truncated-file": truncated_file(),
    }
