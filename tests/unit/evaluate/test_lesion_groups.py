import numpy as np
import pytest

from similar_cases.domain.geometry import VolumeGeometry
from similar_cases.evaluate.lesion_groups import group_of, lesion_axes_cm

SHAPE = (20, 60, 60)
GEOMETRY = VolumeGeometry(np.diag([5.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]], SHAPE, "1.2.3")


def mask_with(*boxes):
    mask = np.zeros(SHAPE, bool)
    for box in boxes:
        mask[box] = True
    return mask


def test_the_longest_axis_is_in_mm_along_any_direction():
    [axis] = lesion_axes_cm(mask_with(np.s_[2:13, 5:6, 5:6]), GEOMETRY)
    assert axis == pytest.approx(5.0)
    [axis] = lesion_axes_cm(mask_with(np.s_[2:4, 5:36, 5:46]), GEOMETRY)
    assert axis == pytest.approx(np.sqrt(5**2 + 30**2 + 40**2) / 10)


def test_each_connected_part_counts_but_specks_and_single_slices():
    mask = mask_with(np.s_[0:4, 0:4, 0:4], np.s_[10:14, 30:40, 30:40], np.s_[17:19, 50, 50], np.s_[19, 2:9, 2:9])
    axes = lesion_axes_cm(mask, GEOMETRY)
    assert len(axes) == 2
    assert axes[0] > axes[1]


def test_a_flat_lesion_has_an_axis():
    [axis] = lesion_axes_cm(mask_with(np.s_[0:20, 30, 0:60]), GEOMETRY)
    assert axis == pytest.approx(np.hypot(95, 59) / 10, rel=1e-3)


def test_lungs_reach_group_four():
    assert [group_of("lung", [size]) for size in (1.0, 4.0, 6.0, 8.0)] == [1, 2, 3, 4]


def test_no_lesion_is_no_group():
    assert lesion_axes_cm(np.zeros(SHAPE, bool), GEOMETRY) == []
    assert group_of("liver", []) == -1
