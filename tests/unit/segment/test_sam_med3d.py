"""SAM-Med3D's network, of medim, with small random weights: round it, all is done as its makers' inference does it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from medim.models.sam_med3d import build_sam3D_vit_b_ori
from tests.unit.segment.large_models import model_of, random_sam_med3d, sam_med3d_file, small_sam_med3d
from tests.unit.segment.lesions import ball_volume, point
from torch.nn import functional

from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.errors import InvalidSettings, SegmentationFailed
from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.prompts import ClassPrompt, MaskPrompt, Polarity, PromptSet
from similar_cases.domain.volume import VoxelUnit
from similar_cases.segment.backends import sam_med3d
from similar_cases.segment.backends.sam_med3d import SamMed3dSegmenter, SamShape, shape_of

RAS_15 = np.array([[-1.5, 0, 0, 10], [0, -1.5, 0, 20], [0, 0, 1.5, 30], [0, 0, 0, 1]])
MIDDLE = (20, 24, 22)


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory) -> SamMed3dSegmenter:
    return small_sam_med3d(tmp_path_factory.mktemp("sam"))


def asked(*prompts) -> PromptSet:
    return PromptSet(prompts=prompts, tracking_uid="1.2.3.9")


def canonical_volume(**kind):
    """A volume whose voxels are already those that the network sees."""
    volume, _ = ball_volume(14.0, shape=(40, 48, 44), spacing_mm=(1.5, 1.5, 1.5), **kind)
    return replace(volume, geometry=VolumeGeometry(RAS_15, (40, 48, 44), "1.2.3.4"))


def as_its_makers_do(image: torch.Tensor, clicks: list[tuple[list[int], int]], mask: torch.Tensor) -> np.ndarray:
    """Give one click after the other, each with the mask so far (validation.py, medim_infer.py)."""
    network = random_sam_med3d()
    with torch.inference_mode():
        encoded = network.image_encoder(image)
        for count in range(1, len(clicks) + 1):
            coords = torch.tensor([[place for place, _ in clicks[:count]]], dtype=torch.float32)
            labels = torch.tensor([[label for _, label in clicks[:count]]])
            sparse, dense = network.prompt_encoder(points=[coords, labels], boxes=None, masks=mask)
            mask, _ = network.mask_decoder(
                image_embeddings=encoded,
                image_pe=network.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
            )
        whole = functional.interpolate(mask, size=image.shape[-3:], mode="trilinear", align_corners=False)
    return (torch.sigmoid(whole)[0, 0] > 0.5).numpy()


def crop_of(volume, clamp: float | None) -> torch.Tensor:
    """Return 32 voxels a side round the middle: clamped, z-scored by what is over 0 (torchio's ZNormalization)."""
    part = torch.tensor(volume.array[4:36, 8:40, 6:38])
    part = part.clamp(-clamp, clamp) if clamp else part
    over = part[part > 0]
    return ((part - over.mean()) / over.std())[None, None]


@pytest.mark.parametrize(
    ("unit", "clamp", "contrast"), [(VoxelUnit.HU, 1000.0, 1500.0), (VoxelUnit.ARBITRARY, None, 80.0)]
)
def test_points_give_what_its_makers_inference_gives(segmenter, unit, clamp, contrast):
    volume = canonical_volume(unit=unit, contrast=contrast)
    outside = (14, 24, 22)
    found = segmenter.segment(volume, asked(point(volume, MIDDLE), point(volume, outside, Polarity.NEGATIVE)))
    clicks = [([16, 16, 16], 1), ([10, 16, 16], 0)]
    expected = np.zeros(volume.geometry.shape, bool)
    expected[4:36, 8:40, 6:38] = as_its_makers_do(crop_of(volume, clamp), clicks, torch.zeros(1, 1, 8, 8, 8))
    differing = np.argwhere(found.full_mask(volume.geometry.shape) != expected).tolist()
    assert expected.sum() > 1000
    assert all(tuple(voxel) in (MIDDLE, outside) for voxel in differing)


def test_a_mask_so_far_is_given_to_the_network(segmenter):
    volume = canonical_volume()
    drawn = np.zeros(volume.geometry.shape, bool)
    drawn[16:25, 20:29, 18:27] = True
    found = segmenter.segment(volume, asked(MaskPrompt(drawn, volume.geometry), point(volume, MIDDLE)))
    low = functional.interpolate(
        torch.tensor(drawn[4:36, 8:40, 6:38])[None, None].float(), size=(8, 8, 8), mode="nearest"
    )
    expected = as_its_makers_do(crop_of(volume, 1000.0), [([16, 16, 16], 1)], low)
    part = found.full_mask(volume.geometry.shape)[4:36, 8:40, 6:38]
    assert np.argwhere(part != expected).tolist() in ([], [[16, 16, 16]])


def test_what_lies_outside_the_volume_is_nought(segmenter):
    volume = canonical_volume(unit=VoxelUnit.ARBITRARY)
    corner = segmenter.segment(volume, asked(point(volume, (0, 0, 0))))
    assert corner.full_mask(volume.geometry.shape)[0, 0, 0]


def test_an_empty_picture_is_told(segmenter):
    volume = canonical_volume(background=-1000.0, noise=0.0, contrast=0.0)
    with pytest.raises(SegmentationFailed, match="needs contrast"):
        segmenter.segment(volume, asked(point(volume, MIDDLE)))


def test_a_class_alone_is_told(segmenter):
    volume = canonical_volume()
    with pytest.raises(SegmentationFailed, match="knows no classes"):
        segmenter.segment(volume, asked(ClassPrompt(CodedConcept("10200004", "SCT", "Liver"))))


def test_the_released_architecture_is_read_from_its_tensors(tmp_path):
    """ViT-B, windows of 14, global attention in blocks 2, 5, 8 and 11; nothing is computed, and no memory used."""
    with torch.device("meta"):
        released = build_sam3D_vit_b_ori()
    model = model_of(sam_med3d_file(tmp_path), "sam-med3d")
    assert shape_of(released.state_dict(), model) == SamShape(
        width=768, depth=12, heads=12, patch=16, side=128, prompt_width=384, global_blocks=(2, 5, 8, 11)
    )


def test_identity_names_the_weights(segmenter):
    told = dict(segmenter.identity.parameters)
    assert segmenter.identity.name == "SAM-Med3D"
    assert (told["spacing_mm"], told["window"], len(told["weights_sha256"])) == ("1.5", "32", 16)


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("image_encoder.pos_embed", r"is no sam-med3d: image_encoder\.pos_embed is missing"),
        ("mask_decoder.iou_token.weight", r"is no sam-med3d: mask_decoder\.iou_token\.weight is missing"),
    ],
)
def test_other_weights_are_told_by_what_is_missing(tmp_path, gone, said):
    tensors = {name: one for name, one in random_sam_med3d().state_dict().items() if name != gone}
    path = tmp_path / "other.pth"
    torch.save({"model_state_dict": tensors}, path)
    with pytest.raises(InvalidSettings, match=said):
        SamMed3dSegmenter(model_of(path, "sam-med3d"))


def test_without_medim_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    model = model_of(sam_med3d_file(tmp_path), "sam-med3d")
    monkeypatch.setattr(sam_med3d, "find_spec", lambda _: None)
    with pytest.raises(InvalidSettings, match=r"pip install 'similar-cases\[sam-med3d\]'"):
        SamMed3dSegmenter(model)
