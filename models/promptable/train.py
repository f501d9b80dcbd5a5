"""Trains the promptable segmentation network on the file that prepare.py wrote. CPU or GPU; resumes; logs.

    python -m models.promptable.train --items .cache/promptable-training.npz --out .cache/promptable --minutes 15

All that is drawn, deformed and clicked is drawn, deformed and clicked on the device, batch by batch. Every minute or so
the averaged weights are written and evaluated beside (`validate.py`: one click on the validation patients); `best.pt`
holds the weights of the best evaluation. Started again with the same `--out`, it goes on where it was.
"""

import argparse
import json
import logging
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from models.promptable.atlas import Atlas, Items
from models.promptable.contrast import grown, other_contrast
from models.promptable.scenes import Scenes
from models.promptable.simulated_clicks import Prompted, corrected, prompted
from models.training import Course, Pace, begin, training_parser
from torch import Tensor, nn
from torch.nn import functional

from similar_cases.segment.backends.promptable.inputs import SIZE
from similar_cases.segment.backends.promptable.network import PromptableUNet

log = logging.getLogger(__name__)

SEED = 20261121
#: after each of so many rounds of corrections, the share of the batch that gets another
ROUNDS = (0.5, 0.25, 0.125, 0.0625)
#: weight of the masks at half and at a quarter of the resolution
DEEP = (0.3, 0.15)


class Supervised(nn.Module):
    """The network with heads on its coarser features, which training alone needs."""

    def __init__(self) -> None:
        super().__init__()
        self.network = PromptableUNet()
        widths = self.network.shape.widths
        self.heads = nn.ModuleList(nn.Conv3d(widths[level + 1], 1, 1) for level in range(len(DEEP)))

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return logits, quality, and logits at half and quarter resolution."""
        features = self.network.features(inputs)
        logits = self.network.mask_head(features[-1])
        coarse = [head(features[-2 - level]) for level, head in enumerate(self.heads)]
        return logits, self.network.judged(features[0], features[-1], logits), coarse


class Trainer:
    """Network, averaged network, optimiser, and how far they are."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.device = arguments.device
        torch.manual_seed(SEED)
        self.layout = torch.contiguous_format
        self.model = Supervised().to(self.device)
        self.average = PromptableUNet().to(self.device)
        self.average.load_state_dict(self.model.network.state_dict())
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=0.0, weight_decay=arguments.decay, fused=True)
        self.pending: tuple[subprocess.Popen, Path] | None = None
        parts = {"model": self.model, "average": self.average, "optimiser": self.optimiser}
        pace = Pace(rate=arguments.rate, rise=200, floor=0.003, memory=0.9985, patience=10.0)
        self.course = Course(arguments.out, arguments.minutes, parts, pace)
        self.best: float = self.course.resume(self.device).get("best", 0.0)

    def choose_layout(self, batch: Prompted, rng: np.random.Generator) -> None:
        """Keep the layout in memory in which this machine takes steps faster."""
        taken = {}
        for layout in (torch.contiguous_format, torch.channels_last_3d):
            self._lay(layout)
            for number in range(8):
                if number == 3:
                    torch.cuda.synchronize()
                    began = time.monotonic()
                self.step(batch, rng)
            torch.cuda.synchronize()
            taken[layout] = time.monotonic() - began
            log.info("%s: %.0f ms a step", layout, taken[layout] / 5 * 1e3)
        self._lay(min(taken, key=lambda layout: taken[layout]))

    def _lay(self, layout: torch.memory_format) -> None:
        self.layout = layout
        self.model.to(memory_format=layout)
        for parameter in self.model.parameters():
            moments = self.optimiser.state.get(parameter, {})
            for name in ("exp_avg", "exp_avg_sq"):
                if name in moments:
                    moments[name] = torch.empty_like(parameter).copy_(moments[name])

    def run(self, inputs: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Run the network in mixed precision."""
        with torch.autocast(self.device, dtype=torch.bfloat16):
            return self.model(inputs.contiguous(memory_format=self.layout))

    def step(self, batch: Prompted, rng: np.random.Generator) -> Tensor:
        """Take one step of the optimiser; a part of the batch first gets masks and correcting clicks."""
        for share in ROUNDS:
            count = int(len(batch.image) * share)
            if not count:
                break
            again = batch.first(count)
            with torch.no_grad():
                probability = self.run(again.channels())[0].float().sigmoid()[:, 0]
            batch = batch.with_first(corrected(again, probability, keep_mask=bool(rng.random() < 0.8)))
        logits, quality, coarse = self.run(batch.channels())
        loss = loss_of(logits, quality, coarse, batch.target)
        self.course.descend(loss, self.model, self.optimiser)
        self.course.follow(self.average, self.model.network)
        return loss.detach()

    def save(self) -> None:
        """Write the state."""
        machine = torch.cuda.get_device_name() if self.device == "cuda" else "a CPU"
        self.course.save(best=self.best, machine=machine)

    def validate(self, items: Path, *, wait: bool) -> None:
        """Take in the evaluation that runs beside where it is done, and start the next on today's weights."""
        self.collect(wait=wait)
        if self.pending:
            return
        weights = self.course.out / f"step{self.course.steps}.pt"
        torch.save({name: tensor.half() for name, tensor in self.average.state_dict().items()}, weights)
        command = [sys.executable, "-m", "models.promptable.validate", "--items", str(items)]
        command += ["--weights", str(weights), "--device", self.device]
        self.pending = (subprocess.Popen(command), weights)  # noqa: S603  # our own command, our own words
        if wait:
            self.collect(wait=True)

    def collect(self, *, wait: bool) -> None:
        """Read what the evaluation beside found, and keep its weights where they are the best so far."""
        if not self.pending or (self.pending[0].poll() is None and not wait):
            return
        process, weights = self.pending
        process.wait()
        self.pending = None
        report = weights.with_suffix(".json")
        if not report.exists():
            log.warning("the evaluation of %s failed", weights)
            return
        scores = json.loads(report.read_text())
        score = float(np.mean([value for kind, value in scores.items() if kind.startswith("sarcoma")]))
        log.info("%s: %.4f %s", weights.stem, score, {kind: round(value, 3) for kind, value in scores.items()})
        if score > self.best:
            self.best = score
            weights.replace(self.course.out / "best.pt")
        else:
            weights.unlink()


def loss_of(logits: Tensor, quality: Tensor, coarse: list[Tensor], target: Tensor) -> Tensor:
    """Sum the masks' losses at each resolution and the squared error of the estimated intersection over union.

    An example whose object lies outside of its crop counts for nothing.
    """
    there = (target.sum((1, 2, 3)) >= 4).float()
    logits = logits.float()
    total = mask_loss(logits, target[:, None])
    for weight, small in zip(DEEP, coarse, strict=True):
        reduced = functional.adaptive_avg_pool3d(target[:, None], small.shape[2:])
        total = total + weight * mask_loss(small.float(), reduced)
    hard, truth = logits.detach()[:, 0] > 0, target > 0.5
    overlap = (hard & truth).sum((1, 2, 3)) / (hard | truth).sum((1, 2, 3)).clamp(min=1)
    total = total + 0.2 * (quality.float() - overlap) ** 2
    return (total * there).sum() / there.sum().clamp(min=1)


def mask_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return (b,): Dice, cross entropy over the crop, and cross entropy near the object's border."""
    probability = logits.sigmoid()
    sides = (1, 2, 3, 4)
    dice = 1 - (2 * (probability * target).sum(sides) + 1) / (probability.sum(sides) + target.sum(sides) + 1)
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    near = (grown(target[:, 0], 2) + grown(-target[:, 0], 2))[:, None]
    border = (entropy * near).sum(sides) / near.sum(sides).clamp(min=1.0)
    return dice + entropy.mean(sides) + 0.3 * border


def batch_of(scenes: Scenes, count: int) -> Prompted:
    """Make one batch with prompts."""
    scene = scenes.batch(count)
    order = torch.randperm(count, device=scene.image.device)
    image = other_contrast(scene.image, scenes.rng)
    return prompted(image[order], scene.target[order], scene.centred[order], scenes.rng)


def train(arguments: argparse.Namespace) -> None:
    """Loop: batch, step; now and then evaluate and save."""
    items = Items(arguments.items)
    trainer = Trainer(arguments)
    course = trainer.course
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(SEED + course.steps)
    scenes = Scenes(items, Atlas(items, arguments.device), SEED + course.steps)
    log.info("%d crops of %d a batch, %s", arguments.batch, SIZE, arguments.device)
    if arguments.device != "cpu":
        batch_of(scenes, arguments.batch)
        torch.cuda.synchronize()
        began = time.monotonic()
        batch = batch_of(scenes, arguments.batch)
        torch.cuda.synchronize()
        log.info("%.0f ms a batch", (time.monotonic() - began) * 1e3)
        trainer.choose_layout(batch, scenes.rng)
    began, before, losses = time.monotonic(), course.spent, []
    evaluated = reported = course.spent
    while not course.done and course.spent - before < arguments.stop_after * 60:
        losses.append(trainer.step(batch_of(scenes, arguments.batch), scenes.rng))
        if course.steps % 10 == 0:
            losses = [float(torch.stack(losses).mean())] if trainer.device == "cpu" else losses
            if trainer.device != "cpu":
                torch.cuda.synchronize()
        course.spent = before + time.monotonic() - began
        if course.spent - reported > arguments.report_seconds:
            mean = float(torch.stack([torch.as_tensor(one) for one in losses]).float().mean())
            log.info("%.1f min, step %d, loss %.4f", course.spent / 60, course.steps, mean)
            losses, reported = [], course.spent
        if course.spent - evaluated > arguments.evaluate_minutes * 60:
            evaluated = course.spent
            trainer.save()
            trainer.validate(arguments.items, wait=trainer.device == "cpu")
    trainer.collect(wait=True)
    trainer.validate(arguments.items, wait=True)
    trainer.save()


def main() -> None:
    """Read what is asked, and train."""
    parser = training_parser(__doc__, minutes=15)
    parser.add_argument("--stop-after", type=float, default=math.inf, help="minutes of this run, to go on later")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--decay", type=float, default=0.02)
    parser.add_argument("--evaluate-minutes", type=float, default=1.0)
    parser.add_argument("--report-seconds", type=float, default=20)
    train(begin(parser))


if __name__ == "__main__":
    main()
