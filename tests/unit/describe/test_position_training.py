"""The training of body coordinates: scans, one frame, crops, losses, a step, an export that loads."""

import argparse

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from models.position import crops, export, frame, measure, scans, train
from models.region import prepare
from tests.unit.describe.volumes import texture, volume_of
from tests.unit.evaluate.tiny_data import tiny_data

from similar_cases.describe.backends.body_network import OUTSIDE_HU, SIZE, STEP_MM, BodyNetwork
from similar_cases.describe.backends.body_position import CtBodyPosition


def trunk(name: str = "a", *, slices: int = 50, first: int = 0, grown: float = 1.0) -> scans.Scan:
    """Return a made trunk of 4 mm voxels: a spine of blocks, lungs, one organ at the side, from `first` on."""
    k, j, i = np.mgrid[first : first + slices, 0:50, 0:60].astype(float)
    j, i = (j - 25) / grown, (i - 30) / grown
    voxels = np.full(k.shape, -1000.0, np.float32)
    voxels[(j / 18) ** 2 + (i / 25) ** 2 < 1] = 40
    voxels[((j - 2) / 12) ** 2 + ((np.abs(i) - 11) / 8) ** 2 < (k - 25) / 25] = -850
    voxels[((k - 20) / 8) ** 2 + (j / 8) ** 2 + ((i - 12) / 8) ** 2 < 1] = 180
    voxels[((j - 12) ** 2 + i**2 < 16) & (k % 8 < 6)] = 500
    affine = torch.diag(torch.tensor([4.0, 4.0, 4.0, 1.0], dtype=torch.float64))[[2, 1, 0, 3]]
    return scans.Scan(name, (torch.from_numpy(voxels),), affine, trunk=True)


@pytest.fixture(scope="module")
def items_file(tmp_path_factory):
    data = tiny_data(tmp_path_factory.mktemp("data"), hippocampi=1)
    organs = data / "organs"
    (organs / "example_ct.nii.gz").write_bytes((organs / "example_ct_sm.nii.gz").read_bytes())
    out = tmp_path_factory.mktemp("items") / "items.npz"
    extractor = prepare.RadiomicsExtractor(prepare.RadiomicsRecipe())
    items = [prepare.item_of(source, extractor) for source in prepare.sources_in(data)]
    prepare.write(out, items, [], extractor)
    return out


def test_a_part_of_a_trunk_is_brought_to_its_own_place_in_the_whole():
    frames = frame.body_frames([trunk("whole"), trunk("part", slices=30, first=15, grown=1.1)])
    lowest_of_part = frames["part"] @ [30 * 4.0, 25 * 4.0, 0.0, 1.0]
    same_in_whole = frames["whole"] @ [30 * 4.0, 25 * 4.0, 15 * 4.0, 1.0]
    assert np.linalg.norm(lowest_of_part - same_in_whole) < 20
    side = frames["part"] @ [30 * 4.0 + 55, 25 * 4.0, 0.0, 1.0] - lowest_of_part
    assert side[0] == pytest.approx(50, abs=8)  # a body a tenth larger becomes one of standard size


def test_the_same_scans_are_brought_to_the_same_place_twice():
    both = [trunk("whole"), trunk("part", slices=30, first=15)]
    np.testing.assert_array_equal(frame.body_frames(both)["part"], frame.body_frames(both)["part"])
    assert frame.body_frames([]) == {}


def test_a_table_is_no_part_of_the_body():
    voxels = trunk().versions[0].numpy().copy()
    voxels[:, 48, 5:55] = 100.0
    alone = sitk.GetArrayFromImage(scans.body_alone(scans.image_of(voxels, np.eye(4)[[2, 1, 0, 3]])))
    assert (alone[:, 48] == scans.AIR_HU).all()
    np.testing.assert_array_equal(alone[:36, :44], voxels[:36, :44])


def test_scans_are_the_trunks_and_extremities_of_the_training_part(items_file):
    found = {one.name: one for one in scans.scans_in(items_file)}
    assert [name for name, one in found.items() if not one.trunk] == ["STS_001_CT", "STS_002_CT"]
    assert found["example_ct"].trunk
    assert "example_ct_sm" not in found
    assert {len(one.versions) for one in found.values() if one.trunk} == {2}
    for one in found.values():
        assert one.affine[:3, :3].norm(dim=0).numpy() == pytest.approx([scans.GRID_MM] * 3, rel=0.4)


def test_a_crop_knows_where_its_cells_lie(monkeypatch):
    """Undeformed and shown as it is, the crop's brightest cell lies where the organ was put."""
    for name in ("SIZE_SPREAD", "AXIS_SPREAD", "TURN_SPREAD", "SHEAR_SPREAD", "BENT_MM", "SLABS", "BOXES", "CIRCLES"):
        monkeypatch.setattr(crops, name, 0.0)
    scan = trunk()
    voxels = torch.full_like(scan.versions[0], 40.0)
    voxels[15:35, 15:35, 25:45] = 900.0
    plain = scans.Scan("a", (voxels,), scan.affine, trunk=True)
    moved = np.eye(4)
    moved[:3, 3] = (7.0, 0.0, 0.0)
    drawn, shifted = (crops.Crops([plain], {"a": one}, 0).draw(1) for one in (np.eye(4), moved))
    cells = torch.nn.functional.avg_pool3d(drawn.cubes[:, None], 4).flatten()
    bright = drawn.places[0][cells > 700].mean(0)
    assert bright.tolist() == pytest.approx([4 * 34.5, 4 * 24.5, 4 * 24.5], abs=16)
    assert (shifted.places - drawn.places)[0, 0].tolist() == pytest.approx([7, 0, 0], abs=1e-4)


def test_crops_differ_and_the_same_seed_draws_the_same():
    one, again = (crops.Crops([trunk()], {"a": np.eye(4)}, 4).draw(2) for _ in range(2))
    torch.testing.assert_close(one.seen, again.seen, atol=0, rtol=0)
    assert not torch.equal(one.seen[0], one.seen[1])
    assert one.cubes.shape == (2, SIZE, SIZE, SIZE)
    assert (one.seen[one.cubes == OUTSIDE_HU] == OUTSIDE_HU).all()  # what is not in the image has no noise


def test_of_an_extremity_distances_count_and_that_it_lies_below():
    places = torch.rand(2, 12**3, 3) * 200
    drawn = crops.Drawn(torch.zeros(2, SIZE, SIZE, SIZE), torch.zeros(2), places, torch.tensor([True, False]))
    right = places.transpose(1, 2).reshape(2, 3, 12, 12, 12).clone()
    right[1, 2] -= train.BELOW * STEP_MM + 200
    right[1, :2] -= right[1, :2].mean((1, 2, 3), keepdim=True)
    assert sum(float(loss) for loss in train.losses_of(right, drawn).values()) < 1e-4
    beside = right.clone()
    beside[1, 2] += 400
    told = train.losses_of(beside, drawn)
    assert float(told["far"]) > 0.1
    assert float(told["place"] + told["apart"]) < 1e-4
    assert float(train.losses_of(right + 50.0, drawn)["place"]) > 0.05


def test_a_training_takes_steps_goes_on_is_measured_and_exported(items_file, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "CROPS", 2)
    monkeypatch.setattr(train, "BodyNetwork", lambda: BodyNetwork((4, 4, 6, 6)))
    frames = {"example_ct": np.eye(4)}
    for module in (train, measure):
        monkeypatch.setattr(module, "body_frames", lambda found: {one.name: frames["example_ct"] for one in found})
    monkeypatch.setattr(measure, "POINTS", 2)
    options = argparse.Namespace(items=items_file, out=tmp_path, minutes=1e-6, device="cpu", held_out="example_ct")
    train.train(options)
    train.train(options)
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    assert state["steps"] == 1
    export.export(state, "0.0.1", tmp_path / "bundle", metrics={})
    volume = volume_of(texture((10, 30, 30), scale=300.0), (3.0, 3.0, 3.0))
    CtBodyPosition(tmp_path / "bundle").coordinates(volume, volume.geometry.index_to_lps([5, 15, 15]))
    held = next(one for one in scans.scans_in(items_file) if one.trunk)
    points = measure.points_in(held, np.eye(4), (-1e4, 1e4))
    seen = measure.seen_in(BodyNetwork((4, 4, 6, 6)).eval(), held, points, points, "box of 130 mm")
    assert seen.off_mm.shape == seen.doubt_mm.shape == (2,)
    assert np.isfinite(seen.off_mm).all()
