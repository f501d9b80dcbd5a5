"""Trains the region's token and the radiomics encoder together, on the file that prepare.py wrote. CPU or GPU; resumes.

    python models/region/train.py --items .cache/region-training.npz --position .cache/position --out .cache/region

Multi-positive InfoNCE over image views and subsets of radiomics of the same lesion, as in RadiomicsRetrieval; beside it
what the paper lacks: a query by some features is taught to find whatever has such values. `--held-out 5` keeps the last
five patients and every tenth simulated lesion away, and measures on them; the shipped weights were trained without.
"""

import argparse
import json
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from bank import Bank, bank_of
from losses import alike_values, near_places, same_lesion
from measures import measured
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from views import ImageViews, image_views, subsets

from similar_cases.describe.backends.region_token.network import SIZE, RegionShape, SharedSpace

log = logging.getLogger(__name__)

SEED = 20261126
#: lesions in a step; each is seen twice
LESIONS = 64
#: share of a step by source; sources that are absent leave theirs to the others
MIXTURE = {"sarcoma": 0.30, "simulated": 0.40, "hippocampus": 0.12, "organs": 0.18}
#: of the parts of the loss: same lesion, alike values, near places, class
WEIGHTS = (1.0, 1.0, 0.3, 0.1)
#: how often a training tells where it is, and saves
TOLD = 3
#: the channels of the segmenter's first layer that this one has too: image, relative, rank, mask so far
SEGMENTER_CHANNELS = [0, 1, 2, 6]


@dataclass(frozen=True, eq=False)
class Batch:
    """A step's vectors, and what they stand for; see ``losses.same_lesion``."""

    vectors: Tensor
    lesions: Tensor
    links: Tensor
    shapes: Tensor


class Heads(nn.Module):
    """The class of a region, by its image and by its radiomics; for training alone."""

    def __init__(self, kinds: int) -> None:
        super().__init__()
        self.image, self.radiomics = nn.Linear(SIZE, kinds), nn.Linear(SIZE, kinds)


class Draw:
    """Chooses the lesions of a step."""

    def __init__(self, bank: Bank, rows: list[int], seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.rows: dict[int, list[int]] = {}
        for row in rows:
            self.rows.setdefault(int(bank.lesions[row]), []).append(row)
        self.lesions = np.array(list(self.rows))
        source = [bank.sources[rows[0]].split()[0] for rows in self.rows.values()]
        weight = np.array([MIXTURE[one] / source.count(one) for one in source])
        self.chances = weight / weight.sum()

    def pairs(self) -> tuple[list[int], list[int]]:
        """Return two regions of each chosen lesion: two modalities where there are several, else the same again."""
        count = min(LESIONS, len(self.lesions))
        chosen = self.rng.choice(self.lesions, count, replace=False, p=self.chances)
        pairs = [self.rng.permutation(self.rows[lesion]) for lesion in chosen.tolist()]
        return [int(one[0]) for one in pairs], [int(one[-1]) for one in pairs]


class Trainer:
    """Networks, their running average, optimiser, clock."""

    def __init__(self, bank: Bank, arguments: argparse.Namespace) -> None:
        self.bank, self.out, self.seconds = bank, arguments.out, arguments.minutes * 60
        self.device = arguments.device
        torch.manual_seed(SEED)
        shape = RegionShape(features=len(bank.text["names"]))
        self.space, self.average = (SharedSpace(shape).to(self.device) for _ in range(2))
        if arguments.encoder:
            taken_from(arguments.encoder, self.space)
        self.average.load_state_dict(self.space.state_dict())
        self.average.eval()
        self.heads = Heads(bank.kinds_count).to(self.device)
        classes = [name.partition("_")[0] for name in bank.text["names"]]
        order = list(dict.fromkeys(classes))
        self.classes = torch.tensor([order.index(one) for one in classes], device=self.device)
        self.is_shape = self.classes == order.index("shape")
        weights = [*self.space.parameters(), *self.heads.parameters()]
        self.optimiser = torch.optim.AdamW(weights, lr=0.0, weight_decay=0.02)
        self.spent, self.steps = 0.0, 0
        if (self.out / "last.pt").exists():
            self._resume(torch.load(self.out / "last.pt", map_location=self.device, weights_only=True))
        self.random = torch.Generator(device=self.device).manual_seed(SEED + self.steps)

    def _resume(self, state: dict) -> None:
        for name in ("space", "average", "heads", "optimiser"):
            getattr(self, name).load_state_dict(state[name])
        self.spent, self.steps = state["spent"], state["steps"]
        log.info("resumed after %d steps, %.1f minutes", self.steps, self.spent / 60)

    def step(self, draw: Draw) -> dict[str, float]:
        """Take one step of the optimiser."""
        first, second = (torch.tensor(rows, device=self.device) for rows in draw.pairs())
        views = image_views(self.bank, torch.cat((first, second)), self.random)
        with torch.autocast(self.device, dtype=torch.bfloat16):
            images = self.space.region(views.inputs, views.body_mm, views.hidden).float()
        values = self.bank.values[first]
        asked = subsets(values, self.classes, self.random)
        nowhere = torch.full((len(first), 3), torch.nan, device=self.device)
        queries = [self.space.radiomics(one, nowhere) for one in asked]
        placed = ~self.bank.body_mm[first].isnan().any(1)
        place = self._places(self.bank.body_mm[first][placed])
        batch = self._batch(views, images, (first, queries, asked), (placed, place))
        parts = torch.stack(
            (
                same_lesion(batch.vectors, batch.lesions, batch.links, batch.shapes),
                self._alike(views, images, queries, asked),
                self._near(images, views.rows, place, self.bank.body_mm[first][placed]),
                self._kinds(images, views.rows, queries[0], first),
            )
        )
        self._advance((parts * torch.tensor(WEIGHTS, device=self.device)).sum())
        return dict(zip(("lesion", "alike", "near", "kind"), parts.tolist(), strict=True))

    def _batch(
        self,
        views: ImageViews,
        images: Tensor,
        radiomics: tuple[Tensor, list[Tensor], list[Tensor]],
        places: tuple[Tensor, Tensor],
    ) -> Batch:
        first, queries, asked = radiomics
        placed, place = places
        lesions, own = self.bank.lesions, torch.arange(len(self.bank.lesions), device=self.device)
        in_shape = [(one.isnan() | self.is_shape).all(1) for one in asked]
        return Batch(
            torch.cat((images, *queries, place)),
            torch.cat((lesions[views.rows], *(lesions[first] for _ in queries), lesions[first][placed])),
            torch.cat((torch.where(views.recoloured, -1, own[views.rows]), *(first for _ in queries), first[placed])),
            torch.cat(
                (
                    torch.zeros_like(views.rows),
                    *(torch.where(one, 2, 1) for one in in_shape),
                    torch.full_like(first[placed], 2),
                )
            ),
        )

    def _places(self, body_mm: Tensor) -> Tensor:
        """Return the vectors of places alone; a step may have none."""
        if not len(body_mm):
            return torch.zeros(0, SIZE, device=self.device)
        nothing = torch.full((len(body_mm), len(self.classes)), torch.nan, device=self.device)
        vectors: Tensor = self.space.radiomics(nothing, body_mm)
        return vectors

    def _alike(self, views: ImageViews, images: Tensor, queries: list[Tensor], asked: list[Tensor]) -> Tensor:
        """Return the loss of queries by values, over the image views that the values were measured on."""
        kept = ~views.recoloured
        values = self.bank.values[views.rows[kept]]
        losses = [alike_values(query, one, images[kept], values) for query, one in zip(queries, asked, strict=True)]
        return torch.stack(losses).mean()

    def _near(self, images: Tensor, rows: Tensor, place: Tensor, here: Tensor) -> Tensor:
        there = self.bank.body_mm[rows]
        known = ~there.isnan().any(1)
        if not len(place) or not known.any():
            return images.sum() * 0.0
        return near_places(place, here, images[known], there[known])

    def _kinds(self, images: Tensor, rows: Tensor, query: Tensor, first: Tensor) -> Tensor:
        seen = functional.cross_entropy(self.heads.image(images), self.bank.kinds[rows], ignore_index=-1)
        told = functional.cross_entropy(self.heads.radiomics(query), self.bank.kinds[first], ignore_index=-1)
        return (seen + told).nan_to_num(0.0)

    def _advance(self, loss: Tensor) -> None:
        progress = min(1.0, self.spent / self.seconds)
        rate = 1e-3 * min(1.0, (self.steps + 1) / 100) * (0.5 * (1 + math.cos(math.pi * progress)) + 0.005)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.space.parameters(), 1.0)
        self.optimiser.step()
        self.steps += 1
        decay = min(0.995, 1 - 1 / (self.steps + 1))
        with torch.no_grad():
            for slow, fast in zip(self.average.parameters(), self.space.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)

    def save(self) -> None:
        """Write the state, and all that the bundle needs beside the weights."""
        state = {name: getattr(self, name).state_dict() for name in ("space", "average", "heads", "optimiser")}
        kept = {"knots": torch.from_numpy(self.bank.knots), "text": json.dumps(self.bank.text)}
        partial = self.out / "last.partial"
        torch.save(state | kept | {"spent": self.spent, "steps": self.steps}, partial)
        partial.replace(self.out / "last.pt")


def taken_from(bundle: Path, space: SharedSpace) -> None:
    """Begin with the encoder of a promptable segmentation, where its shapes fit; the paper keeps it as it is."""
    weights = load_file(bundle / "models" / "model.safetensors")
    encoder = {name: tensor.float() for name, tensor in weights.items() if name.startswith("encoder.")}
    for name in ("encoder.0.first.weight", "encoder.0.shortcut.weight"):
        encoder[name] = encoder[name][:, SEGMENTER_CHANNELS]
    own = space.region.state_dict()
    fitting = {name: tensor for name, tensor in encoder.items() if name in own and own[name].shape == tensor.shape}
    space.region.load_state_dict(own | fitting)
    log.info("%d of %d tensors of the encoder come from %s", len(fitting), len(encoder), bundle)


def held_out(bank: Bank, patients: int) -> set[int]:
    """Return the rows of the last `patients` sarcoma patients and of every tenth simulated lesion; none for 0."""
    if not patients:
        return set()
    known = sorted(
        {one for one, source in zip(bank.patients, bank.sources, strict=True) if source.startswith("sarcoma")}
    )
    away = {*known[-patients:], *(one for one in bank.patients if one.startswith("simulated ") and one.endswith("0"))}
    return {row for row, patient in enumerate(bank.patients) if patient in away}


def main() -> None:
    """Train until the minutes are spent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=Path, required=True)
    parser.add_argument("--position", type=Path, help="folder of a training of body coordinates")
    parser.add_argument("--encoder", type=Path, help="bundle of a promptable segmentation to begin with")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--held-out", type=int, default=0, help="sarcoma patients to measure on")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(arguments)


def train(arguments: argparse.Namespace) -> None:
    """Loop: draw, step; now and then tell, measure and save."""
    bank = bank_of(arguments.items, arguments.position, arguments.device)
    away = held_out(bank, arguments.held_out)
    trainer = Trainer(bank, arguments)
    log.info("%d regions, %d held out", len(bank.sources), len(away))
    draw = Draw(bank, [row for row in range(len(bank.sources)) if row not in away], SEED + trainer.steps)
    since, told = trainer.spent, []
    while trainer.spent < trainer.seconds:
        began = time.monotonic()
        told.append(trainer.step(draw))
        trainer.spent += time.monotonic() - began
        if trainer.spent - since > max(10.0, trainer.seconds / TOLD) or trainer.spent >= trainer.seconds:
            means = {name: round(float(np.mean([one[name] for one in told])), 3) for name in told[0]}
            log.info("%.1f min, %d steps, %s", trainer.spent / 60, trainer.steps, means)
            if away:
                log.info("held out: %s", measured(trainer.average, bank, sorted(away)))
            trainer.save()
            since, told = trainer.spent, []


if __name__ == "__main__":
    main()
