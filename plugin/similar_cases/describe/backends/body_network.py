"""The network that tells where in a body a voxel of a CT lies, and how a CT becomes its input.

After the anatomical positional embedding of RadiomicsRetrieval (arXiv 2507.08546, section 2.1; Goncharov et al. 2024):
the distance between two outputs is the distance between the places. Here it looks coarsely and far, so that it runs and
learns on a CPU, and its outputs are millimetres in the frame of one standard body.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from similar_cases.describe.backends.cube import Cube, cut

#: voxels a side of the cube that is looked at, and the side of a voxel: 384 mm
SIZE, SPACING_MM = 48, 8.0
#: Hounsfield units that become 0 and 1, a channel each: all, soft tissue, bone
WINDOWS_HU = ((-1000.0, 300.0), (-160.0, 240.0), (100.0, 900.0))
#: what stands outside the image, and the width of a fourth channel that tells it from air
OUTSIDE_HU, OUTSIDE_TO_AIR_HU = -2000.0, 900.0
#: voxels of the cube a voxel of the output, called a cell
STRIDE = 4
#: what one step of the last layer is, mm
STEP_MM = 100.0
#: voxels over this count as body; lungs are seen by what surrounds them
TISSUE_HU = -400.0
#: cells so far from the middle say less of the middle, mm
NEAR_MM = 100.0


class BodyNetwork(nn.Module):
    """Levels down to 3 voxels a side, up again to 12: coordinates at every fourth voxel.

    Batch normalisation, whose statistics are fixed after training: the answer does not depend on what else is asked.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 96)) -> None:
        super().__init__()
        self.widths = widths
        channels, merged = len(WINDOWS_HU) + 1, widths[1] + 16
        self.down = nn.ModuleList(_Block(a, b, stride=2) for a, b in zip((channels, *widths[:-1]), widths, strict=True))
        self.across = nn.ModuleList(nn.Conv3d(width, merged, 1) for width in widths[1:])
        self.smooth = _Block(merged, merged, stride=1)
        self.place = nn.Conv3d(merged, 3, 1)

    def forward(self, windowed: Tensor) -> Tensor:
        """Return coordinates (x, y, z) in mm, (n, 3, z / 4, y / 4, x / 4), of cubes (n, 4, z, y, x) in 0 to 1."""
        features, levels = windowed, []
        for block in self.down:
            features = block(features)
            levels.append(features)
        merged = self.across[-1](levels[-1])
        for project, level in zip(reversed(self.across[:-1]), reversed(levels[1:-1]), strict=True):
            merged = functional.interpolate(merged, size=level.shape[2:], mode="trilinear") + project(level)
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
    """Bring Hounsfield units (n, z, y, x) to channels (n, 4, z, y, x) of 0 to 1; the last is 0 outside the image.

    >>> seen = windowed(torch.tensor([-2000.0, -1000.0, 40.0]).reshape(3, 1, 1, 1))
    >>> seen.flatten(1).double().round(decimals=2).tolist()
    [[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.8, 0.5, 0.0, 1.0]]
    """
    windows = [*WINDOWS_HU, (OUTSIDE_HU, OUTSIDE_HU + OUTSIDE_TO_AIR_HU)]
    return torch.stack([((voxels_hu - low) / (high - low)).clamp(0.0, 1.0) for low, high in windows], dim=1)


def cells_mm(size: int = SIZE, spacing_mm: float = SPACING_MM) -> Tensor:
    """Return where the cells' middles lie from the cube's middle, (cells, 3) float64 mm (x, y, z), x running fastest.

    >>> cells_mm(8, 1.0)[:3].tolist()
    [[-2.0, -2.0, -2.0], [2.0, -2.0, -2.0], [-2.0, 2.0, -2.0]]
    """
    axis = torch.arange(size // STRIDE, dtype=torch.float64) * STRIDE + (STRIDE - 1) / 2 - (size - 1) / 2
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(-1, 3).flip(1) * spacing_mm


def tissue_share(voxels_hu: Tensor) -> Tensor:
    """Return the share of each cell that is body, (n, cells), of cubes (n, z, y, x) in HU."""
    return functional.avg_pool3d((voxels_hu > TISSUE_HU).float()[:, None], STRIDE).flatten(1)


def coordinate_in_the_middle(coordinates: Tensor) -> Tensor:
    """Return (n, 3) mm of the middle of each cube, where eight cells meet, from the output (n, 3, z, y, x)."""
    middle = coordinates.shape[-1] // 2
    inner = slice(middle - 1, middle + 1)
    return coordinates[:, :, inner, inner, inner].float().mean((2, 3, 4))


def doubt_in_the_middle(coordinates: Tensor, voxels_hu: Tensor) -> Tensor:
    """Return (n,) mm: how far the cells round the middle disagree on where the middle is.

    Each cell knows how far it is from the middle, so its coordinate less that is its word on the middle's.

    Args:
        coordinates: (n, 3, z, y, x) cells, the network's output.
        voxels_hu: (n, z, y, x) voxels of the cubes that it saw.
    """
    offsets = cells_mm(voxels_hu.shape[-1]).to(coordinates)
    words = coordinates.float().flatten(2).transpose(1, 2) - offsets
    told = coordinate_in_the_middle(coordinates)[:, None]
    near = torch.exp(-0.5 * (offsets / NEAR_MM).square().sum(1))
    weights = tissue_share(voxels_hu) * near + 1e-6
    doubt: Tensor = ((words - told).norm(dim=2) * weights).sum(1) / weights.sum(1)
    return doubt


def coordinates_at(network: BodyNetwork, voxels_hu: Tensor, affine: Tensor, points_lps: Tensor) -> Tensor:
    """Return the body coordinates (n, 3), mm along (x, y, z), of points (n, 3), LPS mm.

    Args:
        network: in evaluation mode.
        voxels_hu: (k, j, i), on the network's device.
        affine: (4, 4) float64 from (k, j, i) to LPS mm.
        points_lps: (n, 3).
    """
    cubes = [cut(voxels_hu, affine, Cube(one, SPACING_MM, SIZE), OUTSIDE_HU) for one in points_lps.double()]
    return torch.cat([coordinate_in_the_middle(network(windowed(one[None]))) for one in cubes])
