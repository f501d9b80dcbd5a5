"""What the demonstration asks of a running Orthanc with the plugin, over HTTP as any client would."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from similar_cases import wire
from similar_cases.domain.case import SeriesState
from similar_cases.domain.errors import PacsUnavailable

#: states in which a series needs nobody any more
SETTLED = (SeriesState.INDEXED, SeriesState.REFUSED, SeriesState.FAILED)
#: longer than the StableAge of ``orthanc-config/orthanc.json``, after which a series that was sent becomes known
QUIET_SECONDS = 8.0


@dataclass(frozen=True)
class Archive:
    """An Orthanc that answers at `url`, with the routes of the plugin below it."""

    url: str
    http: requests.Session = field(default_factory=requests.Session)

    def wait_until_ready(self, deadline_seconds: float = 120.0) -> None:
        """Wait until the worker answers through the bridge.

        Raises:
            PacsUnavailable: when it does not before the deadline.
        """
        end = time.monotonic() + deadline_seconds
        while self.http.get(self._address(wire.ROUTE_HEALTH), timeout=10).status_code != requests.codes.ok:
            if time.monotonic() > end:
                raise PacsUnavailable("the worker did not start; its log lies beside that of Orthanc")
            time.sleep(0.2)

    def states(self) -> dict[SeriesState, int]:
        """Return how many series are in which state."""
        return {SeriesState(name): count for name, count in self._get(wire.ROUTE_STATUS)["states"].items()}

    def wait_until_settled(self, moved: Callable[[int, int], None], *, something_comes: bool) -> dict[SeriesState, int]:
        """Wait until every series that the archive knows is indexed, refused or failed, and return the states.

        Series become known when they have been quiet for Orthanc's StableAge, so silence is waited for too.

        Args:
            moved: told (settled, known) each time.
            something_comes: whether series were sent, so that an empty archive is not the end.
        """
        before: dict[SeriesState, int] = {}
        quiet_since = time.monotonic()
        while True:
            states = self.states()
            settled, known = sum(states.get(state, 0) for state in SETTLED), sum(states.values())
            moved(settled, known)
            if states != before:
                before, quiet_since = states, time.monotonic()
            quiet = time.monotonic() - quiet_since
            if settled == known and quiet > QUIET_SECONDS and (known or not something_comes):
                return states
            time.sleep(0.5)

    def series(self, state: SeriesState) -> list[dict[str, Any]]:
        """Return the rows of all series in a state."""
        rows: list[dict[str, Any]] = []
        while page := self._get(wire.ROUTE_SERIES, state=state.value, limit=200, offset=len(rows))["series"]:
            rows += page
        return rows

    def regions(self, series_uid: str) -> list[dict[str, Any]]:
        """Return the cases of a series that are regions."""
        cases = self._get(wire.ROUTE_SERIES_ONE.format(series=series_uid))["cases"]
        return [case for case in cases if case.get("region")]

    def similar_to(self, case: dict[str, Any], limit: int) -> dict[str, Any]:
        """Return the answer to "which cases are similar to this region, or else to this series"."""
        route = wire.ROUTE_SERIES_SIMILAR.format(study=case["study"], series=case["series"])
        region = {"tracking-uid": case["region"]["tracking_uid"]} if case.get("region") else {}
        return self._get(route, limit=limit, **region) or {"cases": [], "candidates": 0, "remaining": 0}

    def page(self, case: dict[str, Any]) -> str:
        """Return the address of the page that shows a case."""
        root = self._address(wire.ROUTE_PAGE)
        return f"{root}?StudyInstanceUIDs={case['study']}&SeriesInstanceUID={case['series']}"

    def page_root(self) -> str:
        """Return the address of the page that lists all series."""
        return self._address(wire.ROUTE_PAGE)

    def _address(self, route: str) -> str:
        return self.url + wire.DEFAULT_PREFIX + route

    def _get(self, route: str, **parameters: Any) -> Any:
        answer = self.http.get(self._address(route), params=parameters, headers={"Accept": wire.JSON}, timeout=(5, 120))
        if answer.status_code == requests.codes.no_content:
            return None
        if not answer.ok:
            raise PacsUnavailable(f"{route} answered {answer.status_code}: {answer.text[:300]}")
        return answer.json()
