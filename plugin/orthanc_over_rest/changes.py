"""What changed in an Orthanc, told as its SDK tells it.

New and stable resources come from ``/changes``. A deleted resource leaves no line there, so it is what a list of
resources held a moment ago and holds no longer.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from orthanc_over_rest.rest_api import RestApi

#: levels whose lists are compared, from below to above, in the order in which Orthanc tells of a deletion
LISTED = ("Series", "Study", "Patient")
_ROUTES = {"Series": "/series", "Study": "/studies", "Patient": "/patients"}


@dataclass(frozen=True)
class Change:
    """One change: ``StableSeries``, ``Deleted`` and so on; the level's name; Orthanc's identifier."""

    kind: str
    level: str
    orthanc_id: str


@dataclass
class ChangeFeed:
    """Reads the changes since it was made, one poll at a time; used by one thread.

    Attributes:
        rest: where to read.
    """

    rest: RestApi
    _last: int = -1
    _known: dict[str, set[str]] = field(default_factory=dict)

    def poll(self) -> list[Change]:
        """Return what happened since the last poll; the first one only looks.

        Raises:
            OrthancException: when Orthanc does not answer; the next poll makes up for it.
        """
        if self._last < 0:
            self._last = int(self._get("/changes?last")["Last"])
            self._known = self._lists()
            return []
        logged = list(self._logged())
        now = self._lists()
        gone = [Change("Deleted", level, one) for level in LISTED for one in sorted(self._known[level] - now[level])]
        self._known = now
        return logged + gone

    def _logged(self) -> Iterator[Change]:
        is_done = False
        while not is_done:
            page = self._get(f"/changes?since={self._last}&limit=500")
            for line in page["Changes"]:
                yield Change(line["ChangeType"], line["ResourceType"], line["ID"])
            self._last, is_done = int(page["Last"]), bool(page["Done"])

    def _lists(self) -> dict[str, set[str]]:
        return {level: set(json.loads(self.rest.RestApiGet(route))) for level, route in _ROUTES.items()}

    def _get(self, route: str) -> dict[str, Any]:
        page: dict[str, Any] = json.loads(self.rest.RestApiGet(route))
        return page
