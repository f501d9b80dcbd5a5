"""Tells how well a network places a trunk that it was not trained on: how far off, and whether its doubt shows it.

    python -m models.position.train --held-out CRLM-CT-1006 --items ITEMS --out .cache/position-without-1006
    python -m models.position.measure --held-out CRLM-CT-1006 --items ITEMS --out .cache/position-without-1006

Where a point lies is what registration says (frame.py), so that what is told holds its errors too. Only points at
heights that the other trunks show are asked for. Chance is the mean distance of two of the points.
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from models.position.frame import body_frames
from models.position.scans import Scan, scans_in
from models.training import begin, training_parser
from numpy.typing import NDArray

from similar_cases.describe.backends.body_network import (
    OUTSIDE_HU,
    SIZE,
    SPACING_MM,
    TISSUE_HU,
    BodyNetwork,
    coordinate_in_the_middle,
    doubt_in_the_middle,
    windowed,
)
from similar_cases.describe.backends.cube import Cube, cut

log = logging.getLogger(__name__)

#: points that are asked for
POINTS = 48
#: what is left of the image round a point, mm along (x, y, z), before it is asked for; by the name of the view
VIEWS = {
    "whole image": (1000.0, 1000.0, 1000.0),
    "slab of 40 mm": (1000.0, 1000.0, 40.0),
    "slab of 130 mm": (1000.0, 1000.0, 130.0),
    "box of 130 mm": (130.0, 130.0, 130.0),
}
#: the point is not the middle of what is left, mm
ASIDE_MM = (7.0, -9.0, 11.0)


@dataclass(frozen=True, eq=False)
class Seen:
    """What came of one view: how far off and how doubtful (n,) each, mm."""

    off_mm: NDArray[np.float64]
    doubt_mm: NDArray[np.float64]


def points_in(scan: Scan, frame: NDArray[np.float64], heights: tuple[float, float]) -> NDArray[np.float64]:
    """Return (n, 3) LPS mm of body at heights of the standard body between the two, a fixed choice."""
    body = torch.argwhere(scan.versions[0] > TISSUE_HU).double() @ scan.affine[:3, :3].T + scan.affine[:3, 3]
    height = body.numpy() @ frame[2, :3] + frame[2, 3]
    there = body.numpy()[(height > heights[0]) & (height < heights[1])]
    chosen: NDArray[np.float64] = there[np.random.default_rng(5).integers(len(there), size=POINTS)]
    return chosen


def seen_in(
    network: BodyNetwork, scan: Scan, points_lps: NDArray[np.float64], true_mm: NDArray[np.float64], view: str
) -> Seen:
    """Return what the network says of points (n, 3) of a scan, the image cut to the view round each."""
    axis = (torch.arange(SIZE) - (SIZE - 1) / 2) * SPACING_MM
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).flip(-1)
    away = ((grid - torch.tensor(ASIDE_MM)).abs() > torch.tensor(VIEWS[view]) / 2).any(-1)
    told, doubts = [], []
    for point in torch.from_numpy(points_lps):
        cube = torch.where(
            away, OUTSIDE_HU, cut(scan.versions[-1], scan.affine, Cube(point, SPACING_MM, SIZE), OUTSIDE_HU)
        )
        with torch.inference_mode():
            found = network(windowed(cube[None]))
        told.append(coordinate_in_the_middle(found)[0].numpy())
        doubts.append(float(doubt_in_the_middle(found, cube[None])))
    return Seen(np.linalg.norm(np.array(told) - true_mm, axis=1), np.array(doubts))


def heights_of(scans: Sequence[Scan], frames: dict[str, NDArray[np.float64]]) -> tuple[float, float]:
    """Return the lowest and the highest slice of all scans, mm in the standard body."""
    ends = [
        (frames[one.name] @ one.affine.numpy() @ [end, 0, 0, 1])[2]
        for one in scans
        for end in (0, len(one.versions[0]) - 1)
    ]
    return min(ends), max(ends)


def measure(arguments: argparse.Namespace) -> dict[str, Seen]:
    """Tell of each view how far off the network is, and how doubtful; return it."""
    scans = scans_in(arguments.items)
    frames = body_frames(scans)
    network = BodyNetwork()
    state = torch.load(arguments.out / "last.pt", map_location="cpu", weights_only=True)
    network.load_state_dict(state["average"])
    network.eval()
    [held] = [one for one in scans if one.name == arguments.held_out]
    others = [one for one in scans if one.trunk and one is not held]
    points = points_in(held, frames[held.name], heights_of(others, frames))
    true = points @ frames[held.name][:3, :3].T + frames[held.name][:3, 3]
    chance = np.linalg.norm(true[:, None] - true[None], axis=2).sum() / (len(true) * (len(true) - 1))
    found = {view: seen_in(network, held, points, true, view) for view in VIEWS}
    for view, one in found.items():
        quartiles = np.percentile(one.doubt_mm, (5, 50, 95)).round(0).tolist()
        log.info(
            "%s, %s: %.0f mm off in the mean, %.0f in nine of ten, chance %.0f; doubt %s",
            held.name, view, one.off_mm.mean(), np.percentile(one.off_mm, 90), chance, quartiles,
        )  # fmt: skip
    return found


if __name__ == "__main__":
    parser = training_parser(__doc__, minutes=0)
    parser.add_argument("--held-out", required=True, help="name of the trunk that was not trained on")
    measure(begin(parser))
