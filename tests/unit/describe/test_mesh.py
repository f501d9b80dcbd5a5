import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from radiomics import cShape
from scipy.ndimage import gaussian_filter
from tests.unit.describe.volumes import texture

from similar_cases.describe.mesh import CubeVolumes, cases_of, mesh_of

ORACLE = cShape.calculate_coefficients
VOLUMES = CubeVolumes.measured_by(ORACLE)
UNEQUAL_MM = (3.0, 0.9765625, 0.7)


def assert_as_pyradiomics(mask, spacing_mm):
    padded, spacing = np.pad(mask, 1), np.array(spacing_mm)
    area, volume, diameters = ORACLE(padded, spacing)
    mesh = mesh_of(padded, spacing, ORACLE, VOLUMES)
    assert mesh.diameters_mm == diameters  # the same numbers, not only close ones
    assert mesh.area_mm2 == pytest.approx(area, rel=1e-11)
    assert mesh.volume_mm3 == pytest.approx(volume, rel=1e-11)


@given(
    shape=st.tuples(*[st.integers(1, 14)] * 3),
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0.02, 0.98),
    smooth=st.sampled_from([0.0, 0.7, 2.0]),
    spacing_mm=st.tuples(*[st.floats(0.2, 6.0)] * 3),
)
@settings(max_examples=60, deadline=None)
def test_any_mask_has_the_mesh_that_pyradiomics_gives_it(shape, seed, share, smooth, spacing_mm):
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), smooth)
    assert_as_pyradiomics(noise >= np.quantile(noise, 1 - share), spacing_mm)


@pytest.mark.parametrize("spacing_mm", [(1.5, 1.5, 1.5), UNEQUAL_MM])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 60), (60, 1, 1), (1, 40, 40), (12, 1, 30), (9, 10, 11)])
def test_boxes_down_to_a_row_and_a_voxel(shape, spacing_mm):
    assert_as_pyradiomics(np.ones(shape, bool), spacing_mm)


@pytest.mark.parametrize("spacing_mm", [(1.5, 1.5, 1.5), UNEQUAL_MM])
def test_a_large_round_region_and_one_of_many_parts(spacing_mm):
    grid = np.stack(np.indices((40, 44, 50)), axis=-1)
    assert_as_pyradiomics((((grid - (20, 22, 25)) / (18, 20, 23)) ** 2).sum(axis=-1) < 1, spacing_mm)
    assert_as_pyradiomics(texture((24, 30, 28)) > 30.0, spacing_mm)


def test_a_row_of_vertices_longer_than_what_is_compared_one_by_one():
    mask = np.zeros((3, 3, 90), bool)
    mask[1, 1, ::2] = True  # across z, all vertices of the plane between two slices lie on one line
    assert_as_pyradiomics(mask, UNEQUAL_MM)


def test_the_cases_are_told_apart_by_every_voxel():
    cases = cases_of(np.indices((2, 2, 2)).sum(axis=0) % 2 == 0)
    assert cases.tolist() == [[[1 + 8 + 32 + 64]]]
    for bit in range(8):
        one = np.zeros(8, bool)
        one[bit] = True
        assert cases_of(one.reshape(2, 2, 2)).tolist() == [[[1 << bit]]]
