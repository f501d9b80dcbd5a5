from dataclasses import replace

import numpy as np
import pytest
from tests.unit.segment.lesions import ball_volume, dice, point
from tests.unit.segment.promptable_bundles import random_bundle

from similar_cases.domain.errors import InvalidSettings, SegmentationFailed
from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.prompts import BoxPrompt, MaskPrompt, Polarity, PromptSet
from similar_cases.segment.backends.promptable.segmenter import PromptableSegmenter, told_of
from similar_cases.segment.backends.promptable.zoom import ZoomRecipe
from similar_cases.segment.registry import SEGMENTERS, SegmenterChoice
from similar_cases.settings import load_settings


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return random_bundle(tmp_path_factory.mktemp("bundle"))


def asked(*prompts):
    return PromptSet(prompts=prompts, tracking_uid="1.2.3.9")


def test_the_region_stays_inside_the_box(bundle):
    volume, _ = ball_volume(12.0)
    lower, upper = volume.geometry.index_to_lps([(15, 50, 55), (25, 80, 75)])
    region = PromptableSegmenter(bundle).segment(volume, asked(BoxPrompt(tuple(lower), tuple(upper))))
    assert np.array(region.lower_index).tolist() >= [15, 50, 55]
    assert all(np.array(region.lower_index) >= (15, 50, 55))
    assert all(np.array(region.lower_index) + region.mask.shape <= np.array((26, 81, 76)))


def test_two_boxes_are_one_that_holds_both():
    volume, _ = ball_volume(12.0)
    corners = volume.geometry.index_to_lps([(2, 10, 10), (4, 20, 20), (6, 15, 30), (8, 18, 40)])
    boxes = (BoxPrompt(tuple(corners[n]), tuple(corners[n + 1])) for n in (0, 2))
    told = told_of(asked(*boxes), volume.geometry)
    assert told.box.tolist() == [[2, 10, 10], [8, 20, 40]]


def test_a_mask_of_another_grid_is_read_where_it_lies():
    volume, _ = ball_volume(12.0)
    affine = np.array(volume.geometry.affine)
    affine[:3, :3] *= 2.0
    affine[:3, 3] = volume.geometry.index_to_lps((4, 8, 8))[0]
    coarse = VolumeGeometry(affine, (3, 3, 3), "1.2.3.4")
    told = told_of(asked(MaskPrompt(np.ones((3, 3, 3), bool), coarse)), volume.geometry)
    centre = told.drawn.geometry.index_to_lps((np.array(told.drawn.mask.shape) - 1) / 2)[0]
    np.testing.assert_allclose(centre, coarse.index_to_lps((1, 1, 1))[0], atol=2.0)


@pytest.mark.parametrize("kind", ["empty", "elsewhere"])
def test_a_mask_without_a_voxel_here_is_no_prompt(kind):
    volume, truth = ball_volume(12.0)
    geometry = volume.geometry if kind == "empty" else volume.geometry.crop((500, 0, 0), truth.shape)
    mask = np.full(truth.shape, kind == "elsewhere")
    with pytest.raises(SegmentationFailed, match="inside the volume"):
        told_of(asked(MaskPrompt(mask, geometry)), volume.geometry)


def test_negative_points_outside_the_volume_are_passed_over():
    volume, _ = ball_volume(12.0)
    told = told_of(asked(point(volume, (20, 64, 64)), point(volume, (500, 0, 0), Polarity.NEGATIVE)), volume.geometry)
    assert told.inside.tolist() == [[20, 64, 64]]
    assert not len(told.outside)


def test_identity_tells_weights_and_recipe(bundle, tmp_path):
    one, same = PromptableSegmenter(bundle).identity, PromptableSegmenter(bundle).identity
    others = [
        PromptableSegmenter(random_bundle(tmp_path, seed=5)).identity,
        PromptableSegmenter(bundle, recipe=ZoomRecipe(threshold=0.4)).identity,
    ]
    assert one == same
    assert all(one != other for other in others)


def test_the_registry_takes_a_bundle_and_refuses_a_folder_that_is_none(bundle, tmp_path):
    segmenter = SEGMENTERS.create("promptable", SegmenterChoice(bundle=bundle))
    assert segmenter.identity == PromptableSegmenter(bundle).identity
    with pytest.raises(InvalidSettings, match=r"segment\.bundle"):
        SEGMENTERS.create("promptable", SegmenterChoice(bundle=tmp_path / "nothing"))


def test_settings_name_the_bundle(bundle):
    settings = load_settings({"segment": {"backend": "promptable", "bundle": str(bundle)}}, environment={}).settings
    assert settings.segment.bundle == bundle


@pytest.mark.parametrize("order", [(2, 0, 1), (1, 2, 0), (0, 2, 1)])
def test_in_what_order_the_voxels_are_stored_does_not_matter(bundle, order):
    volume, _ = ball_volume(14.0, shape=(30, 50, 60))
    affine = np.array(volume.geometry.affine)
    affine[:3, :3] = affine[:3, list(order)]
    array = np.ascontiguousarray(volume.array.transpose(order))
    other = replace(volume, array=array, geometry=VolumeGeometry(affine, array.shape, "1.2.3.4"))
    segmenter, prompts = PromptableSegmenter(bundle), asked(point(volume, (15, 25, 30)))
    one = segmenter.segment(volume, prompts).full_mask(volume.geometry.shape)
    two = segmenter.segment(other, prompts).full_mask(array.shape).transpose(np.argsort(order))
    assert dice(one, two) > 0.98
