"""Where voxels lie: one convention, axes (slice k, row j, column i) and LPS millimetres."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from similar_cases.domain.errors import InvalidRequest

FloatArray = NDArray[np.float64]


def read_only(array: ArrayLike, dtype: type | np.dtype | None = None) -> NDArray:  # type: ignore[type-arg]
    """Return `array` as an array that cannot be written to; a copy is made only where the type differs."""
    frozen = np.asarray(array, dtype=dtype)
    if frozen.flags.writeable:
        frozen = frozen.view()
        frozen.setflags(write=False)
    return frozen


@dataclass(frozen=True, eq=False)
class VolumeGeometry:
    """A regular grid in one Frame of Reference.

    Attributes:
        affine: (4, 4), float64; maps homogeneous (k, j, i) indices of voxel centres to LPS mm
            (PS3.3 C.7.6.2.1.1, with DICOM's x, y, z).
        shape: number of (slices, rows, columns).
        frame_of_reference_uid: the Frame of Reference in which the millimetres count.

    >>> grid = VolumeGeometry(np.diag([5.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]], (10, 64, 64), "1.2.3")
    >>> grid.index_to_lps([[2, 0, 7]]).tolist()  # slice 2, row 0, column 7 is x = 7 mm, z = 10 mm
    [[7.0, 0.0, 10.0]]
    >>> grid.spacing_mm
    (5.0, 1.0, 1.0)
    """

    affine: FloatArray
    shape: tuple[int, int, int]
    frame_of_reference_uid: str

    def __post_init__(self) -> None:
        """Freeze the affine; refuse one that cannot be inverted."""
        affine = read_only(self.affine, np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise InvalidRequest("the affine must be a finite, invertible (4, 4) matrix")
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along (k, j, i), mm."""
        k, j, i = (float(round(np.linalg.norm(self.affine[:3, axis]), 9)) for axis in range(3))
        return k, j, i

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel, mm³."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    def index_to_lps(self, indices: ArrayLike) -> FloatArray:
        """Map (n, 3) indices (k, j, i), fractions allowed, to (n, 3) LPS mm (x, y, z)."""
        points = np.asarray(indices, dtype=np.float64).reshape(-1, 3)
        return points @ self.affine[:3, :3].T + self.affine[:3, 3]

    def lps_to_index(self, points_lps: ArrayLike) -> FloatArray:
        """Map (n, 3) LPS mm (x, y, z) to (n, 3) fractional indices (k, j, i)."""
        points = np.asarray(points_lps, dtype=np.float64).reshape(-1, 3)
        return (points - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T

    def contains_lps(self, point_lps: ArrayLike) -> bool:
        """Tell whether an LPS point (3,) lies inside the grid, borders of the outer voxels included."""
        index = self.lps_to_index(point_lps)[0]
        return bool(np.all(index >= -0.5) and np.all(index <= np.asarray(self.shape) - 0.5))

    def crop(self, lower_index: ArrayLike, shape: tuple[int, int, int]) -> "VolumeGeometry":
        """Return the grid of the box that starts at `lower_index` (k, j, i) and has `shape` voxels."""
        affine = np.array(self.affine)
        affine[:3, 3] = self.index_to_lps(lower_index)[0]
        return replace(self, affine=affine, shape=shape)

    def is_aligned_with(self, other: "VolumeGeometry", tolerance_mm: float = 1e-2) -> bool:
        """Tell whether both are the same grid in the same Frame of Reference, corner by corner."""
        if self.shape != other.shape or self.frame_of_reference_uid != other.frame_of_reference_uid:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape])).reshape(3, -1).T
        return bool(np.abs(self.index_to_lps(corners) - other.index_to_lps(corners)).max() < tolerance_mm)
