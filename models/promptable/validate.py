"""Measures weights on the validation patients, one click at the centroid; train.py runs it beside itself.

    python -m models.promptable.validate --items .cache/promptable-training.npz --weights .cache/promptable/best.pt

Writes the mean Dice by kind beside the weights, as JSON.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from models.promptable.atlas import Items, Target

from similar_cases.segment.backends.promptable.look import Grid, Hints
from similar_cases.segment.backends.promptable.network import PromptableUNet
from similar_cases.segment.backends.promptable.zoom import Looker

#: of the hippocampus set, so many are enough to notice a fault
_HIPPOCAMPI = 20


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    items = Items(arguments.items)
    looker = Looker(network=network_in(arguments.weights, arguments.device), device=arguments.device)
    scores = {
        kind: float(
            np.mean([dice(looker, items, one) for one in targets[: _HIPPOCAMPI if kind == "hippocampus" else None]])
        )
        for kind, targets in items.validation.items()
    }
    partial = arguments.weights.with_suffix(".partial")
    partial.write_text(json.dumps(scores))
    partial.replace(arguments.weights.with_suffix(".json"))


def network_in(weights: Path, device: str = "cpu") -> PromptableUNet:
    """Return the network with the weights of best.pt or last.pt."""
    state = torch.load(weights, map_location="cpu", weights_only=True)
    return network_with(state.get("average", state)).to(device)


def network_with(weights: Mapping[str, torch.Tensor]) -> PromptableUNet:
    """Return the network with `weights`, which may have no judge of scales yet: train_judge.py makes that."""
    network = PromptableUNet().eval()
    network.load_state_dict(network.state_dict() | {name: tensor.float() for name, tensor in weights.items()})
    return network


def dice(looker: Looker, items: Items, chosen: Target) -> float:
    """Return the Dice of one click at the centroid."""
    affine = items.affine(chosen.item)
    index = torch.from_numpy(chosen.centroid / items.spacings[chosen.item])
    click = affine[:3, :3] @ index + affine[:3, 3]
    truth = items.labels[chosen.item] == chosen.label
    found = looker.mask(Grid(items.voxels[chosen.item].float().numpy(), affine), Hints(positive=click[None]))
    mask = found.full_mask(truth.shape)
    return float(2 * (mask & truth).sum() / max(1, mask.sum() + truth.sum()))


if __name__ == "__main__":
    main()
