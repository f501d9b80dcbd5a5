"""Weights in each convention of the field give what the field's own code gives; others are refused with a reason.

GOLDEN was computed by timm 1.0.31, open_clip 3.3.0 (with its image tower of timm's, for BiomedCLIP) and, for DINOv2's
positions, by the rule of facebookresearch/dinov2, from the same weights and picture: the first four numbers of
the whole picture's vector, and of the vector at row 3, column 5.
"""

import numpy as np
import pytest
import torch
from tests.unit.describe import vision_weights as weights
from tests.unit.describe.volumes import ball, texture, volume_of

from similar_cases.describe.backends.vision_model import FAMILIES, VisionBackbone, vision_embedder
from similar_cases.domain.errors import InvalidSettings
from similar_cases.models.kinds import KINDS, ModelUse
from similar_cases.models.model_file import ModelFile

GOLDEN = {
    "timm-vit": (weights.timm(), [1.39826, -0.98243, 0.56522, -1.85917], [0.05985, -0.57301, 0.12122, -1.84555]),
    "dino": (weights.timm(), [1.39735, -0.98621, 0.57324, -1.8564], [-0.40986, -0.32066, 0.93318, -1.7197]),
    "dinov2": (weights.dinov2(), [1.45293, -1.01625, 0.516, -1.79825], [1.169, -0.85507, 0.13667, -2.13712]),
    "dinov2 with registers": (
        weights.dinov2(registers=4),
        [2.63751, -0.41808, 0.37746, -0.82565],
        [1.20109, -0.79302, 0.07212, -2.18053],
    ),
    "clip": (weights.open_clip(), [-0.72816, -0.70543, -0.24646, 0.36492], [0.29616, 0.23497, 0.02848, -0.19562]),
    "openclip": (weights.open_clip(), [-0.72814, -0.70534, -0.24636, 0.36497], [0.29613, 0.23498, 0.02852, -0.19558]),
    "biomedclip": (weights.biomedclip(), [0.0773, -0.14448, 0.11597, -0.01067], [0.00353, -0.05209, 0.06615, -0.03641]),
}
VIT_KINDS = sorted(kind for kind, family in FAMILIES.items() if family.is_vit)


@pytest.mark.parametrize("case", GOLDEN)
def test_a_network_gives_what_the_fields_own_code_gives(case, tmp_path):
    shapes, whole, local = GOLDEN[case]
    backbone = VisionBackbone(weights.saved(tmp_path, case.split()[0], weights.by_formula(shapes)))
    with torch.inference_mode():
        seen = backbone.features(weights.picture())
    np.testing.assert_allclose(seen.whole[0, :4], whole, atol=2e-5)
    np.testing.assert_allclose(seen.maps[0, :4, 3, 5], local, atol=2e-5)
    assert seen.whole.shape == (1, backbone.facts.size)


@pytest.mark.parametrize("kind", ["resnet50", "radimagenet-resnet50"])
def test_resnet50_gives_what_timms_gives_under_either_naming(kind, tmp_path):
    tensors = weights.by_formula(weights.resnet50())
    backbone = VisionBackbone(
        weights.saved(tmp_path, kind, tensors if kind == "resnet50" else weights.as_radimagenet(tensors))
    )
    with torch.inference_mode():
        seen = backbone.features(weights.picture())
    np.testing.assert_allclose(seen.whole[0, :4], [0.03595, 0.0, 0.0, 0.02392], atol=2e-5)
    np.testing.assert_allclose(seen.maps[0, :4, 3, 5], [0.05067, 0.0, 0.0, 0.02748], atol=2e-5)


def test_dreamsims_naming_of_clip_is_the_same_network(tmp_path):
    """Its weights are CLIP's: laid into other names, they give the same vectors."""
    named = weights.by_formula(weights.open_clip())
    renamed = {name: torch.zeros(shape) for name, shape in weights.dreamsim_clip().items()}
    swaps = {
        "pos_drop.": "ln_pre.",
        "norm.": "ln_post.",
        "cls_token": "class_embedding",
        "pos_embed": "positional_embedding",
        "patch_embed.proj.": "conv1.",
        "blocks.": "transformer.resblocks.",
        ".norm1.": ".ln_1.",
        ".norm2.": ".ln_2.",
        ".qkv.": ".in_proj_",
        ".attn.proj.": ".attn.out_proj.",
        ".fc1.": ".c_fc.",
        ".fc2.": ".c_proj.",
    }
    for name, empty in renamed.items():
        other = name
        for ours, theirs in swaps.items():
            other = other.replace(ours, theirs)
        if name != "patch_embed.proj.bias":  # CLIP has none; DreamSim's is zero
            renamed[name] = named[f"visual.{other}"].reshape(empty.shape)
    one = VisionBackbone(weights.saved(tmp_path, "clip", named))
    two = VisionBackbone(weights.saved(tmp_path, "clip", renamed, wrapper="state_dict"))  # the file is read by now
    with torch.inference_mode():
        torch.testing.assert_close(one.features(weights.picture()).whole, two.features(weights.picture()).whole)


def test_each_kind_that_describes_has_its_family():
    assert set(FAMILIES) == {name for name, kind in KINDS.items() if kind.use is ModelUse.DESCRIBE}


def test_the_space_tells_model_version_and_hash(tmp_path):
    model = weights.saved(tmp_path, "dinov2", weights.by_formula(weights.dinov2()))
    space = vision_embedder(model).region_space
    assert (space.model, space.version, space.weights) == ("dinov2 ViT 128x2/14", "0", model.sha256)
    assert "0.485" in space.preprocessing


def test_a_region_is_told_by_what_lies_in_its_mask(tmp_path):
    """Two regions of one crop, of different texture, have vectors that differ more than slices of the same body do."""
    embedder = vision_embedder(weights.saved(tmp_path, "dino", weights.by_formula(weights.timm())))
    array = texture((3, 64, 64), scale=100.0)
    array[:, 20:44, 32:44] += 600.0
    volume = volume_of(array)
    left, right, again = embedder.embed_regions(volume, [ball(volume, (1, 32, i), 5.0) for i in (26, 38, 26)])
    assert left.vector.tobytes() == again.vector.tobytes()
    assert float(left.vector @ right.vector) < 0.999


@pytest.mark.parametrize("kind", VIT_KINDS)
def test_a_missing_tensor_is_named(kind, tmp_path):
    tensors = weights.by_formula(weights.timm())
    del tensors["blocks.1.attn.qkv.bias"]
    with pytest.raises(InvalidSettings, match=rf"is no {kind}: blocks\.1\.attn\.qkv\.bias is missing"):
        vision_embedder(weights.saved(tmp_path, kind, tensors))


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"conv1.weight": torch.zeros(64, 3, 7, 7)}, r"patch_embed\.proj\.weight is missing"),
        (
            weights.by_formula(weights.timm() | {"blocks.0.mlp.w12.weight": (4, 4)}),
            r"blocks\.0\.mlp\.w12\.weight is un",
        ),
        (
            weights.by_formula(weights.timm() | {"norm.bias": (64,)}),
            r"norm\.bias is of another shape, \(64,\) in place",
        ),
        (weights.by_formula(weights.timm() | {"patch_embed.proj.weight": (128, 1, 16, 16)}), "none of colour pictures"),
        (weights.by_formula(weights.timm(10, 14)), "patches of 10 do not fill 224"),
    ],
)
def test_another_architecture_is_told_by_what_differs(tensors, said, tmp_path):
    with pytest.raises(InvalidSettings, match=said):
        vision_embedder(weights.saved(tmp_path, "dino", tensors))


def test_another_file_than_the_hash_names_is_refused(tmp_path):
    model = weights.saved(tmp_path, "dino", weights.by_formula(weights.timm()))
    with model.path.open("r+b") as file:
        file.seek(2000)
        file.write(b"x")
    with pytest.raises(InvalidSettings, match=rf"has sha256 [0-9a-f]{{64}}, and {model.sha256} is named"):
        vision_embedder(model)


def test_a_file_that_is_gone_is_told(tmp_path):
    model = weights.saved(tmp_path, "dino", weights.by_formula(weights.timm()))
    model.path.unlink()
    with pytest.raises(InvalidSettings, match="cannot be read: No such file"):
        vision_embedder(model)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "touched"), "w"))

    model = weights.saved(tmp_path, "dino", {"blocks": Evil()})
    with pytest.raises(InvalidSettings, match="holds no plain tensors"):
        vision_embedder(model)
    assert not (tmp_path / "touched").exists()


def test_safetensors_are_read_too(tmp_path):
    from safetensors.torch import save_file

    from similar_cases.models.model_file import sha256_of

    path = tmp_path / "model.safetensors"
    save_file({name: one.half() for name, one in weights.by_formula(weights.timm()).items()}, path)
    model = ModelFile(name="half", kind="dino", path=path, sha256=sha256_of(path), licence="")
    with torch.inference_mode():
        seen = VisionBackbone(model).features(weights.picture()).whole[0, :4]
    np.testing.assert_allclose(seen, GOLDEN["dino"][1], atol=2e-2)
