# ruff: noqa: N802 - the names are the SDK's
"""What the bridge uses of Orthanc's Python SDK, as types: the module ``orthanc`` itself, or ``orthanc_over_rest``.

The host module is an argument everywhere, so that the same code runs inside Orthanc, outside of it, and in a test.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Protocol


class RestOutput(Protocol):
    """Where a REST callback writes its answer; exactly one of the sending methods is called, once.

    Plugin 5.0 and later have ``StartStreamAnswer(content_type)`` and ``SendStreamChunk(bytes)`` too.
    """

    def SetHttpHeader(self, key: str, value: str, /) -> None:
        """Add a header; it must not be Content-Type where a sending method takes that."""
        ...

    def AnswerBuffer(self, answer: bytes, mime_type: str, /) -> None:
        """Send status 200 with a body."""
        ...

    def SendHttpStatusCode(self, status: int, /) -> None:
        """Send a status without a body."""
        ...

    def SendHttpStatus(self, *status_and_body: Any) -> None:
        """Send a status with a body: ``(status, text, size)`` before plugin 4.2, ``(status, bytes)`` since."""
        ...

    def SendMethodNotAllowed(self, allowed: str, /) -> None:
        """Send status 405 with the header Allow."""
        ...


class ChangeTypes(Protocol):
    """The numbers of the changes that the bridge listens to."""

    DELETED: ClassVar[int]
    ORTHANC_STARTED: ClassVar[int]
    ORTHANC_STOPPED: ClassVar[int]
    STABLE_SERIES: ClassVar[int]


class ResourceTypes(Protocol):
    """The numbers of DICOM's levels in Orthanc."""

    PATIENT: ClassVar[int]
    STUDY: ClassVar[int]
    SERIES: ClassVar[int]
    INSTANCE: ClassVar[int]


OnChange = Callable[[int, int, str], None]
OnRest = Callable[..., None]


class Orthanc(Protocol):
    """The part of the module ``orthanc`` that the bridge uses."""

    @property
    def ChangeType(self) -> type[ChangeTypes]:
        """The kinds of changes."""
        ...

    @property
    def ResourceType(self) -> type[ResourceTypes]:
        """The levels."""
        ...

    def GetConfiguration(self) -> str:
        """Return the whole configuration as JSON."""
        ...

    def LogInfo(self, message: str, /) -> None:
        """Log what only a verbose Orthanc shows."""
        ...

    def LogWarning(self, message: str, /) -> None:
        """Log what Orthanc shows by default; its own start and stop come at this level too."""
        ...

    def LogError(self, message: str, /) -> None:
        """Log an error."""
        ...

    def RegisterOnChangeCallback(self, callback: OnChange, /) -> None:
        """Have `callback` told of every change; there is one such callback."""
        ...

    def RegisterRestCallback(self, pattern: str, callback: OnRest, /) -> None:
        """Have `callback` answer the paths that match `pattern`."""
        ...

    def ExtendOrthancExplorer(self, javascript: str, /) -> None:
        """Add JavaScript to the classic Orthanc Explorer."""
        ...

    def GenerateRestApiAuthorizationToken(self) -> str:
        """Return the value of an Authorization header that Orthanc's REST API takes while it runs."""
        ...
