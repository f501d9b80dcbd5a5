"""Parts come whole whatever the chunks, and never without end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.pacs.stub_archive import multipart

from similar_cases.domain.errors import Refused
from similar_cases.pacs.multipart import BrokenMessage, boundary_of, parts_of

BOUNDARY = b"stub-boundary"


@given(st.lists(st.binary(max_size=60), max_size=5), st.integers(1, 50))
def test_parts_are_the_same_for_every_size_of_chunk(parts: list[bytes], size: int) -> None:
    message = b"preamble\r\n" + multipart(parts) + b"epilogue"
    chunks = [message[at : at + size] for at in range(0, len(message), size)]
    assert list(parts_of(chunks, BOUNDARY, 1000)) == parts


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5), st.data())
def test_a_message_cut_anywhere_is_broken_and_yields_what_was_whole(parts: list[bytes], data: st.DataObject) -> None:
    message = multipart(parts)
    cut = data.draw(st.integers(0, len(message) - 5))
    came: list[bytes] = []
    with pytest.raises(BrokenMessage):
        came.extend(parts_of([message[:cut]], BOUNDARY, 1000))
    assert came == parts[: len(came)]


def test_a_part_without_end_is_refused_while_it_comes() -> None:
    def endless():
        yield b"--stub-boundary\r\n\r\n"
        while True:
            yield bytes(10_000)

    with pytest.raises(Refused, match="larger than 50000 bytes"):
        list(parts_of(endless(), BOUNDARY, 50_000))


def test_a_part_without_the_end_of_its_header_is_broken() -> None:
    with pytest.raises(BrokenMessage, match="header"):
        list(parts_of([b"--stub-boundary\r\nno header\r\n--stub-boundary--"], BOUNDARY, 1000))


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ('multipart/related; type="application/dicom"; boundary=a-b', b"a-b"),
        ('Multipart/Related; boundary="q: uoted"; type=application/dicom', b"q: uoted"),
    ],
)
def test_boundaries(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize("content_type", ["", "text/html", "multipart/related", "application/dicom; boundary=x"])
def test_no_boundary(content_type: str) -> None:
    with pytest.raises(BrokenMessage):
        boundary_of(content_type)
