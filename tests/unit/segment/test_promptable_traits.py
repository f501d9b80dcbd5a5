import numpy as np
import pytest
import torch

from similar_cases.segment.backends.promptable.inputs import SIZE, crop_at
from similar_cases.segment.backends.promptable.look import Look
from similar_cases.segment.backends.promptable.network import TRAIT_NAMES, TRAITS, ScaleJudge
from similar_cases.segment.backends.promptable.traits import Seen, agreement, traits_of

MIDDLE = torch.zeros(3, dtype=torch.float64)


def seen(radius_mm, spacing_mm, *, softness=0.3, brightness=5.0, quality=0.7, centre=MIDDLE):
    """A ball in the middle of a crop, found with an edge of some softness, in an image of unit noise."""
    grid = crop_at(centre, spacing_mm)
    index = torch.stack(torch.meshgrid(*[torch.arange(SIZE, dtype=torch.float64)] * 3, indexing="ij"), -1)
    apart = ((index - (SIZE - 1) / 2) * spacing_mm + centre.flip(0)).norm(dim=-1)
    probability = torch.sigmoid((radius_mm - apart) / (softness * spacing_mm)).float()
    noise = np.random.default_rng(0).normal(0, 1, (SIZE, SIZE, SIZE)).astype(np.float32)
    image = noise + brightness * (apart < radius_mm).numpy()
    return Seen(Look(grid, probability, quality, 0.5), torch.from_numpy(image).float()[None], MIDDLE[None])


def own(one):
    """The traits of one look, by name."""
    return dict(zip(TRAIT_NAMES, traits_of([one])[0].tolist(), strict=False))


def test_traits_are_those_of_the_look_then_of_the_wider_then_of_the_nearer():
    series = [seen(20.0, spacing) for spacing in (4.0, 2.0, 1.0)]
    traits = traits_of(series)
    assert traits.shape == (3, 3 * TRAITS)
    assert not traits[0, TRAITS : 2 * TRAITS].any()
    assert not traits[2, 2 * TRAITS :].any()
    assert torch.equal(traits[1, TRAITS : 2 * TRAITS], traits[0, :TRAITS])
    assert torch.equal(traits[1, 2 * TRAITS :], traits[2, :TRAITS])
    assert traits[:, 0].tolist() == pytest.approx([0.7] * 3)
    assert traits[:, TRAITS - 2 : TRAITS].tolist() == [[1, 0], [0, 0], [0, 1]]  # the widest, the nearest


def test_a_sharp_edge_is_stable_and_a_soft_one_is_not():
    sharp, soft = own(seen(20.0, 1.5, softness=0.3)), own(seen(20.0, 1.5, softness=6.0))
    assert sharp["stability"] > 0.9
    assert soft["stability"] < 0.6


def test_what_stands_out_is_unlike_its_shell_and_what_does_not_is_not():
    bright, dark, hidden = (own(seen(15.0, 1.0, brightness=b)) for b in (5.0, -5.0, 0.0))
    assert bright["ranks apart"] == pytest.approx(1.0, abs=0.02)
    assert dark["ranks apart"] == pytest.approx(1.0, abs=0.02)
    assert hidden["ranks apart"] < 0.05
    assert bright["levels apart"] == pytest.approx(5.0, abs=0.2)
    assert hidden["levels apart"] < 0.1


def test_a_mask_that_runs_out_of_its_crop_shows_at_the_faces():
    inside, beyond = own(seen(10.0, 1.0)), own(seen(45.0, 1.0))
    assert inside["share of the faces"] == 0.0
    assert beyond["share of the faces"] > 0.5
    assert beyond["longest side, share"] == 1.0


def test_looks_of_one_thing_agree_by_volume_whatever_their_scales():
    assert agreement(seen(20.0, 2.0), seen(20.0, 0.9)) > 0.95
    assert agreement(seen(40.0, 2.0), seen(10.0, 0.9)) < 0.05


def test_a_look_that_found_nothing_has_traits_too():
    grid = crop_at(MIDDLE, 1.0)
    nothing = Seen(Look(grid, torch.zeros(SIZE, SIZE, SIZE), 0.1, 0.5), torch.zeros(1, SIZE, SIZE, SIZE), MIDDLE[None])
    traits = traits_of([nothing, seen(10.0, 0.5)])
    assert torch.isfinite(traits).all()


def test_the_judge_says_shares_and_the_same_twice():
    torch.manual_seed(1)
    judge = ScaleJudge().eval()
    traits = traits_of([seen(20.0, spacing) for spacing in (4.0, 2.0, 1.0)])
    said = judge(traits)
    assert said.shape == (3,)
    assert ((said > 0) & (said < 1)).all()
    assert torch.equal(said, judge(traits))
