"""The block that our encoders are made of; one, so that the weights of a segmentation can begin a describer."""

from torch import Tensor, nn
from torch.nn import functional


class ResidualBlock(nn.Module):
    """Two 3x3x3 convolutions with instance normalisation, added to their input."""

    def __init__(self, before: int, after: int, *, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv3d(before, after, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.InstanceNorm3d(after, affine=True)
        self.second = nn.Conv3d(after, after, 3, padding=1, bias=False)
        self.second_norm = nn.InstanceNorm3d(after, affine=True)
        same = before == after and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv3d(before, after, 1, stride=stride, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, after, z, y, x), halved in each side where the stride is 2."""
        inner = functional.leaky_relu(self.first_norm(self.first(features)), 0.01)
        inner = self.second_norm(self.second(inner))
        return functional.leaky_relu(inner + self.shortcut(features), 0.01)
