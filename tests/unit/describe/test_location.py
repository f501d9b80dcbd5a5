import numpy as np
import pytest
from tests.phantoms import rotated
from tests.unit.describe.volumes import ball, region_of, volume_of

from similar_cases.describe.location import locate
from similar_cases.domain.description import BodyCoordinate
from similar_cases.domain.errors import WrongEmbeddingSpace


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


class _Shifted:
    """A body whose coordinates are LPS, ten millimetres higher; it knows the upper half alone."""

    space = "shifted 1"

    def coordinates(self, volume, points_lps):
        return [
            BodyCoordinate((float(x), float(y), float(z) + 10.0), self.space) if z > 0 else None
            for x, y, z in points_lps
        ]


def test_the_place_in_the_body_is_the_model_s_word_on_the_centroid():
    volume = volume_of(np.zeros((9, 21, 31)), (3.0, 1.0, 1.0))
    region = ball(volume, (4, 10, 15), 5.0)
    x, y, z = region.centroid_lps
    assert locate(volume, region).body is None
    assert locate(volume, region, _Shifted()).body == BodyCoordinate((x, y, z + 10.0), "shifted 1")


def test_coordinates_of_two_models_are_never_compared():
    here = BodyCoordinate((0.0, 0.0, 0.0), "m 1")
    with pytest.raises(WrongEmbeddingSpace, match=r"'m 1'.*'m 2'"):
        here.distance_mm(BodyCoordinate((0.0, 0.0, 0.0), "m 2"))
