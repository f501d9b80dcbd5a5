"""Hostile bytes: bounds hold, and every failure is a refusal in our words."""

import contextlib
import copy
import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian
from tests.unit.pacs.stub_archive import as_file

from similar_cases.demo.phantoms import Phantom, phantom_series
from similar_cases.domain.errors import MalformedDicom, Refused
from similar_cases.pacs.parse import Bounds, parse_instance

CT = phantom_series(Phantom(shape=(2, 16, 16)))[0]
WHOLE = as_file(CT)
#: Content Sequence (0040,A730), explicit VR, its length unknown, and one item of unknown length
OPENING = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
CLOSING = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"


def undefined_lengths(depth: int) -> bytes:
    return OPENING * depth + CLOSING * depth


def defined_lengths(depth: int) -> bytes:
    """The same with known lengths, which pydicom leaves unparsed until somebody looks."""
    nested = b""
    for _ in range(depth):
        item = b"\xfe\xff\x00\xe0" + len(nested).to_bytes(4, "little") + nested
        nested = b"\x40\x00\x30\xa7SQ\0\0" + len(item).to_bytes(4, "little") + item
    return nested


def with_sequence(sequence: bytes) -> bytes:
    before_pixels = WHOLE.index(b"\xe0\x7f\x10\x00OW")
    return WHOLE[:before_pixels] + sequence + WHOLE[before_pixels:]


def test_a_whole_instance_is_parsed() -> None:
    dataset = parse_instance(WHOLE, Bounds())
    assert dataset.SOPInstanceUID == CT.SOPInstanceUID
    assert dataset.file_meta.TransferSyntaxUID == CT.file_meta.TransferSyntaxUID


@pytest.mark.parametrize("bomb", [undefined_lengths, defined_lengths])
@pytest.mark.parametrize("depth", [25, 200, 3000, 20_000])
def test_nested_sequence_bombs_are_refused(bomb, depth: int) -> None:
    with pytest.raises(MalformedDicom, match="nested deeper than 24"):
        parse_instance(with_sequence(bomb(depth)), Bounds())


@pytest.mark.parametrize("bomb", [undefined_lengths, defined_lengths])
def test_nesting_up_to_the_bound_is_let_pass(bomb) -> None:
    assert "ContentSequence" in parse_instance(with_sequence(bomb(24)), Bounds())


def test_a_bomb_in_implicit_vr_is_refused() -> None:
    inner = Dataset()
    for _ in range(30):
        outer = Dataset()
        outer.ContentSequence = [inner]
        inner = outer
    bomb = copy.deepcopy(CT)
    bomb.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    bomb.ContentSequence = [inner]
    with pytest.raises(MalformedDicom, match="nested"):
        parse_instance(as_file(bomb), Bounds())


def test_a_bomb_in_a_private_sequence_is_refused() -> None:
    inside = defined_lengths(30)
    item = b"\xfe\xff\x00\xe0" + len(inside).to_bytes(4, "little") + inside
    private = b"\x41\x00\x10\x00LO\x04\x00MINE" + b"\x41\x00\x01\x10SQ\0\0" + len(item).to_bytes(4, "little") + item
    with pytest.raises(MalformedDicom, match="nested"):
        parse_instance(with_sequence(private), Bounds())


def test_a_deflated_bomb_is_refused_without_inflating_it() -> None:
    deflated = copy.deepcopy(CT)
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    deflated.PixelData = bytes(512)
    small = as_file(deflated)
    assert parse_instance(small, Bounds()).Rows == 16
    meta = small[: 144 + int.from_bytes(small[140:144], "little")]
    packer = zlib.compressobj(9, wbits=-15)
    bomb = meta + b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    assert len(bomb) < 100_000
    with pytest.raises(Refused, match="larger than 1000000 bytes"):
        parse_instance(bomb, Bounds(max_instance_bytes=1_000_000))


def test_an_instance_over_the_bound_is_refused() -> None:
    with pytest.raises(Refused, match="larger than 100 bytes"):
        parse_instance(WHOLE, Bounds(max_instance_bytes=100))


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
@pytest.mark.parametrize("uid", [None, "", "1.2.x", "../../etc/passwd"])
def test_an_instance_without_its_uids_is_malformed(keyword: str, uid: str | None) -> None:
    broken = copy.deepcopy(CT)
    if uid is None:
        delattr(broken, keyword)
    else:
        broken.add_new(keyword, "LO", uid)
    with pytest.raises(MalformedDicom, match="UID"):
        parse_instance(as_file(broken), Bounds())


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"Rows": 60_000, "Columns": 60_000}, "7200000000 are wanted"),
        ({"NumberOfFrames": 2}, "1024 are wanted"),
        ({"BitsAllocated": 32}, "1024 are wanted"),
        ({"SamplesPerPixel": 3}, "1536 are wanted"),
    ],
)
def test_pixel_data_shorter_than_told_is_malformed(attributes: dict[str, int], reason: str) -> None:
    short = copy.deepcopy(CT)
    for keyword, value in attributes.items():
        setattr(short, keyword, value)
    with pytest.raises(MalformedDicom, match=reason):
        parse_instance(as_file(short), Bounds())


def test_pixel_data_without_a_size_is_malformed() -> None:
    lost = copy.deepcopy(CT)
    del lost.Rows
    with pytest.raises(MalformedDicom, match="without the attributes"):
        parse_instance(as_file(lost), Bounds())


@pytest.mark.parametrize("text", [b"", b"hello", b"\0" * 128 + b"DICM", b"\0" * 200, b"\xff" * 5000])
def test_what_is_no_dicom_is_malformed(text: bytes) -> None:
    with pytest.raises(MalformedDicom):
        parse_instance(text, Bounds())


def test_an_invalid_name_is_no_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    named = copy.deepcopy(CT)
    named.add_new("PatientID", "LT", "Doe " * 40)  # longer than LO lets
    raw = as_file(named).replace(b"\x10\x00\x20\x00LT", b"\x10\x00\x20\x00LO")
    dataset = parse_instance(raw, Bounds())
    assert str(dataset.PatientID).startswith("Doe")
    assert "Doe" not in caplog.text


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_flipped_bytes_give_a_dataset_or_a_refusal(data: st.DataObject) -> None:
    bent = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 6))):
        bent[data.draw(st.integers(128, len(bent) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Refused):
        parse_instance(bytes(bent), Bounds())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(WHOLE) - 1))
def test_every_truncation_gives_a_refusal_or_loses_no_pixel(length: int) -> None:
    try:
        dataset = parse_instance(WHOLE[:length], Bounds())
    except Refused:
        return
    assert "PixelData" not in dataset


def test_bytes_round_trip() -> None:
    buffer = BytesIO()
    parse_instance(WHOLE, Bounds()).save_as(buffer, enforce_file_format=True)
    assert buffer.getvalue() == WHOLE
