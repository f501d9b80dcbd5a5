"""Trains the region's token and the radiomics encoder together, on the file that prepare.py wrote. CPU or GPU; resumes.

    python -m models.region.train --items .cache/region-training.npz --position .cache/position --out .cache/region

Multi-positive InfoNCE over image views and subsets of radiomics of the same lesion, as in RadiomicsRetrieval; beside it
what the paper lacks: a query by some features is taught to find whatever has such values. `--held-out 5` keeps the last
five patients and every tenth simulated lesion away, and measures on them; the shipped weights were trained without.
"""

import argparse
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from models.region.bank import Bank, bank_of
from models.region.losses import alike_values, near_places, same_lesion
from models.region.measures import measured
from models.region.views import ImageViews, image_views, subsets
from models.training import Course, Pace, begin, training_parser
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

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
    """Networks, their running average, optimiser, and how far they are."""

    def __init__(self, bank: Bank, arguments: argparse.Namespace) -> None:
        self.bank, self.device = bank, arguments.device
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
        parts = {name: getattr(self, name) for name in ("space", "average", "heads", "optimiser")}
        self.course = Course(arguments.out, arguments.minutes, parts, Pace())
        self.course.resume(self.device)
        self.random = torch.Generator(device=self.device).manual_seed(SEED + self.course.steps)

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
        loss = (parts * torch.tensor(WEIGHTS, device=self.device)).sum()
        self.course.descend(loss, self.space, self.optimiser)
        self.course.follow(self.average, self.space)
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

    def save(self) -> None:
        """Write the state, and all that the bundle needs beside the weights."""
        self.course.save(knots=torch.from_numpy(self.bank.knots), text=json.dumps(self.bank.text))


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


def train(arguments: argparse.Namespace) -> None:
    """Draw and step until the minutes are spent; now and then tell, measure and save."""
    bank = bank_of(arguments.items, arguments.position, arguments.device)
    away = held_out(bank, arguments.held_out)
    trainer = Trainer(bank, arguments)
    course = trainer.course
    log.info("%d regions, %d held out", len(bank.sources), len(away))
    draw = Draw(bank, [row for row in range(len(bank.sources)) if row not in away], SEED + course.steps)
    for _ in course.stretches(lambda: trainer.step(draw), max(10.0, course.seconds / TOLD)):
        if away:
            log.info("held out: %s", measured(trainer.average, bank, sorted(away)))
        trainer.save()


def main() -> None:
    """Read what is asked, and train."""
    parser = training_parser(__doc__, minutes=120)
    parser.add_argument("--position", type=Path, help="folder of a training of body coordinates")
    parser.add_argument("--encoder", type=Path, help="bundle of a promptable segmentation to begin with")
    parser.add_argument("--held-out", type=int, default=0, help="sarcoma patients to measure on")
    train(begin(parser))


if __name__ == "__main__":
    main()
