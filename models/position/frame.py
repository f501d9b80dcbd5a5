"""Brings the trunks into one frame of millimetres, that of a standard body: no label is read.

The tallest trunk is the standard body. How high another lies is found by trying all heights; then an affine transform
by mutual information scales and turns it onto the standard one. Where both are not to be seen it goes on straight.
"""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
from models.position.scans import AIR_HU, Scan, image_of
from numpy.typing import NDArray
from scipy import ndimage

#: voxels of the registration, mm; heights are tried in these steps too
STEP_MM = 5.0
#: what is compared: fat, soft tissue, bone; and lung as less than all of it
RANGE_HU = (-400.0, 300.0)
#: the body's outline, and skin and fat that say little of the height, in voxels
OUTLINE_HU, SKIN = -500.0, 5
#: share of the smaller trunk's slices that the two must have in common
LEAST_COMMON = 0.5


def body_frames(scans: Sequence[Scan]) -> dict[str, NDArray[np.float64]]:
    """Return the (4, 4) from LPS mm to mm in the standard body, by the scan's name; of trunks alone.

    The axes are those of LPS; the origin is the middle of the standard body.
    """
    trunks = [one for one in scans if one.trunk]
    if not trunks:
        return {}
    images = {one.name: _image(one) for one in trunks}
    standard = max(trunks, key=lambda one: one.versions[0].shape[0] * float(one.affine[:3, 0].norm()))
    origin = np.eye(4)
    origin[:3, 3] = -_middle(images[standard.name])
    return {
        one.name: origin @ (np.eye(4) if one is standard else registered(images[one.name], images[standard.name]))
        for one in trunks
    }


def registered(image: sitk.Image, standard: sitk.Image) -> NDArray[np.float64]:
    """Return the (4, 4) from the LPS mm of `image` to those of `standard`; one thread, so that it is repeatable."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    here, there = _middle(image), _middle(standard)
    transform = sitk.AffineTransform(3)
    transform.SetCenter(here.tolist())
    transform.SetTranslation([*(there - here)[:2].tolist(), _rise_mm(image, standard)])
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(40)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.25, 7)
    method.SetMetricFixedMask(_outline(image))
    method.SetMetricMovingMask(_outline(standard))
    method.SetInterpolator(sitk.sitkLinear)
    method.SetInitialTransform(transform, True)
    method.SetOptimizerAsRegularStepGradientDescent(4.0, 0.01, 150)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([3, 2])
    method.SetSmoothingSigmasPerLevel([2, 1])
    method.Execute(*(sitk.Clamp(one, sitk.sitkFloat32, *RANGE_HU) for one in (image, standard)))
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(transform.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    return matrix


def _image(scan: Scan) -> sitk.Image:
    image = image_of(scan.versions[0].numpy(), scan.affine.numpy())
    size = [int(np.ceil(n * s / STEP_MM)) for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    grid = (sitk.Transform(), sitk.sitkLinear, image.GetOrigin(), [STEP_MM] * 3, image.GetDirection(), AIR_HU)
    return sitk.Resample(image, size, *grid)


def _outline(image: sitk.Image) -> sitk.Image:
    return sitk.BinaryDilate(image > OUTLINE_HU, [2, 2, 1])


def _middle(image: sitk.Image) -> NDArray[np.float64]:
    where = np.argwhere(sitk.GetArrayFromImage(image) > OUTLINE_HU).mean(0)
    return np.array(image.TransformContinuousIndexToPhysicalPoint(where[::-1].tolist()))


def _rise_mm(image: sitk.Image, standard: sitk.Image) -> float:
    """Return by how much z grows on the way to the standard body: where what both show is most alike."""
    low, high = sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(standard)
    inside, outside = _inner(low), _inner(high)
    fewest = max(1, round(LEAST_COMMON * min(len(low), len(high))))
    shifts = range(fewest - len(low), len(high) - fewest + 1)
    best = max(shifts, key=lambda shift: _alike(low, inside, high, outside, shift))
    return best * STEP_MM + standard.GetOrigin()[2] - image.GetOrigin()[2]


def _inner(voxels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the body without skin and the fat below it; holes in slices are filled."""
    filled = (ndimage.binary_fill_holes(one) for one in voxels > OUTLINE_HU)
    return np.stack([ndimage.binary_erosion(one, iterations=SKIN) for one in filled])


def _alike(
    low: NDArray[np.float32],
    inside: NDArray[np.bool_],
    high: NDArray[np.float32],
    outside: NDArray[np.bool_],
    shift: int,
) -> float:
    """Return the correlation of what both show when slice 0 of `low` lies on slice `shift` of `high`."""
    first, last = max(0, -shift), min(len(low), len(high) - shift)
    one, other = slice(first, last), slice(first + shift, last + shift)
    if not inside[one].any() or not outside[other].any():
        return -1.0
    fitted = _fitted(high[other], outside[other], inside[one])
    both = inside[one] & (fitted > OUTLINE_HU)
    values = [ndimage.gaussian_filter(np.clip(part, *RANGE_HU), 1.0)[both] for part in (low[one], fitted)]
    return float(np.corrcoef(*values)[0, 1]) if both.sum() > 1 else -1.0


def _fitted(voxels: NDArray[np.float32], own: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return `voxels` moved and scaled within the slices, so that `own` becomes as wide and as thick as `wanted`."""
    here, there = (np.argwhere(one) for one in (own, wanted))
    scale = np.maximum(here.std(0), 1.0)[1:] / np.maximum(there.std(0), 1.0)[1:]
    offset = here.mean(0)[1:] - scale * there.mean(0)[1:]
    found: NDArray[np.float32] = ndimage.affine_transform(
        voxels, [1.0, *scale], [0.0, *offset], output_shape=wanted.shape, order=1, cval=AIR_HU
    )
    return found
