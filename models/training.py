"""What every training of ours does alike: it has a time to spend, falls by a cosine, keeps an average, and goes on.

Each works its losses out itself, and keeps in ``last.pt`` what it needs to go on after it was stopped.
"""

import argparse
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)


class Stateful(Protocol):
    """A network, or an optimiser."""

    def state_dict(self) -> dict[str, Any]:
        """Return what it is."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Become what was kept."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast is learnt.

    Attributes:
        rate: highest learning rate.
        rise: steps until it is reached.
        floor: share of it that is left at the end.
        memory: the largest share that the running average keeps in a step.
        patience: steps after which the average keeps half; what came first must not stay in it for long.
    """

    rate: float = 1e-3
    rise: int = 100
    floor: float = 0.005
    memory: float = 0.995
    patience: float = 1.0

    def rate_at(self, steps: int, progress: float) -> float:
        """Return the learning rate after `steps`, `progress` (0 to 1) of the time being spent."""
        return self.rate * min(1.0, (steps + 1) / self.rise) * (0.5 * (1 + math.cos(math.pi * progress)) + self.floor)

    def kept_at(self, steps: int) -> float:
        """Return the share of the average that stays as it was in the step that makes `steps` of them."""
        return min(self.memory, 1 - 1 / (steps / self.patience + 1))


class Course:
    """Where a training is: what is kept of it on disk, the seconds spent and the steps taken."""

    def __init__(self, out: Path, minutes: float, parts: Mapping[str, Stateful], pace: Pace) -> None:
        self.out, self.seconds, self.parts, self.pace = out, minutes * 60, parts, pace
        self.spent, self.steps = 0.0, 0
        #: by which time is spent; one of the processor stands still while the training is halted
        self.clock: Callable[[], float] = time.monotonic

    @property
    def done(self) -> bool:
        """Whether the time is spent."""
        return self.spent >= self.seconds

    def resume(self, device: str) -> dict[str, Any]:
        """Go on where an earlier training was; return all that it kept, nothing where there was none."""
        if not (self.out / "last.pt").exists():
            return {}
        state: dict[str, Any] = torch.load(self.out / "last.pt", map_location=device, weights_only=True)
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        self.spent, self.steps = state["spent"], state["steps"]
        log.info("resumed after %d steps, %.1f minutes", self.steps, self.spent / 60)
        return state

    def save(self, **more: Any) -> None:
        """Write the state and `more`; who is stopped meanwhile finds what was kept before."""
        state = {name: part.state_dict() for name, part in self.parts.items()}
        partial = self.out / "last.partial"
        torch.save(state | more | {"spent": self.spent, "steps": self.steps}, partial)
        partial.replace(self.out / "last.pt")

    def descend(self, loss: Tensor, network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        """Take one step down the gradient of `loss`, clipped to length 1 over the weights of `network`."""
        rate = self.pace.rate_at(self.steps, min(1.0, self.spent / self.seconds))
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter.grad.nan_to_num_(0.0, 0.0, 0.0)  # one bad batch must not end the training
        optimiser.step()
        self.steps += 1

    @torch.no_grad()
    def follow(self, average: nn.Module, network: nn.Module) -> None:
        """Draw the running average towards the network, by what the step just taken counts."""
        slow, fast = (
            [one for one in chain(part.parameters(), part.buffers()) if one.is_floating_point()]
            for part in (average, network)
        )
        # one call for all weights: a loop costs more than a step of a small network
        torch._foreach_lerp_(slow, fast, 1 - self.pace.kept_at(self.steps))

    def stretches(self, step: Callable[[], dict[str, float]], seconds: float) -> Iterator[dict[str, float]]:
        """Take steps until the time is spent; every so many `seconds` and at the end tell the mean of each loss."""
        since, told = self.spent, []
        while not self.done:
            began = self.clock()
            told.append(step())
            self.spent += self.clock() - began
            if self.spent - since > seconds or self.done:
                means = {name: sum(one[name] for one in told) / len(told) for name in told[0]}
                rounded = {name: round(mean, 4) for name, mean in means.items()}
                log.info("%.1f min, %d steps, %s", self.spent / 60, self.steps, rounded)
                yield means
                since, told = self.spent, []


def training_parser(told: str | None, minutes: float) -> argparse.ArgumentParser:
    """Return what every training is asked: the prepared file, a folder for its state, its length, the device."""
    parser = argparse.ArgumentParser(description=told, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=Path, required=True, help="what prepare.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder of the state; a training there goes on")
    parser.add_argument(
        "--minutes", type=float, default=minutes, help="of the whole training; the learning rate ends there"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser


def begin(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the command line, make the folder, and let the log be seen."""
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    return arguments
