"""Bundles with random weights of the true architecture, made by the export that makes the true one; and its scripts."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import torch

from similar_cases.segment.backends.promptable.network import NetworkShape, PromptableUNet

SCRIPTS = Path(__file__).parents[3] / "models" / "promptable"


def script(name: str) -> ModuleType:
    """Return models/promptable/<name>.py as a module; the scripts import each other by their bare names."""
    if str(SCRIPTS) not in sys.path:
        sys.path.append(str(SCRIPTS))
    return importlib.import_module(name)


def random_network(seed: int = 3) -> PromptableUNet:
    torch.manual_seed(seed)
    return PromptableUNet(NetworkShape(widths=(4, 4, 6, 6, 8), blocks=(1, 1, 2, 1, 1))).eval()


def random_bundle(folder: Path, seed: int = 3) -> Path:
    """Write a bundle of some kilobytes to `folder`, and return it."""
    export = script("export")
    training = export.Training(random_network(seed).state_dict(), minutes=0, steps=0)
    export.export(training, "0.0.0", folder, metrics={})
    return folder
