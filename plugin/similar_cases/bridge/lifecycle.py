"""The parts of the bridge, put together, and the life of the plugin: started and stopped with Orthanc."""

import threading
from collections.abc import Mapping
from pathlib import Path

from similar_cases import wire
from similar_cases.bridge.config import BridgeConfig
from similar_cases.bridge.habits import Habits
from similar_cases.bridge.host import Orthanc
from similar_cases.bridge.link import Link, WorkerAddress
from similar_cases.bridge.notify import Notifier
from similar_cases.bridge.proxy import Proxy
from similar_cases.bridge.supervise import Supervisor, WorkerPlan
from similar_cases.wire import Nudge

#: how often the rehearsal is tried while Orthanc's HTTP server comes up
REHEARSALS = 20
REHEARSAL_PAUSE_SECONDS = 0.5


class Bridge:
    """What is registered with Orthanc; to be kept until Orthanc ends.

    Plugin 7.1 lets go of a REST callback after it has ended the interpreter, and crashes when it was the last to hold
    it; so the very object that is registered is kept here, and this object by the script that Orthanc loaded.

    Args:
        orthanc: the host module.
        config: the section ``SimilarCases``.
        environment: this process's variables; a worker that the bridge starts inherits them.
    """

    def __init__(self, orthanc: Orthanc, config: BridgeConfig, environment: Mapping[str, str]) -> None:
        self._orthanc = orthanc
        self._config = config
        self._environment = environment
        self._habits = Habits()
        self._link = Link(_address_elsewhere(config))
        self._notifier = Notifier(self._link, config.route_prefix + wire.ROUTE_NUDGE, orthanc.LogError)
        self._answer = Proxy(config, self._link, self._habits, orthanc.LogError).answer
        self._supervisor: Supervisor | None = None
        self._stopping = threading.Event()

    def register(self) -> None:
        """Register the callbacks, and the link in the classic Orthanc Explorer."""
        self._orthanc.RegisterOnChangeCallback(self.on_change)
        self._orthanc.RegisterRestCallback(f"{self._config.route_prefix}(/.*)?", self._answer)
        self._orthanc.ExtendOrthancExplorer(explorer_script(self._config.route_prefix))

    def on_change(self, change: int, level: int, resource: str) -> None:
        """Take one change from Orthanc; returns at once but at the end, when the worker is given time to end."""
        kinds, levels = self._orthanc.ChangeType, self._orthanc.ResourceType
        if change == kinds.STABLE_SERIES:
            self._notifier.nudge(Nudge("stable", "series", resource))
        elif change == kinds.DELETED:
            names = {levels.PATIENT: "patient", levels.STUDY: "study", levels.SERIES: "series"}
            if level in names:  # a study's deletion tells of each of its instances too
                self._notifier.nudge(Nudge("deleted", names[level], resource))
        elif change == kinds.ORTHANC_STARTED:
            self._start()
        elif change == kinds.ORTHANC_STOPPED:
            self._stop()

    def _start(self) -> None:
        self._notifier.start()
        threading.Thread(target=self._rehearse, name="similar-cases-rehearse", daemon=True).start()
        if self._config.data_dir is not None:
            self._supervisor = Supervisor(self._plan(self._config.data_dir), self._link, self._log, self._look_now)
            self._supervisor.start()
        else:
            self._look_now()
        self._log(f"answers at {self._config.route_prefix}/")

    def _stop(self) -> None:
        """End all threads: one that is left when Orthanc ends its interpreter brings Orthanc down."""
        self._stopping.set()
        if self._supervisor is not None:
            self._supervisor.stop()  # first: a worker that has ended keeps no request of ours waiting
        self._notifier.stop()

    def _log(self, line: str) -> None:
        self._orthanc.LogWarning(f"Similar Cases: {line}")

    def _look_now(self) -> None:
        """Have the worker read the changes that came while it, or we, were away."""
        self._notifier.nudge(Nudge("stable", "series", ""))

    def _rehearse(self) -> None:
        for _ in range(REHEARSALS):
            route = self._config.route_prefix + wire.ROUTE_HEALTH
            if self._habits.find_out(self._config.orthanc_url, route, self._authorization()):
                return
            if self._stopping.wait(REHEARSAL_PAUSE_SECONDS):
                return
        self._log("Orthanc does not answer itself: queries with unusual characters are forwarded by guess")

    def _authorization(self) -> str:
        return self._orthanc.GenerateRestApiAuthorizationToken()

    def _plan(self, data_dir: Path) -> WorkerPlan:
        """Return how the worker is started; what an administrator has set in Orthanc's environment wins."""
        environment = {
            wire.ENV_DATA_DIR: str(data_dir),
            wire.ENV_ORTHANC_URL: self._config.orthanc_url,
            wire.ENV_ORTHANC_AUTHORIZATION: self._authorization(),
            **self._environment,
            wire.ENV_MODALITIES: ",".join(self._config.modalities),
            wire.ENV_PREFIX: self._config.route_prefix,
            wire.ENV_CALLER_CREDENTIALS: ",".join(self._config.caller_credentials),
        }
        return WorkerPlan(
            command=self._config.worker_command,
            environment=environment,
            data_dir=data_dir,
            prefix=self._config.route_prefix,
        )


def explorer_script(route_prefix: str) -> str:
    """Return the JavaScript that adds the link to the classic Orthanc Explorer."""
    script = Path(__file__).with_name("explorer.js").read_text("utf-8")
    return script.replace("SIMILAR_CASES_ROUTE", f'"{route_prefix.strip("/")}"')


def _address_elsewhere(config: BridgeConfig) -> WorkerAddress | None:
    return WorkerAddress(config.worker_url, config.token or "") if config.worker_url else None
