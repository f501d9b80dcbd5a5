"""The composite embedder with random weights: what it refuses, what it leaves out, what it never mixes."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.describe.region_bundles import position_bundle, region_bundle
from tests.unit.describe.volumes import ball, region_of, texture, volume_of

from similar_cases.describe.backends.body_position import CtBodyPosition
from similar_cases.describe.backends.efficientnet import EfficientNetEmbedder
from similar_cases.describe.backends.region_token.embedder import RegionTokenEmbedder
from similar_cases.describe.embedder import RadiomicsEmbedder
from similar_cases.describe.radiomics import ALL_107
from similar_cases.domain.description import BodyCoordinate
from similar_cases.domain.errors import InvalidRequest, InvalidSettings, WrongEmbeddingSpace
from similar_cases.domain.volume import VoxelUnit

VALUES = {"shape_Sphericity": 0.7, "firstorder_Mean": 40.0, "glcm_Contrast": -3.0}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    root = tmp_path_factory.mktemp("bundles")
    position = position_bundle(root / "position")
    return region_bundle(root / "region", position), position


@pytest.fixture(scope="module")
def embedder(bundles):
    region, position = bundles
    return RegionTokenEmbedder(_Series(), CtBodyPosition(position), folder=region)


class _Series:
    """Stands for any other embedder: what it is asked is seen in its answers."""

    series_space, slice_space = "its series space", "its slice space"

    def embed_volume(self, volume):
        return volume, "its slices"


def test_series_and_slices_are_the_other_embedders(embedder):
    volume = volume_of(texture((4, 20, 20)))
    assert (embedder.series_space, embedder.slice_space) == ("its series space", "its slice space")
    assert embedder.embed_volume(volume) == (volume, "its slices")


def test_radiomics_share_the_regions_space_and_other_embedders_cannot_do_it(embedder):
    assert isinstance(embedder, RadiomicsEmbedder)
    assert not isinstance(EfficientNetEmbedder.__new__(EfficientNetEmbedder), RadiomicsEmbedder)
    told = embedder.embed_radiomics(VALUES, embedder.radiomics_recipe)
    assert told.space == embedder.region_space
    assert told.vector.shape == (384,)
    assert embedder.radiomics_names == ALL_107


def test_a_radiomics_query_gives_the_same_bytes_twice_in_any_order(embedder):
    recipe = embedder.radiomics_recipe
    one, two = (embedder.embed_radiomics(values, recipe) for values in (VALUES, dict(reversed(VALUES.items()))))
    assert one.vector.tobytes() == two.vector.tobytes()


def test_a_feature_left_out_is_not_a_feature_of_value_zero(embedder):
    recipe = embedder.radiomics_recipe
    without = embedder.embed_radiomics({"shape_Sphericity": 0.7}, recipe).vector
    zero = embedder.embed_radiomics({"shape_Sphericity": 0.7, "firstorder_Mean": 0.0}, recipe).vector
    assert float(without @ zero) < 0.9999
    single = [embedder.embed_radiomics({name: 0.0}, recipe).vector for name in ALL_107[:3]]
    assert max(float(single[0] @ other) for other in single[1:]) < 0.9999


def test_values_beyond_the_training_regions_count_as_at_the_end(embedder):
    recipe = embedder.radiomics_recipe
    end, beyond = (embedder.embed_radiomics({"firstorder_Mean": value}, recipe) for value in (100.0, 1e15))
    np.testing.assert_allclose(end.vector, beyond.vector, atol=1e-6)


def test_another_recipe_is_refused_with_what_to_do(embedder):
    other = replace(embedder.radiomics_recipe, bin_count=64)
    with pytest.raises(WrongEmbeddingSpace, match=r"recipe \w{12} are not those of recipe \w{12}.*bin_count"):
        embedder.embed_radiomics(VALUES, other)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "at least one feature"),
        ({"shape_Roundness": 1.0}, r"unknown.*shape_Roundness"),
        ({"shape_Sphericity": math.nan}, r"without a finite value: shape_Sphericity"),
    ],
)
def test_a_query_of_nothing_known_is_refused(embedder, values, told):
    with pytest.raises(InvalidRequest, match=told):
        embedder.embed_radiomics(values, embedder.radiomics_recipe)


def test_a_place_alone_has_a_vector_and_one_of_another_model_has_none(embedder, bundles):
    space = CtBodyPosition(bundles[1]).space
    here, there = (
        embedder.embed_radiomics({}, embedder.radiomics_recipe, BodyCoordinate((x, 0.0, 0.0), space)).vector
        for x in (-200.0, 200.0)
    )
    assert float(here @ there) < 0.9999
    without = RegionTokenEmbedder(_Series(), None, folder=bundles[0])
    with pytest.raises(InvalidRequest, match="at least one feature"):
        without.embed_radiomics({}, without.radiomics_recipe, BodyCoordinate((0.0, 0.0, 0.0), space))
    with pytest.raises(WrongEmbeddingSpace, match="'another 1'"):
        embedder.embed_radiomics({}, embedder.radiomics_recipe, BodyCoordinate((0.0, 0.0, 0.0), "another 1"))


def test_the_place_of_a_ct_is_in_its_vector_and_never_dropped(embedder, bundles):
    volume = volume_of(texture((20, 40, 40), scale=500.0), (3.0, 2.0, 2.0))
    region = ball(volume, (10, 20, 20), 12.0)
    without = RegionTokenEmbedder(_Series(), None, folder=bundles[0])
    vectors = {embedder.embed_regions(volume, [region])[0].vector.tobytes() for _ in range(6)}
    assert len(vectors) == 1  # the release that this follows loses it in one call of ten
    assert without.embed_regions(volume, [region])[0].vector.tobytes() not in vectors
    assert without.region_space.id != embedder.region_space.id
    mr = volume_of(volume.array, (3.0, 2.0, 2.0), unit=VoxelUnit.ARBITRARY)
    same = [one.embed_regions(mr, [region])[0].vector for one in (embedder, without)]
    np.testing.assert_array_equal(*same)


def test_many_regions_at_once_are_as_each_alone(embedder):
    volume = volume_of(texture((12, 40, 40), scale=300.0), (3.0, 1.0, 1.0), unit=VoxelUnit.ARBITRARY)
    regions = [ball(volume, (6, 12 + n, 20), 4.0 + n / 2) for n in range(3)]
    together = embedder.embed_regions(volume, regions)
    for one, region in zip(together, regions, strict=True):
        assert one.vector.tobytes() == embedder.embed_regions(volume, [region])[0].vector.tobytes()


def test_a_needle_of_a_region_takes_no_memory(embedder):
    volume = volume_of(texture((3, 5, 400)), (1.0, 0.1, 4.0))
    mask = np.zeros((3, 5, 400), bool)
    mask[1] = True
    assert np.isfinite(embedder.embed_regions(volume, [region_of(volume, mask)])[0].vector).all()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "models" / "model.safetensors").unlink(), "cannot be read"),
        (lambda folder: (folder / "models" / "model.safetensors").write_bytes(b"x"), "sha256"),
        (lambda folder: (folder / "configs" / "metadata.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "configs" / "metadata.json").write_text("{}"), "another model's"),
        (lambda folder: _rename(folder, "network", {"widths": [4, 4]}), "do not fit"),
        (lambda folder: _rename(folder, "body_position", "elsewhere 1"), "was trained with 'elsewhere 1'"),
        (lambda folder: _rename(folder, "radiomics", None), "tells no network"),
    ],
)
def test_a_bundle_that_is_not_what_it_says_is_refused(bundles, tmp_path, spoil, told):
    region, position = bundles
    shutil.copytree(region, tmp_path / "region")
    spoil(tmp_path / "region")
    with pytest.raises(InvalidSettings, match=told):
        RegionTokenEmbedder(_Series(), CtBodyPosition(position), folder=tmp_path / "region")


def _rename(folder, key, value):
    path = folder / "configs" / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), key: value}), "utf-8")
