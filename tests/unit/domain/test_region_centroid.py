import numpy as np
from tests.phantoms import rotated
from tests.unit.describe.volumes import region_of, texture, volume_of


def test_the_centroid_is_the_mean_of_the_voxels():
    array = texture((9, 30, 40))
    volume = volume_of(array, (3.0, 0.7, 0.9), directions=rotated((0.4, -0.3, 1.1)))
    region = region_of(volume, array > 40.0)
    assert region.centroid_lps == tuple(region.geometry.index_to_lps(np.argwhere(region.mask).mean(axis=0))[0])
