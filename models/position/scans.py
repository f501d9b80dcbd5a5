"""The CTs of the file that models.region.prepare wrote, on a coarse grid, with and without what is not the patient."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

#: side of a voxel that a scan is brought to, mm: half of the network's, so that a crop may be turned and bent
GRID_MM = 4.0
AIR_HU = -1000.0


@dataclass(frozen=True, eq=False)
class Scan:
    """A CT in HU.

    Attributes:
        name: of the item in the file.
        versions: of the same voxels (k, j, i); the first shows the body alone, a second the table and the rest too.
        affine: (4, 4) float64 from (k, j, i) to LPS mm.
        trunk: tells it from an extremity.
    """

    name: str
    versions: tuple[Tensor, ...]
    affine: Tensor
    trunk: bool


def scans_in(path: Path) -> list[Scan]:
    """Return the CTs of the prepared file; of the example CT the whole, not its labelled part."""
    with np.load(path) as packed:
        listing = json.loads(packed["listing"].tobytes())["items"]
        return [
            _scan(one["name"], packed[f"table{n}"][packed[f"codes{n}"]], one, trunk=one["dataset"] == "background")
            for n, one in enumerate(listing)
            if one["modality"] == "CT" and one["name"] != "example_ct_sm"
        ]


def _scan(name: str, voxels: NDArray[np.float32], told: dict[str, list[list[float]]], *, trunk: bool) -> Scan:
    image = image_of(voxels, np.array(told["affine"]))
    # a sarcoma's CT is a crop: nothing there is larger than the body's piece, and the piece touches every side
    versions = [body_alone(image), image] if trunk else [image]
    coarse = [_coarse(one) for one in versions]
    tensors = tuple(torch.from_numpy(sitk.GetArrayFromImage(one)) for one in coarse)
    return Scan(name, tensors, torch.from_numpy(affine_of(coarse[0])), trunk)


def image_of(voxels: NDArray[np.float32], affine: NDArray[np.float64]) -> sitk.Image:
    """Return SimpleITK's image of voxels (k, j, i) and the (4, 4) to LPS mm."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image = sitk.GetImageFromArray(voxels.astype(np.float32))
    image.SetSpacing(spacing[::-1].tolist())
    image.SetDirection((affine[:3, :3] / spacing)[:, ::-1].ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    return image


def affine_of(image: sitk.Image) -> NDArray[np.float64]:
    """Return the (4, 4) from (k, j, i) to LPS mm.

    >>> image = sitk.Image([4, 5, 6], sitk.sitkFloat32)
    >>> image.SetSpacing([1.0, 2.0, 3.0])
    >>> (affine_of(image) @ [1, 0, 0, 1]).tolist()  # one slice on: 3 mm towards the head
    [0.0, 0.0, 3.0, 1.0]
    """
    affine = np.eye(4)
    columns = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, :3], affine[:3, 3] = columns[:, ::-1], image.GetOrigin()
    return affine


def body_alone(image: sitk.Image) -> sitk.Image:
    """Return the image with air for all but the largest piece, holes in its slices filled: no table, no arms."""
    opened = sitk.BinaryMorphologicalOpening(image > -300, [2, 2, 1])
    largest = sitk.GetArrayFromImage(sitk.RelabelComponent(sitk.ConnectedComponent(opened)) == 1)
    filled = np.stack([ndimage.binary_fill_holes(one) for one in largest])
    found = sitk.GetImageFromArray(np.where(filled, sitk.GetArrayFromImage(image), AIR_HU).astype(np.float32))
    found.CopyInformation(image)
    return found


def _coarse(image: sitk.Image) -> sitk.Image:
    old = image.GetSpacing()
    size = [max(1, round(n * s / GRID_MM)) for n, s in zip(image.GetSize(), old, strict=True)]
    spacing = [n * s / m for n, s, m in zip(image.GetSize(), old, size, strict=True)]
    first = image.TransformContinuousIndexToPhysicalPoint([(a - b) / 2 / b for a, b in zip(spacing, old, strict=True)])
    blurred = sitk.SmoothingRecursiveGaussian(image, [GRID_MM / 2] * 3)
    return sitk.Resample(blurred, size, sitk.Transform(), sitk.sitkLinear, first, spacing, image.GetDirection(), AIR_HU)
