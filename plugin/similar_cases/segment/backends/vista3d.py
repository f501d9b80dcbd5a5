"""`Segmenter` by VISTA3D (He et al., arXiv 2406.05285): points and classes in CT, 127 of them, from a site's weights.

The network is MONAI's (``monai.networks.nets.vista3d132``, Apache-2.0); the weights are NVIDIA's, under the "NVIDIA
License" of the bundle's LICENSE.weights, which allows research and evaluation alone. What is done round the network is
what the bundle's ``inference.json`` does: cubes of 1.5 mm in the volume's own directions, HU cut to a window and scaled
to 0 to 1, a window of 128 round each point inside, or windows over all of the volume for a class.
"""

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.inferers.utils import sliding_window_inference
from monai.networks.nets.vista3d import vista3d132
from numpy.typing import NDArray

from similar_cases.domain.errors import InvalidSettings, SegmentationFailed
from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.prompts import PromptSet
from similar_cases.domain.region import AlgorithmIdentity, Region
from similar_cases.domain.volume import Volume, VoxelUnit
from similar_cases.models.checkpoint import fill, load_tensors
from similar_cases.models.model_file import ModelFile
from similar_cases.segment.anatomy import structures_meant
from similar_cases.segment.backends.answer import (
    Points,
    classes_of,
    has_place,
    keep_components_at,
    points_of,
    region_of,
)
from similar_cases.segment.backends.canonical_grid import above, canonical_grid, sampled, window_round
from similar_cases.segment.backends.promptable.look import Found
from similar_cases.segment.backends.promptable.segmenter import told_of

#: classes that points of their own kind ask for: tumours, vessels, and the trachea (VISTA3D.convert_point_label)
SPECIAL = frozenset({23, 24, 25, 26, 27, 57, 128})
#: classes in one pass over a volume: each keeps a float a voxel
CLASSES_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class VistaRecipe:
    """What is done round the network; the defaults are the bundle's, version 0.6.0.

    Attributes:
        window: voxels a side that the network sees at once.
        max_windows: points inside that are looked at, the first ones; the others still count within a window.
    """

    spacing_mm: float = 1.5
    window: int = 128
    low_hu: float = -963.8247715525971
    high_hu: float = 1053.678477684517
    overlap: float = 0.3
    max_windows: int = 8


class Vista3dSegmenter:
    """The weights of a bundle's folder or a file, on `device`. May be shared by threads.

    Raises:
        InvalidSettings: for another hash, another architecture (with what is missing), or a folder without weights.
    """

    def __init__(self, model: ModelFile, device: str = "cpu", recipe: VistaRecipe | None = None) -> None:
        path, version = _weights_and_version(model)
        tensors = load_tensors(model, path)
        embeddings = tensors.get("class_head.class_embeddings.weight")
        if embeddings is None or embeddings.ndim != 2:
            raise InvalidSettings(
                f"model {model.name}: {path} is no vista3d: class_head.class_embeddings.weight is missing"
            )
        network = vista3d132(encoder_embed_dim=int(embeddings.shape[1]))
        fill(network, tensors, model)
        self._network = network.eval().to(torch.device(device))
        self._device = torch.device(device)
        self._recipe = recipe or recipe_of(model.path)
        told = [(one.name, f"{getattr(self._recipe, one.name):g}") for one in fields(VistaRecipe)]
        self._identity = AlgorithmIdentity(
            name="VISTA3D",
            version=model.version or version or model.sha256[:12],
            parameters=tuple(sorted([*told, ("weights_sha256", model.sha256[:16])])),
        )

    @property
    def identity(self) -> AlgorithmIdentity:
        """Name, version, recipe, and the beginning of the weights' hash."""
        return self._identity

    def segment(self, volume: Volume, prompts: PromptSet) -> Region:
        """Return the Region that points (a box's middle, a mask's deepest voxel) or a class mean.

        Raises:
            SegmentationFailed: for a volume that is no CT, a class that VISTA3D lacks, no positive prompt inside,
                or when nothing was found.
        """
        if volume.unit is not VoxelUnit.HU:
            raise SegmentationFailed("VISTA3D was trained on CT alone; choose another segmenter for this series")
        classes = _classes(prompts)
        if has_place(prompts):
            told = told_of(prompts, volume.geometry)
            found = self._at_points(volume, points_of(told, volume.geometry), classes)
        else:
            found = self._everywhere(volume, classes)
        return region_of(found, volume, prompts, self._identity)

    def _at_points(self, volume: Volume, points: Points, classes: list[int]) -> Found:
        """Look through a window round each point inside; where windows overlap, their mean counts."""
        if len(classes) > 1:
            raise SegmentationFailed("with points, VISTA3D takes one structure; name its part, or give the class alone")
        grid = canonical_grid(volume.geometry, self._recipe.spacing_mm)
        middles = grid.lps_to_index(points.inside_lps)
        windows = [window_round(grid, middle, self._recipe.window) for middle in middles[: self._recipe.max_windows]]
        windows = [one for n, one in enumerate(windows) if not any(one.is_aligned_with(other) for other in windows[:n])]
        lowers = np.rint([grid.lps_to_index(one.affine[:3, 3])[0] for one in windows]).astype(int)
        low = lowers.min(axis=0)
        k, j, i = (lowers.max(axis=0) - low + self._recipe.window).tolist()
        total, seen = np.zeros((k, j, i), np.float32), np.zeros((k, j, i), np.float32)
        for window, lower in zip(windows, lowers - low, strict=True):
            part = tuple(slice(a, a + self._recipe.window) for a in lower)
            total[part] += self._window_logits(self._image(volume, window), window, points, classes)
            seen[part] += 1
        logits = np.where(seen > 0, total / np.maximum(seen, 1), -1.0)
        kept = keep_components_at(logits > 0, np.rint(middles - low).astype(np.int64))
        logits[(logits > 0) & ~kept] = -1.0
        return Found(*above(logits, grid.crop(low, (k, j, i)), volume.geometry, 0.0), quality=0.0)

    def _window_logits(
        self, image: torch.Tensor, window: VolumeGeometry, points: Points, classes: list[int]
    ) -> NDArray[np.float32]:
        """Return logits (window, window, window) for the points that lie in a window."""
        special = 2 if classes and classes[0] in SPECIAL else 0
        pairs = [(1 + special, points.inside_lps), (special, points.outside_lps)]
        index = [(label, window.lps_to_index(lps)) for label, lps in pairs]
        within = [
            (label, row) for label, rows in index for row in rows if (row >= 0).all() and (row < window.shape).all()
        ]
        asked: dict[str, Any] = {
            "point_coords": torch.tensor(np.array([[row for _, row in within]]), dtype=torch.float32).to(self._device),
            "point_labels": torch.tensor([[label for label, _ in within]]).to(self._device),
        }
        if classes:
            vector = torch.tensor([classes]).to(self._device)
            whole = (slice(None), slice(None), *(slice(0, n) for n in window.shape))
            asked |= {"class_vector": vector, "prompt_class": vector, "patch_coords": [whole]}
        with torch.inference_mode(), _deterministic():
            logits: torch.Tensor = self._network(image, **asked)
        return np.asarray(logits[0, 0].float().cpu().numpy())

    def _everywhere(self, volume: Volume, classes: list[int]) -> Found:
        """Slide the window over the whole volume; a voxel is in where any of the classes is."""
        grid = canonical_grid(volume.geometry, self._recipe.spacing_mm)
        image = self._image(volume, grid)
        best = np.full(grid.shape, -np.inf, np.float32)
        for start in range(0, len(classes), CLASSES_AT_ONCE):
            vector = torch.tensor(classes[start : start + CLASSES_AT_ONCE])[:, None].to(self._device)

            def look(part: torch.Tensor, vector: torch.Tensor = vector) -> torch.Tensor:
                logits: torch.Tensor = self._network(part, class_vector=vector, transpose=True)
                return logits

            with torch.inference_mode(), _deterministic():
                logits = sliding_window_inference(
                    image, (self._recipe.window,) * 3, 1, look,
                    overlap=self._recipe.overlap, mode="gaussian", padding_mode="replicate", device="cpu",
                )  # fmt: skip
            best = np.maximum(best, logits[0].float().amax(0).numpy())
        return Found(*above(best, grid, volume.geometry, 0.0), quality=0.0)

    def _image(self, volume: Volume, grid: VolumeGeometry) -> torch.Tensor:
        """Return (1, 1, …) voxels on a grid, HU scaled to 0 to 1; outside is as dark as air."""
        low, high = self._recipe.low_hu, self._recipe.high_hu
        scaled = np.clip((sampled(volume, grid, low) - low) / (high - low), 0.0, 1.0)
        return torch.from_numpy(scaled.astype(np.float32))[None, None].to(self._device)


def recipe_of(path: Path) -> VistaRecipe:
    """Return what a bundle's ``configs/inference.json`` says beside the network; defaults for what it does not say."""
    told = _json(path / "configs" / "inference.json") if path.is_dir() else {}
    recipe, spacing, window = VistaRecipe(), told.get("resample_spacing"), told.get("patch_size")
    if isinstance(spacing, list) and len(set(spacing)) == 1 and isinstance(spacing[0], float | int) and spacing[0] > 0:
        recipe = replace(recipe, spacing_mm=float(spacing[0]))
    if isinstance(window, list) and len(set(window)) == 1 and isinstance(window[0], int) and window[0] % 16 == 0:
        recipe = replace(recipe, window=window[0])
    for step in told.get("preprocessing_transforms", []):
        if isinstance(step, dict) and step.get("_target_") == "ScaleIntensityRanged":
            recipe = replace(recipe, low_hu=float(step["a_min"]), high_hu=float(step["a_max"]))
    return recipe


def is_vista3d(folder: Path) -> bool:
    """Tell whether a bundle's configuration names VISTA3D's network."""
    return "vista3d" in str(_json(folder / "configs" / "inference.json").get("network_def", "")).lower()


def _weights_and_version(model: ModelFile) -> tuple[Path, str]:
    if not model.path.is_dir():
        return model.path, ""
    found = [path for name in ("model.safetensors", "model.pt") if (path := model.path / "models" / name).is_file()]
    if not found:
        raise InvalidSettings(
            f"model {model.name}: {model.path} has no models/model.safetensors and no models/model.pt"
        )
    return found[0], str(_json(model.path / "configs" / "metadata.json").get("version", ""))


def _json(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InvalidSettings(f"{path} cannot be read: {error}") from None
    return told if isinstance(told, dict) else {}


def _classes(prompts: PromptSet) -> list[int]:
    """Return VISTA3D's classes that the class prompts mean.

    Raises:
        SegmentationFailed: for a structure that it does not have.
    """
    classes = []
    for prompt in classes_of(prompts):
        meant = [one.vista3d for one in structures_meant(prompt) if one.vista3d is not None]
        if not meant:
            raise SegmentationFailed(f"VISTA3D has no class for {prompt.concept}")
        classes += meant
    return classes


def _deterministic() -> Any:
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
