"""Bundles of regions and of body positions with random weights of the true architecture, made by the true exports."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from similar_cases.describe.backends.body_network import BodyNetwork
from similar_cases.describe.backends.region_token.network import RegionShape, SharedSpace
from similar_cases.describe.radiomics import ALL_107, RadiomicsExtractor
from similar_cases.domain.description import RadiomicsRecipe

MODELS = Path(__file__).parents[3] / "models"


def script(bundle: str, name: str) -> ModuleType:
    """Return models/<bundle>/<name>.py as a module; scripts of several bundles have the same names."""
    unique = f"{bundle}_{name}"
    if unique not in sys.modules:
        folder = str(MODELS / bundle)
        if folder not in sys.path:
            sys.path.append(folder)
        spec = importlib.util.spec_from_file_location(unique, MODELS / bundle / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[unique] = module
        spec.loader.exec_module(module)
    return sys.modules[unique]


def position_bundle(folder: Path, seed: int = 3) -> Path:
    """Write a bundle of body coordinates of some kilobytes to `folder`, and return it."""
    torch.manual_seed(seed)
    state = {"upright": BodyNetwork((4, 4, 6, 6)).state_dict(), "spent": 0.0, "steps": 0}
    script("position", "export").export(state, "0.0.0", folder, metrics=[])
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
    export = script("region", "export")
    export.export(state, export.space_of(position), "0.0.0", folder, metrics={})
    return folder
