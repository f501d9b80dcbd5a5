"""A DICOMweb archive on loopback that fails as it is told to: real Orthancs do not fail on demand."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from urllib.parse import parse_qs, urlsplit

from pydicom import Dataset, dcmread

BOUNDARY = "stub-boundary"


def as_file(instance: Dataset) -> bytes:
    buffer = BytesIO()
    instance.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def multipart(parts: list[bytes], *, is_closed: bool = True) -> bytes:
    body = b"".join(b"--stub-boundary\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n" for part in parts)
    return body + (b"--stub-boundary--\r\n" if is_closed else b"")


@dataclass
class StubArchive:
    """Instances by SOP Instance UID, and what goes wrong.

    `series_parts` and `instance_part` change what WADO-RS sends for a series and for one instance (None: 404).
    """

    files: dict[str, bytes] = field(default_factory=dict)
    page: int = 10_000
    ignores_offset: bool = False
    statuses: list[int] = field(default_factory=list)  # answered first, one a request
    series_parts: Callable[[dict[str, bytes]], list[bytes]] = lambda files: list(files.values())
    instance_part: Callable[[bytes], bytes | None] = lambda part: part
    closes_series: bool = True
    cuts_after: int | None = None
    content_type: str = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    store_answer: tuple[int, dict] | None = None
    loses_stored: bool = False
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def add(self, instances: list[Dataset]) -> None:
        self.files |= {str(instance.SOPInstanceUID): as_file(instance) for instance in instances}

    def asked(self, ending: str) -> int:
        return sum(path.endswith(ending) for _, path, _ in self.requests)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one segment
    archive: StubArchive

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        archive = self.archive
        url = urlsplit(self.path)
        archive.requests.append(("GET", url.path, dict(self.headers)))
        if archive.statuses:
            return self.answer(archive.statuses.pop(0), b"")
        levels = url.path.strip("/").split("/")
        match levels:
            case ["studies", _, "series", _, "instances", uid]:
                part = archive.instance_part(archive.files[uid]) if uid in archive.files else None
                if part is None:
                    return self.answer(404, b"")
                return self.answer(200, multipart([part]), archive.content_type)
            case ["studies", _, "series", _, "instances"] | ["series"] | ["studies", _, "series"]:
                return self.search(levels, parse_qs(url.query))
            case ["studies", _, "series", _]:
                body = multipart(archive.series_parts(archive.files), is_closed=archive.closes_series)
                return self.answer(200, body, archive.content_type, cut=archive.cuts_after)
        return self.answer(404, b"")

    def search(self, levels: list[str], query: dict[str, list[str]]) -> None:
        key = "00080018" if levels[-1] == "instances" else "0020000E"
        found: dict[str, dict] = {}
        for file in self.archive.files.values():
            instance = dcmread(BytesIO(file), stop_before_pixels=True)
            uids = {"00080018": instance.SOPInstanceUID, "0020000E": instance.SeriesInstanceUID}
            uids["0020000D"] = instance.StudyInstanceUID
            found[uids[key]] = {tag: {"vr": "UI", "Value": [str(uid)]} for tag, uid in uids.items()}
        offset = 0 if self.archive.ignores_offset else int(query.get("offset", ["0"])[0])
        limit = min(self.archive.page, int(query.get("limit", ["1000"])[0]))
        page = list(found.values())[offset : offset + limit]
        if not page:
            return self.answer(204, b"")
        return self.answer(200, json.dumps(page).encode(), "application/dicom+json")

    def do_POST(self) -> None:
        archive = self.archive
        archive.requests.append(("POST", self.path, dict(self.headers)))
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if archive.statuses:
            return self.answer(archive.statuses.pop(0), b"")
        if archive.store_answer:
            status, told = archive.store_answer
            return self.answer(status, json.dumps(told).encode(), "application/dicom+json")
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        for part in BytesParser().parsebytes(head + body).get_payload():
            file = part.get_payload(decode=True)
            if not archive.loses_stored:
                archive.files[str(dcmread(BytesIO(file)).SOPInstanceUID)] = file
        return self.answer(200, b"{}", "application/dicom+json")

    def answer(self, status: int, body: bytes, content_type: str = "text/plain", cut: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.close_connection = True


@contextmanager
def serving(archive: StubArchive) -> Iterator[StubArchive]:
    handler = type("Handler", (_Handler,), {"archive": archive})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    archive.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
