import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from similar_cases.domain.errors import MalformedDicom
from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.segment.planes import mask_on_grid
from similar_cases.segment.prompts.contours import draw_contours, fill_polygons


def upright(shape=(20, 40, 50), spacing=(3.0, 1.0, 1.5), origin=(-20.0, 5.0, -100.0)):
    affine = np.eye(4)
    affine[:3, :3] = np.diag(spacing[::-1])[:, [2, 1, 0]]
    affine[:3, 3] = origin
    return VolumeGeometry(affine, shape, "1.2.3")


def turned(grid, degrees):
    """The grid turned round the LPS x axis."""
    angle = np.deg2rad(degrees)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return VolumeGeometry(turn @ grid.affine, grid.shape, grid.frame_of_reference_uid)


def circle(radius, centre=(0.0, 0.0), count=200):
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([centre[0] + radius * np.sin(angle), centre[1] + radius * np.cos(angle)], axis=1)


def on_slices(grid, radii):
    """Circles, radius in voxels by slice k, in the middle of the grid, LPS mm."""
    middle = ((grid.shape[1] - 1) / 2, (grid.shape[2] - 1) / 2)
    outlines = [(k, circle(radius, middle)) for k, radius in radii.items()]
    return [grid.index_to_lps(np.column_stack([np.full(len(c), float(k)), c])) for k, c in outlines]


def whole(drawn, grid):
    mask = np.zeros(grid.shape, bool)
    placed = mask_on_grid([drawn.prompt], grid)
    if placed is not None:
        lower = np.rint(grid.lps_to_index(placed.geometry.affine[:3, 3])[0]).astype(int)
        mask[tuple(slice(a, a + n) for a, n in zip(lower, placed.mask.shape, strict=True))] = placed.mask
    return mask


def test_a_circle_has_the_area_of_a_circle():
    assert fill_polygons([circle(20.3, (30.0, 31.0))], (64, 64)).sum() == pytest.approx(np.pi * 20.3**2, rel=0.01)


def test_a_contour_within_another_is_a_hole_and_one_in_the_hole_is_an_island():
    rings = [circle(20, (30, 30)), circle(12, (30, 30)), circle(4, (30, 30))]
    filled = fill_polygons(rings, (61, 61))
    assert not filled[30, 20]
    assert filled[30, 30]
    assert filled[30, 14]


def test_a_keyhole_contour_has_the_hole_that_it_goes_round():
    outer, inner = circle(20, (30, 30)), circle(10, (30, 30))[::-1]
    keyhole = np.concatenate([outer, outer[:1], inner[-1:], inner, outer[:1]])
    assert (fill_polygons([keyhole], (61, 61)) == fill_polygons([outer, inner], (61, 61))).mean() > 0.999


def test_a_contour_that_runs_out_of_the_image_is_cut():
    assert fill_polygons([circle(10, (0, 0))], (20, 20)).sum() == pytest.approx(np.pi * 25, rel=0.1)
    assert not fill_polygons([circle(10, (-30, 0))], (20, 20)).any()


def test_neighbours_that_share_a_border_share_no_voxel_and_leave_none_out():
    left, right = ([[2, a], [2, b], [8, b], [8, a]] for a, b in ((2, 5), (5, 9)))
    both = [fill_polygons([np.array(side, float)], (12, 12)).astype(int) for side in (left, right)]
    together = fill_polygons([np.array([[2, 2], [2, 9], [8, 9], [8, 2]], float)], (12, 12))
    np.testing.assert_array_equal(sum(both), together)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 25), st.floats(-5, 25)), min_size=3, max_size=12))
def test_any_polygon_is_filled_as_the_even_odd_rule_says(vertices):
    polygon = np.array(vertices)
    filled = fill_polygons([polygon], (20, 20))
    for row, column in ((3, 4), (10, 10), (17, 2)):
        a, b = polygon, np.roll(polygon, -1, axis=0)
        spans = (a[:, 0] <= row) != (b[:, 0] <= row)
        at = a[spans, 1] + (row - a[spans, 0]) / (b[spans, 0] - a[spans, 0]) * (b[spans, 1] - a[spans, 1])
        if np.abs(at - column).min(initial=1.0) > 1e-3 and np.abs(polygon[:, 0] - row).min() > 1e-3:
            assert filled[row, column] == bool((at < column).sum() % 2)


def test_contours_on_every_slice_are_the_voxels_inside():
    grid = upright()
    drawn = draw_contours(on_slices(grid, dict.fromkeys(range(4, 12), 10.0)), grid)
    mask = whole(drawn, grid)
    assert np.flatnonzero(mask.any(axis=(1, 2))).tolist() == list(range(4, 12))
    assert mask[4].sum() == pytest.approx(np.pi * 100, rel=0.03)
    assert drawn.notes == ()


def test_a_contour_beside_its_slice_goes_to_the_nearest_one():
    grid = upright()
    assert np.flatnonzero(whole(draw_contours(on_slices(grid, {4.4: 8.0}), grid), grid).any(axis=(1, 2))) == [4]


def test_of_two_planes_in_one_slice_the_nearer_one_counts():
    grid = upright()
    mask = whole(draw_contours(on_slices(grid, {5.3: 4.0, 4.9: 12.0}), grid), grid)
    assert mask[5].sum() == pytest.approx(np.pi * 144, rel=0.03)


def test_contours_on_every_second_slice_are_joined_by_shape():
    grid = upright()
    drawn = draw_contours(on_slices(grid, {4: 6.0, 6: 10.0, 8: 14.0, 10: 10.0}), grid)
    mask = whole(drawn, grid)
    assert np.flatnonzero(mask.any(axis=(1, 2))).tolist() == list(range(4, 11))
    assert mask[5].sum() == pytest.approx(np.pi * 64, rel=0.06)
    assert drawn.notes == ("3 slices between contours interpolated by shape",)


def test_a_gap_in_contours_on_every_slice_stays_a_gap():
    grid = upright()
    drawn = draw_contours(on_slices(grid, dict.fromkeys([2, 3, 4, 9, 10, 11], 8.0)), grid)
    assert np.flatnonzero(whole(drawn, grid).any(axis=(1, 2))).tolist() == [2, 3, 4, 9, 10, 11]


def test_a_contour_that_is_there_twice_counts_once():
    grid = upright()
    contours = on_slices(grid, {4: 8.0, 5: 8.0})
    assert (whole(draw_contours(contours * 2, grid), grid) == whole(draw_contours(contours, grid), grid)).all()


@pytest.mark.parametrize("degrees", [12.0, 90.0])
def test_contours_in_oblique_planes_give_the_same_body(degrees):
    grid = upright((60, 60, 60), (1.5, 1.0, 1.0), (0.0, 0.0, 0.0))
    drawn_on = turned(grid, degrees)
    contours = on_slices(drawn_on, dict.fromkeys(range(20, 33), 10.0))
    drawn = draw_contours(contours, VolumeGeometry(grid.affine - _shift(grid, drawn_on), grid.shape, "1.2.3"))
    volume = drawn.prompt.mask.sum() * drawn.prompt.geometry.voxel_volume_mm3
    assert volume == pytest.approx(np.pi * 100 * 13 * 1.5, rel=0.05)
    assert any("oblique" in note for note in drawn.notes)


def _shift(grid, other):
    """What moves the middle of one grid onto that of another."""
    middle = (np.array(grid.shape) - 1) / 2
    shift = np.zeros((4, 4))
    shift[:3, 3] = (grid.index_to_lps(middle) - other.index_to_lps(middle))[0]
    return shift


def test_contours_outside_give_a_mask_without_a_voxel_where_they_lie():
    grid = upright()
    drawn = draw_contours(on_slices(grid, {-8: 8.0, -7: 8.0}), grid)
    assert not drawn.prompt.mask.any()
    assert not grid.contains_lps(drawn.prompt.geometry.index_to_lps((0, 0, 0))[0])


def test_a_zigzag_that_crosses_too_many_rows_is_refused():
    grid = upright((1, 4096, 4096), (1.0, 1.0, 1.0))
    zigzag = np.zeros((60_000, 3))
    zigzag[:, 1] = np.arange(60_000) % 2 * 4095.0
    zigzag[:, 2] = np.linspace(0, 4095, 60_000)
    with pytest.raises(MalformedDicom, match="rows"):
        draw_contours([grid.index_to_lps(zigzag)], grid)


def test_contours_without_an_area_are_refused():
    grid = upright()
    line = grid.index_to_lps([(0, 5, 5), (5, 5, 5), (10, 5, 5)])
    with pytest.raises(MalformedDicom, match="area"):
        draw_contours([line], grid)
