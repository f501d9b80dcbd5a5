"""A folder of DICOM files as an archive: for tests, demonstrations and evaluation.

The index is derived from the folder at each act, only files that are new or changed are read. Threads share one lock.
"""

import logging
import os
import tempfile
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from similar_cases.domain.errors import InvalidUid, MalformedDicom, NotFound, PacsUnavailable, StoreFailed
from similar_cases.domain.references import SeriesRef, require_uid
from similar_cases.pacs.client import SeriesListing
from similar_cases.pacs.parse import Bounds, parse_instance, series_of
from similar_cases.pacs.stored import difference, storable

_LOG = logging.getLogger(__name__)
_HEADER_TAGS = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "Modality"]


@dataclass(frozen=True)
class _Entry:
    """One file: its stamp (size, time of change), and what its header says; `series` is None for others."""

    stamp: tuple[int, int]
    series: SeriesRef | None = None
    sop_instance_uid: str = ""
    modality: str = ""


class FolderPacs:
    """A ``PacsClient`` over all DICOM files in `folder` and below; other files are passed over.

    Where two files hold the same SOP Instance UID, the first by path counts.
    """

    def __init__(self, folder: Path, bounds: Bounds | None = None) -> None:
        self._folder = folder
        self._bounds = bounds or Bounds()
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    def search_series(self, study_uid: str | None = None) -> list[SeriesListing]:
        """Search for the Series of one Study, or of the folder, in the order of their UIDs."""
        found: dict[SeriesRef, list[_Entry]] = {}
        for entry in self._instances().values():
            if entry.series and study_uid in (None, entry.series.study_uid):
                found.setdefault(entry.series, []).append(entry)
        return [
            SeriesListing(series=series, modality=entries[0].modality, instance_count=len(entries))
            for series, entries in sorted(found.items(), key=lambda item: item[0].series_uid)
        ]

    def search_instances(self, series: SeriesRef) -> list[str]:
        """Search for the SOP Instance UIDs of a Series, sorted."""
        return sorted(entry.sop_instance_uid for entry in self._instances().values() if entry.series == series)

    def retrieve_series(self, series: SeriesRef) -> list[Dataset]:
        """Read every Instance of a Series, sorted by SOP Instance UID.

        Raises:
            NotFound: when the folder has no such Series.
            MalformedDicom: when a file cannot be parsed within the bounds.
            Refused: when the Series is larger than the bounds.
        """
        found = {path: entry for path, entry in self._instances().items() if entry.series == series}
        if not found:
            raise NotFound(f"the folder has no series {series.series_uid}")
        self._bounds.check_instances(len(found))
        self._bounds.check_series_bytes(sum(entry.stamp[0] for entry in found.values()))
        return [self._read(Path(path)) for path in sorted(found, key=lambda path: found[path].sop_instance_uid)]

    def retrieve_instance(self, study_uid: str, sop_instance_uid: str) -> Dataset:
        """Read one Instance of a Study.

        Raises:
            NotFound: when the folder has none.
            MalformedDicom: when it cannot be parsed within the bounds.
        """
        for path, entry in self._instances().items():
            if entry.sop_instance_uid == sop_instance_uid and entry.series and entry.series.study_uid == study_uid:
                return self._read(Path(path))
        raise NotFound(f"the folder has no instance {sop_instance_uid} in study {study_uid}")

    def store_instances(self, instances: Sequence[Dataset]) -> None:
        """Write `instances` below study and series; one that is there stays as it is, and is compared."""
        there = {entry.sop_instance_uid: Path(path) for path, entry in self._instances().items()}
        for instance in instances:
            path = there.get(str(instance.get("SOPInstanceUID", ""))) or self._write(instance)
            if flaw := difference(instance, self._read(path)):
                raise StoreFailed(f"instance {instance.SOPInstanceUID} lies there otherwise than it was sent: {flaw}")

    def remove_instances(self, series: SeriesRef, sop_instance_uids: Collection[str]) -> None:
        """Delete the files of Instances of one Series."""
        for path, entry in self._instances().items():
            if entry.series == series and entry.sop_instance_uid in sop_instance_uids:
                Path(path).unlink(missing_ok=True)

    def _instances(self) -> dict[str, _Entry]:
        """Return the files that are Instances, in the order of their paths, each UID once."""
        with self._lock:
            self._entries = {path: self._entry(path, stamp) for path, stamp in self._files()}
            firsts: dict[str, str] = {}
            for path, entry in self._entries.items():
                firsts.setdefault(entry.sop_instance_uid, path)
            return {path: self._entries[path] for path in firsts.values() if self._entries[path].series}

    def _files(self) -> Iterator[tuple[str, tuple[int, int]]]:
        if not self._folder.is_dir():
            raise PacsUnavailable(f"there is no folder {self._folder}")
        paths = (f"{folder}/{name}" for folder, _, names in os.walk(self._folder) for name in names)
        for path in sorted(paths):  # text: 7000 Paths would take ten times as long as their files' stamps
            try:
                status = os.stat(path)  # noqa: PTH116
            except FileNotFoundError:  # deleted meanwhile
                continue
            yield path, (status.st_size, status.st_mtime_ns)

    def _entry(self, path: str, stamp: tuple[int, int]) -> _Entry:
        known = self._entries.get(path)
        return known if known and known.stamp == stamp else _read_entry(Path(path), stamp)

    def _read(self, path: Path) -> Dataset:
        self._bounds.check_instance_bytes(path.stat().st_size)
        try:
            return parse_instance(path.read_bytes(), self._bounds)
        except MalformedDicom as error:
            raise MalformedDicom(f"{path.name}: {error}") from error

    def _write(self, instance: Dataset) -> Path:
        """Write to a temporary file first, so that nobody reads half an Instance."""
        try:
            series, uid = series_of(instance), require_uid(str(instance.SOPInstanceUID))
        except (AttributeError, InvalidUid) as error:
            raise StoreFailed(f"an instance without its UIDs: {error}") from error
        path = self._folder / series.study_uid / series.series_uid / f"{uid}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(descriptor, "wb") as file:
            storable(instance).save_as(file, enforce_file_format=True)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        return path


def _read_entry(path: Path, stamp: tuple[int, int]) -> _Entry:
    """Read a header; whatever cannot be read is no Instance."""
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=_HEADER_TAGS)
        return _Entry(
            stamp, series_of(header), require_uid(str(header.SOPInstanceUID)), str(header.get("Modality", ""))
        )
    except (InvalidDicomError, AttributeError, InvalidUid):
        return _Entry(stamp)
    except Exception as error:  # a DICOM prefix with anything behind it: pydicom raises what its parts raise
        _LOG.warning("a file of %s is no DICOM object: %s", path.parent, type(error).__name__)
        return _Entry(stamp)
