import numpy as np
import pytest

from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.domain.prompts import Polarity
from similar_cases.evaluate.clicks import first_click, next_click

SHAPE = (10, 20, 20)
GEOMETRY = VolumeGeometry(
    np.array([[0, 0, 1.0, -5.0], [0, 1.0, 0, 7.0], [4.0, 0, 0, 100.0], [0, 0, 0, 1.0]]), SHAPE, "1.2.3"
)


def block(*ranges):
    mask = np.zeros(SHAPE, bool)
    mask[tuple(slice(a, b) for a, b in ranges)] = True
    return mask


def voxel_of(click):
    return tuple(int(n) for n in np.round(GEOMETRY.lps_to_index(click.point_lps)[0]))


def test_the_first_click_is_at_the_centroid():
    click = first_click(block((2, 5), (4, 9), (6, 13)), GEOMETRY)
    assert voxel_of(click) == (3, 6, 9)
    assert click.polarity is Polarity.POSITIVE


def test_a_ring_is_clicked_where_it_is_nearest_to_its_middle():
    ring = block((3, 4), (2, 13), (2, 13)) & ~block((3, 4), (4, 11), (4, 11))
    click = voxel_of(first_click(ring, GEOMETRY))
    assert ring[click]
    assert np.hypot(click[1] - 7, click[2] - 7) == 4


def test_distances_are_in_mm():
    # one slice away is 4 mm: four columns away is as near, three are nearer
    truth = block((0, 1), (5, 6), (5, 6)) | block((2, 3), (5, 6), (5, 6)) | block((1, 2), (5, 6), (8, 9))
    truth |= block((1, 2), (5, 6), (2, 3))
    assert voxel_of(first_click(truth, GEOMETRY))[0] == 1


def test_what_is_missing_gets_a_positive_click_in_its_middle():
    truth = block((2, 7), (2, 15), (2, 15))
    guess = truth & ~block((3, 6), (5, 10), (5, 10))
    click = next_click(guess, truth, GEOMETRY)
    assert click.polarity is Polarity.POSITIVE
    assert voxel_of(click) == (4, 7, 7)


def test_what_is_too_much_gets_a_negative_click():
    truth = block((2, 4), (2, 5), (2, 5))
    guess = truth | block((5, 8), (8, 13), (8, 13))
    click = next_click(guess, truth, GEOMETRY)
    assert click.polarity is Polarity.NEGATIVE
    assert voxel_of(click) == (6, 10, 10)


def test_the_largest_connected_error_counts_not_the_sum():
    truth = block((0, 10), (0, 20), (0, 20))
    scattered = truth.copy()
    scattered[::2, ::2, ::2] = False  # 500 errors of one voxel each
    guess = scattered & ~block((2, 5), (3, 7), (3, 7))
    assert voxel_of(next_click(guess, truth, GEOMETRY))[0] in (2, 3, 4)


def test_nothing_to_correct_is_no_click():
    truth = block((2, 4), (2, 5), (2, 5))
    assert next_click(truth.copy(), truth, GEOMETRY) is None


@pytest.mark.parametrize("corner", [(0, 0, 0), (9, 19, 19)])
def test_an_error_at_the_border_is_clicked_inside_the_volume(corner):
    truth = np.zeros(SHAPE, bool)
    truth[corner] = True
    assert voxel_of(next_click(np.zeros(SHAPE, bool), truth, GEOMETRY)) == corner
