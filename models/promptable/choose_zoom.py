"""Compares ways of looking (`ZoomRecipe`) on the training patients, one click at the centroid; validation is not read.

    python models/promptable/choose_zoom.py --items .cache/promptable-training.npz --weights .cache/promptable/best.pt

Prints the mean Dice by modality of each recipe that differs from the present one in one number. The network has seen
these patients, but through random crops: at what scale to look is no more known to it than for a new patient.
"""

import argparse
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from train import Items, Target

from similar_cases.segment.backends.promptable.network import PromptableUNet
from similar_cases.segment.backends.promptable.zoom import Grid, Hints, Looker, ZoomRecipe

log = logging.getLogger(__name__)


def main() -> None:
    """Print a line a recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="best.pt or last.pt")
    parser.add_argument("--every", type=int, default=1, help="take every so many-th target, to be quick")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    items = Items(arguments.items)
    targets = {kind: found[:: arguments.every] for kind, found in items.targets.items() if kind.startswith("sarcoma")}
    network = PromptableUNet().eval()
    state = torch.load(arguments.weights, map_location="cpu", weights_only=True)
    network.load_state_dict(state.get("average", state))  # last.pt holds more than weights
    for name, recipe in recipes():
        began = time.monotonic()
        looker = Looker(network=network, recipe=recipe)
        means = {kind: np.mean([dice(looker, items, one) for one in found]) for kind, found in targets.items()}
        each = ", ".join(f"{kind} {mean:.3f}" for kind, mean in means.items())
        log.info("%-24s %.4f  (%s)  %.0f s", name, np.mean(list(means.values())), each, time.monotonic() - began)


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


def dice(looker: Looker, items: Items, chosen: Target) -> float:
    """Return the Dice of one click at the centroid."""
    affine = items.affines[chosen.item]
    click = affine[:3, :3] @ torch.from_numpy(chosen.centroid.astype(float)) + affine[:3, 3]
    truth = items.labels[chosen.item] == chosen.label
    found = looker.mask(Grid(items.voxels[chosen.item].numpy(), affine), Hints(positive=click[None]))
    mask = found.full_mask(truth.shape)
    return float(2 * (mask & truth).sum() / max(1, mask.sum() + truth.sum()))


if __name__ == "__main__":
    main()
