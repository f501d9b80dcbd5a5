"""Trains the promptable segmentation network on the file that prepare.py wrote. CPU or GPU; resumes; logs.

    python models/promptable/train.py --items .cache/promptable-training.npz --out .cache/promptable --minutes 120

Every few minutes it evaluates one click on the validation patients and writes `last.pt`; started again with the same
`--out`, it goes on from there. `best.pt` holds the averaged weights of the best evaluation.
"""

import argparse
import json
import logging
import math
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from similar_cases.segment.backends.promptable.inputs import SIZE, CropGrid, network_input, sample
from similar_cases.segment.backends.promptable.network import PromptableUNet
from similar_cases.segment.backends.promptable.zoom import one_mask

log = logging.getLogger(__name__)

#: share of the training samples by kind
MIXTURE = {
    "sarcoma CT": 0.24,
    "sarcoma MR": 0.22,
    "sarcoma PT": 0.17,
    "hippocampus": 0.07,
    "organs": 0.10,
    "lesion": 0.12,
    "anatomy": 0.08,
}


@dataclass(frozen=True, eq=False)
class Target:
    """One object of one item: where it may be clicked, (n, 3) indices (k, j, i), and its longest side in mm."""

    item: int
    label: int
    interior: np.ndarray
    centroid: np.ndarray
    extent_mm: float


@dataclass(frozen=True, eq=False)
class Example:
    """One crop: image, target and prompts in crop indices (z, y, x)."""

    image: Tensor
    target: Tensor
    positive: Tensor
    negative: Tensor
    box: Tensor
    previous: Tensor
    wants_correction: bool


class Items:
    """The volumes, decoded, and their targets by kind."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as packed:
            self.listing = json.loads(packed["listing"].tobytes())
            self.voxels = [torch.from_numpy(packed[f"voxels{n}"]).float() for n in range(len(self.listing))]
            self.labels = [packed[f"labels{n}"] for n in range(len(self.listing))]
        self.affines = [affine_of(one["spacing_mm"]) for one in self.listing]
        self.targets: dict[str, list[Target]] = {}
        self.validation: dict[str, list[Target]] = {}
        for number, one in enumerate(self.listing):
            kind = f"sarcoma {one['modality']}" if one["dataset"] == "sarcoma" else one["dataset"]
            into = self.targets if one["split"] == "train" else self.validation
            into.setdefault(kind, []).extend(self._targets_of(number))

    def _targets_of(self, number: int) -> Iterator[Target]:
        labels = self.labels[number]
        spacing = np.array(self.listing[number]["spacing_mm"])
        for label in np.unique(labels[labels > 0]):
            mask = labels == label
            if mask.sum() < 12:
                continue
            depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
            where = np.argwhere(mask)
            weight = depth[mask]
            rng = np.random.default_rng(0)
            interior = where[rng.choice(len(where), min(400, len(where)), replace=False, p=weight / weight.sum())]
            centre = where.mean(0)
            nearest = where[np.argmin((((where - centre) * spacing) ** 2).sum(1))]
            extent = float(((np.ptp(where, axis=0) + 1) * spacing).max())
            yield Target(number, int(label), interior, nearest, extent)


def affine_of(spacing_mm: list[float]) -> Tensor:
    """(4, 4) from (k, j, i) to LPS mm with the origin at voxel 0."""
    k, j, i = spacing_mm
    return torch.tensor([[0, 0, i, 0], [0, j, 0, 0], [k, 0, 0, 0], [0, 0, 0, 1]], dtype=torch.float64)


class Sampler:
    """Makes examples, each from its own random stream."""

    def __init__(self, items: Items, seed: int) -> None:
        self.items = items
        self.rng = np.random.default_rng(seed)

    def example(self) -> Example:
        """Draw a kind by the mixture, and one example of it."""
        kind = str(self.rng.choice(list(MIXTURE), p=list(MIXTURE.values())))
        if kind == "anatomy":
            image, target = self._anatomy()
        elif kind == "lesion":
            image, target = self._lesion()
        else:
            image, target = self._real(kind)
        image = self._other_contrast(image)
        return self._with_prompts(image, target) if target.sum() >= 8 else self.example()

    def _real(self, kind: str) -> tuple[Tensor, Tensor]:
        chosen = self.items.targets[kind][self.rng.integers(len(self.items.targets[kind]))]
        click = chosen.centroid if self.rng.random() < 0.4 else chosen.interior[self.rng.integers(len(chosen.interior))]
        grid = self._grid(chosen, click)
        mask = torch.from_numpy(self.items.labels[chosen.item] == chosen.label).float()
        voxels, affine, mask = self._without_tell_tale_border(chosen.item, mask)
        target = sample(mask, affine, grid, 0.0) > 0.5
        return sample(voxels, affine, grid, float(voxels.min())), target.float()

    def _grid(self, chosen: Target, click: np.ndarray) -> CropGrid:
        field_of_view = chosen.extent_mm * float(np.exp(self.rng.uniform(math.log(1.15), math.log(6.0))))
        spacing = float(np.clip(field_of_view / SIZE, 0.4, 9.0))
        affine = self.items.affines[chosen.item]
        centre = affine[:3, :3] @ torch.from_numpy(click.astype(float)) + affine[:3, 3]
        return CropGrid(centre + torch.from_numpy(self.rng.normal(0, 1.5 * spacing, 3)), spacing, self._rotation())

    def _rotation(self) -> Tensor:
        if self.rng.random() < 0.3:
            return torch.diag(torch.from_numpy(self.rng.choice([-1.0, 1.0], 3)))
        x, y, z = self.rng.normal(0, 0.2, 3)
        skew = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
        flips = torch.diag(torch.tensor([self.rng.choice([-1.0, 1.0]), 1.0, 1.0], dtype=torch.float64))
        return torch.linalg.matrix_exp(skew) @ flips * float(np.exp(self.rng.normal(0, 0.08)))

    def _without_tell_tale_border(self, number: int, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Cut a random margin off: the archives are cropped round the lesion, and their border must tell nothing."""
        voxels, affine = self.items.voxels[number], self.items.affines[number]
        where = torch.argwhere(mask > 0)
        low, high = where.amin(0), where.amax(0) + 1
        start = [int(self.rng.integers(0, int(a) + 1)) if self.rng.random() < 0.6 else 0 for a in low]
        end = [
            int(self.rng.integers(int(b), n + 1)) if self.rng.random() < 0.6 else n
            for b, n in zip(high, voxels.shape, strict=True)
        ]
        box = tuple(slice(a, b) for a, b in zip(start, end, strict=True))
        if min(b - a for a, b in zip(start, end, strict=True)) < 4:
            return voxels, affine, mask
        moved = affine.clone()
        moved[:3, 3] += affine[:3, :3] @ torch.tensor(start, dtype=torch.float64)
        return voxels[box], moved, mask[box]

    def _noise(self, cells: int) -> Tensor:
        coarse = torch.from_numpy(self.rng.normal(size=(1, 1, cells, cells, cells))).float()
        return functional.interpolate(coarse, (SIZE, SIZE, SIZE), mode="trilinear", align_corners=True)[0, 0]

    def _blob(self) -> Tensor:
        """A bent ellipsoid at the centre, (SIZE,)*3 of 0 and 1."""
        axis = torch.linspace(-1, 1, SIZE)
        radius = float(np.exp(self.rng.uniform(math.log(0.05), math.log(0.7))))
        radii = radius * np.exp(self.rng.normal(0, 0.25, 3))
        z, y, x = ((axis / float(r)) ** 2 for r in radii)
        distance = (z[:, None, None] + y[None, :, None] + x[None, None, :]).sqrt()
        return (distance + self.rng.uniform(0, 0.5) * self._noise(int(self.rng.integers(4, 10))) < 1).float()

    def _lesion(self) -> tuple[Tensor, Tensor]:
        """A simulated lesion in a real background."""
        kind = str(
            self.rng.choice(
                ["liver", "sarcoma CT", "sarcoma MR", "sarcoma PT", "organs"], p=[0.35, 0.25, 0.2, 0.1, 0.1]
            )
        )
        numbers = {t.item for t in self.items.targets.get(kind, [])} or {
            n for n, one in enumerate(self.items.listing) if one["dataset"] == kind
        }
        number = int(self.rng.choice(sorted(numbers)))
        voxels, affine = self.items.voxels[number], self.items.affines[number]
        centre = affine[:3, :3] @ torch.from_numpy(self.rng.uniform(0.15, 0.85, 3) * voxels.shape) + affine[:3, 3]
        grid = CropGrid(centre, float(np.exp(self.rng.uniform(math.log(0.8), math.log(4.0)))), self._rotation())
        image = sample(voxels, affine, grid, float(voxels.min()))
        target = self._blob()
        inside = target > 0
        if not inside.any():
            return self._lesion()
        contrast = float(self.rng.choice([-1, 1]) * self.rng.uniform(0.6, 3.0)) * max(float(image[inside].std()), 3.0)
        level = float(image[inside].median()) + contrast
        keep = float(self.rng.uniform(0.0, 0.7))
        texture = (
            level + keep * (image - image[inside].median()) + self._noise(12) * abs(contrast) * self.rng.uniform(0, 0.4)
        )
        if self.rng.random() < 0.3:
            texture = texture - contrast * torch.from_numpy(
                ndimage.gaussian_filter(target.numpy(), 3.0) > 0.8
            ).float() * self.rng.uniform(0.3, 0.9)
        edge = torch.from_numpy(ndimage.gaussian_filter(target.numpy(), self.rng.uniform(0.4, 1.5)))
        return image * (1 - edge) + texture * edge, target

    def _anatomy(self) -> tuple[Tensor, Tensor]:
        """Random regions with random contrast; the one under the centre is the target."""
        count = int(self.rng.integers(3, 9))
        fields = torch.stack([self._noise(int(self.rng.integers(3, 8))) for _ in range(count)])
        labels = fields.argmax(0)
        components, _ = ndimage.label((labels == labels[SIZE // 2, SIZE // 2, SIZE // 2]).numpy())
        target = torch.from_numpy(components == components[SIZE // 2, SIZE // 2, SIZE // 2]).float()
        levels = torch.from_numpy(self.rng.uniform(0, 255, count)).float()
        image = (
            levels[labels]
            + self._noise(16) * self.rng.uniform(0, 25)
            + torch.randn(SIZE, SIZE, SIZE) * self.rng.uniform(0, 15)
        )
        return torch.from_numpy(ndimage.gaussian_filter(image.numpy(), self.rng.uniform(0.3, 1.2))), target

    def _other_contrast(self, image: Tensor) -> Tensor:
        """Change gamma, sharpness, noise, field and sign of the image, each sometimes."""
        low, high = image.min(), image.max()
        image = (image - low) / (high - low).clamp(min=1e-6)
        if self.rng.random() < 0.3:
            image = image.clamp(min=0) ** float(np.exp(self.rng.normal(0, 0.35)))
        if self.rng.random() < 0.2:
            image = torch.from_numpy(ndimage.gaussian_filter(image.numpy(), self.rng.uniform(0.3, 1.0, 3)))
        if self.rng.random() < 0.3:
            image = image + torch.randn_like(image) * self.rng.uniform(0.002, 0.04)
        if self.rng.random() < 0.2:
            image = image * (1 + 0.2 * self._noise(3))
        return 1 - image if self.rng.random() < 0.08 else image

    def _with_prompts(self, image: Tensor, target: Tensor) -> Example:
        none = torch.zeros(0, 3)
        empty = torch.zeros(SIZE, SIZE, SIZE)
        inside = torch.argwhere(target > 0).float()
        middle = inside[((inside - (SIZE - 1) / 2) ** 2).sum(1).argmin()]
        draw = self.rng.random()
        box = self._box(inside) if draw < 0.10 else empty
        positive = none if draw < 0.05 else middle[None]
        negative = none
        if draw > 0.75:
            count = int(self.rng.integers(0, 5))
            positive = torch.cat((positive, inside[self.rng.integers(len(inside), size=count)]))
            shell = torch.from_numpy(
                ndimage.binary_dilation(target.numpy() > 0, iterations=int(self.rng.integers(2, 8)))
            ) & (target == 0)
            outside = torch.argwhere(shell).float()
            if len(outside):
                negative = outside[self.rng.integers(len(outside), size=int(self.rng.integers(0, 4)))]
        return Example(image, target, positive, negative, box, empty, bool(0.45 < draw <= 0.70))

    def _box(self, inside: Tensor) -> Tensor:
        low = (inside.amin(0) - torch.from_numpy(self.rng.uniform(0, 3, 3))).round().long().clamp(0, SIZE - 1)
        high = (inside.amax(0) + torch.from_numpy(self.rng.uniform(0, 3, 3))).round().long().clamp(0, SIZE - 1)
        box = torch.zeros(SIZE, SIZE, SIZE)
        box[low[0] : high[0] + 1, low[1] : high[1] + 1, low[2] : high[2] + 1] = 1
        return box


def stacked(example: Example) -> Tensor:
    """Return the network's input of one example, (7, SIZE, SIZE, SIZE)."""
    return network_input(example.image, example.positive, example.negative, example.box, example.previous)


def corrected(example: Example, probability: Tensor, rng: np.random.Generator) -> Example:
    """Add the click that a person would make next: in the middle of the largest error; and the mask so far."""
    guess = probability > 0.5
    truth = example.target > 0
    missing, excess = truth & ~guess, guess & ~truth
    error = missing if missing.sum() >= excess.sum() else excess
    positive, negative = example.positive, example.negative
    if error.any():
        depth = ndimage.distance_transform_edt(np.pad(error.numpy(), 1))[1:-1, 1:-1, 1:-1]
        deep = np.argwhere(depth >= max(depth.max() * 0.8, 1.0))
        click = torch.from_numpy(deep[rng.integers(len(deep))]).float()[None]
        if error is missing:
            positive = torch.cat((positive, click))
        else:
            negative = torch.cat((negative, click))
    return Example(example.image, example.target, positive, negative, example.box, probability, wants_correction=False)


def loss_of(logits: Tensor, quality: Tensor, target: Tensor) -> Tensor:
    """Dice and cross entropy of the mask, and the squared error of the estimated intersection over union."""
    logits = logits.float().squeeze(1)
    probability = logits.sigmoid()
    overlap = (probability * target).sum((1, 2, 3))
    dice = 1 - (2 * overlap + 1) / (probability.sum((1, 2, 3)) + target.sum((1, 2, 3)) + 1)
    entropy = functional.binary_cross_entropy_with_logits(logits, target)
    hard = logits.detach() > 0
    union = (hard | (target > 0)).sum((1, 2, 3)).clamp(min=1)
    truth = (hard & (target > 0)).sum((1, 2, 3)) / union
    return dice.mean() + entropy + 0.2 * functional.mse_loss(quality.float(), truth.float())


class Trainer:
    """Network, averaged network, optimiser, clock."""

    def __init__(self, out: Path, minutes: float, device: str) -> None:
        self.out, self.seconds, self.device = out, minutes * 60, device
        torch.manual_seed(20261121)
        self.network = PromptableUNet().to(device)
        self.average = PromptableUNet().to(device)
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=0.0, weight_decay=1e-4)
        self.spent, self.steps, self.best = 0.0, 0, 0.0
        if (out / "last.pt").exists():
            self._resume(torch.load(out / "last.pt", map_location=device, weights_only=True))

    def _resume(self, state: dict) -> None:
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.spent, self.steps, self.best = state["spent"], state["steps"], state["best"]
        log.info("resumed after %d steps, %.0f minutes", self.steps, self.spent / 60)

    def rate(self) -> float:
        """Learning rate: a short rise, then a cosine over the time that is given."""
        progress = min(1.0, self.spent / self.seconds)
        return 1.5e-3 * min(1.0, (self.steps + 1) / 100) * (0.5 * (1 + math.cos(math.pi * progress)) + 0.005)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Run the network in mixed precision."""
        with torch.autocast(self.device, dtype=torch.bfloat16):
            return self.network(inputs.to(self.device))

    def step(self, batch: list[Example], rng: np.random.Generator) -> float:
        """Take one step of the optimiser; some examples first get a mask and a correcting click."""
        again = [n for n, one in enumerate(batch) if one.wants_correction]
        if again:
            with torch.no_grad():
                logits, _ = self.forward(torch.stack([stacked(batch[n]) for n in again]))
            for n, one in zip(again, logits.float().sigmoid().cpu()[:, 0], strict=True):
                batch[n] = corrected(batch[n], one, rng)
        logits, quality = self.forward(torch.stack([stacked(one) for one in batch]))
        loss = loss_of(logits, quality, torch.stack([one.target for one in batch]).to(self.device))
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.steps += 1
        decay = min(0.998, 1 - 1 / (self.steps + 1))
        with torch.no_grad():
            for slow, fast in zip(self.average.parameters(), self.network.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)
        return float(loss.detach())

    def save(self, score: float) -> None:
        """Write the state, and the averaged weights where they are the best so far."""
        self.best, improved = max(self.best, score), score > self.best
        if improved:
            torch.save(self.average.state_dict(), self.out / "best.pt")
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        partial = self.out / "last.partial"
        torch.save(state | {"spent": self.spent, "steps": self.steps, "best": self.best}, partial)
        partial.replace(self.out / "last.pt")


def evaluate(network: PromptableUNet, items: Items, device: str) -> dict[str, float]:
    """Return the mean Dice of one click at the centroid, by kind, on the validation patients."""
    network.eval()
    scores: dict[str, list[float]] = {}
    for kind, targets in items.validation.items():
        for chosen in targets if kind != "hippocampus" else targets[:20]:
            affine = items.affines[chosen.item]
            click = affine[:3, :3] @ torch.from_numpy(chosen.centroid.astype(float)) + affine[:3, 3]
            mask = one_mask(network, items.voxels[chosen.item], affine, click[None], device=device)
            truth = items.labels[chosen.item] == chosen.label
            scores.setdefault(kind, []).append(2 * (mask & truth).sum() / max(1, mask.sum() + truth.sum()))
    network.train()
    return {kind: float(np.mean(values)) for kind, values in scores.items()}


def prefetched(sampler: Sampler, depth: int) -> Iterator[Example]:
    """Yield examples that a thread of its own makes ahead."""
    ready: queue.Queue[Example] = queue.Queue(depth)

    def fill() -> None:
        while True:
            ready.put(sampler.example())

    threading.Thread(target=fill, daemon=True).start()
    while True:
        yield ready.get()


def main() -> None:
    """Train until the minutes are spent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--evaluate-minutes", type=float, default=8)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(arguments)


def train(arguments: argparse.Namespace) -> None:
    """Loop: batch, step; now and then evaluate and save."""
    items = Items(arguments.items)
    trainer = Trainer(arguments.out, arguments.minutes, arguments.device)
    rng = np.random.default_rng(trainer.steps)
    examples = prefetched(Sampler(items, seed=1000 + trainer.steps), 3 * arguments.batch)
    since, losses = trainer.spent, []
    while trainer.spent < trainer.seconds:
        began = time.monotonic()
        losses.append(trainer.step([next(examples) for _ in range(arguments.batch)], rng))
        trainer.spent += time.monotonic() - began
        if trainer.spent - since > arguments.evaluate_minutes * 60 or trainer.spent >= trainer.seconds:
            scores = evaluate(trainer.average, items, arguments.device)
            overall = float(np.mean([value for kind, value in scores.items() if kind.startswith("sarcoma")]))
            log.info(
                "%.0f min, %d steps, loss %.3f, Dice %s",
                trainer.spent / 60,
                trainer.steps,
                np.mean(losses),
                {k: round(v, 3) for k, v in scores.items()},
            )
            trainer.save(overall)
            since, losses = trainer.spent, []


if __name__ == "__main__":
    main()
