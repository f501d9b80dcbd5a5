import json

import numpy as np
import pytest
import torch
from tests.unit.describe.region_bundles import position_bundle
from tests.unit.describe.volumes import texture, volume_of

from similar_cases.describe.backends.body_network import (
    SIZE,
    BodyNetwork,
    cells_mm,
    coordinate_in_the_middle,
    coordinates_at,
    doubt_in_the_middle,
)
from similar_cases.describe.backends.body_position import CtBodyPosition
from similar_cases.domain.errors import InvalidSettings
from similar_cases.domain.volume import VoxelUnit
from similar_cases.models.bundle import read_bundle
from similar_cases.models.shipped import shipped_bundle


@pytest.fixture(scope="module")
def position(tmp_path_factory):
    return CtBodyPosition(position_bundle(tmp_path_factory.mktemp("position")))


def body(seed: int = 0) -> np.ndarray:
    return texture((30, 40, 40), seed, scale=4000.0)


def test_the_same_point_gives_the_same_coordinate_and_another_point_another(position):
    volume = volume_of(body(), (5.0, 4.0, 4.0))
    points = volume.geometry.index_to_lps([[15, 20, 20], [25, 30, 10]])
    one, other = position.coordinates(volume, points)
    assert one == position.coordinates(volume, points[:1])[0]
    assert one.space == position.space
    assert one.distance_mm(other) > 0.01


def test_the_coordinate_is_the_images_not_the_scanners(position):
    """Neither the origin nor the order of the voxels' axes changes where in the body a point lies."""
    plain = volume_of(body(), (5.0, 4.0, 4.0))
    turned = volume_of(
        body().transpose(2, 0, 1)[:, ::-1], (4.0, 5.0, 4.0), directions=np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    )
    told = [
        position.coordinates(volume, volume.geometry.index_to_lps([index]))[0].at_mm
        for volume, index in ((plain, (15, 20, 12)), (turned, (12, 14, 20)))
    ]
    assert told[0] == pytest.approx(told[1], abs=0.05)


@pytest.mark.parametrize("unit", [VoxelUnit.ARBITRARY, VoxelUnit.SUVBW, VoxelUnit.BQML])
def test_nothing_is_said_of_what_is_no_ct(position, unit):
    volume = volume_of(body(), unit=unit)
    assert position.coordinates(volume, volume.geometry.index_to_lps([[15, 20, 20], [1, 1, 1]])) == [None, None]


def test_nothing_is_said_of_a_point_outside(position):
    volume = volume_of(body())
    assert position.coordinates(volume, volume.geometry.index_to_lps([[-3, 0, 0]])) == [None]
    assert position.coordinates(volume, np.zeros((0, 3))) == []


@pytest.mark.parametrize(
    "answers",
    [{"doubt_mm": 1e-3}, {"doubt_mm": 1e6, "trunk_mm": [[900.0] * 3, [999.0] * 3], "extremity_below_mm": -1e6}],
)
def test_what_is_in_doubt_or_lies_where_no_body_part_is_has_no_coordinate(tmp_path, position, answers):
    volume = volume_of(body(), (5.0, 4.0, 4.0))
    points = volume.geometry.index_to_lps([[15, 20, 20]])
    assert position.coordinates(volume, points) != [None]
    assert CtBodyPosition(position_bundle(tmp_path, **answers)).coordinates(volume, points) == [None]


def test_cells_that_agree_leave_no_doubt_and_one_that_errs_does_more_from_near():
    cube = torch.zeros(1, SIZE, SIZE, SIZE)
    agreed = cells_mm().T.reshape(1, 3, 12, 12, 12) + torch.tensor([10.0, 20.0, 30.0]).reshape(1, 3, 1, 1, 1)
    assert coordinate_in_the_middle(agreed)[0].tolist() == pytest.approx([10.0, 20.0, 30.0])
    assert float(doubt_in_the_middle(agreed, cube)) == pytest.approx(0.0, abs=1e-3)
    near, far = agreed.clone(), agreed.clone()
    near[0, 0, 6, 6, 4] += 500.0
    far[0, 0, 0, 0, 0] += 500.0
    assert float(doubt_in_the_middle(near, cube)) > float(doubt_in_the_middle(far, cube)) > 0


def test_weights_of_another_hash_and_another_network_are_refused(tmp_path):
    folder = position_bundle(tmp_path)
    path = folder / "configs" / "metadata.json"
    told = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**told, "network": {"width": 3}}), "utf-8")
    with pytest.raises(InvalidSettings, match="tells no network"):
        CtBodyPosition(folder)
    path.write_text(json.dumps({**told, "answers": {**told["answers"], "trunk_mm": [[0.0], [1.0]]}}), "utf-8")
    with pytest.raises(InvalidSettings, match="tells no network"):
        CtBodyPosition(folder)
    path.write_text(json.dumps({**told, "weights_sha256": "0" * 64}), "utf-8")
    with pytest.raises(InvalidSettings, match=r"sha256 is .* the bundle names 0{64}"):
        CtBodyPosition(folder)


@pytest.mark.parametrize("name", ["region", "position"])
def test_a_shipped_bundle_is_whole_small_and_says_what_it_is(name):
    metadata, weights = read_bundle(shipped_bundle(name))
    assert sum(tensor.nbytes for tensor in weights.values()) < 8e6
    assert {"intended_use", "limits", "data", "training", "metrics", "network_data_format"} <= metadata.keys()
    halves = [tensor for key, tensor in weights.items() if key != "knots" and tensor.is_floating_point()]
    assert {tensor.dtype for tensor in halves} == {torch.float16}
    card = (shipped_bundle(name) / "README.md").read_text("utf-8")
    assert metadata["weights_sha256"] in card


def test_the_product_and_the_training_read_the_same_coordinate(position):
    volume = volume_of(body(), (5.0, 4.0, 4.0))
    point = volume.geometry.index_to_lps([15, 20, 20])
    network = position._network
    assert isinstance(network, BodyNetwork)
    affine = torch.from_numpy(np.array(volume.geometry.affine))
    with torch.inference_mode():
        told = coordinates_at(network, torch.tensor(volume.array), affine, torch.from_numpy(point))
    assert position.coordinates(volume, point)[0].at_mm == pytest.approx(told[0].tolist(), abs=2e-3)
