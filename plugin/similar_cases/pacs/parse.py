"""Bytes from outside made into a Dataset, within bounds: an object is hostile until it was parsed."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from pydicom import Dataset, config, dcmread
from pydicom.datadict import dictionary_VR
from pydicom.pixels.utils import get_expected_length
from pydicom.tag import BaseTag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from similar_cases.domain.errors import InvalidUid, MalformedDicom, Refused
from similar_cases.domain.references import SeriesRef, require_uid

# pydicom's warnings of invalid values quote the value, which may be a patient's name, in a line of the log
config.settings.reading_validation_mode = config.IGNORE


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What one series may cost before it is refused.

    Attributes:
        max_instances: Instances of one Series.
        max_instance_bytes: bytes of one Instance, inflated where it came deflated.
        max_series_bytes: bytes of all Instances of one Series as they come.
        max_nesting: sequences within sequences; the deepest that real reports and functional groups reach is about ten.
    """

    max_instances: int = 20_000
    max_instance_bytes: int = 2 * 1024**3
    max_series_bytes: int = 6 * 1024**3
    max_nesting: int = 24

    def check_instances(self, count: int) -> None:
        """Refuse a Series of `count` Instances when that is over the bound."""
        if count > self.max_instances:
            raise Refused(f"{count} instances; the bound for one series is {self.max_instances}")

    def check_instance_bytes(self, size: int) -> None:
        """Refuse an Instance of `size` bytes when that is over the bound."""
        if size > self.max_instance_bytes:
            raise Refused(f"an instance is larger than {self.max_instance_bytes} bytes, the bound for one")

    def check_series_bytes(self, size: int) -> None:
        """Refuse a Series of `size` bytes, or that is so large already, when that is over the bound."""
        if size > self.max_series_bytes:
            raise Refused(f"the series is larger than {self.max_series_bytes} bytes, the bound for one")


def parse_instance(data: bytes | bytearray, bounds: Bounds) -> Dataset:
    """Return the Dataset, with file meta information, that `data` hold as a DICOM file (PS3.10 section 7).

    Raises:
        Refused: when it is larger than the bound.
        MalformedDicom: when it is no DICOM file, breaks off, nests too deep, or lacks its UIDs.
    """
    bounds.check_instance_bytes(len(data))
    try:
        _refuse_deflated_bomb(data, bounds)
        dataset = dcmread(BytesIO(data))
        _refuse_deep_nesting(dataset, bounds.max_nesting)
        series_of(dataset)
        require_uid(str(dataset.SOPInstanceUID))
        if flaw := pixel_flaw(dataset):
            raise MalformedDicom(flaw)
    except Refused:
        raise
    except RecursionError as error:
        raise MalformedDicom(f"sequences are nested deeper than {bounds.max_nesting}") from error
    except (InvalidUid, AttributeError) as error:
        raise MalformedDicom(f"Study, Series or SOP Instance UID is missing or no UID: {error}") from error
    except Exception as error:  # pydicom raises whatever its parts raise: KeyError, struct.error, EOFError …
        raise MalformedDicom(f"not to be parsed as DICOM: {type(error).__name__}") from error
    return dataset


def series_of(dataset: Dataset) -> SeriesRef:
    """Return the Series that an Instance says it belongs to.

    Raises:
        InvalidUid: when one of the two is no UID.
        AttributeError: when one is absent.
    """
    return SeriesRef(str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID))


def pixel_flaw(dataset: Dataset) -> str:
    """Say what is wrong with the length of Pixel Data, empty where nothing is.

    Native Pixel Data must hold every frame (PS3.5 section 8.1.1); more is let pass, as scanners pad. Encapsulated
    frames tell their length only when decoded.
    """
    if "PixelData" not in dataset:
        return ""
    transfer_syntax = UID(dataset.file_meta.get("TransferSyntaxUID", ""))
    if not transfer_syntax.is_transfer_syntax:
        return f"Pixel Data in an unknown transfer syntax {transfer_syntax!r}"
    if transfer_syntax.is_encapsulated:
        return ""
    try:
        expected = get_expected_length(dataset)
    except (AttributeError, TypeError, ValueError, KeyError):
        return "Pixel Data without the attributes that tell its size"
    actual = len(dataset.get_item("PixelData").value or b"")
    return f"Pixel Data has {actual} bytes, {expected} are wanted" if actual < expected else ""


def _refuse_deflated_bomb(data: bytes | bytearray, bounds: Bounds) -> None:
    """Inflate as far as the bound and no farther; pydicom itself would inflate without end."""
    meta_end = 144 + int.from_bytes(data[140:144], "little")  # (0002,0000) comes first and tells the length
    if DeflatedExplicitVRLittleEndian.encode() not in data[: min(meta_end, 4096)]:
        return
    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[meta_end:], bounds.max_instance_bytes + 1)
    bounds.check_instance_bytes(len(inflated))


def _refuse_deep_nesting(dataset: Dataset, max_nesting: int) -> None:
    """Walk through all sequences without recursion; pydicom parses those of known length only when they are read."""
    level = [dataset]
    for _ in range(max_nesting + 1):
        level = [item for dataset in level for item in _items_of(dataset)]
        if not level:
            return
    raise MalformedDicom(f"sequences are nested deeper than {max_nesting}")


def _items_of(dataset: Dataset) -> Iterator[Dataset]:
    for tag in list(dataset.keys()):
        if _may_be_sequence(tag, dataset.get_item(tag).VR):
            element = dataset[tag]
            if element.VR == "SQ":
                yield from element.value


def _may_be_sequence(tag: BaseTag, vr: str | None) -> bool:
    if vr == "SQ" or tag.is_private:
        return vr in ("SQ", "UN", None)
    if vr not in ("UN", None):
        return False
    try:
        return dictionary_VR(tag) == "SQ"
    except KeyError:
        return False
