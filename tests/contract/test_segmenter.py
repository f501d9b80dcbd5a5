"""Every Segmenter keeps to the volume's grid and to the points, gives the same bytes twice, and says what was wrong."""

from collections.abc import Iterator

import numpy as np
import pytest
from tests.unit.segment.large_models import small_sam_med3d, small_vista3d
from tests.unit.segment.lesions import ball_volume, dice, point
from tests.unit.segment.nninteractive_server import served
from tests.unit.segment.promptable_bundles import random_bundle

from similar_cases.domain.errors import SegmentationFailed
from similar_cases.domain.prompts import BoxPrompt, MaskPrompt, PointPrompt, Polarity, PromptSet
from similar_cases.domain.region import AlgorithmIdentity, Authorship
from similar_cases.domain.volume import VoxelUnit
from similar_cases.segment.backends.nninteractive import NnInteractiveSegmenter, Server
from similar_cases.segment.backends.promptable.segmenter import PromptableSegmenter
from similar_cases.segment.registry import SEGMENTERS
from similar_cases.segment.segmenter import Segmenter

#: random weights: what they draw is worth nothing, but they keep to the contract
UNTRAINED = {
    "promptable, random weights": lambda folder: PromptableSegmenter(random_bundle(folder)),
    "vista3d, random weights": small_vista3d,
    "sam-med3d, random weights": small_sam_med3d,
}
#: takes volumes of CT alone
OF_CT = ("VISTA3D",)


@pytest.fixture(scope="module", params=[*SEGMENTERS.names, *UNTRAINED, "nninteractive"])
def segmenter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Segmenter]:
    if request.param == "nninteractive":
        with served() as double:
            yield NnInteractiveSegmenter(Server(url=double.url))
    elif request.param in UNTRAINED:
        yield UNTRAINED[request.param](tmp_path_factory.mktemp("weights"))
    else:
        yield SEGMENTERS.create(request.param)


# a trained network is no formula: what it is able to is measured on real lesions, by `similar-cases evaluate`
@pytest.fixture(scope="module", params=[name for name in SEGMENTERS.names if name != "promptable"])
def able_segmenter(request: pytest.FixtureRequest) -> Segmenter:
    return SEGMENTERS.create(request.param)


def asked(*prompts):
    return PromptSet(prompts=prompts, tracking_uid="1.2.3.9", label="asked")


@pytest.mark.parametrize("unit", list(VoxelUnit))
def test_the_mask_lies_in_the_volumes_grid(segmenter, unit):
    volume, _ = ball_volume(14.0, unit=unit, background=1.0, noise=0.1, contrast=8.0)
    if unit is not VoxelUnit.HU and segmenter.identity.name in OF_CT:
        with pytest.raises(SegmentationFailed, match="CT alone"):
            segmenter.segment(volume, asked(point(volume, (20, 64, 64))))
        return
    region = segmenter.segment(volume, asked(point(volume, (20, 64, 64))))
    shape = tuple(int(n) for n in region.mask.shape)
    assert region.geometry.is_aligned_with(volume.geometry.crop(region.lower_index, shape))
    assert min(region.lower_index) >= 0
    assert (np.add(region.lower_index, shape) <= volume.array.shape).all()
    assert all(region.mask.any(axis=others).all() for others in ((1, 2), (0, 2), (0, 1)))
    assert not region.mask.flags.writeable


def test_what_was_asked_is_told(segmenter):
    volume, _ = ball_volume(14.0)
    region = segmenter.segment(volume, asked(point(volume, (20, 64, 64))))
    assert (region.tracking_uid, region.label, region.authorship) == ("1.2.3.9", "asked", Authorship.SEMIAUTOMATIC)
    assert region.algorithm == segmenter.identity
    assert region.quality is None or 0.0 <= region.quality <= 1.0


def test_identity_is_an_algorithms(segmenter):
    assert isinstance(segmenter.identity, AlgorithmIdentity)
    assert segmenter.identity.name
    assert segmenter.identity.version
    assert list(segmenter.identity.parameters) == sorted(segmenter.identity.parameters)


def test_a_clear_lesion_is_found(able_segmenter):
    volume, truth = ball_volume(14.0, contrast=120.0)
    region = able_segmenter.segment(volume, asked(point(volume, (20, 64, 64))))
    assert dice(region.full_mask(volume.geometry.shape), truth) > 0.7


def test_positive_points_are_inside_and_negative_ones_outside(segmenter):
    volume, _ = ball_volume(14.0)
    inside, outside = [(20, 64, 64), (20, 70, 58), (17, 60, 66), (20, 64, 84)], [(20, 64, 72), (20, 76, 64)]
    prompts = [point(volume, index) for index in inside]
    prompts += [point(volume, index, Polarity.NEGATIVE) for index in outside]
    mask = segmenter.segment(volume, asked(*prompts)).full_mask(volume.geometry.shape)
    assert all(mask[index] for index in inside)
    assert not any(mask[index] for index in outside)


@pytest.mark.parametrize("kind", ["point", "points", "box", "mask"])
def test_the_same_input_gives_the_same_bytes(segmenter, kind):
    volume, truth = ball_volume(12.0)
    centre = volume.geometry.index_to_lps((20, 64, 64))[0]
    prompts = {
        "point": (point(volume, (20, 64, 64)),),
        "points": (
            point(volume, (20, 64, 64)),
            point(volume, (22, 60, 64)),
            point(volume, (20, 64, 90), Polarity.NEGATIVE),
        ),
        "box": (BoxPrompt(tuple(centre - 14.0), tuple(centre + 14.0)),),
        "mask": (MaskPrompt(truth, volume.geometry),),
    }[kind]
    one, two = (segmenter.segment(volume, asked(*prompts)) for _ in range(2))
    assert (one.lower_index, one.mask.tobytes(), one.quality) == (two.lower_index, two.mask.tobytes(), two.quality)


def test_input_stays_as_it_is(segmenter):
    volume, _ = ball_volume(12.0)
    before = volume.array.tobytes()
    segmenter.segment(volume, asked(point(volume, (20, 64, 64))))
    assert volume.array.tobytes() == before


def test_a_point_at_the_border_is_taken(segmenter):
    volume, _ = ball_volume(12.0)
    for index in ((0, 0, 0), (39, 127, 127)):
        region = segmenter.segment(volume, asked(point(volume, index)))
        assert region.full_mask(volume.geometry.shape)[index]


def test_points_outside_are_told(segmenter):
    volume, _ = ball_volume(12.0)
    with pytest.raises(SegmentationFailed, match="inside the volume"):
        segmenter.segment(volume, asked(PointPrompt((1e4, 0.0, 0.0))))


def test_negative_points_alone_are_told(segmenter):
    volume, _ = ball_volume(12.0)
    with pytest.raises(SegmentationFailed, match="positive"):
        segmenter.segment(volume, asked(point(volume, (20, 64, 64), Polarity.NEGATIVE)))


def test_a_voxel_cannot_be_both_in_and_out(segmenter):
    volume, _ = ball_volume(12.0)
    with pytest.raises(SegmentationFailed):
        segmenter.segment(volume, asked(point(volume, (20, 64, 64)), point(volume, (20, 64, 64), Polarity.NEGATIVE)))


def test_a_box_outside_is_told(segmenter):
    volume, _ = ball_volume(12.0)
    with pytest.raises(SegmentationFailed):
        segmenter.segment(volume, asked(BoxPrompt((5e3, 5e3, 5e3), (6e3, 6e3, 6e3))))


def test_one_positive_point_inside_is_enough(segmenter):
    volume, _ = ball_volume(12.0)
    region = segmenter.segment(volume, asked(PointPrompt((1e4, 0.0, 0.0)), point(volume, (20, 64, 64))))
    assert region.full_mask(volume.geometry.shape)[20, 64, 64]


def test_the_volumes_axes_may_point_anywhere(able_segmenter):
    volume, truth = ball_volume(14.0, contrast=120.0)
    turn = np.eye(4)
    turn[:3, :3] = [[0.0, 0.0, -1.0], [0.8, 0.6, 0.0], [0.6, -0.8, 0.0]]
    moved = type(volume.geometry)(turn @ volume.geometry.affine, volume.geometry.shape, "1.2.3.4")
    other = type(volume)(**{**vars(volume), "geometry": moved})
    one = able_segmenter.segment(volume, asked(point(volume, (20, 64, 64))))
    two = able_segmenter.segment(other, asked(point(other, (20, 64, 64))))
    assert dice(one.full_mask(truth.shape), two.full_mask(truth.shape)) > 0.999
