import time
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.segment.lesions import ball_volume, dice, point

from similar_cases.domain.prompts import BoxPrompt, MaskPrompt, Polarity, PromptOrigin, PromptSet
from similar_cases.domain.region import Authorship
from similar_cases.domain.volume import VoxelUnit
from similar_cases.segment.backends.region_growing import RegionGrowing
from similar_cases.segment.backends.region_rays import RayRecipe


def grow(volume, *prompts):
    return RegionGrowing().segment(volume, PromptSet(prompts=prompts, tracking_uid="1.2.3", label="x"))


@pytest.mark.parametrize(
    ("unit", "background", "noise", "contrast", "radius_mm"),
    [
        (VoxelUnit.HU, 40.0, 15.0, 60.0, 6.0),
        (VoxelUnit.HU, 40.0, 15.0, 60.0, 18.0),
        (VoxelUnit.HU, 60.0, 20.0, -40.0, 12.0),
        (VoxelUnit.HU, -800.0, 30.0, 830.0, 6.0),
        (VoxelUnit.HU, -800.0, 30.0, 830.0, 18.0),
        (VoxelUnit.ARBITRARY, 300.0, 20.0, 200.0, 15.0),
        (VoxelUnit.ARBITRARY, 30000.0, 2000.0, 20000.0, 15.0),
        (VoxelUnit.SUVBW, 0.8, 0.1, 6.0, 15.0),
        (VoxelUnit.BQML, 2000.0, 200.0, 20000.0, 10.0),
    ],
)
def test_one_click_finds_a_ball_in_noise(unit, background, noise, contrast, radius_mm):
    volume, truth = ball_volume(radius_mm, unit=unit, background=background, noise=noise, contrast=contrast)
    region = grow(volume, point(volume, (20, 64, 64)))
    assert dice(region.full_mask(volume.geometry.shape), truth) > 0.75
    assert 0.0 < region.quality <= 1.0


def test_a_box_finds_the_ball_that_fills_it():
    volume, truth = ball_volume(14.0, contrast=40.0)
    corners = volume.geometry.index_to_lps(np.argwhere(truth))
    region = grow(volume, BoxPrompt(tuple(corners.min(axis=0) - 0.5), tuple(corners.max(axis=0) + 0.5)))
    assert dice(region.full_mask(volume.geometry.shape), truth) > 0.85


def test_nothing_grows_out_of_the_box():
    volume, _ = ball_volume(20.0)
    centre = volume.geometry.index_to_lps((20, 64, 64))[0]
    region = grow(volume, point(volume, (20, 64, 64)), BoxPrompt(tuple(centre - 6.0), tuple(centre + 6.0)))
    found = volume.geometry.index_to_lps(np.argwhere(region.full_mask(volume.geometry.shape)))
    assert (np.abs(found - centre) <= 6.0).all()


def test_a_rough_mask_is_kept_and_grown_from():
    volume, truth = ball_volume(14.0, contrast=80.0)
    rough = np.zeros(volume.geometry.shape, bool)
    rough[19:22, 60:69, 60:69] = True
    region = grow(volume, MaskPrompt(rough, volume.geometry))
    found = region.full_mask(volume.geometry.shape)
    assert (found >= rough).all()
    assert dice(found, truth) > 0.75


def test_a_negative_point_cuts_a_neighbour_off():
    volume, truth = ball_volume(10.0, contrast=120.0, second_at=(20, 64, 90))
    free = grow(volume, point(volume, (20, 64, 64)), point(volume, (20, 64, 90)))
    cut = grow(volume, point(volume, (20, 64, 64)), point(volume, (20, 64, 90), Polarity.NEGATIVE))
    assert cut.volume_ml < 0.8 * free.volume_ml
    assert not cut.full_mask(volume.geometry.shape)[20, 64, 90]
    assert dice(cut.full_mask(volume.geometry.shape), truth) > 0.7


def test_air_and_bone_do_not_hide_a_soft_edge():
    volume, truth = ball_volume(14.0, contrast=60.0)
    array = np.array(volume.array)
    array[:, :12], array[:, -10:] = -1000.0, 1200.0
    region = grow(replace(volume, array=array), point(volume, (20, 64, 64)))
    assert dice(region.full_mask(volume.geometry.shape), truth) > 0.75


def test_a_constant_volume_and_values_that_are_no_numbers_give_a_bounded_region():
    volume, _ = ball_volume(10.0, contrast=0.0, noise=0.0)
    region = grow(volume, point(volume, (20, 64, 64)))
    assert 0 < region.mask.sum() <= volume.array.size
    array = np.array(volume.array)
    array[5:8] = np.nan
    assert grow(replace(volume, array=array), point(volume, (20, 64, 64))).mask.any()


@pytest.mark.parametrize("shape", [(1, 40, 40), (40, 40, 1), (3, 3, 3), (1, 1, 1)])
def test_thin_volumes_are_taken(shape):
    volume, _ = ball_volume(5.0, shape=shape, contrast=100.0)
    region = grow(volume, point(volume, tuple(n // 2 for n in shape)))
    assert region.mask.any()


def test_the_region_says_where_it_comes_from():
    volume, _ = ball_volume(10.0)
    prompts = PromptSet(
        prompts=(point(volume, (20, 64, 64)),),
        tracking_uid="1.2.9",
        label="n",
        origin=PromptOrigin.SR,
        source_sop_instance_uid="1.2.8",
    )
    region = RegionGrowing().segment(volume, prompts)
    assert (region.tracking_uid, region.label, region.source_sop_instance_uid) == ("1.2.9", "n", "1.2.8")
    assert (region.authorship, region.origin) == (Authorship.SEMIAUTOMATIC, PromptOrigin.SR)
    assert region.algorithm == RegionGrowing().identity


def test_a_changed_constant_changes_the_identity():
    changed = RegionGrowing(rays=RayRecipe(length=0.02)).identity
    assert changed != RegionGrowing().identity
    assert ("rays.length", "0.02") in changed.parameters
    assert list(changed.parameters) == sorted(changed.parameters)


@pytest.mark.slow
def test_a_click_in_a_whole_ct_takes_less_than_a_second_and_a_half():
    volume, _ = ball_volume(30.0, shape=(300, 512, 512), spacing_mm=(1.0, 0.75, 0.75))
    click = point(volume, (150, 256, 256))
    grow(volume, click)
    began = time.perf_counter()
    grow(volume, click)
    assert time.perf_counter() - began < 1.5
