"""Tests that need a GPU; asked for by their folder: ``pytest tests/gpu``."""

import pytest
import torch


@pytest.fixture(scope="session")
def cuda(request: pytest.FixtureRequest) -> str:
    """The GPU's name for torch."""
    if torch.cuda.is_available():
        return "cuda"
    reason = "torch finds no GPU"
    if request.config.getoption("--require-gpu"):
        pytest.fail(reason)
    pytest.skip(reason)
