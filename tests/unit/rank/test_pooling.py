import numpy as np
import pytest

from similar_cases.rank.pooling import Pooling, pool

SLICES = np.array([[0.0, 1.0], [0.0, 3.0], [6.0, 2.0]], np.float16)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Pooling.MEAN, [2.0, 2.0]),
        (Pooling.MEDIAN, [0.0, 2.0]),
        (Pooling.MAX, [6.0, 3.0]),
        (Pooling.STD, [8**0.5, (2 / 3) ** 0.5]),
    ],
)
def test_components_are_pooled_over_the_slices(how, expected):
    pooled = pool(SLICES, how)
    assert pooled.dtype == np.float32
    np.testing.assert_allclose(pooled, expected, rtol=1e-6)


def test_one_slice_is_its_own_volume():
    for how in (Pooling.MEAN, Pooling.MEDIAN, Pooling.MAX):
        np.testing.assert_array_equal(pool(SLICES[:1], how), SLICES[0])
    assert not pool(SLICES[:1], Pooling.STD).any()
