"""Stored values of Frames, through whichever decoder reads the transfer syntax."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from similar_cases.domain.errors import MalformedDicom
from similar_cases.volume import header
from similar_cases.volume.codestream import claimed_size
from similar_cases.volume.slices import Slice

#: JPEG processes that the standard retired; pydicom has no decoder for them, libjpeg has (PS3.5 1992 to 2001)
_RETIRED_JPEG = {
    f"1.2.840.10008.1.2.4.{process}" for process in (52, 53, 54, 55, 56, 58, 59, 60, 61, 62, 63, 64, 65, 66)
}


def stored_frames(dataset: Dataset, frame_indices: Sequence[int]) -> Iterator[NDArray[np.integer]]:
    """Yield the stored values (rows, columns) of some Frames of one Instance, in ascending order of their index.

    Raises:
        MalformedDicom: what is there cannot be decoded to what the header promises.
    """
    uid = header.text(dataset, "SOPInstanceUID")
    syntax = transfer_syntax(dataset)
    try:
        _check_sizes(dataset, syntax)
        shape = header.whole(dataset, "Rows"), header.whole(dataset, "Columns")
        for values in _decode(dataset, syntax, frame_indices):
            if values.shape != shape:
                raise MalformedDicom(f"a frame of {values.shape} pixels came out, not {shape}")
            yield values
    except MalformedDicom as error:
        raise MalformedDicom(f"instance {uid}: {error}") from error
    except MemoryError:
        raise
    except Exception as error:  # decoders of hostile bytes raise whatever they like
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MalformedDicom(f"instance {uid}: its pixels ({syntax.name}) cannot be decoded: {reason}") from error


def transfer_syntax(dataset: Dataset) -> UID:
    """Return the transfer syntax of an Instance; where its file meta information is missing, the one it was read in."""
    meta = getattr(dataset, "file_meta", None)
    stated = header.text(meta, "TransferSyntaxUID") if meta is not None else ""
    if stated:
        return UID(stated)
    implicit, _ = dataset.original_encoding
    return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian


def digest(one: Slice) -> bytes:
    """Return what two Slices share only where every pixel and its meaning are equal."""
    [values] = stored_frames(one.dataset, [one.frame_index])
    meaning = [one.number(word) for word in ("RescaleSlope", "RescaleIntercept")]
    return hashlib.sha256(values.astype("<i8").tobytes() + repr(meaning).encode()).digest()


def release_pixels(dataset: Dataset) -> None:
    """Free the pixel data of an Instance; every other attribute stays as it was."""
    if "PixelData" in dataset:
        del dataset.PixelData


def _check_sizes(dataset: Dataset, syntax: UID) -> None:
    """Refuse what a decoder should not even be shown."""
    if "PixelData" not in dataset:
        raise MalformedDicom("it has no pixel data")
    bits = header.whole(dataset, "BitsAllocated") or 0
    if bits not in (8, 16, 32):
        raise MalformedDicom(f"BitsAllocated is {bits}, not 8, 16 or 32")
    rows, columns = header.whole(dataset, "Rows") or 0, header.whole(dataset, "Columns") or 0
    frames = max(1, header.whole(dataset, "NumberOfFrames") or 1)
    if not syntax.is_encapsulated:
        needed, there = rows * columns * frames * bits // 8, len(dataset.PixelData)
        if there < needed:
            raise MalformedDicom(f"its pixel data is cut off: {there} of {needed} bytes are there")
        return
    for frame in generate_frames(dataset.PixelData, number_of_frames=frames):
        claimed = claimed_size(frame)
        if claimed is not None and claimed != (rows, columns):
            raise MalformedDicom(f"a compressed frame claims {claimed} pixels, the header {(rows, columns)}")


def _decode(dataset: Dataset, syntax: UID, frame_indices: Sequence[int]) -> Iterator[NDArray[np.integer]]:
    if str(syntax) in _RETIRED_JPEG:
        yield from _decode_retired(dataset, frame_indices)
        return
    decoder = get_decoder(syntax)
    # the other decoder of RLE ends in a Rust panic on hostile bytes, which is no Exception and writes its trace itself
    plugin = "pydicom" if syntax == RLELossless else ""
    if syntax.is_encapsulated and len(frame_indices) > 1:
        # one pass: asking frame by frame would walk the fragments from the beginning each time
        ordered = sorted(frame_indices)
        for values, _ in decoder.iter_array(dataset, indices=ordered, raw=True, decoding_plugin=plugin):
            yield values
    else:
        for index in sorted(frame_indices):
            yield decoder.as_array(dataset, index=index, raw=True, decoding_plugin=plugin)[0]


def _decode_retired(dataset: Dataset, frame_indices: Sequence[int]) -> Iterator[NDArray[np.integer]]:
    from libjpeg.utils import decode  # the wheel's own door; pydicom's plugin refuses these syntaxes

    wanted = set(frame_indices)
    frames = max(1, header.whole(dataset, "NumberOfFrames") or 1)
    for index, frame in enumerate(generate_frames(dataset.PixelData, number_of_frames=frames)):
        if index in wanted:
            values: NDArray[np.integer] = decode(frame)
            yield values
