"""What a folder has that other archives have not: strangers among the files, and changes by other hands."""

from pathlib import Path

import pytest
from pydicom import Dataset
from tests.unit.pacs.stub_archive import as_file

from similar_cases.demo.phantoms import Phantom, phantom_series
from similar_cases.domain.errors import MalformedDicom, NotFound, PacsUnavailable, StoreFailed
from similar_cases.pacs.client import uids_of
from similar_cases.pacs.folder import FolderPacs
from similar_cases.pacs.parse import series_of

SERIES = phantom_series(Phantom(shape=(4, 16, 16)))


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("no DICOM")
    (tmp_path / "empty").touch()
    (tmp_path / "prefix only").write_bytes(b"\0" * 128 + b"DICM" + b"\x08\x00\xff")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "no suffix").write_bytes(as_file(SERIES[0]))
    (listing,) = FolderPacs(tmp_path).search_series()
    assert (listing.series, listing.instance_count) == (series_of(SERIES[0]), 1)


def test_changes_by_other_hands_are_seen(tmp_path: Path) -> None:
    pacs = FolderPacs(tmp_path)
    pacs.store_instances(SERIES)
    ref = series_of(SERIES[0])
    files = sorted(tmp_path.rglob("*.dcm"))
    files[0].unlink()
    assert len(pacs.search_instances(ref)) == 3
    for file in files[1:]:
        file.unlink()
    with pytest.raises(NotFound):
        pacs.retrieve_series(ref)


def test_files_that_did_not_change_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pacs = FolderPacs(tmp_path)
    pacs.store_instances(SERIES)
    pacs.search_series()
    monkeypatch.setattr("similar_cases.pacs.folder.dcmread", lambda *_, **__: pytest.fail("read again"))
    assert pacs.search_instances(series_of(SERIES[0])) == uids_of(SERIES)


def test_a_uid_twice_counts_once(tmp_path: Path) -> None:
    for name in ("1.dcm", "2.dcm"):
        (tmp_path / name).write_bytes(as_file(SERIES[0]))
    (listing,) = FolderPacs(tmp_path).search_series()
    assert listing.instance_count == 1
    assert len(FolderPacs(tmp_path).retrieve_series(listing.series)) == 1


def test_a_truncated_file_is_malformed_and_named(tmp_path: Path) -> None:
    (tmp_path / "short.dcm").write_bytes(as_file(SERIES[0])[:-50])
    with pytest.raises(MalformedDicom, match=r"short\.dcm"):
        FolderPacs(tmp_path).retrieve_series(series_of(SERIES[0]))


def test_nothing_but_whole_instances_lies_in_the_folder(tmp_path: Path) -> None:
    FolderPacs(tmp_path).store_instances(SERIES)
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".dcm"}
    assert sorted(path.stem for path in tmp_path.rglob("*.dcm")) == uids_of(SERIES)


def test_no_uid_leads_out_of_the_folder(tmp_path: Path) -> None:
    evil = Dataset()
    evil.file_meta = SERIES[0].file_meta
    evil.SOPClassUID = SERIES[0].SOPClassUID
    evil.StudyInstanceUID = evil.SeriesInstanceUID = "1.2.3"
    evil.add_new("SOPInstanceUID", "LO", "../../outside")
    (tmp_path / "inside").mkdir()
    with pytest.raises(StoreFailed, match="UID"):
        FolderPacs(tmp_path / "inside").store_instances([evil])
    assert list(tmp_path.rglob("*outside*")) == []


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(PacsUnavailable, match="no folder"):
        FolderPacs(tmp_path / "none").search_series()
