"""Trains the network of body coordinates, on the CTs of the file that models.region.prepare wrote. It resumes.

    python -m models.position.train --items .cache/region-training.npz --out .cache/position --minutes 20

Nobody labels anything. Two voxels of one patient must be as far apart in the output as they are in the body, and the
same voxel seen through other eyes (noise, window, cut-off surroundings, another crop) must stay where it is. What one
patient's voxels are to another's follows from both being seen by one network. The one thing told is that tumours of the
extremities (all of the sarcoma set) lie well away from the trunk: no image here shows both.
"""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from models.training import Course, Pace, begin, training_parser
from torch import Tensor

from similar_cases.describe.backends.body_network import (
    SIZE,
    SPACING_MM,
    STEP_MM,
    STRIDE,
    WINDOW_HU,
    BodyNetwork,
    coordinates_at,
    windowed,
)
from similar_cases.describe.backends.cube import Cube, cut

#: scans in a step, and crops of each; every crop is seen twice
SCANS, CROPS = 4, 4
#: of the parts of the loss: distances, the same voxel in two views, trunk and extremities too near
WEIGHTS = (1.0, 0.5, 0.1)
#: voxels of a crop that are compared
VOXELS = 192
#: points of each trunk by which the axes are told
UPRIGHT_POINTS = 64
#: how far the middle of an extremity's tumour lies at least from the middle of a trunk, mm
APART_MM = 350.0
#: of the steps look at the trunk, of which there are three volumes; the others at the extremities
TRUNK_SHARE = 0.6


@dataclass(frozen=True, eq=False)
class Scan:
    """A CT: voxels (k, j, i) in HU, on the device, and (4, 4) to LPS mm; `trunk` tells it from an extremity."""

    name: str
    voxels: Tensor
    affine: Tensor
    trunk: bool


def scans_in(path: Path, device: str) -> list[Scan]:
    """Return the CTs of the prepared file."""
    with np.load(path) as packed:
        listing = json.loads(packed["listing"].tobytes())["items"]
        chosen = [
            (n, one) for n, one in enumerate(listing) if one["modality"] == "CT" and one["name"] != "example_ct_sm"
        ]
        return [
            Scan(
                name=one["name"],
                voxels=torch.from_numpy(packed[f"table{n}"][packed[f"codes{n}"]]).half().to(device),
                affine=torch.tensor(one["affine"], dtype=torch.float64),
                trunk=one["dataset"] == "background",
            )
            for n, one in chosen
        ]


@dataclass(frozen=True, eq=False)
class Drawn:
    """Crops of one scan: cubes (CROPS, z, y, x) in HU, and where the output's voxels lie, (CROPS, cells, 3) mm."""

    cubes: Tensor
    places: Tensor
    trunk: bool


class Crops:
    """Draws crops of one scan, with the true place of each voxel of the output."""

    def __init__(self, scans: list[Scan], seed: int, device: str) -> None:
        self.rng = np.random.default_rng(seed)
        self.device = device
        self.groups = [[one for one in scans if one.trunk is trunk] for trunk in (True, False)]
        cells = torch.arange(SIZE // STRIDE, dtype=torch.float64) * STRIDE + (STRIDE - 1) / 2
        index = torch.stack(torch.meshgrid(cells, cells, cells, indexing="ij"), dim=-1).reshape(-1, 3)
        self.cells = torch.cat((index, torch.ones(len(index), 1, dtype=torch.float64)), dim=1)

    def draw(self) -> Drawn:
        """Return crops of one scan.

        A patient's size is drawn anew: places are those of a body of standard size, the image that of a larger or
        smaller one.
        """
        trunk = bool(self.rng.random() < TRUNK_SHARE or not self.groups[1]) and bool(self.groups[0])
        group = self.groups[0] if trunk else self.groups[1]
        scan = group[self.rng.integers(len(group))]
        grown = float(np.exp(self.rng.normal(0, 0.08)))
        cubes, places = [], []
        for _ in range(CROPS):
            index = torch.from_numpy(self.rng.uniform(0.0, 1.0, 3) * np.array(scan.voxels.shape))
            centre = scan.affine[:3, :3] @ index + scan.affine[:3, 3]
            cube = Cube(centre, SPACING_MM * grown, SIZE, self._turn())
            cubes.append(cut(scan.voxels, scan.affine, cube, WINDOW_HU[0]))
            places.append((self.cells @ cube.to_lps.T)[:, :3] / grown)
        return Drawn(torch.stack(cubes), torch.stack(places).float().to(self.device), trunk)

    def _turn(self) -> Tensor:
        x, y, z = self.rng.normal(0, 0.08, 3)
        skew = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
        turned: Tensor = torch.linalg.matrix_exp(skew)
        return turned

    def seen(self, cubes: Tensor) -> Tensor:
        """Return windowed cubes (n, 1, z, y, x) through other eyes: noise, another window, the ends cut off."""
        count = len(cubes)
        shift, gain, noise = (
            torch.from_numpy(self.rng.normal(0, sigma, count)).float().to(self.device)[:, None, None, None]
            for sigma in (20.0, 0.05, 15.0)
        )
        changed = cubes * (1 + gain) + shift + noise.abs() * torch.randn_like(cubes)
        for one in changed:
            if self.rng.random() < 0.4:
                thick = int(self.rng.integers(4, SIZE // 3))
                one[:thick] = WINDOW_HU[0]
            if self.rng.random() < 0.4:
                thick = int(self.rng.integers(4, SIZE // 3))
                one[-thick:] = WINDOW_HU[0]
        return windowed(changed)[:, None]


def chosen_voxels(cubes: Tensor, rng: np.random.Generator) -> Tensor:
    """Return (n, VOXELS) cells of each cube that lie in the body, where there are any."""
    tissue = torch.nn.functional.avg_pool3d(windowed(cubes)[:, None], STRIDE).flatten(1) > 0.35
    luck = torch.from_numpy(rng.random(tuple(tissue.shape))).to(cubes.device)
    return (luck + tissue).topk(VOXELS, dim=1).indices


def loss_of(one: Tensor, other: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far distances are off, and how far the same voxel moves between two views, both squared, in STEP_MM.

    Args:
        one: (n, voxels, 3) coordinates of voxels in one view.
        other: the same voxels in another view.
        places: (n, voxels, 3) where they are in the body, mm.
    """
    told, true = one.flatten(0, 1), places.flatten(0, 1)
    again = other.flatten(0, 1)
    apart = (_distances(told, again) - _distances(true, true)) / STEP_MM
    return (apart**2).mean(), ((told - again) ** 2).sum(1).mean() / STEP_MM**2


def _distances(one: Tensor, other: Tensor) -> Tensor:
    """Return (n, m) distances, mm; never quite 0, where a root has no slope."""
    return (((one[:, None] - other[None]) ** 2).sum(2) + 1.0).sqrt()


class Trainer:
    """Network, its running average, optimiser, and how far it is."""

    def __init__(self, out: Path, minutes: float, device: str) -> None:
        self.device = device
        torch.manual_seed(20261126)
        self.network, self.average = BodyNetwork().to(device), BodyNetwork().to(device)
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=0.0, weight_decay=1e-3)
        parts = {"network": self.network, "average": self.average, "optimiser": self.optimiser}
        self.course = Course(out, minutes, parts, Pace())
        kept = self.course.resume(device)
        self.least, self.best = kept.get("least", math.inf), kept.get("upright", {})
        #: running means of what the trunk and the extremities are told to be, mm
        self.middles: list[Tensor | None] = [None, None]

    def step(self, crops: Crops) -> dict[str, float]:
        """Take one step of the optimiser, over several scans."""
        drawn = [crops.draw() for _ in range(SCANS)]
        cubes = torch.cat([one.cubes for one in drawn])
        cells = chosen_voxels(cubes, crops.rng)[:, :, None].expand(-1, -1, 3)
        # full precision: a coordinate of half a metre in bfloat16 is 3 mm off
        found = self.network(torch.cat((crops.seen(cubes), crops.seen(cubes))))
        views = (part.gather(1, cells) for part in found.float().flatten(2).transpose(1, 2).chunk(2))
        places = torch.cat([one.places for one in drawn]).gather(1, cells)
        parts = [
            torch.stack((*loss_of(one, other, place), self._crowded(one.mean((0, 1)), draw.trunk)))
            for one, other, place, draw in zip(
                *(found.split(CROPS) for found in views), places.split(CROPS), drawn, strict=True
            )
        ]
        losses = torch.stack(parts).mean(0)
        loss = (losses * torch.tensor(WEIGHTS, device=self.device)).sum()
        self.course.descend(loss, self.network, self.optimiser)
        self.course.follow(self.average, self.network)
        return dict(zip(("apart", "moved", "crowded"), losses.tolist(), strict=True))

    def _crowded(self, middle: Tensor, trunk: bool) -> Tensor:
        """Return how much too near trunk and extremities are, squared, in STEP_MM."""
        own, other = self.middles[not trunk], self.middles[trunk]
        now = middle.detach()
        self.middles[not trunk] = now if own is None else own.lerp(now, 0.05)
        if other is None:
            return middle.sum() * 0.0
        return torch.relu((APART_MM - (middle - other).norm()) / STEP_MM) ** 2

    def save(self, scans: list[Scan], loss: float) -> None:
        """Write the state; and of the stretch with the least loss the averaged weights, turned to the axes of LPS."""
        if loss < self.least or not self.best:
            self.least, self.best = loss, upright(self.average, scans)
        self.course.save(upright=self.best, least=self.least)


def upright(network: BodyNetwork, scans: list[Scan]) -> dict[str, Tensor]:
    """Return the weights, the last layer turned and shifted: distances say nothing of axes and of the origin.

    Of all turns and mirrorings that one which brings the coordinates of the trunks' voxels nearest to LPS, each trunk
    shifted as it likes; the origin is where the trunks' middle is.
    """
    network.eval()
    rng = np.random.default_rng(0)
    told, true = [], []
    for scan in (scan for scan in scans if scan.trunk):
        index = torch.from_numpy(rng.uniform(0.1, 0.9, (UPRIGHT_POINTS, 3)) * np.array(scan.voxels.shape))
        points = index @ scan.affine[:3, :3].T + scan.affine[:3, 3]
        with torch.inference_mode():
            told.append(coordinates_at(network, scan.voxels, scan.affine, points).double().cpu())
        true.append(points)
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    if not told:
        return weights
    pairs = zip(told, true, strict=True)
    left, _, right = torch.linalg.svd(sum((a - a.mean(0)).T @ (b - b.mean(0)) for a, b in pairs))
    turn = (left @ right).T
    middle = turn @ torch.cat(told).mean(0)
    own = weights["place.weight"]
    weights["place.weight"] = torch.einsum("ab,bczyx->aczyx", turn.to(own), own)
    weights["place.bias"] = turn.to(own) @ weights["place.bias"] - (middle / STEP_MM).to(own)
    return weights


def train(arguments: argparse.Namespace) -> None:
    """Draw and step until the minutes are spent; now and then tell and save."""
    trainer = Trainer(arguments.out, arguments.minutes, arguments.device)
    course = trainer.course
    scans = scans_in(arguments.items, arguments.device)
    crops = Crops(scans, 1000 + course.steps, arguments.device)
    for means in course.stretches(lambda: trainer.step(crops), max(5.0, course.seconds / 20)):
        trainer.save(scans, means["apart"] + means["moved"])


if __name__ == "__main__":
    train(begin(training_parser(__doc__, minutes=20)))
