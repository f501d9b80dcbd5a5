"""Draws what the network learns from: pieces of scans, turned, stretched, bent, cut off, seen through other eyes.

Three trunks are few: what makes them many is done here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from models.position.scans import AIR_HU, Scan
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from similar_cases.describe.backends.body_network import OUTSIDE_HU, SIZE, SPACING_MM, STRIDE, TISSUE_HU

#: of the crops look at a trunk
TRUNK_SHARE = 0.8
#: spread of a body's size (logarithm), of each axis beside it, of turns (radians) and of shears
SIZE_SPREAD, AXIS_SPREAD, TURN_SPREAD, SHEAR_SPREAD = 0.12, 0.05, 0.08, 0.03
#: bending: points a side that are pushed about, and the largest spread of a push, mm
BENT_POINTS, BENT_MM = (3, 7), 14.0
#: share of crops cut to a slab, and half of its height, mm
SLABS, SLAB_MM = 0.55, (20.0, 130.0)
#: share of crops cut to a box within the slices, and half of its side; further ones to a circle, and its radius
BOXES, BOX_MM = 0.5, (35.0, 130.0)
CIRCLES, CIRCLE_MM = 0.15, (120.0, 230.0)
#: what is no longer inside the image
INSIDE_HU = -1500.0


@dataclass(frozen=True, eq=False)
class Drawn:
    """Crops.

    Attributes:
        cubes: (n, z, y, x) HU.
        seen: the same through other eyes.
        places: (n, cells, 3) mm where the output's cells lie, in the standard body, or in an extremity's own frame.
        trunk: (n,) bool.
    """

    cubes: Tensor
    seen: Tensor
    places: Tensor
    trunk: Tensor


class Crops:
    """Draws from `scans`; `frames` bring trunks to the standard body, see `frame.body_frames`."""

    def __init__(self, scans: Sequence[Scan], frames: Mapping[str, NDArray[np.float64]], seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.groups = [[one for one in scans if one.trunk is trunk] for trunk in (True, False)]
        self.frames = {name: torch.from_numpy(frame) for name, frame in frames.items()}
        self.bodies = {one.name: torch.argwhere(one.versions[0] > TISSUE_HU) for one in scans}
        axis = (torch.arange(SIZE) - (SIZE - 1) / 2) * SPACING_MM
        #: (z, y, x, 3) mm (x, y, z) of the cube's voxels from its middle
        self.voxels_mm = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).flip(-1)

    def draw(self, count: int) -> Drawn:
        """Return `count` crops."""
        drawn = [self._one() for _ in range(count)]
        cubes = torch.stack([cube for cube, _, _ in drawn])
        return Drawn(
            cubes=cubes,
            seen=torch.stack([self._seen(one) for one in cubes]),
            places=torch.stack([places for _, places, _ in drawn]),
            trunk=torch.tensor([trunk for _, _, trunk in drawn]),
        )

    def _one(self) -> tuple[Tensor, Tensor, bool]:
        trunk = bool(self.rng.random() < TRUNK_SHARE or not self.groups[1]) and bool(self.groups[0])
        group = self.groups[0] if trunk else self.groups[1]
        scan = group[self.rng.integers(len(group))]
        points = self._points(scan)
        cube = sampled(scan.versions[self.rng.integers(len(scan.versions))], scan.affine, points)
        cells = functional.avg_pool3d(points.permute(3, 0, 1, 2)[None], STRIDE)[0].flatten(1).T.double()
        frame = self.frames.get(scan.name, torch.eye(4, dtype=torch.float64))
        return self._cut_off(cube), (cells @ frame[:3, :3].T + frame[:3, 3]).float(), trunk

    def _points(self, scan: Scan) -> Tensor:
        """Return where in the scan the cube's voxels are taken from, (z, y, x, 3) LPS mm: a body of another shape."""
        body = self.bodies[scan.name]
        index = body[self.rng.integers(len(body))].double()
        middle = scan.affine[:3, :3] @ index + scan.affine[:3, 3] + torch.from_numpy(self.rng.normal(0, 15, 3))
        turns = torch.from_numpy(self.rng.normal(0, TURN_SPREAD, 3))
        skew = torch.linalg.cross(turns.expand(3, 3), torch.eye(3, dtype=torch.float64), dim=1).T
        sizes = self.rng.normal(0, SIZE_SPREAD) + self.rng.normal(0, AXIS_SPREAD, 3)
        stretched = torch.diag(torch.from_numpy(np.exp(sizes))) @ torch.linalg.matrix_exp(skew)
        shear = torch.eye(3, dtype=torch.float64) + torch.from_numpy(self.rng.normal(0, SHEAR_SPREAD, (3, 3)))
        side = int(self.rng.integers(*BENT_POINTS))
        pushes = torch.from_numpy(self.rng.normal(0, self.rng.uniform(0, BENT_MM), (1, 3, side, side, side))).float()
        bent = functional.interpolate(pushes, size=(SIZE,) * 3, mode="trilinear", align_corners=True)[0]
        return self.voxels_mm @ (stretched @ shear).T.float() + middle.float() + bent.permute(1, 2, 3, 0)

    def _cut_off(self, cube: Tensor) -> Tensor:
        """Return the cube with less of the body to see: a slab of slices, a box, a scanner's circle."""
        away = self.voxels_mm.abs() * 0.0
        if self.rng.random() < SLABS:
            away[..., 2] = self._beyond(2, SLAB_MM, 0.9)
        kind = self.rng.random()
        if kind < BOXES:
            for axis in (0, 1):
                away[..., axis] = self._beyond(axis, BOX_MM, 0.8)
        cube = torch.where((away > 0).any(-1), OUTSIDE_HU, cube)
        if BOXES <= kind < BOXES + CIRCLES:
            middle = torch.from_numpy(self.rng.normal(0, 60, 2)).float()
            round_it = (self.voxels_mm[..., :2] - middle).norm(dim=-1) > self.rng.uniform(*CIRCLE_MM)
            cube = torch.where(round_it, OUTSIDE_HU if self.rng.random() < 0.5 else AIR_HU, cube)
        return cube

    def _beyond(self, axis: int, half_mm: tuple[float, float], shift: float) -> Tensor:
        half = self.rng.uniform(*half_mm)
        middle = self.rng.uniform(-shift, shift) * half
        return ((self.voxels_mm[..., axis] - middle).abs() > half).float()

    def _seen(self, cube: Tensor) -> Tensor:
        """Return a cube through other eyes: thicker slices, other contrast of soft tissue, another scale, noise."""
        rng, values = self.rng, cube
        if rng.random() < 0.5:
            above_air = cube.clamp(min=AIR_HU)[None, None]
            values = functional.avg_pool3d(above_air, (3, 1, 1), 1, (1, 0, 0), count_include_pad=False)[0, 0]
        soft = torch.sigmoid((values + 20) / 15)
        values = values + soft * ((values - 30) * float(np.exp(rng.normal(0.1, 0.25)) - 1) + rng.normal(0, 12))
        values = values * (1 + rng.normal(0, 0.03)) + rng.normal(0, 10)
        noise = torch.from_numpy(rng.standard_normal(tuple(cube.shape), dtype=np.float32))
        return torch.where(cube > INSIDE_HU, values + abs(rng.normal(0, 12)) * noise, cube)


def sampled(voxels: Tensor, affine: Tensor, points_lps: Tensor) -> Tensor:
    """Return the values of voxels (k, j, i) at points (z, y, x, 3), LPS mm; OUTSIDE_HU beyond the image.

    >>> voxels = torch.arange(8.0).reshape(2, 2, 2)
    >>> affine = torch.eye(4, dtype=torch.float64)[[2, 1, 0, 3]]
    >>> sampled(voxels, affine, torch.tensor([[[[0.0, 0.0, 1.0], [5.0, 0.0, 0.0]]]])).tolist()  # z, the slice, is last
    [[[4.0, -2000.0]]]
    """
    to_index = torch.linalg.inv(affine)
    index = points_lps @ to_index[:3, :3].T.float() + to_index[:3, 3].float()
    last = torch.tensor(voxels.shape) - 1
    where = (2 * index / last.clamp(min=1) - 1).flip(-1)
    above = (voxels - OUTSIDE_HU)[None, None]
    found = functional.grid_sample(above, where[None], align_corners=True, padding_mode="zeros")[0, 0] + OUTSIDE_HU
    return torch.where(((index < -0.5) | (index > last + 0.5)).any(-1), OUTSIDE_HU, found)
