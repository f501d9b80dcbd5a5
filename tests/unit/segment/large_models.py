"""Small random weights of the true architectures of large segmenters, as their makers lay them into files."""

import json
from pathlib import Path

import torch
from medim.models.sam_med3d import build_sam3D_vit_b_ori
from monai.networks.nets.vista3d import vista3d132

from similar_cases.models.model_file import ModelFile, sha256_of
from similar_cases.segment.backends.sam_med3d import SamMed3dSegmenter
from similar_cases.segment.backends.vista3d import Vista3dSegmenter, VistaRecipe

#: channels in place of 48; every module and every name is that of the released weights
VISTA_WIDTH = 8
SMALL = VistaRecipe(window=32)


def random_vista3d(seed: int = 7) -> torch.nn.Module:
    """The seed is one whose network finds something round the middle of a picture, by chance."""
    torch.manual_seed(seed)
    return vista3d132(encoder_embed_dim=VISTA_WIDTH).eval()


def vista3d_bundle(folder: Path, network: torch.nn.Module | None = None, **changed: object) -> Path:
    """Write a bundle as the model zoo has it: configs/, models/model.pt."""
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    inference = {
        "network_def": "$monai.networks.nets.vista3d132(in_channels=@input_channels)",
        "resample_spacing": [1.5, 1.5, 1.5],
        "patch_size": [32, 32, 32],
        "preprocessing_transforms": [
            {"_target_": "LoadImaged"},
            {"_target_": "ScaleIntensityRanged", "a_min": -963.8247715525971, "a_max": 1053.678477684517},
        ],
        **changed,
    }
    (folder / "configs" / "inference.json").write_text(json.dumps(inference))
    (folder / "configs" / "metadata.json").write_text(json.dumps({"version": "0.6.0", "name": "VISTA-3D"}))
    torch.save((network or random_vista3d()).state_dict(), folder / "models" / "model.pt")
    return folder


def random_sam_med3d(seed: int = 6) -> torch.nn.Module:
    """A ViT of two blocks, one of them looking through windows, on 32 voxels a side."""
    torch.manual_seed(seed)
    return build_sam3D_vit_b_ori(
        encoder_embed_dim=48,
        encoder_depth=2,
        encoder_num_heads=4,
        encoder_global_attn_indexes=[1],
        prompt_embed_dim=48,
        image_size=32,
        vit_patch_size=16,
    ).eval()


def sam_med3d_file(folder: Path, network: torch.nn.Module | None = None) -> Path:
    """Write a checkpoint as its training does."""
    path = folder / "sam_med3d_turbo.pth"
    torch.save({"model_state_dict": (network or random_sam_med3d()).state_dict()}, path)
    return path


def small_sam_med3d(folder: Path) -> SamMed3dSegmenter:
    return SamMed3dSegmenter(model_of(sam_med3d_file(folder), "sam-med3d"))


def model_of(path: Path, kind: str) -> ModelFile:
    return ModelFile(name=f"small-{kind}", kind=kind, path=path, sha256=sha256_of(path), licence="made here")


def small_vista3d(folder: Path) -> Vista3dSegmenter:
    return Vista3dSegmenter(model_of(vista3d_bundle(folder / "vista3d"), "vista3d"))
