"""An embedder whose networks forgot what they learnt: what the architecture and the preprocessing alone are worth."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from similar_cases.describe.embedder import Embedder
from similar_cases.domain.description import Embedding, EmbeddingSpace
from similar_cases.domain.errors import InvalidSettings
from similar_cases.domain.region import Region
from similar_cases.domain.volume import Volume

#: how far from the embedder's own attributes a network is looked for
_DEPTH = 3


class UntrainedEmbedder:
    """Implements Embedder with another's architecture and random weights; the same seed gives the same vectors.

    Weights are drawn as He et al. 2015 (arXiv 1502.01852) do, so that signals keep their size through the layers.
    """

    def __init__(self, embedder: Embedder, seed: int = 0) -> None:
        """Take `embedder` over; its networks are changed in place.

        Raises:
            InvalidSettings: where it has no torch network.
        """
        networks = list({id(one): one for one in _networks_in(embedder, _DEPTH)}.values())
        if not networks:
            raise InvalidSettings("this embedder has no network that could be untrained")
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            for network in networks:
                _forget(network)
        self._embedder = embedder
        self._seed = seed

    @property
    def region_space(self) -> EmbeddingSpace:
        """The space of Region vectors."""
        return self._renamed(self._embedder.region_space)

    @property
    def series_space(self) -> EmbeddingSpace:
        """The space of Volume vectors."""
        return self._renamed(self._embedder.series_space)

    @property
    def slice_space(self) -> EmbeddingSpace:
        """The space of slice vectors."""
        return self._renamed(self._embedder.slice_space)

    def embed_regions(self, volume: Volume, regions: Sequence[Region]) -> list[Embedding]:
        """Return one vector a Region, in the order of `regions`."""
        return [Embedding(one.vector, self.region_space) for one in self._embedder.embed_regions(volume, regions)]

    def embed_volume(self, volume: Volume) -> tuple[Embedding, NDArray[np.float16]]:
        """Return the Volume's vector, and the unit vectors of its slices."""
        whole, slices = self._embedder.embed_volume(volume)
        return Embedding(whole.vector, self.series_space), slices

    def _renamed(self, space: EmbeddingSpace) -> EmbeddingSpace:
        return replace(space, model=f"{space.model}, untrained", weights=f"He et al. 2015, seed {self._seed}")


def _networks_in(thing: object, depth: int) -> Iterator[nn.Module]:
    """Yield the networks among the attributes of `thing`, and of what they are, `depth` steps far."""
    if isinstance(thing, nn.Module):
        yield thing
    elif depth and hasattr(thing, "__dict__"):
        for attribute in vars(thing).values():
            for one in attribute.values() if isinstance(attribute, dict) else (attribute,):
                yield from _networks_in(one, depth - 1)


def _forget(network: nn.Module) -> None:
    for module in network.modules():
        own = dict(module.named_parameters(recurse=False))
        if isinstance(module, nn.modules.batchnorm._NormBase | nn.LayerNorm | nn.GroupNorm):
            module.reset_parameters()
        elif isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        else:
            for parameter in own.values():
                nn.init.normal_(parameter, std=0.02)
