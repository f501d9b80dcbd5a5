import numpy as np
import pytest
from tests.phantoms import rotated
from tests.unit.describe.volumes import ball, region_of, volume_of

from similar_cases.describe.location import locate


@pytest.mark.parametrize("directions", [None, rotated((0.2, 0.7, -0.4))])
def test_the_middle_of_the_volume_is_half_way_along_each_axis(directions):
    volume = volume_of(np.zeros((9, 21, 31)), (3.0, 1.0, 1.0), directions=directions)
    location = locate(volume, ball(volume, (4, 10, 15), 5.0))
    assert location.relative == pytest.approx((0.5, 0.5, 0.5))
    assert location.centroid_lps == pytest.approx(volume.geometry.index_to_lps([4, 10, 15])[0])


def test_corner_voxels_lie_half_a_voxel_inside():
    volume = volume_of(np.zeros((4, 10, 20)))
    mask = np.zeros((4, 10, 20), bool)
    mask[0, -1, 5] = True
    assert locate(volume, region_of(volume, mask)).relative == pytest.approx((0.125, 0.95, 0.275))
