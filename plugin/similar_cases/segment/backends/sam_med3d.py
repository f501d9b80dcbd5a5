"""`Segmenter` by SAM-Med3D(-turbo) (Wang et al., arXiv 2310.15161): points in any 3-D image, from weights of the site.

The network is that of PyPI's ``medim`` (Apache-2.0, an extra of this distribution); the weights are Apache-2.0 too.
What is done round it is what its training does (uni-medical/SAM-Med3D, ``utils/data_loader.py``, ``medim_infer.py``):
cubes of 1.5 mm along right, anterior, superior; CT cut to ±1000 HU; 128 of them a side round the points, 0 outside;
normalised by mean and deviation of what is over 0. Points are given one after another, each with the mask so far. The
network's own estimate of quality was never trained, and is not told.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from similar_cases.domain.errors import InvalidSettings, SegmentationFailed
from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.prompts import MaskPrompt, PromptSet
from similar_cases.domain.region import AlgorithmIdentity, Region
from similar_cases.domain.volume import Volume, VoxelUnit
from similar_cases.models.checkpoint import fill, load_tensors
from similar_cases.models.model_file import ModelFile
from similar_cases.segment.backends.answer import Points, points_of, refuse_classes, region_of
from similar_cases.segment.backends.canonical_grid import above, canonical_grid, sampled
from similar_cases.segment.backends.promptable.look import Found
from similar_cases.segment.backends.promptable.segmenter import told_of
from similar_cases.volume.resample import resample_array

#: isotropic, mm
SPACING_MM = 1.5
#: CT is cut to so many HU on either side of water
CT_REACH_HU = 1000.0
#: points that are given one after another; further ones would only repeat
MAX_POINTS = 16


class SamMed3dSegmenter:
    """The weights of a checkpoint on `device`. May be shared by threads.

    Raises:
        InvalidSettings: without ``medim``, for another hash, or another architecture (with what is missing).
    """

    def __init__(self, model: ModelFile, device: str = "cpu") -> None:
        if find_spec("medim") is None:
            raise InvalidSettings("SAM-Med3D's network comes with medim: pip install 'similar-cases[sam-med3d]'")
        tensors = load_tensors(model)
        shape = shape_of(tensors, model)
        network = shape.network()
        fill(network, tensors, model)
        # the decoder answers in four cells a patch, and takes a mask so far in as many
        self._side, self._cells = shape.side, 4 * shape.side // shape.patch
        self._network = network.eval().to(torch.device(device))
        self._device = torch.device(device)
        parameters = {"spacing_mm": f"{SPACING_MM:g}", "window": str(self._side), "weights_sha256": model.sha256[:16]}
        self._identity = AlgorithmIdentity(
            "SAM-Med3D", model.version or model.sha256[:12], tuple(sorted(parameters.items()))
        )

    @property
    def identity(self) -> AlgorithmIdentity:
        """Name, version, and the beginning of the weights' hash."""
        return self._identity

    def segment(self, volume: Volume, prompts: PromptSet) -> Region:
        """Return the Region that points (a box's middle, a mask and its deepest voxel) mean.

        Raises:
            SegmentationFailed: for a class alone, no positive prompt in the volume, an empty picture round it, or when
                nothing was found.
        """
        refuse_classes(prompts, "SAM-Med3D")
        told = told_of(prompts, volume.geometry)
        points = points_of(told, volume.geometry)
        grid = canonical_grid(volume.geometry, SPACING_MM)
        middles = grid.lps_to_index(points.inside_lps)
        # torchio's CropOrPad: the middle of what the points span is the middle of the crop, wherever that lies
        lower = np.rint((middles.min(axis=0) + middles.max(axis=0)) / 2).astype(int) - self._side // 2
        crop = grid.crop(lower, (self._side,) * 3)
        drawn = _low_resolution(told.drawn, crop, self._cells)
        logits = self._logits(_normalised(volume, crop), crop, points, drawn)
        return region_of(
            Found(*above(logits, crop, volume.geometry, 0.0), quality=0.0), volume, prompts, self._identity
        )

    def _logits(self, image: Tensor, crop: VolumeGeometry, points: Points, mask: Tensor) -> NDArray[np.float32]:
        """Return logits (side, side, side); the picture is encoded once."""
        pairs = ((1, points.inside_lps), (0, points.outside_lps))
        rows = [(label, row) for label, lps in pairs for row in crop.lps_to_index(lps) if _is_within(row, crop)]
        coords = torch.tensor(np.array([[row for _, row in rows]]), dtype=torch.float32, device=self._device)
        labels = torch.tensor([[label for label, _ in rows]], device=self._device)
        network: Any = self._network
        deterministic = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), deterministic:
            encoded = network.image_encoder(image.to(self._device))
            mask = mask.to(self._device)
            for count in range(1, min(len(rows), MAX_POINTS) + 1):
                told = (coords[:, :count], labels[:, :count])
                sparse, dense = network.prompt_encoder(points=told, boxes=None, masks=mask)
                mask, _ = network.mask_decoder(
                    image_embeddings=encoded,
                    image_pe=network.prompt_encoder.get_dense_pe(),
                    sparse_prompt_embeddings=sparse,
                    dense_prompt_embeddings=dense,
                )
            whole = functional.interpolate(mask, size=crop.shape, mode="trilinear", align_corners=False)
        return np.asarray(whole[0, 0].cpu().numpy())


@dataclass(frozen=True, kw_only=True)
class SamShape:
    """The architecture, as far as the weights decide it; the released one is ViT-B on 128 voxels a side."""

    width: int
    depth: int
    heads: int
    patch: int
    side: int
    prompt_width: int
    global_blocks: tuple[int, ...]

    def network(self) -> nn.Module:
        """Return the network, its weights not yet laid in."""
        from medim.models.sam_med3d import build_sam3D_vit_b_ori

        network: nn.Module = build_sam3D_vit_b_ori(
            encoder_embed_dim=self.width,
            encoder_depth=self.depth,
            encoder_num_heads=self.heads,
            encoder_global_attn_indexes=self.global_blocks,
            prompt_embed_dim=self.prompt_width,
            image_size=self.side,
            vit_patch_size=self.patch,
        )
        return network


def shape_of(tensors: Mapping[str, Tensor], model: ModelFile) -> SamShape:
    """Return the shape that tensors have.

    Raises:
        InvalidSettings: when they are none of SAM-Med3D's, with the name of what is missing.
    """
    needed = (
        "image_encoder.patch_embed.proj.weight", "image_encoder.pos_embed", "image_encoder.blocks.0.attn.rel_pos_d",
        "mask_decoder.mask_tokens.weight",
    )  # fmt: skip
    if missing := [name for name in needed if name not in tensors]:
        raise InvalidSettings(f"model {model.name}: {model.path} is no {model.kind}: {missing[0]} is missing")
    patches, grid = tensors[needed[0]], int(tensors[needed[1]].shape[1])
    spans = {
        int(found[1]): int(tensor.shape[0])
        for name, tensor in tensors.items()
        if (found := re.fullmatch(r"image_encoder\.blocks\.(\d+)\.attn\.rel_pos_d", name))
    }
    return SamShape(
        width=int(patches.shape[0]),
        depth=len(spans),
        heads=int(patches.shape[0]) // int(tensors[needed[2]].shape[1]),
        patch=int(patches.shape[-1]),
        side=grid * int(patches.shape[-1]),
        prompt_width=int(tensors[needed[3]].shape[1]),
        # a block that looks everywhere has positions for the whole grid, the others for their window
        global_blocks=tuple(number for number, span in sorted(spans.items()) if span == 2 * grid - 1),
    )


def _normalised(volume: Volume, crop: VolumeGeometry) -> Tensor:
    """Return (1, 1, side, side, side) voxels of a crop, normalised by what is over 0.

    Raises:
        SegmentationFailed: when all that is over 0 has one value, or nothing is.
    """
    voxels = sampled(volume, crop, 0.0)
    if volume.unit is VoxelUnit.HU:
        voxels = np.clip(voxels, -CT_REACH_HU, CT_REACH_HU)
    over = torch.from_numpy(voxels[voxels > 0])
    deviation = float(over.std()) if len(over) > 1 else 0.0
    if not deviation > 0:
        raise SegmentationFailed("the picture is empty round the points; SAM-Med3D needs contrast")
    return torch.from_numpy((voxels - float(over.mean())) / deviation)[None, None].float()


def _low_resolution(drawn: MaskPrompt | None, crop: VolumeGeometry, cells: int) -> Tensor:
    """Return (1, 1, cells, cells, cells) of a mask drawn so far, nearest; zeros for none."""
    if drawn is None:
        return torch.zeros(1, 1, cells, cells, cells)
    voxels = torch.from_numpy(resample_array(drawn.mask, drawn.geometry, crop, order=0).astype(np.float32))
    return functional.interpolate(voxels[None, None], size=(cells,) * 3, mode="nearest")


def _is_within(row: NDArray[np.float64], crop: VolumeGeometry) -> bool:
    return bool((row >= -0.5).all() and (row <= np.asarray(crop.shape) - 0.5).all())
