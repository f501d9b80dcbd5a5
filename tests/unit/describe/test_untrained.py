import numpy as np
import pytest
import torch
from torch import nn

from similar_cases.describe.backends.untrained import UntrainedEmbedder
from similar_cases.domain.description import Embedding, EmbeddingSpace, Level
from similar_cases.domain.errors import InvalidSettings


class Small:
    """Three layers that are trained to say one."""

    def __init__(self):
        self._parts = {"body": nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.PReLU(), nn.Linear(4, 3))}
        for parameter in self._parts["body"].parameters():
            nn.init.ones_(parameter)
        self._parts["body"].eval()

    def _space(self, level):
        return EmbeddingSpace(model="small", version="1", weights="trained", preprocessing="", level=level, size=3)

    region_space = property(lambda self: self._space(Level.REGION))
    series_space = property(lambda self: self._space(Level.SERIES))
    slice_space = property(lambda self: self._space(Level.SLICE))

    def _vector(self):
        with torch.no_grad():
            return self._parts["body"](torch.ones(1, 4))[0].numpy()

    def embed_regions(self, volume, regions):
        return [Embedding(self._vector(), self.region_space) for _ in regions]

    def embed_volume(self, volume):
        return Embedding(self._vector(), self.series_space), self._vector()[None].astype(np.float16)


def test_what_was_learnt_is_gone_and_the_same_each_time():
    [trained] = Small().embed_regions(None, [None])
    once, again = (UntrainedEmbedder(Small()).embed_regions(None, [None])[0] for _ in range(2))
    other = UntrainedEmbedder(Small(), seed=1).embed_regions(None, [None])[0]
    np.testing.assert_array_equal(once.vector, again.vector)
    assert abs(float(once.vector @ trained.vector)) < 0.99
    assert abs(float(once.vector @ other.vector)) < 0.99


def test_its_spaces_are_its_own():
    trained, untrained = Small(), UntrainedEmbedder(Small())
    for name in ("region_space", "series_space", "slice_space"):
        assert getattr(trained, name).id != getattr(untrained, name).id
        assert getattr(untrained, name).model == "small, untrained"
    whole, slices = untrained.embed_volume(None)
    assert (whole.space, slices.shape) == (untrained.series_space, (1, 3))


def test_randomness_elsewhere_is_left_alone():
    embedder = Small()
    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    UntrainedEmbedder(embedder)
    assert torch.rand(1) == before


def test_what_has_no_network_is_refused():
    with pytest.raises(InvalidSettings, match="no network"):
        UntrainedEmbedder(object())
