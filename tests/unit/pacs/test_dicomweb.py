"""DICOMweb against an archive that fails: what is missing is asked for again, what cannot be is told."""

from collections.abc import Iterator

import pytest
from pydicom import Dataset
from tests.unit.pacs.stub_archive import StubArchive, serving

from similar_cases.demo.phantoms import Phantom, phantom_series
from similar_cases.domain.errors import IncompleteTransfer, MalformedDicom, NotFound, PacsUnavailable, StoreFailed
from similar_cases.pacs.client import uids_of
from similar_cases.pacs.dicomweb import DicomWebClient
from similar_cases.pacs.http import HttpAccess, basic_authorization
from similar_cases.pacs.parse import series_of

SMALL = Phantom(shape=(6, 24, 24), spacing_mm=(4.0, 4.0, 4.0))
#: a connection that fails, fails at once
HASTY = HttpAccess(connect_seconds=1.0, read_seconds=2.0, retries=2)


@pytest.fixture(scope="module")
def sent() -> list[Dataset]:
    return phantom_series(SMALL)


@pytest.fixture
def archive(sent: list[Dataset]) -> Iterator[StubArchive]:
    with serving(StubArchive()) as archive:
        archive.add(sent)
        yield archive


@pytest.fixture
def client(archive: StubArchive) -> DicomWebClient:
    return DicomWebClient(archive.url, HASTY)


def test_stored_bytes_are_asked_for_as_they_are_and_uncompressed(
    archive: StubArchive, client: DicomWebClient, sent: list[Dataset]
) -> None:
    client.retrieve_series(series_of(sent[0]))
    method, path, headers = archive.requests[-1]
    assert (method, path.count("/")) == ("GET", 4)
    assert "transfer-syntax=*" in headers["Accept"]
    assert headers["Accept-Encoding"] == "identity"
    assert "Authorization" not in headers


def test_credentials_go_along(archive: StubArchive) -> None:
    access = HttpAccess(authorization=basic_authorization("user", "pässword"))
    DicomWebClient(archive.url, access).search_series()
    assert archive.requests[0][2]["Authorization"] == "Basic dXNlcjpww6Rzc3dvcmQ="
    assert "pässword" not in repr(access)
    assert "Basic" not in repr(access)


def test_a_missing_instance_is_asked_for_again(
    archive: StubArchive, client: DicomWebClient, sent: list[Dataset]
) -> None:
    lost = uids_of(sent)[2]
    archive.series_parts = lambda files: [part for uid, part in files.items() if uid != lost]
    assert uids_of(client.retrieve_series(series_of(sent[0]))) == uids_of(sent)
    assert archive.asked(lost) == 1
    assert archive.asked(uids_of(sent)[0]) == 0


def test_a_shortened_instance_is_asked_for_again(
    archive: StubArchive, client: DicomWebClient, sent: list[Dataset]
) -> None:
    archive.series_parts = lambda files: [part[:-100] for part in files.values()]
    assert uids_of(client.retrieve_series(series_of(sent[0]))) == uids_of(sent)


@pytest.mark.parametrize(("cut", "again"), [(0, 6), (100, 6), (150_000, 3)])
def test_a_connection_that_breaks_off_costs_what_had_not_come(
    cut: int, again: int, archive: StubArchive, client: DicomWebClient
) -> None:
    sent = phantom_series(Phantom(shape=(6, 128, 128), spacing_mm=(4.0, 1.0, 1.0)))  # 34 kB each
    archive.files.clear()
    archive.add(sent)
    archive.cuts_after = cut
    assert uids_of(client.retrieve_series(series_of(sent[0]))) == uids_of(sent)
    assert sum(archive.asked(uid) for uid in uids_of(sent)) == again


def test_a_message_without_its_end_is_taken_for_broken(
    archive: StubArchive, client: DicomWebClient, sent: list[Dataset]
) -> None:
    archive.closes_series = False
    archive.series_parts = lambda files: list(files.values())[:3]
    assert uids_of(client.retrieve_series(series_of(sent[0]))) == uids_of(sent)


def test_an_instance_that_never_comes_makes_the_transfer_incomplete(
    archive: StubArchive, client: DicomWebClient, sent: list[Dataset]
) -> None:
    archive.series_parts = lambda files: list(files.values())[1:]
    archive.instance_part = lambda part: None
    with pytest.raises(IncompleteTransfer, match="does not come") as caught:
        client.retrieve_series(series_of(sent[0]))
    assert caught.value.retryable


def test_an_instance_stored_shortened_is_malformed(
    archive: StubArchive, client: DicomWebClient, sent: list[Dataset]
) -> None:
    archive.series_parts = lambda files: [part[:-100] for part in files.values()]
    archive.instance_part = lambda part: part[:-100]
    with pytest.raises(MalformedDicom, match=r"instance 2\.25\."):
        client.retrieve_series(series_of(sent[0]))


def test_another_instance_than_the_one_asked_for_is_not_taken(
    archive: StubArchive, client: DicomWebClient, sent: list[Dataset]
) -> None:
    first = next(iter(archive.files.values()))
    archive.series_parts = lambda files: [first] * len(files)
    archive.instance_part = lambda part: first
    with pytest.raises(IncompleteTransfer, match="another one came"):
        client.retrieve_series(series_of(sent[0]))


def test_instances_of_other_series_in_the_answer_are_left_out(
    archive: StubArchive, client: DicomWebClient, sent: list[Dataset]
) -> None:
    strangers = StubArchive()
    strangers.add(phantom_series(Phantom(shape=(2, 24, 24), patient_id="stranger")))
    archive.series_parts = lambda files: [*strangers.files.values(), *files.values()]
    assert uids_of(client.retrieve_series(series_of(sent[0]))) == uids_of(sent)


@pytest.mark.parametrize("content_type", ["text/html", "application/dicom", "multipart/related"])
def test_an_answer_that_is_no_multipart_message(
    content_type: str, archive: StubArchive, client: DicomWebClient, sent: list[Dataset]
) -> None:
    archive.content_type = content_type
    with pytest.raises(IncompleteTransfer):
        client.retrieve_series(series_of(sent[0]))


@pytest.mark.parametrize("status", [502, 503, 504])
def test_what_fails_in_passing_is_repeated(
    status: int, archive: StubArchive, client: DicomWebClient, sent: list[Dataset]
) -> None:
    archive.statuses = [status, status]
    assert client.search_instances(series_of(sent[0])) == uids_of(sent)
    archive.statuses = [status]
    client.store_instances(sent[:1])


@pytest.mark.parametrize(("status", "told"), [(503, "503"), (500, "500"), (401, "check the credentials"), (400, "400")])
def test_an_archive_that_answers_with_an_error_is_unavailable(
    status: int, told: str, archive: StubArchive, client: DicomWebClient, sent: list[Dataset]
) -> None:
    archive.statuses = [status] * 10
    with pytest.raises(PacsUnavailable, match=told):
        client.search_series()
    archive.statuses = [status] * 10
    with pytest.raises(StoreFailed if status == 400 else PacsUnavailable, match=told):
        client.store_instances(sent[:1])


def test_an_archive_that_is_away_is_unavailable(sent: list[Dataset], caplog: pytest.LogCaptureFixture) -> None:
    with serving(StubArchive()) as archive:
        pass
    client = DicomWebClient(archive.url, HASTY)
    for act in (
        client.search_series,
        lambda: client.retrieve_series(series_of(sent[0])),
        lambda: client.store_instances(sent[:1]),
    ):
        with pytest.raises(PacsUnavailable, match="does not answer"):
            act()
    assert "Traceback" not in caplog.text
    assert "line " not in caplog.text


def test_404_to_a_search_means_nothing_there(archive: StubArchive, client: DicomWebClient, sent: list[Dataset]) -> None:
    archive.statuses = [404]
    with pytest.raises(NotFound):
        client.retrieve_series(series_of(sent[0]))


@pytest.mark.parametrize("page", [1, 2, 5, 6])
def test_an_archive_that_cuts_its_answers_is_asked_page_by_page(
    page: int, archive: StubArchive, client: DicomWebClient, sent: list[Dataset]
) -> None:
    archive.page = page
    assert client.search_instances(series_of(sent[0])) == uids_of(sent)


def test_an_archive_that_ignores_offsets_does_not_hold_us(
    archive: StubArchive, client: DicomWebClient, sent: list[Dataset]
) -> None:
    archive.ignores_offset = True
    assert client.search_instances(series_of(sent[0])) == uids_of(sent)
    assert archive.asked("/instances") == 2


def test_a_refused_instance_is_told_with_its_reason(
    archive: StubArchive, client: DicomWebClient, sent: list[Dataset]
) -> None:
    uid = str(sent[0].SOPInstanceUID)
    item = {"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [0xA700]}}
    for status in (200, 202, 409):
        archive.store_answer = (status, {"00081198": {"vr": "SQ", "Value": [item]}})
        with pytest.raises(StoreFailed, match=rf"{uid} \(0xa700\)"):
            client.store_instances(sent[:1])


def test_an_instance_taken_and_lost_is_told(archive: StubArchive, client: DicomWebClient) -> None:
    archive.loses_stored = True
    stranger = phantom_series(Phantom(shape=(2, 24, 24), patient_id="stranger"))
    with pytest.raises(StoreFailed, match="cannot be read back"):
        client.store_instances(stranger)


def test_many_instances_go_in_small_batches(client: DicomWebClient, archive: StubArchive) -> None:
    many = phantom_series(Phantom(shape=(120, 8, 8), patient_id="many"))
    client.store_instances(many)
    assert sum(method == "POST" for method, _, _ in archive.requests) == 3


def test_a_series_without_valid_uids_is_not_listed(archive: StubArchive, client: DicomWebClient) -> None:
    archive.files = {"x": next(iter(archive.files.values())).replace(b"2.25.", b"x.25.")}
    assert client.search_series() == []
