# ruff: noqa: N802 - the names are the SDK's
"""What is registered with Orthanc, and what a change sets going."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.bridge_doubles import TOKEN
from tests.fake_worker import Worker
from tests.waiting import wait_until

from similar_cases import bridge, wire
from similar_cases.bridge.host import OnChange, OnRest
from similar_cases.bridge.lifecycle import explorer_script


class Host:
    """A module ``orthanc`` that writes down what is asked of it."""

    ChangeType = SimpleNamespace(DELETED=1, ORTHANC_STARTED=10, ORTHANC_STOPPED=11, STABLE_SERIES=14, NEW_INSTANCE=3)
    ResourceType = SimpleNamespace(PATIENT=0, STUDY=1, SERIES=2, INSTANCE=3)

    def __init__(self, section: dict[str, Any], folder: Path) -> None:
        self.configuration = {wire.SECTION: section, "StorageDirectory": str(folder), "HttpPort": 1}
        self.on_change: OnChange | None = None
        self.routes: dict[str, OnRest] = {}
        self.scripts: list[str] = []
        self.log: list[str] = []

    def GetConfiguration(self) -> str:
        return json.dumps(self.configuration)

    def LogError(self, message: str) -> None:
        self.log.append(message)

    LogInfo = LogWarning = LogError

    def RegisterOnChangeCallback(self, callback: OnChange) -> None:
        self.on_change = callback

    def RegisterRestCallback(self, pattern: str, callback: OnRest) -> None:
        self.routes[pattern] = callback

    def ExtendOrthancExplorer(self, javascript: str) -> None:
        self.scripts.append(javascript)

    def GenerateRestApiAuthorizationToken(self) -> str:
        return "Bearer x"


def test_a_refused_section_ends_the_start_with_the_reason_in_the_log(tmp_path: Path):
    host = Host({"Nonsense": 1}, tmp_path)
    with pytest.raises(bridge.ConfigRefused):
        bridge.register(host)
    assert "unknown Nonsense" in host.log[0]
    assert host.on_change is None


def test_not_enabled_registers_nothing(tmp_path: Path):
    host = Host({"Enable": False}, tmp_path)
    bridge.register(host)
    assert (host.on_change, host.routes, host.scripts) == (None, {}, [])


def test_changes_become_nudges(tmp_path: Path, worker: Worker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(wire.ENV_TOKEN, TOKEN)
    host = Host({"Worker": "external", "WorkerUrl": f"http://127.0.0.1:{worker.server_port}"}, tmp_path)
    bridge.register(host)
    assert list(host.routes) == ["/similar-cases(/.*)?"]
    tell = host.on_change
    assert tell is not None
    kinds, levels = host.ChangeType, host.ResourceType
    tell(kinds.ORTHANC_STARTED, 4, "")
    tell(kinds.STABLE_SERIES, levels.SERIES, "a")
    tell(kinds.NEW_INSTANCE, levels.INSTANCE, "b")
    tell(kinds.DELETED, levels.INSTANCE, "c")
    tell(kinds.DELETED, levels.SERIES, "d")
    tell(kinds.DELETED, levels.STUDY, "e")
    tell(kinds.DELETED, levels.PATIENT, "f")
    wait_until(lambda: len(worker.nudges) == 5)
    tell(kinds.ORTHANC_STOPPED, 4, "")
    assert [(nudge["kind"], nudge["level"], nudge["orthancId"]) for nudge in worker.nudges] == [
        ("stable", "series", ""),
        ("stable", "series", "a"),
        ("deleted", "series", "d"),
        ("deleted", "study", "e"),
        ("deleted", "patient", "f"),
    ]


def test_the_script_for_the_explorer_encodes_every_value():
    script = explorer_script("/similar-cases")
    assert '"../" + "similar-cases" + "/?"' in script
    assert "SIMILAR_CASES_ROUTE" not in script
    assert ".html(" not in script
    assert "innerHTML" not in script
