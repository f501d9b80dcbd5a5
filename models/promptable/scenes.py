"""Batches of crops with one object each: real ones, lesions set into real backgrounds, and anatomy that never was."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from models.promptable.atlas import Atlas, Crops, Items, Target, log_uniform
from models.promptable.contrast import blurred, noise_field
from torch import Tensor
from torch.nn import functional

from similar_cases.segment.backends.promptable.inputs import SIZE

#: share of the samples by kind
MIXTURE = {
    "sarcoma CT": 0.22,
    "sarcoma MR": 0.21,
    "sarcoma PT": 0.16,
    "hippocampus": 0.06,
    "organs": 0.13,
    "lesion": 0.16,
    "anatomy": 0.06,
}
#: share of the lesions by background
BACKGROUNDS = {"backgrounds": 0.5, "sarcoma": 0.3, "organs": 0.1, "hippocampus": 0.1}
#: code of CT below which it is lung or air, about -500 HU
LUNG_CODE = 17.0
#: share of the examples whose crop has its middle in the object's middle, as that of a box or a mask so far has
_CENTRED = 0.3


@dataclass(frozen=True, eq=False)
class Scene:
    """A batch on the device: images, targets of 0 and 1, both (b, SIZE, SIZE, SIZE); `centred` (b,) bool, see above."""

    image: Tensor
    target: Tensor
    centred: Tensor


class Scenes:
    """Makes batches from one stream of random numbers."""

    def __init__(self, items: Items, atlas: Atlas, seed: int) -> None:
        self.items, self.atlas, self.device = items, atlas, atlas.device
        self.rng = np.random.default_rng(seed)
        self.others = self._registered()

    def batch(self, count: int) -> Scene:
        """Draw kinds by the mixture, and examples of them."""
        kinds = self.rng.choice(list(MIXTURE), count, p=np.array(list(MIXTURE.values())) / sum(MIXTURE.values()))
        real = [str(kind) for kind in kinds if kind not in ("lesion", "anatomy")]
        made = (int((kinds == "lesion").sum()), int((kinds == "anatomy").sum()))
        scenes = [self._real(real)] if real else []
        scenes += [make(n) for make, n in zip((self._lesions, self._anatomy), made, strict=True) if n]
        return Scene(*(torch.cat([getattr(s, name) for s in scenes]) for name in ("image", "target", "centred")))

    def _real(self, kinds: list[str]) -> Scene:
        chosen = [self.items.targets[kind][self.rng.integers(len(self.items.targets[kind]))] for kind in kinds]
        centred = self.rng.random(len(chosen)) < _CENTRED
        crops = self._crops([self._placed(target, bool(c)) for target, c in zip(chosen, centred, strict=True)])
        warp = self._warp(len(chosen))
        image = self._mixed(self.atlas.images(crops, warp), crops, warp)
        mask = self.atlas.masks(crops, np.array([target.label for target in chosen]), warp)
        return Scene(image, mask, torch.from_numpy(centred).to(self.device))

    def _placed(self, chosen: Target, centred: bool) -> tuple:
        if centred:
            middle = chosen.corners.mean(0) + self.rng.normal(0, 0.04 * chosen.extent_mm, 3)
        elif self.rng.random() < 0.45:
            middle = chosen.centroid
        else:
            middle = chosen.interior[self.rng.integers(len(chosen.interior))]
        widest = 10.0 if self.rng.random() < 0.25 else 4.0
        spacing = float(np.clip(chosen.extent_mm * log_uniform(self.rng, 1.15, widest) / SIZE, 0.4, 9.0))
        middle = middle + self.rng.normal(0, 0.7 * spacing, 3)
        low, high = self._without_tell_tale_border(chosen)
        return chosen.item, middle, spacing, low, high

    def _without_tell_tale_border(self, chosen: Target) -> tuple[np.ndarray, np.ndarray]:
        """Cut a random margin off: the archives are cropped round the lesion, and their border must tell nothing."""
        shape = np.array(self.items.labels[chosen.item].shape)
        first, last = np.rint(chosen.corners / self.items.spacings[chosen.item] + np.array([[0.5], [-0.5]]))
        low = np.where(self.rng.random(3) < 0.5, np.floor(self.rng.uniform(0, first + 1)), 0.0)
        high = np.where(self.rng.random(3) < 0.5, np.ceil(self.rng.uniform(last + 1, shape)), shape)
        return low, np.maximum(high, low + 2)

    def _crops(self, places: list[tuple]) -> Crops:
        """Return the crops at (item, middle in mm along k j i, spacing, low, high), turned at random."""
        matrices = []
        for _, middle, spacing, _, _ in places:
            turn = self._rotation() * spacing
            matrices.append(np.concatenate((turn, (middle - turn.sum(1) * ((SIZE - 1) / 2))[:, None]), axis=1))
        item, _, spacing, low, high = (np.array(part) for part in zip(*places, strict=True))
        return Crops(item, np.stack(matrices), low, high, spacing)

    def _rotation(self) -> np.ndarray:
        """(3, 3) from (z, y, x) to (k, j, i): near the patient's own axes, left and right exchanged in half."""
        if self.rng.random() < 0.15:
            return np.diag(self.rng.choice([-1.0, 1.0], 3))[self.rng.permutation(3)]
        skew = np.zeros((3, 3))
        skew[[0, 0, 1], [1, 2, 2]] = self.rng.normal(0, 0.22, 3)
        turn = torch.linalg.matrix_exp(torch.from_numpy(skew - skew.T)).numpy()
        stretch = np.exp(self.rng.normal(0, 0.07, 3) + self.rng.normal(0, 0.06))
        return turn * stretch * np.array([1.0, 1.0, self.rng.choice([-1.0, 1.0])])

    def _warp(self, count: int) -> Tensor:
        size = torch.from_numpy(self.rng.uniform(0.0, 2.5, count) * (self.rng.random(count) < 0.5)).float()
        coarse = torch.randn(count, 3, 5, 5, 5, device=self.device) * size.to(self.device).view(-1, 1, 1, 1, 1)
        return functional.interpolate(coarse, (SIZE, SIZE, SIZE), mode="trilinear", align_corners=True)

    def _registered(self) -> dict[int, list[int]]:
        """Return, by item, the other images of the patient in the same frame of reference."""
        named: dict[str, list[int]] = {}
        for number in self.items.of("sarcoma"):
            named.setdefault(self.items.listing[number]["patient"], []).append(number)
        return {one: [other for other in group if other != one] for group in named.values() for one in group}

    def _mixed(self, image: Tensor, crops: Crops, warp: Tensor) -> Tensor:
        """Mix some images with another of the same place: contrasts that no scanner made, of anatomy that is true."""
        rows = [n for n, item in enumerate(crops.items) if int(item) in self.others and self.rng.random() < 0.3]
        if not rows:
            return image
        others = np.array([self.rng.choice(self.others[int(crops.items[n])]) for n in rows])
        moved, shapes = crops.to_mm[rows].copy(), np.array([self.items.labels[n].shape for n in others], float)
        moved[:, :, 3] += np.array([self._origin(int(crops.items[n])) for n in rows]) - [
            self._origin(n) for n in others
        ]
        there = Crops(others, moved, np.zeros_like(shapes), shapes, crops.spacing_mm[rows])
        second = _standard(self.atlas.images(there, warp[rows]))
        share = torch.from_numpy(self.rng.uniform(0.15, 0.85, (len(rows), 1, 1, 1))).float().to(self.device)
        sign = torch.from_numpy(self.rng.choice([-1.0, 1.0], (len(rows), 1, 1, 1))).float().to(self.device)
        result = image.clone()
        result[rows] = _standard(image[rows]) * share + second * sign * (1 - share)
        return result

    def _origin(self, item: int) -> np.ndarray:
        return np.array(self.items.listing[item]["origin_lps"][::-1])

    def _lesions(self, count: int) -> Scene:
        """Simulated lesions in real backgrounds."""
        small = self.rng.random(count) < 0.5
        shares = np.array([log_uniform(self.rng, 0.04, 0.75) for _ in range(count)])
        sizes = np.array([log_uniform(self.rng, 4.0, 30.0 if tiny else 120.0) for tiny in small])
        spacing = np.clip(sizes / (SIZE * shares), 0.4, 8.0)
        crops = self._crops([self._background(float(s)) for s in spacing])
        image = self.atlas.images(crops, self._warp(count))
        reach = torch.from_numpy(np.clip(sizes / (SIZE * spacing), 0.03, 0.8)).float().to(self.device)
        target = self._blobs(reach)
        lung = self._lung(crops, image)
        target = torch.where(lung, target * (_smooth(image < LUNG_CODE) > 0.35), target)
        return Scene(
            self._set_in(image, target, lung), target, torch.zeros(count, dtype=torch.bool, device=self.device)
        )

    def _background(self, spacing: float) -> tuple:
        dataset = str(self.rng.choice(list(BACKGROUNDS), p=list(BACKGROUNDS.values())))
        item = int(self.rng.choice(self.items.of(dataset)))
        shape = np.array(self.items.labels[item].shape)
        place = np.rint(self.rng.uniform(0.08, 0.92, 3) * (shape - 1)).astype(int)
        if dataset == "backgrounds" and self.rng.random() < 0.5:
            place = self._lung_voxel(item, place)
        return item, place * self.items.spacings[item], spacing, np.zeros(3), shape.astype(float)

    def _lung_voxel(self, item: int, otherwise: np.ndarray) -> np.ndarray:
        """Return a voxel inside the body that is as dark as lung; air round the body is darker still."""
        voxels = self.items.voxels[item].numpy()
        for _ in range(60):
            place = np.rint(self.rng.uniform(0.1, 0.9, 3) * (np.array(voxels.shape) - 1)).astype(int)
            if 1.5 < voxels[tuple(place)] < LUNG_CODE:
                return place
        return otherwise

    def _lung(self, crops: Crops, image: Tensor) -> Tensor:
        """Tell, (b, 1, 1, 1), which crops of CT have lung in their middle."""
        ct = torch.tensor([self.items.listing[int(n)]["modality"] == "CT" for n in crops.items], device=self.device)
        middle = image[:, 29:35, 29:35, 29:35].mean((1, 2, 3))
        return (ct & (middle < LUNG_CODE)).view(-1, 1, 1, 1)

    def _blobs(self, reach: Tensor) -> Tensor:
        """Bent ellipsoids, one to three grown together, that fill `reach` (b,) of the crop's side."""
        count, device = len(reach), self.device
        axis = torch.linspace(-1, 1, SIZE, device=device)
        distance = torch.full((count, SIZE, SIZE, SIZE), math.inf, device=device)
        for number in range(3):
            radii = reach[:, None] * torch.exp(torch.randn(count, 3, device=device) * 0.25)
            offset = torch.randn(count, 3, device=device) * reach[:, None] * (0.5 if number else 0.0)
            absent = (torch.rand(count, device=device) < 0.6).float() * (1e3 if number else 0.0)
            z, y, x = ((axis - offset[:, n, None]) / radii[:, n, None] for n in range(3))
            one = (z[:, :, None, None] ** 2 + y[:, None, :, None] ** 2 + x[:, None, None, :] ** 2).sqrt()
            distance = torch.minimum(distance, one * (1.0 if number == 0 else 1.3) + absent[:, None, None, None])
        rough = torch.rand(count, 1, 1, 1, device=device) * 0.5
        return (distance + rough * noise_field(count, int(self.rng.integers(4, 14)), device) < 1).float()

    def _set_in(self, image: Tensor, target: Tensor, lung: Tensor) -> Tensor:
        """Give the target a level, a texture and an edge of its own; in lung, soft tissue or ground glass."""
        count, device = len(image), self.device
        draw = lambda low, high: torch.rand(count, 1, 1, 1, device=device) * (high - low) + low  # noqa: E731
        volume = target.sum((1, 2, 3), keepdim=True).clamp(min=1)
        mean = (image * target).sum((1, 2, 3), keepdim=True) / volume
        spread = (((image - mean) ** 2 * target).sum((1, 2, 3), keepdim=True) / volume).sqrt().clamp(min=4.0)
        sign = torch.where(torch.rand(count, 1, 1, 1, device=device) < 0.5, -1.0, 1.0)
        level = torch.where(lung, draw(30.0, 145.0), mean + sign * spread * draw(0.6, 3.0))
        contrast = level - mean
        texture = (
            level
            + draw(0.0, 0.6) * (image - mean) * (~lung)
            + noise_field(count, 14, device) * contrast.abs() * (draw(0.0, 0.35))
        )
        core = (blurred(target, torch.full((count,), 2.5, device=device)) > 0.85).float()
        texture = texture - contrast * core * draw(0.3, 0.9) * (torch.rand(count, 1, 1, 1, device=device) < 0.25)
        edge = blurred(target, torch.rand(count, device=device) * 1.1 + 0.4)
        return image * (1 - edge) + texture * edge

    def _anatomy(self, count: int) -> Scene:
        """Random regions with random contrast; the one under the middle is the target."""
        device, half = self.device, SIZE // 2
        kinds = int(self.rng.integers(3, 9))
        fields = torch.stack([noise_field(count, int(self.rng.integers(3, 9)), device) for _ in range(kinds)], 1)
        labels = fields.argmax(1)
        same = (labels == labels[:, half, half, half].view(-1, 1, 1, 1)).float()
        target = torch.zeros_like(same)
        target[:, half, half, half] = 1
        for _ in range(48):
            target = functional.max_pool3d(target[:, None], 3, 1, 1)[:, 0] * same
        levels = torch.rand(count, kinds, device=device) * 255
        image = levels.gather(1, labels.flatten(1)).view_as(same)
        image = image + noise_field(count, 16, device) * 12 + torch.randn_like(image) * 10
        image = blurred(image, torch.rand(count, device=device) + 0.3)
        return Scene(image, target, torch.zeros(count, dtype=torch.bool, device=device))


def _standard(image: Tensor) -> Tensor:
    return (image - image.mean((1, 2, 3), keepdim=True)) / image.std((1, 2, 3), keepdim=True).clamp(min=1e-3)


def _smooth(mask: Tensor) -> Tensor:
    return functional.avg_pool3d(mask.float()[:, None], 7, 1, 3, count_include_pad=False)[:, 0]
