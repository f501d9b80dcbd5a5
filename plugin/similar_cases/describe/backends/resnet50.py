"""ResNet50 (He et al., arXiv 1512.03385) in torch alone, named as torchvision's; stride in the 3x3 convolution."""

import re
from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional

#: RadImageNet's checkpoint numbers the children of torchvision's network
_CHILDREN = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
_BLOCKS = (3, 4, 6, 3)


class ResNet50(nn.Module):
    """The network without its classifier: (n, 3, side, side) pictures to (n, 2048, side / 32, side / 32) features."""

    #: channels of the last feature map
    size = 2048

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inner, given = 64, 64
        for number, blocks in enumerate(_BLOCKS, start=1):
            stride = 1 if number == 1 else 2
            rest = [_Bottleneck(4 * inner, inner, 1) for _ in range(blocks - 1)]
            setattr(self, f"layer{number}", nn.Sequential(_Bottleneck(given, inner, stride), *rest))
            inner, given = 2 * inner, 4 * inner

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the last feature map."""
        maps = functional.max_pool2d(functional.relu(self.bn1(self.conv1(pictures))), 3, stride=2, padding=1)
        for number in range(1, len(_BLOCKS) + 1):
            maps = getattr(self, f"layer{number}")(maps)
        return maps


class _Bottleneck(nn.Module):
    def __init__(self, given: int, inner: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(given, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, 4 * inner, 1, bias=False), nn.BatchNorm2d(4 * inner)
        if stride != 1 or given != 4 * inner:
            shortcut = nn.Conv2d(given, 4 * inner, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(4 * inner))

    def forward(self, maps: Tensor) -> Tensor:
        inner = functional.relu(self.bn1(self.conv1(maps)))
        inner = functional.relu(self.bn2(self.conv2(inner)))
        kept = self.downsample(maps) if hasattr(self, "downsample") else maps
        return functional.relu(self.bn3(self.conv3(inner)) + kept)


def with_torchvisions_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under torchvision's names, the classifier left out.

    >>> import torch
    >>> sorted(with_torchvisions_names({"backbone.4.0.bn1.bias": torch.ones(1), "fc.bias": torch.ones(1)}))
    ['layer1.0.bn1.bias']
    """
    named = {}
    for name, tensor in tensors.items():
        plain = re.sub(r"^backbone\.(\d)\.", lambda found: f"{_CHILDREN.get(found[1], found[0])}.", name)
        if not plain.startswith(("fc.", "linear.", "classifier.")):
            named[plain] = tensor
    return named
