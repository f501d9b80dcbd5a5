"""The network that tells where in a body a voxel of a CT lies, and how a CT becomes its input.

After the anatomical positional embedding of RadiomicsRetrieval (arXiv 2507.08546, section 2.1; Goncharov et al. 2024):
the distance between two outputs is the distance between the places, which needs no label to learn from.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from similar_cases.describe.backends.cube import Cube, cut

#: voxels a side of the cube that is looked at, and the side of a voxel: 256 mm
SIZE, SPACING_MM = 64, 4.0
#: Hounsfield units that become 0 and 1; the network was trained so, and must be asked so
WINDOW_HU = (-1000.0, 300.0)
#: voxels of the cube a voxel of the output
STRIDE = 4
#: what one step of the last layer is, mm
STEP_MM = 100.0


class BodyNetwork(nn.Module):
    """Four levels down to 16 voxels a side less, two up again: coordinates at every fourth voxel.

    Batch normalisation, whose statistics are fixed after training: the answer does not depend on what else is asked.
    """

    def __init__(self, widths: tuple[int, ...] = (24, 48, 96, 128)) -> None:
        super().__init__()
        self.widths = widths
        self.down = nn.ModuleList(_Block(a, b, stride=2) for a, b in zip((1, *widths[:-1]), widths, strict=True))
        self.across = nn.ModuleList(nn.Conv3d(width, widths[1], 1) for width in widths[1:])
        self.smooth = _Block(widths[1], widths[1], stride=1)
        self.place = nn.Conv3d(widths[1], 3, 1)

    def forward(self, windowed: Tensor) -> Tensor:
        """Return coordinates in mm, (n, 3, z / 4, y / 4, x / 4), of cubes (n, 1, z, y, x) in 0 to 1."""
        features, levels = windowed, []
        for block in self.down:
            features = block(features)
            levels.append(features)
        merged = self.across[-1](levels[-1])
        for project, level in zip(reversed(self.across[:-1]), reversed(levels[1:-1]), strict=True):
            merged = functional.interpolate(merged, scale_factor=2, mode="trilinear") + project(level)
        coordinates: Tensor = self.place(self.smooth(merged)) * STEP_MM
        return coordinates


class _Block(nn.Module):
    """Two convolutions, added to their input."""

    def __init__(self, before: int, after: int, *, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(before, after, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm3d(after)
        self.second = nn.Conv3d(after, after, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm3d(after)
        self.shortcut = nn.Conv3d(before, after, 1, stride=stride, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        inner = functional.relu(self.first_norm(self.first(features)))
        return functional.relu(self.second_norm(self.second(inner)) + self.shortcut(features))


def windowed(voxels_hu: Tensor) -> Tensor:
    """Bring Hounsfield units to 0 to 1.

    >>> windowed(torch.tensor([-2000.0, -350.0, 300.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    low, high = WINDOW_HU
    return ((voxels_hu - low) / (high - low)).clamp(0.0, 1.0)


def coordinate_in_the_middle(coordinates: Tensor) -> Tensor:
    """Return (n, 3) mm of the middle of each cube, where eight cells meet, from the output (n, 3, z, y, x)."""
    middle = coordinates.shape[-1] // 2
    inner = slice(middle - 1, middle + 1)
    return coordinates[:, :, inner, inner, inner].float().mean((2, 3, 4))


def coordinates_at(network: BodyNetwork, voxels_hu: Tensor, affine: Tensor, points_lps: Tensor) -> Tensor:
    """Return the body coordinates (n, 3), mm along (x, y, z), of points (n, 3), LPS mm.

    Args:
        network: in evaluation mode.
        voxels_hu: (k, j, i), on the network's device.
        affine: (4, 4) float64 from (k, j, i) to LPS mm.
        points_lps: (n, 3).
    """
    cubes = [cut(voxels_hu, affine, Cube(one, SPACING_MM, SIZE), WINDOW_HU[0]) for one in points_lps.double()]
    return torch.cat([coordinate_in_the_middle(network(windowed(one)[None, None])) for one in cubes])
