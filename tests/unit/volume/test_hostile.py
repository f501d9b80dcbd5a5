"""Files that no library would write: read lazily, met by the builder, refused with a reason."""

import warnings
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless
from tests import phantoms

from similar_cases.domain.errors import MalformedDicom, Refused, TooLarge
from similar_cases.volume import header
from similar_cases.volume.build import build_volumes
from similar_cases.volume.codestream import claimed_size


def test_a_bomb_of_nested_sequences() -> None:
    bomb = dcmread(BytesIO(phantoms.nested_bomb(2_000, defined_length=True)))
    with pytest.raises(Refused):
        build_volumes([bomb])


def test_nesting_deeper_than_the_stack_is_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise RecursionError

    dataset = Dataset()
    monkeypatch.setattr(Dataset, "__getitem__", exhausted)
    with pytest.raises(MalformedDicom, match="nested too deeply"):
        header.value_of(dataset, "Rows")


def test_a_truncated_file() -> None:
    broken = dcmread(BytesIO(phantoms.truncated_file()))
    for keyword in ("SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"):
        setattr(broken, keyword, phantoms.series("plain")[0][keyword].value)
    broken.ImagePositionPatient = [0.0, 0.0, -2.5]
    with pytest.raises(MalformedDicom, match="its pixel data is cut off"):
        build_volumes([broken, *phantoms.series("plain")])


@pytest.mark.parametrize(
    ("syntax", "frame"),
    [
        (JPEGBaseline8Bit, "ffd8 ffc0 0011 08 ffff ffff 01 011100 ffd9"),
        (JPEG2000Lossless, "ff4f ff51 0029 0000 0000ffff 0000ffff 00000000 00000000" + "00" * 20),
    ],
)
def test_a_frame_that_claims_to_be_huge_is_not_decoded(syntax: str, frame: str) -> None:
    instances = phantoms.series("huge claims")
    for one in instances:
        one.file_meta.TransferSyntaxUID = syntax
        one.PixelData = encapsulate([bytes.fromhex(frame)])
        one["PixelData"].VR = "OB"
    with pytest.raises(MalformedDicom, match=r"claims \(65535, 65535\) pixels"):
        build_volumes(instances)


def test_frames_that_are_no_codestream() -> None:
    instances = phantoms.series("rubbish")
    for one in instances:
        one.file_meta.TransferSyntaxUID = JPEG2000Lossless
        one.PixelData = encapsulate([b"rubbish!" * 8])
        one["PixelData"].VR = "OB"
    with pytest.raises(MalformedDicom, match="cannot be decoded"):
        build_volumes(instances)


def test_broken_run_lengths_end_in_no_panic(capfd: pytest.CaptureFixture[str]) -> None:
    instances = phantoms.series("broken runs")
    for one in instances:
        one.compress(RLELossless, generate_instance_uid=False)
    frame = bytearray(instances[5].PixelData)
    frame[24:28] = b"\xff\xff\xff\x7f"  # where a segment begins
    frame[90:] = b"\x01" * len(frame[90:])
    instances[5].PixelData = bytes(frame)
    with pytest.raises(MalformedDicom):
        build_volumes(instances)
    assert "panic" not in capfd.readouterr().err


FILES = [phantoms.to_bytes(one) for one in phantoms.series("fuzz", grid=phantoms.Grid(shape=(3, 4, 4)))]
ENHANCED = [phantoms.to_bytes(one) for one in phantoms.enhanced("fuzz", grid=phantoms.Grid(shape=(3, 4, 4)))]


@settings(deadline=None, max_examples=150)
@given(data=st.data(), files=st.sampled_from([FILES, ENHANCED]))
def test_no_byte_makes_anything_but_a_volume_or_a_reason(data: st.DataObject, files: list[bytes]) -> None:
    broken = bytearray(files[0])
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(132, len(broken) - 1))] = data.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            instances = [dcmread(BytesIO(one), force=True) for one in (bytes(broken), *files[1:])]
        except Exception:  # reading is another's work
            return
    with suppress(Refused, TooLarge):
        assert build_volumes(instances)


@pytest.mark.parametrize("frame", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8" + b"\xff\xe0\x00\x00" * 4, b"plain"])
def test_claims_of_broken_frames_are_none(frame: bytes) -> None:
    assert claimed_size(frame) is None
