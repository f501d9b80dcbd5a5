"""Bundles with random weights of the true architecture, made by the export that makes the true one."""

from pathlib import Path

import torch
from models.promptable import export

from similar_cases.segment.backends.promptable.network import NetworkShape, PromptableUNet


def random_network(seed: int = 3) -> PromptableUNet:
    torch.manual_seed(seed)
    return PromptableUNet(NetworkShape(widths=(4, 4, 6, 6, 8), blocks=(1, 1, 2, 1, 1))).eval()


def random_bundle(folder: Path, seed: int = 3) -> Path:
    """Write a bundle of some kilobytes to `folder`, and return it."""
    training = export.Training(random_network(seed).state_dict(), minutes=0, steps=0)
    export.export(training, "0.0.0", folder, metrics={})
    return folder
