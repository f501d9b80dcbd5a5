import numpy as np
import pytest
from tests.unit.describe.volumes import texture, volume_of

from similar_cases.describe.windows import windows_of
from similar_cases.domain.volume import VoxelUnit


def test_ct_is_seen_through_lung_soft_tissue_and_bone():
    volume = volume_of(np.zeros((2, 4, 4)))
    lung, soft, bone = windows_of(volume).apply(np.full((1, 1, 1), 40.0, np.float32)).ravel()
    assert (lung, soft, bone) == pytest.approx((1390 / 1500, 0.5, 0.3))


def test_suv_windows_do_not_depend_on_the_volume():
    a, b = (volume_of(np.full((2, 4, 4), value), unit=VoxelUnit.SUVBW) for value in (0.0, 40.0))
    assert windows_of(a) == windows_of(b)


def test_mr_is_seen_between_its_own_percentiles():
    array = texture((20, 40, 40))
    plain, scaled = (volume_of(a, unit=VoxelUnit.ARBITRARY) for a in (array, array * 7 + 100))
    np.testing.assert_allclose(windows_of(plain).apply(plain.array), windows_of(scaled).apply(scaled.array), atol=1e-3)
    spiked = array.copy()
    spiked[0, 0, 0] = 1e6
    low, high = windows_of(volume_of(spiked, unit=VoxelUnit.ARBITRARY)).ranges[0]
    assert high < array.max()
    assert low > array.min()


@pytest.mark.parametrize("value", [5.0, np.nan])
def test_a_volume_of_one_value_is_black(value):
    volume = volume_of(np.full((2, 4, 4), value), unit=VoxelUnit.ARBITRARY)
    assert not windows_of(volume).apply(volume.array).any()
