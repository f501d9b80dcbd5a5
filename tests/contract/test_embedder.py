"""Every Embedder is deterministic, gives unit vectors of its spaces' sizes, and takes what archives hold."""

from typing import Any

import numpy as np
import pytest
from tests.unit.describe import vision_weights
from tests.unit.describe.volumes import ball, region_of, texture, volume_of

from similar_cases.describe.embedder import Embedder
from similar_cases.describe.registry import EMBEDDERS, open_model
from similar_cases.domain.description import Level
from similar_cases.domain.errors import DescriptionFailed
from similar_cases.domain.volume import Volume, VoxelUnit

#: of others' networks, the smallest ones that have their names and their layers
OF_OTHERS = {"dinov2": vision_weights.dinov2(registers=4), "biomedclip": vision_weights.biomedclip()}


@pytest.fixture(scope="module", params=[*EMBEDDERS, *OF_OTHERS])
def embedder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    if shapes := OF_OTHERS.get(request.param):
        folder = tmp_path_factory.mktemp("weights")
        return open_model(vision_weights.saved(folder, request.param, vision_weights.by_formula(shapes)))
    return EMBEDDERS[request.param]("cpu")


@pytest.fixture(scope="module", params=EMBEDDERS)
def trained_embedder(request: pytest.FixtureRequest) -> Embedder:
    return EMBEDDERS[request.param]("cpu")


def ct(shape: tuple[int, int, int] = (6, 40, 48), spacing_mm: Any = (3.0, 1.0, 1.0), seed: int = 0) -> Volume:
    return volume_of(texture(shape, seed), spacing_mm)


def test_the_three_spaces_differ_and_stay(embedder):
    spaces = (embedder.region_space, embedder.series_space, embedder.slice_space)
    assert [space.level for space in spaces] == [Level.REGION, Level.SERIES, Level.SLICE]
    assert len({space.id for space in spaces}) == 3
    assert spaces == (embedder.region_space, embedder.series_space, embedder.slice_space)
    assert all(len(space.weights) == 64 for space in spaces)


@pytest.mark.parametrize("unit", [VoxelUnit.HU, VoxelUnit.SUVBW, VoxelUnit.ARBITRARY])
def test_the_same_input_gives_the_same_bytes(embedder, unit):
    volume = volume_of(texture((5, 40, 48), scale=20.0), (3.0, 1.0, 1.0), unit=unit)
    regions = [ball(volume, (2, 20, 20), 8.0), ball(volume, (3, 10, 30), 5.0)]
    volume_vector, slices = embedder.embed_volume(volume)
    again, slices_again = embedder.embed_volume(volume)
    assert volume_vector.vector.tobytes() == again.vector.tobytes()
    assert slices.tobytes() == slices_again.tobytes()
    for a, b in zip(*(embedder.embed_regions(volume, regions) for _ in range(2)), strict=True):
        assert a.vector.tobytes() == b.vector.tobytes()


def test_vectors_have_the_size_of_their_space_and_unit_length(embedder):
    volume = ct()
    embedding, slices = embedder.embed_volume(volume)
    [region] = embedder.embed_regions(volume, [ball(volume, (2, 20, 20), 8.0)])
    assert embedding.space == embedder.series_space
    assert region.space == embedder.region_space
    assert slices.shape == (6, embedder.slice_space.size)
    assert slices.dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(slices.astype(np.float32), axis=1), 1.0, atol=2e-3)
    for one in (embedding, region):
        assert one.vector.dtype == np.float32
        assert np.linalg.norm(one.vector) == pytest.approx(1.0, abs=1e-5)


def test_slices_come_in_their_order(trained_embedder):
    array = texture((5, 40, 48))
    array[3] = texture((1, 40, 48), seed=9)[0] * 3 - 700.0
    _, slices = trained_embedder.embed_volume(volume_of(array))
    _, backwards = trained_embedder.embed_volume(volume_of(array[::-1].copy()))
    np.testing.assert_allclose(slices.astype(np.float32), backwards[::-1].astype(np.float32), atol=5e-3)
    alike = slices.astype(np.float32) @ slices[3].astype(np.float32)
    assert int(np.argmax(alike)) == 3
    assert np.sort(alike)[-2] < 0.99


def test_regions_keep_their_order(embedder):
    volume = ct()
    first, second = ball(volume, (2, 20, 20), 8.0), ball(volume, (3, 8, 36), 4.0)
    a, b = embedder.embed_regions(volume, [first, second])
    d, c = embedder.embed_regions(volume, [second, first])
    assert a.vector.tobytes() == c.vector.tobytes()
    assert b.vector.tobytes() == d.vector.tobytes()
    assert a.vector.tobytes() != b.vector.tobytes()
    assert embedder.embed_regions(volume, []) == []


def test_a_region_is_more_like_itself_shifted_than_like_another(trained_embedder):
    array = texture((6, 64, 64), scale=100.0)
    smooth, rough = texture((6, 24, 24), 1, 40.0) + 60.0, np.random.default_rng(2).normal(-400, 300, (6, 24, 24))
    spots = {(6, 6): smooth, (36, 8): smooth, (30, 36): rough}
    for (j, i), patch in spots.items():
        array[:, j : j + 24, i : i + 24] = patch
    volume = volume_of(array)
    regions = [ball(volume, (3, j + 12, i + 12), 10.0) for j, i in spots]
    one, same, other = (embedding.vector for embedding in trained_embedder.embed_regions(volume, regions))
    assert float(one @ same) > float(one @ other) + 0.05


@pytest.mark.parametrize("at", [(0, 0, 0), (5, 39, 47), (3, 20, 20)])
def test_a_region_of_one_voxel_has_a_vector(embedder, at):
    volume = ct()
    mask = np.zeros(volume.geometry.shape, bool)
    mask[at] = True
    [embedding] = embedder.embed_regions(volume, [region_of(volume, mask)])
    assert np.isfinite(embedding.vector).all()


def test_a_region_with_a_hole_between_its_slices_has_a_vector(embedder):
    volume = ct()
    mask = np.zeros(volume.geometry.shape, bool)
    mask[0, 10:20, 10:20] = mask[5, 30:, 40:] = True
    [embedding] = embedder.embed_regions(volume, [region_of(volume, mask)])
    assert np.isfinite(embedding.vector).all()


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (-1024.0, VoxelUnit.HU),
        (np.nan, VoxelUnit.HU),
        (0.0, VoxelUnit.SUVBW),
        (0.0, VoxelUnit.ARBITRARY),
        (1e30, VoxelUnit.ARBITRARY),
        (-3e38, VoxelUnit.ARBITRARY),
    ],
)
def test_an_empty_picture_has_a_finite_vector_or_is_refused(embedder, value, unit):
    volume = volume_of(np.full((3, 20, 20), value), unit=unit)
    try:
        vectors = [
            embedder.embed_volume(volume)[0].vector,
            embedder.embed_regions(volume, [ball(volume, (1, 9, 9), 4.0)])[0].vector,
        ]
    except DescriptionFailed:
        return
    assert all(np.isfinite(vector).all() for vector in vectors)


@pytest.mark.parametrize(
    ("shape", "spacing_mm"), [((3, 1, 1), (1.0, 1.0, 1.0)), ((3, 5, 400), (1.0, 0.1, 4.0)), ((3, 300, 7), (9.0, 1, 1))]
)
def test_odd_grids_are_taken(embedder, shape, spacing_mm):
    volume = ct(shape, spacing_mm)
    mask = np.zeros(shape, bool)
    mask[1] = True
    assert len(embedder.embed_volume(volume)[1]) == 3
    assert len(embedder.embed_regions(volume, [region_of(volume, mask)])) == 1


def test_the_picture_keeps_its_proportions_in_mm(embedder):
    """The same body sampled at other pixel sizes gives nearly the same vector."""
    fine = texture((1, 96, 96))[0]
    coarse = fine.reshape(48, 2, 96).mean(axis=1)
    a, _ = embedder.embed_volume(volume_of(np.stack([fine] * 3), (3.0, 1.0, 1.0)))
    b, _ = embedder.embed_volume(volume_of(np.stack([coarse] * 3), (3.0, 2.0, 1.0)))
    squeezed, _ = embedder.embed_volume(volume_of(np.stack([coarse] * 3), (3.0, 1.0, 1.0)))
    assert float(a.vector @ b.vector) > float(a.vector @ squeezed.vector)


def test_inputs_are_left_as_they_were(embedder):
    volume = ct()
    before = volume.array.copy()
    embedder.embed_volume(volume)
    embedder.embed_regions(volume, [ball(volume, (2, 20, 20), 8.0)])
    np.testing.assert_array_equal(volume.array, before)
