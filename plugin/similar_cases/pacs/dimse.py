"""C-STORE and C-ECHO as a scanner speaks them (PS3.4 annex B, PS3.7 section 9.1)."""

import socket
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID
from pynetdicom import AE, _config, build_context, evt
from pynetdicom.association import Association
from pynetdicom.dsutils import split_dataset
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext

from similar_cases.domain.errors import PacsUnavailable

# files go out as the bytes that they are, piece by piece; else pynetdicom reads and writes each one anew
_config.STORE_SEND_CHUNKED_DATASET = True

_VERIFICATION = UID("1.2.840.10008.1.1")
#: the most that one association can negotiate (PS3.8 9.3.2.2: odd numbers from 1 to 255)
_MAX_CONTEXTS = 128
#: so many times in a row an association may break off
_MAX_BREAKS = 3
_BROKE_OFF = "the association broke off"

#: called with the number of Instances that were tried, and that there are
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class DimseAddress:
    """Whom to call, and as whom."""

    host: str
    port: int
    called_aet: str = "ORTHANC"
    calling_aet: str = "SIMILARCASES"
    timeout_seconds: float = 30.0


@dataclass(frozen=True)
class SendFailure:
    """One Instance that the peer did not take; `status` is the C-STORE status (PS3.4 B.2.3), None where none came."""

    sop_instance_uid: str
    status: int | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class SendReport:
    """What became of a sending: Instances that were taken, that were not, and files that are no DICOM."""

    sent: int
    failures: tuple[SendFailure, ...]
    passed_over: int


@dataclass(frozen=True)
class _Outgoing:
    item: Path | Dataset
    sop_class_uid: UID
    sop_instance_uid: str
    transfer_syntax_uid: UID

    @property
    def context(self) -> tuple[UID, UID]:
        return self.sop_class_uid, self.transfer_syntax_uid


def echo(address: DimseAddress) -> None:
    """Ask the peer for a sign of life.

    Raises:
        PacsUnavailable: when it does not answer, or not with success.
    """
    association = _associate(address, [build_context(_VERIFICATION)])
    try:
        status = association.send_c_echo().get("Status")
    finally:
        association.release()
    if status != 0:
        raise PacsUnavailable(f"{_named(address)} answered C-ECHO with status {status}")


def send(items: Iterable[Path | Dataset], address: DimseAddress, *, progress: Progress | None = None) -> SendReport:
    """Send files, folders of files and Datasets; each is read when its turn comes, in the transfer syntax that it has.

    An association that breaks off is opened again for what remains; the Instance at which it broke counts as failed.

    Raises:
        PacsUnavailable: when the peer takes no association, or breaks off three times in a row.
    """
    outgoing, passed_over = _outgoing(items)
    failures: list[SendFailure] = []
    tried = 0
    for batch in _batches(outgoing):
        for failure in _send_batch(batch, address):
            tried += 1
            if failure:
                failures.append(failure)
            if progress:
                progress(tried, len(outgoing))
    return SendReport(sent=tried - len(failures), failures=tuple(failures), passed_over=passed_over)


def _outgoing(items: Iterable[Path | Dataset]) -> tuple[list[_Outgoing], int]:
    """Read what the contexts need, and count the files that are no DICOM."""
    outgoing: list[_Outgoing] = []
    passed_over = 0
    for item in _each(items):
        try:
            meta = item.file_meta if isinstance(item, Dataset) else split_dataset(item)[0]
            facts = (meta.MediaStorageSOPClassUID, str(meta.MediaStorageSOPInstanceUID), meta.TransferSyntaxUID)
        except Exception:  # pydicom raises whatever its parts raise on bytes that are no DICOM
            passed_over += 1
            continue
        outgoing.append(_Outgoing(item, *facts))
    return outgoing, passed_over


def _each(items: Iterable[Path | Dataset]) -> Iterator[Path | Dataset]:
    for item in items:
        if isinstance(item, Path) and item.is_dir():
            yield from (path for path in sorted(item.rglob("*")) if path.is_file())
        else:
            yield item


def _batches(outgoing: Iterable[_Outgoing]) -> Iterator[list[_Outgoing]]:
    """Yield as much as one association can negotiate at a time."""
    batch: list[_Outgoing] = []
    contexts: set[tuple[UID, UID]] = set()
    for instance in outgoing:
        if instance.context not in contexts and len(contexts) == _MAX_CONTEXTS:
            yield batch
            batch, contexts = [], set()
        contexts.add(instance.context)
        batch.append(instance)
    if batch:
        yield batch


def _send_batch(batch: list[_Outgoing], address: DimseAddress) -> Iterator[SendFailure | None]:
    """Send one batch; yield None for what was taken."""
    contexts = [build_context(*pair) for pair in dict.fromkeys(instance.context for instance in batch)]
    association: Association | None = None
    breaks = 0
    try:
        for instance in batch:
            association = association or _associate(address, contexts)
            failure = _store(association, instance)
            if failure and failure.reason == _BROKE_OFF:
                breaks += 1
                _give_up(association, address, breaks)
                association = None
            else:
                breaks = 0
            yield failure
    finally:
        if association is not None:
            association.release()


def _give_up(association: Association, address: DimseAddress, breaks: int) -> None:
    """End what counts as established until pynetdicom's own thread has seen that it broke."""
    association.abort()
    if breaks == _MAX_BREAKS:
        raise PacsUnavailable(f"{_named(address)} broke off {breaks} times in a row")


def _store(association: Association, instance: _Outgoing) -> SendFailure | None:
    try:
        status = association.send_c_store(instance.item).get("Status")
    except ValueError:
        reason = f"the peer takes no {instance.sop_class_uid.name} in {instance.transfer_syntax_uid.name}"
        return SendFailure(instance.sop_instance_uid, None, reason)
    except (AttributeError, OSError, RuntimeError, InvalidDicomError) as error:
        return SendFailure(instance.sop_instance_uid, None, f"not to be sent: {type(error).__name__}")
    if status is None:
        return SendFailure(instance.sop_instance_uid, None, _BROKE_OFF)
    if status == 0 or status & 0xF000 == 0xB000:  # Bxxx is a warning: the peer took it
        return None
    return SendFailure(instance.sop_instance_uid, status, f"the peer refused with status {status:#06x}")


def _associate(address: DimseAddress, contexts: list[PresentationContext]) -> Association:
    entity = AE(ae_title=address.calling_aet)
    entity.acse_timeout = entity.network_timeout = entity.dimse_timeout = address.timeout_seconds
    entity.connection_timeout = min(address.timeout_seconds, 10.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # pynetdicom drops its socket unclosed where nobody listens
        association = entity.associate(
            address.host,
            address.port,
            contexts,
            ae_title=address.called_aet,
            evt_handlers=[(evt.EVT_CONN_OPEN, _send_at_once)],
        )
    if association.is_established:
        _keep_answers(association)
        return association
    if association.is_rejected:
        raise PacsUnavailable(f"{_named(address)} rejects us as {address.calling_aet}; check both AE titles")
    raise PacsUnavailable(f"{_named(address)} takes no association; check host, port and that it runs")


def _keep_answers(association: Association) -> None:
    """Keep pynetdicom's own thread from taking the answers that we wait for; who only sends is asked nothing.

    Its pause comes too late now and then (``Association._run_reactor``, 3.0.4): one in 200 answers of a fast archive
    was lost on a busy machine, and the Instance counted as failed after the timeout.
    """
    take = association.dimse.get_msg

    def answers_alone(block: bool = False) -> Any:
        return take(block=True) if block else (None, None)

    association.dimse.get_msg = answers_alone  # type: ignore[method-assign]


def _send_at_once(event: Event) -> None:
    """Switch Nagle's algorithm off: it holds each data set back for the peer's delayed word on the command, 40 ms."""
    transport = event.assoc.dul.socket
    if transport and transport.socket:
        transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # pynetdicom leaves the socket open where the peer died
        weakref.finalize(event.assoc, transport.socket.close)


def _named(address: DimseAddress) -> str:
    return f"{address.called_aet} at {address.host}:{address.port}"
