"""The same voxels whatever the transfer syntax; multi-frame and bits that are not used, too."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.pixels import get_decoder
from pydicom.uid import (
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from tests import phantoms

from similar_cases.domain.case import derived_uid
from similar_cases.volume.build import build_volumes

LOSSY = {"4.50": 70.0, "4.51": 40.0, "4.53": 40.0, "4.55": 40.0, "4.81": 1.0, "4.91": 6.0}


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_compressed_is_the_same_as_native(syntax: str) -> None:
    [native] = build_volumes(phantoms.series("syntax"))
    compressed = phantoms.series("syntax")
    for one in compressed:
        one.compress(syntax, generate_instance_uid=False)
    [volume] = build_volumes(compressed)
    assert np.array_equal(volume.array, native.array)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_compressed_multi_frame(syntax: str) -> None:
    [native] = build_volumes(phantoms.enhanced())
    [compressed] = phantoms.enhanced()
    compressed.compress(syntax, generate_instance_uid=False)
    [volume] = build_volumes([compressed])
    assert np.array_equal(volume.array, native.array)


def test_big_endian() -> None:
    [native] = build_volumes(phantoms.series("syntax"))
    swapped = phantoms.series("syntax")
    for one in swapped:
        one.PixelData = np.frombuffer(one.PixelData, "<i2").astype(">i2").tobytes()
        one.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        one["PixelData"].VR = "OW"
    [volume] = build_volumes(swapped)
    assert np.array_equal(volume.array, native.array)


def test_without_file_meta_information() -> None:
    instances = phantoms.series("syntax")
    [native] = build_volumes(phantoms.series("syntax"))
    for one in instances:
        del one.file_meta
        one.set_original_encoding(is_implicit_vr=True, is_little_endian=True)
    [volume] = build_volumes(instances)
    assert np.array_equal(volume.array, native.array)


def test_overlays_in_unused_bits_are_masked() -> None:
    instances = phantoms.series("overlay")
    [native] = build_volumes(phantoms.series("overlay"))
    for one in instances:
        stored = np.frombuffer(one.PixelData, "<u2")
        one.PixelData = (stored | np.uint16(0x8000)).tobytes()
        one.BitsStored, one.HighBit, one.PixelRepresentation = 12, 11, 0
    [volume] = build_volumes(instances)
    assert np.array_equal(volume.array, native.array)


@pytest.mark.parametrize("syntax", [*["50", "51", "57", "70", "80", "81", "90", "91", "201", "202", "203"]])
def test_a_decoder_is_installed(syntax: str) -> None:
    """HTJ2K (201 to 203) among them, of which no encoder is at hand to make a phantom."""
    assert get_decoder(f"1.2.840.10008.1.2.4.{syntax}").is_available


@pytest.mark.data
def test_one_ct_in_fifteen_transfer_syntaxes(data_dir: Path) -> None:
    folder = data_dir / "awkward" / "cornerstone_ct_ts"
    [native] = build_volumes(_stacked(dcmread(folder / "CTImage.dcm")))
    encoded = sorted(path for path in folder.iterdir() if path.name != "CTImage.dcm")
    assert len(encoded) == 15
    for path in encoded:
        read = dcmread(path)
        # the lossy ones with a scale of their own keep no padding value: leave out what it would turn into air
        read.pop("PixelPaddingValue", None)
        [volume] = build_volumes(_stacked(read))
        off = np.abs(volume.array - native.array).max()
        assert off <= LOSSY.get(read.file_meta.TransferSyntaxUID.removeprefix("1.2.840.10008.1.2."), 0.0), path.name


def _stacked(one: Dataset) -> list[Dataset]:
    """Make a series of three slices of one image."""
    found = [deepcopy(one) for _ in range(3)]
    for k, copy in enumerate(found):
        copy.SOPInstanceUID = derived_uid("stacked", k)
        copy.ImagePositionPatient = [0.0, 0.0, 5.0 * k]
    return found
