"""Compares ways of looking (`ZoomRecipe`) on the training patients, one click at the centroid; validation is not read.

    python -m models.promptable.choose_zoom --items .cache/promptable-training.npz --weights .cache/promptable/best.pt

Prints the mean Dice by modality of each recipe that differs from the present one in one number. The network has seen
these patients, but through random crops: at what scale to look is no more known to it than for a new patient.
"""

import argparse
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from models.promptable.atlas import Items
from models.promptable.validate import dice, network_in

from similar_cases.segment.backends.promptable.zoom import Looker, ZoomRecipe

log = logging.getLogger(__name__)


def main() -> None:
    """Print a line a recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="best.pt or last.pt")
    parser.add_argument("--every", type=int, default=1, help="take every so many-th target, to be quick")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    items = opened(arguments.items)
    kinds = [kind for kind in items.targets if kind.startswith("sarcoma")]
    chosen = [(kind, n) for kind in kinds for n in range(0, len(items.targets[kind]), arguments.every)]
    with ProcessPoolExecutor(arguments.processes) as pool:
        for name, recipe in recipes():
            began = time.monotonic()
            asked = [(arguments.items, arguments.weights, arguments.device, recipe, kind, n) for kind, n in chosen]
            found = list(pool.map(dice_of, asked, chunksize=4))
            means = {kind: np.mean([d for d, (k, _) in zip(found, chosen, strict=True) if k == kind]) for kind in kinds}
            each = ", ".join(f"{kind} {mean:.3f}" for kind, mean in means.items())
            log.info("%-24s %.4f  (%s)  %.0f s", name, np.mean(list(means.values())), each, time.monotonic() - began)


@cache
def opened(items: Path) -> Items:
    """Return the items, read once a process."""
    torch.set_num_threads(1)
    return Items(items)


@cache
def looker_of(weights: Path, device: str, recipe: ZoomRecipe) -> Looker:
    """Return what looks, made once a process."""
    return Looker(network=network_in(weights, device), recipe=recipe, device=device)


def dice_of(asked: tuple[Path, Path, str, ZoomRecipe, str, int]) -> float:
    """Return the Dice of one target."""
    items, weights, device, recipe, kind, number = asked
    found = opened(items)
    return dice(looker_of(weights, device, recipe), found, found.targets[kind][number])


def recipes() -> Iterator[tuple[str, ZoomRecipe]]:
    """Yield the present recipe and its neighbours."""
    present = ZoomRecipe()
    yield "present", present
    for name, values in {
        "first_spacing_mm": (4.0, 5.5, 8.0),
        "wanted_share": (0.4, 0.45, 0.5, 0.55),
        "threshold": (0.4, 0.5, 0.6),
        "enough": (1.2, 1.3, 1.4),
        "spread": (1.0, 1.3),
        "mirrored": (False, True),
    }.items():
        for value in values:
            if value != getattr(present, name):
                yield f"{name} {value:g}", replace(present, **{name: value})


if __name__ == "__main__":
    main()
