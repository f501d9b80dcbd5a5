"""C-STORE against small peers on loopback that take, refuse and break off."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, generate_uid
from pynetdicom import AE, AllStoragePresentationContexts, build_context, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import CTImageStorage, MRImageStorage, Verification
from tests.unit.pacs.stub_archive import as_file

from similar_cases.demo.phantoms import Phantom, phantom_series
from similar_cases.domain.errors import PacsUnavailable
from similar_cases.pacs import dimse
from similar_cases.pacs.client import uids_of
from similar_cases.pacs.dimse import DimseAddress, echo, send

SERIES = phantom_series(Phantom(shape=(6, 48, 48)))
Store = Callable[[Event], int]


@contextmanager
def peer(store: Store = lambda _: 0, *, called_aet: str = "", classes: tuple[str, ...] = ()) -> Iterator[DimseAddress]:
    entity = AE(ae_title="PEER")
    entity.require_called_aet = bool(called_aet)
    for sop_class in classes or (CTImageStorage, MRImageStorage):
        entity.add_supported_context(sop_class, [ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless])
    entity.add_supported_context(Verification)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    try:
        yield DimseAddress(host="127.0.0.1", port=server.server_address[1], called_aet="PEER", timeout_seconds=30.0)
    finally:
        server.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for instance in SERIES:
        (tmp_path / f"{instance.InstanceNumber}.dcm").write_bytes(as_file(instance))
    return tmp_path


def test_files_folders_and_datasets_go_out_byte_for_byte(folder: Path) -> None:
    came: dict[str, bytes] = {}

    def store(event: Event) -> int:
        came[str(event.request.AffectedSOPInstanceUID)] = event.encoded_dataset(include_meta=False)
        return 0

    extra = phantom_series(Phantom(shape=(2, 16, 16), modality="MR"))
    (folder / "notes.txt").write_text("no DICOM")
    (folder / "empty").touch()
    (folder / "below").mkdir()
    (folder / "6.dcm").rename(folder / "below" / "6.dcm")
    told: list[tuple[int, int]] = []
    with peer(store) as address:
        report = send([folder, *extra], address, progress=lambda done, total: told.append((done, total)))
    assert (report.sent, report.failures, report.passed_over) == (8, (), 2)
    assert sorted(came) == uids_of([*SERIES, *extra])
    for instance in SERIES:
        assert as_file(instance).endswith(came[instance.SOPInstanceUID])
        assert len(came[instance.SOPInstanceUID]) > 4608
    assert told == [(n, 8) for n in range(1, 9)]


def test_each_transfer_syntax_keeps_a_context_of_its_own(folder: Path) -> None:
    syntaxes: list[str] = []
    compressed = dcmread(folder / "1.dcm")
    compressed.compress(JPEG2000Lossless, generate_instance_uid=False)
    compressed.save_as(folder / "1.dcm", enforce_file_format=True)

    def store(event: Event) -> int:
        syntaxes.append(event.context.transfer_syntax)
        return 0

    with peer(store) as address:
        assert send([folder], address).sent == 6
    assert sorted(syntaxes) == sorted([JPEG2000Lossless] + [ExplicitVRLittleEndian] * 5)


def test_failures_are_told_one_by_one_and_the_rest_goes_on(folder: Path) -> None:
    refused, warned = SERIES[1].SOPInstanceUID, SERIES[2].SOPInstanceUID
    statuses = {refused: 0xA700, warned: 0xB000}
    with peer(lambda event: statuses.get(event.request.AffectedSOPInstanceUID, 0)) as address:
        report = send([folder], address)
    assert report.sent == 5
    (failure,) = report.failures
    assert (failure.sop_instance_uid, failure.status) == (refused, 0xA700)
    assert "0xa700" in failure.reason


def test_a_class_that_the_peer_does_not_take_is_told(folder: Path) -> None:
    with peer(classes=(CTImageStorage,)) as address:
        report = send([folder, *phantom_series(Phantom(shape=(1, 16, 16), modality="MR"))], address)
    assert report.sent == 6
    assert "the peer takes no MR Image Storage" in report.failures[0].reason


def test_an_association_that_breaks_off_is_opened_again(folder: Path) -> None:
    broken = threading.Event()

    def store(event: Event) -> int:
        if event.request.AffectedSOPInstanceUID == SERIES[2].SOPInstanceUID and not broken.is_set():
            broken.set()
            event.assoc.abort()
        return 0

    with peer(store) as address:
        report = send([folder], address)
    assert report.sent == 5
    assert [failure.sop_instance_uid for failure in report.failures] == [SERIES[2].SOPInstanceUID]
    assert "broke off" in report.failures[0].reason


def test_a_peer_that_breaks_off_each_time_is_given_up(folder: Path) -> None:
    with peer(lambda event: event.assoc.abort() or 0) as address, pytest.raises(PacsUnavailable, match="3 times"):
        send([folder], address)


def test_more_kinds_than_one_association_can_negotiate(tmp_path: Path) -> None:
    classes = tuple(context.abstract_syntax for context in AllStoragePresentationContexts[:130])
    batches: set[int] = set()
    for number, sop_class in enumerate(classes):
        instance = Dataset()
        instance.SOPClassUID, instance.SOPInstanceUID = sop_class, generate_uid(entropy_srcs=[f"i{number}"])
        instance.file_meta = SERIES[0].file_meta.copy()
        instance.file_meta.MediaStorageSOPClassUID = sop_class
        instance.file_meta.MediaStorageSOPInstanceUID = instance.SOPInstanceUID
        (tmp_path / f"{number:03d}.dcm").write_bytes(as_file(instance))

    def store(event: Event) -> int:
        batches.add(id(event.assoc))
        return 0

    with peer(store, classes=classes) as address:
        report = send([tmp_path], address)
    assert (report.sent, report.failures) == (130, ())
    assert len(batches) == 2


def test_a_file_that_vanishes_before_its_turn_is_told(folder: Path) -> None:
    def store(event: Event) -> int:
        (folder / "6.dcm").unlink(missing_ok=True)
        return 0

    with peer(store) as address:
        report = send([folder], address)
    assert report.sent == 5
    assert "not to be sent" in report.failures[0].reason


def test_nothing_to_send_opens_no_association() -> None:
    assert send([], DimseAddress(host="127.0.0.1", port=1)).sent == 0


def test_echo() -> None:
    with peer() as address:
        echo(address)


def test_a_peer_that_is_away_is_unavailable() -> None:
    with peer() as address:
        pass
    with pytest.raises(PacsUnavailable, match="check host"):
        echo(address)
    with pytest.raises(PacsUnavailable, match="check host"):
        send(SERIES[:1], address)


def test_a_peer_that_does_not_know_us_says_so() -> None:
    with peer(called_aet="PEER") as address:
        stranger = DimseAddress(host=address.host, port=address.port, called_aet="OTHER")
        with pytest.raises(PacsUnavailable, match="AE titles"):
            echo(stranger)


def test_an_answer_is_never_taken_by_pynetdicoms_own_thread() -> None:
    with peer() as address:
        association = dimse._associate(address, [build_context(CTImageStorage)])
        association.dimse.msg_queue.put((1, "the answer"))
        time.sleep(0.05)  # its thread looks each millisecond
        assert association.dimse.get_msg(block=True) == (1, "the answer")
        association.release()
