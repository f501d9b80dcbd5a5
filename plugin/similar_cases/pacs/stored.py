"""What is stored, and whether it is what was sent."""

import copy
from collections.abc import Iterable, Iterator

from pydicom import Dataset, FileMetaDataset
from pydicom.dataset import validate_file_meta

from similar_cases.domain.errors import StoreFailed

_BATCH_INSTANCES = 50
_BATCH_BYTES = 32 * 1024**2


def storable(instance: Dataset) -> Dataset:
    """Return `instance` such that it is written as a whole file: preamble, all that PS3.10 7.1 asks for, elements.

    The elements are shared. An archive keeps the file as it comes: what is missing is missing for all who retrieve it.

    Raises:
        StoreFailed: when it lacks file meta information.
    """
    meta = getattr(instance, "file_meta", None)
    if meta is None or "TransferSyntaxUID" not in meta:
        raise StoreFailed("an instance without file meta information: give it file_meta.TransferSyntaxUID")
    whole = copy.copy(instance)
    whole.preamble = b"\0" * 128
    whole.file_meta = _whole_meta(instance, meta)
    return whole


def _whole_meta(instance: Dataset, meta: Dataset) -> FileMetaDataset:
    whole = FileMetaDataset()
    whole.update(meta)
    whole.MediaStorageSOPClassUID = instance.SOPClassUID
    whole.MediaStorageSOPInstanceUID = instance.SOPInstanceUID
    whole.FileMetaInformationGroupLength = 0  # counted by the writer, where it is there at all
    validate_file_meta(whole, enforce_standard=True)
    return whole


def batches_of(instances: Iterable[Dataset]) -> Iterator[list[Dataset]]:
    """Yield storable Instances in lots of at most 50, and of about 32 MiB: a request's body is held in memory."""
    batch: list[Dataset] = []
    size = 0
    for instance in instances:
        batch.append(storable(instance))
        size += _pixel_bytes(instance)
        if size >= _BATCH_BYTES or len(batch) == _BATCH_INSTANCES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def difference(sent: Dataset, stored: Dataset) -> str:
    """Say how `stored` falls short of `sent`, empty where it does not.

    An archive may add attributes and correct a patient's name; it may not lose an attribute or part of the pixels.
    """
    if (sent.SOPClassUID, sent.SOPInstanceUID) != (stored.SOPClassUID, stored.SOPInstanceUID):
        return "another SOP Class or SOP Instance UID"
    if _pixel_bytes(sent) != _pixel_bytes(stored):
        return f"Pixel Data of {_pixel_bytes(stored)} bytes, {_pixel_bytes(sent)} were sent"
    lost = [str(tag) for tag in sent.keys() if tag not in stored and tag.element != 0]  # noqa: SIM118 - values stay unread
    return f"without {', '.join(lost[:5])}" if lost else ""


def _pixel_bytes(instance: Dataset) -> int:
    if "PixelData" not in instance:
        return 0
    size = len(instance.get_item("PixelData").value or b"")
    return size + size % 2
