"""Trains the network of body coordinates, on the CTs of the file that models.region.prepare wrote. It resumes.

    python -m models.position.train --items .cache/region-training.npz --out .cache/position --minutes 20

Nobody labels anything. The three trunks are brought into one frame by registration (frame.py), and the network tells
where in it each cell of a crop lies, and how cells lie to each other, whatever was done to the crop (crops.py). No
image shows trunk and extremity together: tumours of the extremities (all of the sarcoma set) are told to lie well
below the trunk, and of them only the distances count. Minutes are those of the processor, so that a training
that is halted or shares its core is not cut short.
"""

import argparse
import time

import torch
from models.position.crops import Crops, Drawn
from models.position.frame import body_frames
from models.position.scans import scans_in
from models.training import Course, Pace, begin, training_parser
from torch import Tensor
from torch.nn import functional

from similar_cases.describe.backends.body_network import STEP_MM, BodyNetwork, tissue_share, windowed

SEED = 20261126
#: crops in a step
CROPS = 16
#: errors over this count linearly, in STEP_MM
HUBER = 0.5
#: cells with less of the body do not count
LEAST_TISSUE = 0.25
#: how far below the standard body's middle an extremity's middle lies at least, in STEP_MM
BELOW = 6.5
#: of the parts of an extremity's loss: being too high, being to one side
TOO_HIGH, ASIDE = 0.2, 0.01


class Trainer:
    """Network, its running average, optimiser, and how far it is."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.device = arguments.device
        torch.manual_seed(SEED)
        self.network, self.average = BodyNetwork().to(arguments.device), BodyNetwork().to(arguments.device)
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=0.0, weight_decay=1e-2)
        parts = {"network": self.network, "average": self.average, "optimiser": self.optimiser}
        self.course = Course(arguments.out, arguments.minutes, parts, Pace(rate=2e-3, rise=50, memory=0.99))
        self.course.clock = time.process_time
        self.course.resume(arguments.device)

    def step(self, crops: Crops) -> dict[str, float]:
        """Take one step of the optimiser."""
        drawn = crops.draw(CROPS)
        # full precision: a coordinate of half a metre in bfloat16 is 3 mm off
        found = self.network(windowed(drawn.seen.to(self.device)))
        losses = losses_of(found.float().cpu(), drawn)
        self.course.descend(losses["place"] + losses["apart"] + losses["far"], self.network, self.optimiser)
        self.course.follow(self.average, self.network)
        return {name: float(loss.detach()) for name, loss in losses.items()}


def losses_of(found: Tensor, drawn: Drawn) -> dict[str, Tensor]:
    """Return how far places, places from the crop's mean, and extremities' means are off; the mean over all crops.

    Args:
        found: (n, 3, z, y, x) mm, the network's output.
        drawn: the n crops.
    """
    told, true = found.flatten(2).transpose(1, 2) / STEP_MM, drawn.places / STEP_MM
    weights = (tissue_share(drawn.cubes) > LEAST_TISSUE).float() + 1e-3
    weights = (weights / weights.sum(1, keepdim=True))[..., None]
    middle, centre = ((one * weights).sum(1, keepdim=True) for one in (told, true))
    place = (_huber(told - true) * weights).sum((1, 2))
    apart = (_huber((told - middle) - (true - centre)) * weights).sum((1, 2))
    far = TOO_HIGH * torch.relu(middle[:, 0, 2] + BELOW) + ASIDE * middle[:, 0, :2].square().sum(1)
    return {
        "place": torch.where(drawn.trunk, place, 0.0).mean(),
        "apart": apart.mean(),
        "far": torch.where(drawn.trunk, 0.0, far).mean(),
    }


def _huber(error: Tensor) -> Tensor:
    return functional.huber_loss(error, torch.zeros_like(error), reduction="none", delta=HUBER)


def train(arguments: argparse.Namespace) -> None:
    """Draw and step until the minutes are spent; now and then tell and save."""
    trainer = Trainer(arguments)
    course = trainer.course
    scans = [one for one in scans_in(arguments.items) if one.name != arguments.held_out]
    crops = Crops(scans, body_frames(scans_in(arguments.items)), 1000 + course.steps)
    for _ in course.stretches(lambda: trainer.step(crops), max(5.0, course.seconds / 20)):
        course.save(held_out=arguments.held_out or "")


if __name__ == "__main__":
    parser = training_parser(__doc__, minutes=20)
    parser.add_argument("--held-out", help="name of a trunk that is not trained on, to measure on it")
    train(begin(parser))
