"""Bundles of regions and of body positions with random weights of the true architecture, made by the true exports."""

import json
from pathlib import Path

import numpy as np
import torch
from models.position import export as position_export
from models.region import export as region_export

from similar_cases.describe.backends.body_network import BodyNetwork
from similar_cases.describe.backends.region_token.network import RegionShape, SharedSpace
from similar_cases.describe.radiomics import ALL_107, RadiomicsExtractor
from similar_cases.domain.description import RadiomicsRecipe


def position_bundle(folder: Path, seed: int = 3, **answers: object) -> Path:
    """Write a bundle of body coordinates of some kilobytes to `folder`, and return it.

    Random weights are in doubt; they may answer all the same, where `answers` does not say otherwise.
    """
    torch.manual_seed(seed)
    state = {"average": BodyNetwork((4, 4, 6, 6)).state_dict(), "spent": 0.0, "steps": 0, "held_out": ""}
    position_export.export(state, "0.0.0", folder, metrics={})
    path = folder / "configs" / "metadata.json"
    told = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**told, "answers": {**told["answers"], "doubt_mm": 1e6, **answers}}), "utf-8")
    return folder


def region_bundle(folder: Path, position: Path, seed: int = 3) -> Path:
    """Write a bundle of the shared space to `folder`, made for the coordinates of `position`, and return it."""
    torch.manual_seed(seed)
    recipe = RadiomicsExtractor(RadiomicsRecipe()).recipe
    told = {"names": ALL_107, "recipe": {**vars(recipe)}, "fingerprint": recipe.fingerprint, "kinds": ["a", "b"]}
    state = {
        "average": SharedSpace(RegionShape(widths=(4, 4, 4, 6, 6))).state_dict(),
        "knots": torch.from_numpy(np.linspace(-100.0, 100.0, 33)[None].repeat(len(ALL_107), axis=0)),
        "text": json.dumps(told),
        "spent": 0.0,
        "steps": 0,
    }
    region_export.export(state, region_export.space_of(position), "0.0.0", folder, metrics={})
    return folder
