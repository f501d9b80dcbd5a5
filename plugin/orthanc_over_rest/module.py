# ruff: noqa: N802 - the names are the SDK's
"""An object with the names of Orthanc's Python module; what the bridge uses of them."""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import requests

from orthanc_over_rest.changes import Change, ChangeFeed
from orthanc_over_rest.rest_api import OrthancException, RestApi
from orthanc_over_rest.rest_output import RestCallback, RouteServer

logger = logging.getLogger("orthanc_over_rest")

OnChange = Callable[[int, int, str], None]


class ChangeType:
    """Kinds of changes, by Orthanc's numbers (OrthancPluginChangeType)."""

    COMPLETED_SERIES: ClassVar[int] = 0
    DELETED: ClassVar[int] = 1
    NEW_CHILD_INSTANCE: ClassVar[int] = 2
    NEW_INSTANCE: ClassVar[int] = 3
    NEW_PATIENT: ClassVar[int] = 4
    NEW_SERIES: ClassVar[int] = 5
    NEW_STUDY: ClassVar[int] = 6
    STABLE_PATIENT: ClassVar[int] = 7
    STABLE_SERIES: ClassVar[int] = 8
    STABLE_STUDY: ClassVar[int] = 9
    ORTHANC_STARTED: ClassVar[int] = 10
    ORTHANC_STOPPED: ClassVar[int] = 11


class ResourceType:
    """Levels, by Orthanc's numbers (OrthancPluginResourceType)."""

    PATIENT: ClassVar[int] = 0
    STUDY: ClassVar[int] = 1
    SERIES: ClassVar[int] = 2
    INSTANCE: ClassVar[int] = 3
    NONE: ClassVar[int] = 4


#: Orthanc's words in ``/changes`` → its numbers: StableSeries → STABLE_SERIES
_KINDS = {name.replace("_", "").lower(): number for name, number in vars(ChangeType).items() if name.isupper()}


class OrthancOverRest(RestApi):
    """Passes for the module ``orthanc``; a context manager whose body is the time for which Orthanc is started.

    Args:
        url: address of a running Orthanc.
        configuration: what ``GetConfiguration`` returns.
        session: with what it takes to be let in; None for one without a password.
        port: where registered routes are served; 0 takes a free one.
        poll_seconds: pause between two looks at the changes.
    """

    ChangeType = ChangeType
    ResourceType = ResourceType

    def __init__(
        self,
        url: str,
        configuration: Mapping[str, Any],
        *,
        session: requests.Session | None = None,
        port: int = 0,
        poll_seconds: float = 1.0,
    ) -> None:
        super().__init__(url, session or requests.Session())
        self._configuration = configuration
        self._server = RouteServer(port)
        self._poll_seconds = poll_seconds
        self._callback: OnChange | None = None
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._watch), threading.Thread(target=self._serve)]

    @property
    def routes_url(self) -> str:
        """The address of the registered routes, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def GetConfiguration(self) -> str:
        """Return the configuration that was given, as JSON."""
        return json.dumps(self._configuration)

    def LogInfo(self, message: str, /) -> None:
        """Log by ``logging``."""
        logger.info(message)

    def LogWarning(self, message: str, /) -> None:
        """Log by ``logging``."""
        logger.warning(message)

    def LogError(self, message: str, /) -> None:
        """Log by ``logging``."""
        logger.error(message)

    def RegisterOnChangeCallback(self, callback: OnChange, /) -> None:
        """Have `callback` told of every change that a poll finds."""
        self._callback = callback

    def RegisterRestCallback(self, pattern: str, callback: RestCallback, /) -> None:
        """Have `callback` answer at ``routes_url``."""
        self._server.register(pattern, callback)

    def ExtendOrthancExplorer(self, javascript: str, /) -> None:
        """Do nothing: the Explorer is served by Orthanc."""

    def GenerateRestApiAuthorizationToken(self) -> str:
        """Return the Authorization header that this session sends; empty when it sends none."""
        prepared = self.session.prepare_request(requests.Request("GET", self.url))
        return prepared.headers.get("Authorization", "")

    def __enter__(self) -> "OrthancOverRest":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.1)

    def _watch(self) -> None:
        """Tell of the changes, all from this one thread, as Orthanc does."""
        feed = ChangeFeed(self)
        self._tell(ChangeType.ORTHANC_STARTED, ResourceType.NONE, "")
        while True:
            try:
                for change in feed.poll():
                    self._tell_of(change)
            except OrthancException as error:
                logger.warning("cannot read the changes: %s", error)
            if self._stopping.wait(self._poll_seconds):
                break
        self._tell(ChangeType.ORTHANC_STOPPED, ResourceType.NONE, "")

    def _tell_of(self, change: Change) -> None:
        kind = _KINDS.get(change.kind.lower())
        if kind is not None:
            self._tell(kind, getattr(ResourceType, change.level.upper()), change.orthanc_id)

    def _tell(self, kind: int, level: int, orthanc_id: str) -> None:
        if self._callback is not None:
            self._callback(kind, level, orthanc_id)
