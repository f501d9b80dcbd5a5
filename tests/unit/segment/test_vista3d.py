"""VISTA3D's network with small random weights: round it, all is done as its own bundle does it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from monai.apps.vista3d.inferer import point_based_window_inferer
from monai.data import MetaTensor
from monai.transforms import Orientation, ScaleIntensityRange, Spacing
from monai.transforms.utils import keep_components_with_positive_points
from tests.unit.segment.large_models import SMALL, model_of, random_vista3d, small_vista3d, vista3d_bundle
from tests.unit.segment.lesions import ball_volume, point
from tests.unit.segment.promptable_bundles import random_bundle

from similar_cases.domain.coding import RIGHT, CodedConcept
from similar_cases.domain.errors import InvalidSettings, SegmentationFailed
from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.prompts import BoxPrompt, ClassPrompt, MaskPrompt, Polarity, PromptSet
from similar_cases.domain.region import Authorship
from similar_cases.domain.volume import VoxelUnit
from similar_cases.segment.backends.canonical_grid import canonical_grid, sampled
from similar_cases.segment.backends.vista3d import Vista3dSegmenter, VistaRecipe, recipe_of
from similar_cases.segment.registry import SEGMENTERS_OF_KINDS, SegmenterChoice

LIVER = ClassPrompt(CodedConcept("10200004", "SCT", "Liver"))
RAS_15 = np.array([[-1.5, 0, 0, 10], [0, -1.5, 0, 20], [0, 0, 1.5, 30], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory) -> Vista3dSegmenter:
    return small_vista3d(tmp_path_factory.mktemp("vista"))


def asked(*prompts) -> PromptSet:
    return PromptSet(prompts=prompts, tracking_uid="1.2.3.9")


def canonical_volume(shape=(40, 48, 44)):
    """A volume whose voxels are already those that the network sees."""
    volume, _ = ball_volume(14.0, shape=shape, spacing_mm=(1.5, 1.5, 1.5))
    return replace(volume, geometry=VolumeGeometry(RAS_15, shape, "1.2.3.4"))


def scaled(volume) -> torch.Tensor:
    return ScaleIntensityRange(SMALL.low_hu, SMALL.high_hu, 0.0, 1.0, clip=True)(torch.tensor(volume.array))[None, None]


@pytest.mark.filterwarnings("ignore:Setting affine, but the applied meta contains an affine:UserWarning")
def test_points_give_what_monais_own_inferer_gives(segmenter):
    volume = canonical_volume()
    inside, outside = [(20, 24, 22), (24, 30, 18)], [(18, 20, 30)]
    prompts = [point(volume, index) for index in inside]
    prompts += [point(volume, index, Polarity.NEGATIVE) for index in outside]
    network = random_vista3d()
    coords = torch.tensor([[*inside, *outside]], dtype=torch.float32)
    labels = torch.tensor([[1, 1, 0]])
    with torch.inference_mode():
        told = point_based_window_inferer(
            MetaTensor(scaled(volume)), (32, 32, 32), network, coords[:, :2], labels[:, :2], transpose=True
        )
        alone = keep_components_with_positive_points(told.as_tensor(), coords[:, :2], labels[:, :2])[0, 0] > 0
    mask = segmenter.segment(volume, asked(*prompts[:2])).full_mask(volume.geometry.shape)
    expected = alone.numpy()
    assert expected.sum() > 50
    differing = np.argwhere(mask != expected).tolist()
    assert all(tuple(voxel) in inside for voxel in differing)  # what was clicked is set, whatever the network says
    with_outside = segmenter.segment(volume, asked(*prompts)).full_mask(volume.geometry.shape)
    assert (with_outside != mask).any()


def test_a_class_gives_what_the_class_head_gives(segmenter):
    volume = canonical_volume((32, 32, 32))
    network = random_vista3d()
    with torch.inference_mode():
        expected = network(scaled(volume), class_vector=torch.tensor([[1]]))[0, 0] > 0
    region = segmenter.segment(volume, asked(LIVER))
    np.testing.assert_array_equal(region.full_mask((32, 32, 32)), expected.numpy())
    assert region.authorship is Authorship.AUTOMATIC


def test_a_class_of_several_parts_is_all_of_them(segmenter):
    volume = canonical_volume((32, 32, 32))
    kidneys = ClassPrompt(CodedConcept("64033007", "SCT", "Kidney"))
    right = replace(kidneys, side=RIGHT)
    network = random_vista3d()
    with torch.inference_mode():
        both = network(scaled(volume), class_vector=torch.tensor([[5], [14]]))[:, 0] > 0
    found = segmenter.segment(volume, asked(kidneys)).full_mask((32, 32, 32))
    np.testing.assert_array_equal(found, both.any(0).numpy())
    found_right = segmenter.segment(volume, asked(right)).full_mask((32, 32, 32))
    np.testing.assert_array_equal(found_right, both[0].numpy())


def test_a_class_beside_a_point_changes_what_is_found(segmenter):
    volume = canonical_volume()
    click = point(volume, (20, 24, 22))
    alone, with_class = (segmenter.segment(volume, asked(click, *more)) for more in ((), (LIVER,)))
    assert alone.full_mask(volume.geometry.shape).tobytes() != with_class.full_mask(volume.geometry.shape).tobytes()
    assert with_class.authorship is Authorship.SEMIAUTOMATIC


def test_the_network_sees_what_monais_transforms_give():
    """Spacing, then orientation, as the bundle has them, of an axial CT with thick slices."""
    volume, _ = ball_volume(14.0, shape=(20, 64, 60), spacing_mm=(3.0, 0.9, 0.8), noise=0.0)
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.geometry.affine
    image = MetaTensor(torch.tensor(volume.array)[None], affine=torch.tensor(to_ras))
    theirs = Orientation(axcodes="RAS", labels=(("L", "R"), ("P", "A"), ("I", "S")))(
        Spacing(pixdim=(1.5,) * 3, mode="bilinear")(image)
    )
    grid = canonical_grid(volume.geometry, 1.5)
    ours = sampled(volume, grid, -1000.0)
    axes = np.abs(theirs.affine.numpy()[:3, :3] - (np.diag([-1.0, -1.0, 1.0]) @ grid.affine[:3, :3]))
    assert axes.max() < 1e-6
    # their grid begins at another border of the volume: both are read at our voxels' centres
    index = np.linalg.inv(theirs.affine.numpy()) @ np.diag([-1.0, -1.0, 1.0, 1.0]) @ grid.affine
    moved = np.rint(index[:3, 3])
    assert np.abs(index[:3, 3] - moved).max() <= 0.51
    low = np.maximum(0, -moved).astype(int)
    shape = np.minimum(np.array(grid.shape) - low, np.array(theirs.shape[1:]) - np.maximum(0, moved).astype(int))
    part = ours[tuple(slice(a, a + n) for a, n in zip(low, shape, strict=True))]
    start = np.maximum(0, moved).astype(int)
    other = theirs[0].numpy()[tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))]
    assert np.corrcoef(part.ravel(), other.ravel())[0, 1] > 0.97


def test_boxes_and_masks_are_points_and_a_box_cuts(segmenter):
    volume = canonical_volume()
    middle = volume.geometry.index_to_lps((20, 24, 22))[0]
    boxed = segmenter.segment(volume, asked(BoxPrompt(tuple(middle - 4.6), tuple(middle + 4.6))))
    assert max(boxed.mask.shape) <= 7
    drawn = np.zeros(volume.geometry.shape, bool)
    drawn[18:23, 22:27, 20:25] = True
    masked = segmenter.segment(volume, asked(MaskPrompt(drawn, volume.geometry)))
    clicked = segmenter.segment(volume, asked(point(volume, (20, 24, 22))))
    same = masked.full_mask(volume.geometry.shape) != clicked.full_mask(volume.geometry.shape)
    assert np.argwhere(same).tolist() in ([], [[20, 24, 22]])


@pytest.mark.parametrize("unit", [VoxelUnit.SUVBW, VoxelUnit.ARBITRARY])
def test_what_is_no_ct_is_refused(segmenter, unit):
    volume, _ = ball_volume(14.0, shape=(10, 20, 20), unit=unit)
    with pytest.raises(SegmentationFailed, match="CT alone"):
        segmenter.segment(volume, asked(point(volume, (5, 10, 10))))


@pytest.mark.parametrize(
    ("concept", "said"),
    [
        (CodedConcept("113343008", "SCT", "Eyelid"), "no structure is known"),
        (CodedConcept("181422007", "SCT", "Rectum"), "no structure is known"),
        (CodedConcept("face", "99SIMILARCASES", "face"), "VISTA3D has no class|no structure is known"),
    ],
)
def test_a_class_that_it_lacks_is_told(segmenter, concept, said):
    volume = canonical_volume((32, 32, 32))
    with pytest.raises(SegmentationFailed, match=said):
        segmenter.segment(volume, asked(ClassPrompt(concept)))


def test_several_classes_beside_a_point_are_refused(segmenter):
    volume = canonical_volume((32, 32, 32))
    lung = ClassPrompt(CodedConcept("39607008", "SCT", "Lung"))
    with pytest.raises(SegmentationFailed, match="one structure"):
        segmenter.segment(volume, asked(lung, point(volume, (5, 5, 5))))


def test_the_recipe_is_the_bundles(tmp_path):
    folder = vista3d_bundle(tmp_path / "b", resample_spacing=[2.0] * 3, patch_size=[64] * 3)
    assert recipe_of(folder) == VistaRecipe(spacing_mm=2.0, window=64)
    assert recipe_of(folder / "models" / "model.pt") == VistaRecipe()
    odd = vista3d_bundle(tmp_path / "odd", resample_spacing="$@x", patch_size=[65, 64, 64], preprocessing_transforms=[])
    assert recipe_of(odd) == VistaRecipe()


def test_identity_names_weights_and_recipe(segmenter, tmp_path):
    told = dict(segmenter.identity.parameters)
    assert (segmenter.identity.name, segmenter.identity.version) == ("VISTA3D", "0.6.0")
    assert (told["spacing_mm"], told["window"], len(told["weights_sha256"])) == ("1.5", "32", 16)


def test_a_bundle_is_told_by_its_configuration(tmp_path):
    vista = model_of(vista3d_bundle(tmp_path / "v"), "monai-bundle")
    ours = model_of(random_bundle(tmp_path / "o"), "monai-bundle")
    names = [
        SEGMENTERS_OF_KINDS.create("monai-bundle", SegmenterChoice(model=one)).identity.name for one in (vista, ours)
    ]
    assert names == ["VISTA3D", "Promptable U-Net"]
    (tmp_path / "none" / "configs").mkdir(parents=True)
    (tmp_path / "none" / "configs" / "metadata.json").write_text('{"version": "1"}')
    with pytest.raises(InvalidSettings, match="another model's"):
        SEGMENTERS_OF_KINDS.create("monai-bundle", SegmenterChoice(model=model_of(tmp_path / "none", "monai-bundle")))
    file = model_of(tmp_path / "v" / "models" / "model.pt", "monai-bundle")
    with pytest.raises(InvalidSettings, match="no folder of a bundle"):
        SEGMENTERS_OF_KINDS.create("monai-bundle", SegmenterChoice(model=file))


def test_wrong_weights_are_told_by_what_differs(tmp_path):
    network = random_vista3d()
    del network.point_head.mask_tokens
    broken = model_of(vista3d_bundle(tmp_path / "b", network), "vista3d")
    with pytest.raises(InvalidSettings, match=r"is no vista3d: point_head\.mask_tokens\.weight is missing"):
        Vista3dSegmenter(broken)
    (tmp_path / "b" / "models" / "model.pt").unlink()
    with pytest.raises(InvalidSettings, match=r"no models/model\.safetensors"):
        Vista3dSegmenter(model_of(tmp_path / "b", "vista3d"))
    other = tmp_path / "other.pt"
    torch.save({"x": torch.ones(1)}, other)
    with pytest.raises(InvalidSettings, match=r"class_head\.class_embeddings\.weight is missing"):
        Vista3dSegmenter(model_of(other, "vista3d"))


def test_a_changed_bundle_is_refused(tmp_path):
    model = model_of(vista3d_bundle(tmp_path / "b"), "vista3d")
    (tmp_path / "b" / "configs" / "metadata.json").write_text("{}")
    with pytest.raises(InvalidSettings, match="is named"):
        Vista3dSegmenter(model)
