import numpy as np
import pytest
import torch
from tests.unit.segment.lesions import dice
from torch import nn

from similar_cases.segment.backends.promptable.inputs import SIZE, crop_at
from similar_cases.segment.backends.promptable.network import TRAIT_NAMES
from similar_cases.segment.backends.promptable.zoom import (
    Grid,
    Hints,
    Look,
    Looker,
    ZoomRecipe,
    back_to_volume,
)

LEVELS_APART, SCALE = TRAIT_NAMES.index("levels apart"), TRAIT_NAMES.index("log of mm a voxel")


class LikeTheClick(nn.Module):
    """Stands for a network: inside is what has the clicked intensity; notes every input that it sees."""

    def __init__(self):
        super().__init__()
        self.seen, self.told = [], []

    def forward(self, inputs):
        self.seen.append(inputs[0])
        return (0.55 - inputs[:, 1:2].abs()) * 40.0, torch.tensor([0.8])

    def scale_judge(self, traits):
        """Believe what differs from what is round it."""
        self.told.append(traits)
        return (traits[:, LEVELS_APART] > 0.3) * 0.9


def turned(spacing, angle):
    cos, sin = np.cos(angle), np.sin(angle)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]]) @ np.diag(spacing[::-1])[:, ::-1]
    affine[:3, 3] = (-50.0, 30.0, -20.0)
    return affine


def ball(radius_mm, shape=(40, 120, 120), spacing=(3.0, 1.0, 1.0), angle=0.0):
    """A bright ball in the middle of a volume: its grid, its mask, and its centre, LPS mm."""
    affine = turned(spacing, angle)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    lps = index @ affine[:3, :3].T + affine[:3, 3]
    centre = affine[:3, :3] @ (np.array(shape) // 2) + affine[:3, 3]
    mask = np.linalg.norm(lps - centre, axis=-1) <= radius_mm
    noise = np.random.default_rng(2).normal(0, 1, shape)
    return (
        Grid((mask * 100.0 + noise).astype(np.float32), torch.from_numpy(affine)),
        mask,
        torch.from_numpy(centre)[None],
    )


@pytest.mark.parametrize("radius_mm", [10.0, 20.0, 45.0])
@pytest.mark.parametrize("angle", [0.0, 0.6])
def test_the_scale_follows_the_size(radius_mm, angle):
    grid, truth, centre = ball(radius_mm, angle=angle)
    looker = Looker(network=LikeTheClick())
    look = looker.find(grid, Hints(positive=centre))
    share = 2 * radius_mm / (SIZE * look.grid.spacing_mm)
    assert 0.3 < share < 0.75
    assert dice(back_to_volume(look, grid).full_mask(truth.shape), truth) > 0.6


def test_looking_ends_when_the_scale_fits_and_at_the_latest_after_the_looks_of_the_recipe():
    grid, _, centre = ball(4.0)
    for looks in (1, 2, 4):
        network = LikeTheClick()
        Looker(network=network, recipe=ZoomRecipe(looks=looks, mirrored=False)).find(grid, Hints(positive=centre))
        assert len(network.seen) <= looks + ZoomRecipe().starts


class FromAfarTheOrgan(LikeTheClick):
    """Takes all that it sees for the lesion at its first look, and is sure of it."""

    def forward(self, inputs):
        logits, quality = super().forward(inputs)
        return (logits * 0 + 5.0, quality) if len(self.seen) == 1 else (logits, quality * 0.8)


class FromAfarTheOrganIsBelieved(FromAfarTheOrgan):
    """Is believed where it is sure."""

    def scale_judge(self, traits):
        return traits[:, 0]


def test_a_small_lesion_is_found_though_from_afar_its_organ_is_what_is_seen():
    grid, truth, centre = ball(7.0)
    found = Looker(network=FromAfarTheOrgan()).mask(grid, Hints(positive=centre)).full_mask(truth.shape)
    assert dice(found, truth) > 0.5


def test_the_look_that_is_judged_best_is_believed_and_the_last_look_is_judged_in_its_place():
    grid, _, centre = ball(7.0)
    network = FromAfarTheOrgan()
    found = Looker(network=network).mask(grid, Hints(positive=centre))
    starts, in_the_end = network.told[0], network.told[-1]
    assert len(starts) == len(in_the_end)
    believed = int((starts[:, LEVELS_APART] > 0.3).int().argmax())
    assert believed > 0
    changed = (starts[:, :1] != in_the_end[:, :1]).flatten() | (starts[:, SCALE] != in_the_end[:, SCALE])
    assert changed.tolist() == [number == believed for number in range(len(starts))]
    assert found.quality == pytest.approx(0.9)


def test_a_box_tells_the_size_and_one_look_is_enough():
    grid, truth, centre = ball(12.0)
    network = LikeTheClick()
    box = torch.cat((centre - 12.0, centre + 12.0))
    found = Looker(network=network).mask(grid, Hints(positive=centre, box=box))
    assert len(network.seen) == 1
    inside = network.seen[0][5]
    side = round(24.0 / (24.0 / (SIZE * ZoomRecipe().wanted_share)))
    assert abs(float(inside.sum()) ** (1 / 3) - side) <= 2
    assert dice(found.full_mask(truth.shape), truth) > 0.7
    assert found.quality == pytest.approx(0.8)


def test_a_mask_so_far_that_is_but_a_part_is_looked_at_again_from_further_away():
    grid, truth, centre = ball(40.0)
    network = LikeTheClick()
    small = np.linalg.norm(np.argwhere(truth) - np.argwhere(truth).mean(0), axis=1) < 6
    part = np.zeros_like(truth)
    part[tuple(np.argwhere(truth)[small].T)] = True
    mask = Looker(network=network).mask(grid, Hints(positive=centre, previous=Grid(part, grid.affine)))
    assert len(network.seen) == 2
    assert dice(mask.full_mask(truth.shape), truth) > 0.8


def test_a_mask_so_far_tells_the_size_and_is_shown():
    grid, truth, centre = ball(12.0, angle=0.3)
    network = LikeTheClick()
    Looker(network=network).find(grid, Hints(positive=centre, previous=Grid(truth, grid.affine)))
    assert len(network.seen) == 1
    shown = network.seen[0][6]
    spacing = 24.0 / (SIZE * ZoomRecipe().wanted_share)
    assert float(shown.sum()) * spacing**3 == pytest.approx(4 / 3 * np.pi * 12.0**3, rel=0.2)


def test_corrections_keep_the_scale_that_the_first_click_found():
    grid, _, centre = ball(12.0)
    network = LikeTheClick()
    looker = Looker(network=network)
    alone = looker.find(grid, Hints(positive=centre))
    negative = centre + torch.tensor([[15.0, 0.0, 0.0]])
    more = looker.find(grid, Hints(positive=torch.cat((centre, centre + 2.0)), negative=negative))
    assert more.grid.spacing_mm == alone.grid.spacing_mm
    assert network.seen[-1][4].any()
    assert float(network.seen[-1][3].sum()) > 1.1 * float(network.seen[0][3].sum())


def test_a_click_outside_in_the_middle_of_the_mask_so_far_denies_it_and_what_holds_that_click_is_not_believed():
    grid, truth, centre = ball(7.0)
    _, organ, _ = ball(30.0)
    fooled = Looker(network=FromAfarTheOrganIsBelieved()).mask(grid, Hints(positive=centre))
    assert dice(fooled.full_mask(truth.shape), truth) < 0.1
    network = FromAfarTheOrganIsBelieved()
    hints = Hints(positive=centre, negative=centre + torch.tensor([[9.0, 0, 0]]), previous=Grid(organ, grid.affine))
    found = Looker(network=network).mask(grid, hints)
    assert dice(found.full_mask(truth.shape), truth) > 0.5
    assert not network.seen[-1][6].any()  # the mask so far is not shown


def test_a_box_tells_the_scale_though_the_mask_so_far_is_denied():
    grid, truth, centre = ball(12.0)
    network = LikeTheClick()
    box = torch.cat((centre - 12.0, centre + 12.0))
    hints = Hints(positive=centre + 5.0, negative=centre, box=box, previous=Grid(truth, grid.affine))
    Looker(network=network).find(grid, hints)
    assert len(network.seen) == 1


def test_a_click_outside_at_the_border_of_the_mask_so_far_corrects_it():
    grid, truth, centre = ball(12.0)
    network = LikeTheClick()
    border = centre + torch.tensor([[10.0, 0.0, 0.0]])
    Looker(network=network).find(grid, Hints(positive=centre, negative=border, previous=Grid(truth, grid.affine)))
    assert len(network.seen) == 1
    assert network.seen[0][6].any()


def test_clicks_far_apart_all_lie_in_the_crop():
    grid, _, centre = ball(4.0)
    far = torch.cat((centre, centre + torch.tensor([[55.0, 0.0, 0.0]])))
    look = Looker(network=LikeTheClick()).find(grid, Hints(positive=far))
    index = look.grid.to_index(far)
    assert (index >= 0).all()
    assert (index <= SIZE - 1).all()


def test_parts_that_nobody_clicked_are_left_out_and_clicked_ones_stay():
    grid, _, centre = ball(8.0)
    second = np.roll(grid.voxels, 40, axis=2)
    both = Grid(np.maximum(grid.voxels, second), grid.affine)
    other = centre + torch.tensor([[40.0, 0.0, 0.0]])
    looker = Looker(network=LikeTheClick())
    one, two = looker.find(both, Hints(positive=centre)), looker.find(both, Hints(positive=torch.cat((centre, other))))
    at = np.round(np.linalg.solve(grid.affine[:3, :3].numpy(), (other[0] - grid.affine[:3, 3]).numpy())).astype(int)
    assert not back_to_volume(one, both).full_mask(both.voxels.shape)[tuple(at)]
    assert back_to_volume(two, both).full_mask(both.voxels.shape)[tuple(at)]


def test_where_nothing_is_inside_the_likeliest_at_the_click_is_taken():
    probability = torch.full((SIZE, SIZE, SIZE), 0.05)
    probability[32, 32, 32:35], probability[5, 5, 5] = 0.2, 0.9
    grid = crop_at(torch.zeros(3, dtype=torch.float64), 1.0)
    look = Look(grid, probability, 0.1, 0.5).reduced_to(torch.zeros(1, 3, dtype=torch.float64))
    assert look.level == pytest.approx(0.1)
    assert look.probability.nonzero().tolist() == [[32, 32, 32], [32, 32, 33], [32, 32, 34]]


@pytest.mark.parametrize("angle", [0.0, 0.5])
def test_a_mask_comes_back_to_the_voxels_that_it_was_seen_at(angle):
    grid, truth, centre = ball(15.0, angle=angle)
    crop = crop_at(centre[0], 0.8)
    index = torch.stack(torch.meshgrid(*[torch.arange(SIZE, dtype=torch.float64)] * 3, indexing="ij"), -1)
    apart = (index - (SIZE - 1) / 2).norm(dim=-1) * 0.8
    look = Look(crop, torch.sigmoid((15.0 - apart) * 4).float(), 1.0, 0.5)
    assert dice(back_to_volume(look, grid).full_mask(truth.shape), truth) > 0.98


def test_a_crop_beside_the_volume_gives_nothing():
    grid, _, centre = ball(4.0)
    look = Look(crop_at(centre[0] + 5000.0, 1.0), torch.ones(SIZE, SIZE, SIZE), 1.0, 0.5)
    assert not back_to_volume(look, grid).mask.any()


def test_a_look_that_found_nothing_gives_nothing():
    grid, _, centre = ball(4.0)
    look = Look(crop_at(centre[0], 1.0), torch.zeros(SIZE, SIZE, SIZE), 0.3, 0.5)
    assert back_to_volume(look, grid).mask.size == 0


def test_neighbouring_scales_and_the_mirror_image_are_averaged():
    grid, truth, centre = ball(12.0)
    plain, steady = LikeTheClick(), LikeTheClick()
    Looker(network=plain, recipe=ZoomRecipe(mirrored=False)).find(grid, Hints(positive=centre))
    recipe = ZoomRecipe(mirrored=True, spread=1.3)
    mask = Looker(network=steady, recipe=recipe).mask(grid, Hints(positive=centre)).full_mask(truth.shape)
    assert len(steady.seen) == len(plain.seen) + 3
    assert torch.equal(steady.seen[-3], steady.seen[-4].flip(-1))
    assert dice(mask, truth) > 0.7


def test_voxels_that_are_no_number_do_no_harm():
    grid, truth, centre = ball(12.0)
    holed = grid.voxels.copy()
    holed[0] = np.nan
    found = Looker(network=LikeTheClick()).mask(Grid(holed, grid.affine), Hints(positive=centre))
    mask = found.full_mask(truth.shape)
    assert dice(mask, truth) > 0.7
