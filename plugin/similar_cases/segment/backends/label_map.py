"""NIfTI files to and from a command that knows nothing else: a volume out, a label map with names back."""

import gzip
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from similar_cases.domain.errors import SegmentationFailed
from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.volume import Volume
from similar_cases.segment.anatomy import structures
from similar_cases.volume.resample import resample_array

#: a label map may have so many times the voxels of the volume that it was asked for
_MOST_VOXELS = 4
#: bytes of a NIfTI-1 header, and of the four that say whether names follow (NIfTI-1.1, nifti1.h)
_HEADER, _FLAGS = 348, 4
#: names of labels take less
_MOST_NAMES = 1 << 20
_LABEL = re.compile(rb'<Label Key="(\d{1,9})"[^>]*>\s*<!\[CDATA\[(.{1,200}?)\]\]>')


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Labels (k, j, i) on a volume's grid, 0 for none of them, and what each is called."""

    array: NDArray[np.int32]
    names: Mapping[int, str]

    def present(self) -> list[int]:
        """Return the named labels that some voxel has, ascending."""
        return [label for label in np.unique(self.array).tolist() if label in self.names]

    def labels_of(self, names: Iterable[str]) -> list[int]:
        """Return the labels that have one of the names, and some voxel, ascending."""
        wanted = {name.lower() for name in names}
        return [label for label in self.present() if self.names[label].lower() in wanted]


def write_volume(volume: Volume, path: Path) -> None:
    """Write a volume's voxels, without a word on whose they are.

    Raises:
        SegmentationFailed: for a grid whose axes are not at right angles; a NIfTI file of a command's kind has none.
    """
    steps = volume.geometry.affine[:3, 2::-1]  # ITK counts (i, j, k)
    spacing = np.linalg.norm(steps, axis=0)
    directions = steps / spacing
    if np.abs(directions.T @ directions - np.eye(3)).max() > 1e-3:
        raise SegmentationFailed("the volume's axes are not at right angles, which this segmenter cannot take")
    image = SimpleITK.GetImageFromArray(np.nan_to_num(volume.array, nan=0.0, posinf=0.0, neginf=0.0))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(volume.geometry.affine[:3, 3].tolist())
    # what is nearly orthonormal is made so: ITK refuses to write anything else
    turned, _, other = np.linalg.svd(directions)
    image.SetDirection((turned @ other).ravel().tolist())
    SimpleITK.WriteImage(image, str(path), useCompression=True, compressionLevel=1)


def read_label_map(path: Path, grid: VolumeGeometry) -> LabelMap:
    """Read a label map onto a volume's grid, nearest where its own is another.

    Raises:
        SegmentationFailed: for no file, one that is no label map, one that is far too large, or labels without names.
    """
    try:
        reader = SimpleITK.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        if reader.GetDimension() != 3 or np.prod([float(n) for n in reader.GetSize()]) > _MOST_VOXELS * np.prod(
            grid.shape
        ):
            raise SegmentationFailed(f"a label map of size {reader.GetSize()} for a volume of {grid.shape}")
        image = reader.Execute()
        array = np.rint(SimpleITK.GetArrayFromImage(image)).astype(np.int32)
        names = _names(path)
    except (RuntimeError, OSError, EOFError, struct.error) as error:
        raise SegmentationFailed(f"no label map came that can be read: {_first_line(error)}") from None
    found = LabelMap(_on(array, _grid_of(image, grid), grid), names)
    if unnamed := set(np.unique(found.array).tolist()) - {0, *names}:
        raise SegmentationFailed(f"the label map has labels without a name: {sorted(unnamed)[:3]}")
    return found


def _on(array: NDArray[np.int32], own: VolumeGeometry, grid: VolumeGeometry) -> NDArray[np.int32]:
    if own.is_aligned_with(grid):
        return array
    return np.asarray(resample_array(array, own, grid, order=0))


def _grid_of(image: SimpleITK.Image, like: VolumeGeometry) -> VolumeGeometry:
    """Return the grid of an ITK image, (k, j, i), in the Frame of Reference of the volume that it was made of."""
    affine = np.eye(4)
    directions = np.asarray(image.GetDirection()).reshape(3, 3)
    affine[:3, :3] = (directions * np.asarray(image.GetSpacing()))[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    i, j, k = image.GetSize()
    return VolumeGeometry(affine, (k, j, i), like.frame_of_reference_uid)


def _names(path: Path) -> dict[int, str]:
    """Return label → name from the header's extension, as Connectome Workbench writes it; else those of ``total``."""
    with gzip.open(path, "rb") as file:
        head = file.read(_HEADER + _FLAGS)
        (end,) = struct.unpack_from("<f", head, 108)  # vox_offset
        has_names = bool(head[_HEADER])
        told = file.read(min(int(end) - len(head), _MOST_NAMES)) if has_names and 0 < end < 2**31 else b""
    found = {int(key): name.decode("utf-8", "replace") for key, name in _LABEL.findall(told)}
    return found or {one.total: one.name for one in structures() if one.total is not None}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
