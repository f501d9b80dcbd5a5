# ruff: noqa: N802 - the names are the SDK's
"""Orthanc's side of the bridge, as its SDK was measured to behave, for tests without Orthanc."""

from dataclasses import dataclass, field
from typing import Any

from similar_cases import wire
from similar_cases.bridge.config import BridgeConfig, read_config

TOKEN = "a token"


@dataclass
class OldOutput:
    """What a request's output does in plugin 4.0 on Orthanc 1.10.1, as measured."""

    status: int = 0
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)

    def SetHttpHeader(self, key: str, value: str) -> None:
        self.headers.append((key, value))

    def AnswerBuffer(self, answer: bytes, mime_type: str) -> None:
        self._send(200, answer, mime_type)

    def SendHttpStatusCode(self, status: int) -> None:
        self._send(status, b"")

    def SendHttpStatus(self, status: int, body: Any, size: Any = None) -> None:
        if not isinstance(body, str) or not isinstance(size, int):
            raise TypeError("Bad types for the arguments (status, text, size)")
        self._send(status, body.encode()[:size])

    def SendMethodNotAllowed(self, allowed: str) -> None:
        self.headers.clear()
        self._send(405, b"")
        self.headers.append(("Allow", allowed))

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    def _send(self, status: int, body: bytes, mime_type: str = "") -> None:
        assert self.status == 0, "an answer is sent once"
        assert status not in (301, 308, 429, 431), "Orthanc hangs up on these"
        self.status, self.body = status, body
        if mime_type:
            self.headers.append(("Content-Type", mime_type))


@dataclass
class NewOutput(OldOutput):
    """What a request's output does in plugin 7.1 on Orthanc 1.13.0, as measured."""

    chunks: list[int] = field(default_factory=list)

    def SendHttpStatus(self, status: int, body: Any, size: Any = None) -> None:
        if size is not None or not isinstance(body, bytes | str):
            raise TypeError("Bad types for the arguments (status, bytes)")
        self._send(status, body if isinstance(body, bytes) else body.encode(), "text/plain")

    def StartStreamAnswer(self, content_type: str) -> None:
        self._send(200, b"", content_type)

    def SendStreamChunk(self, chunk: bytes) -> None:
        self.chunks.append(len(chunk))
        self.body += chunk


def config_of(section: dict[str, Any] | None = None, **orthanc: Any) -> BridgeConfig:
    """A configuration from the section's keys and from Orthanc's options."""
    whole = {wire.SECTION: section or {}, "StorageDirectory": "/var/lib/orthanc/db", **orthanc}
    return read_config(whole, {wire.ENV_TOKEN: TOKEN})
