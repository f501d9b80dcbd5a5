"""The adapter and the official client against a server of ours that speaks the protocol: sessions, prompts, faults."""

import gc
import time

import numpy as np
import pytest
from tests.unit.segment.lesions import ball_volume, point
from tests.unit.segment.nninteractive_server import served

from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.errors import InvalidSettings, SegmentationFailed, SegmenterUnavailable
from similar_cases.domain.prompts import BoxPrompt, ClassPrompt, MaskPrompt, Polarity, PromptSet
from similar_cases.domain.volume import VoxelUnit
from similar_cases.segment.backends import nninteractive
from similar_cases.segment.backends.nninteractive import NnInteractiveSegmenter, Server
from similar_cases.segment.segmenter import RemoteSegmenter

CENTRE = (10, 20, 24)


@pytest.fixture(scope="module")
def volume():
    return ball_volume(8.0, shape=(20, 40, 48))[0]


def asked(*prompts) -> PromptSet:
    return PromptSet(prompts=prompts, tracking_uid="1.2.3.9")


def segmenter(double, **more) -> NnInteractiveSegmenter:
    return NnInteractiveSegmenter(Server(url=double.url, **{"timeout_seconds": 20.0, **more}))


def test_points_go_there_as_voxels_and_the_mask_comes_back(volume):
    with served() as double:
        region = segmenter(double).segment(
            volume, asked(point(volume, CENTRE), point(volume, (10, 20, 30), Polarity.NEGATIVE))
        )
        told = [(body["coordinates"], body["include_interaction"]) for body in double.bodies("add_point_interaction")]
        assert told == [([10, 20, 24], True), ([10, 20, 30], False)]
        assert all(body["run_prediction"] for body in double.bodies("add_point_interaction"))
        assert double.sessions == {}
    mask = region.full_mask(volume.geometry.shape)
    assert mask[CENTRE]
    assert mask[10, 12, 24]
    assert not mask[10, 20, 30]
    assert not mask[10, 20, 34]
    assert region.geometry.is_aligned_with(volume.geometry.crop(region.lower_index, region.mask.shape))


def test_the_image_is_sent_whole_with_its_spacing(volume):
    whole = ball_volume(8.0, shape=(20, 40, 48), noise=0.0)[0]
    with served(max_sessions=1) as double:
        for one in (volume, whole):
            segmenter(double).segment(one, asked(point(one, CENTRE)))
        (floats, meta), (integers, _) = double.bodies("set_image")
    assert (floats.shape, floats.dtype, integers.dtype) == ((1, 20, 40, 48), np.float32, np.int16)
    np.testing.assert_array_equal(floats[0], volume.array)
    np.testing.assert_array_equal(integers[0], whole.array)
    assert meta["image_properties"]["spacing"] == [2.0, 0.9, 0.8]


@pytest.mark.parametrize("takes_3d_boxes", [False, True])
def test_a_box_is_one_slice_where_the_model_takes_no_more(volume, takes_3d_boxes):
    lower, upper = volume.geometry.index_to_lps([(6, 10, 12), (12, 20, 30)])
    with served(takes_3d_boxes=takes_3d_boxes) as double:
        region = segmenter(double).segment(volume, asked(BoxPrompt(tuple(lower - 0.1), tuple(upper + 0.1))))
        [body] = double.bodies("add_bbox_interaction")
    assert body["bbox_coords"] == [[6, 13] if takes_3d_boxes else [9, 10], [10, 21], [12, 31]]
    assert region.mask.shape == ((7 if takes_3d_boxes else 1), 11, 19)


def test_a_mask_so_far_goes_first(volume):
    drawn = np.zeros(volume.geometry.shape, bool)
    drawn[8:11, 18:22, 20:26] = True
    with served() as double:
        region = segmenter(double).segment(volume, asked(MaskPrompt(drawn, volume.geometry), point(volume, CENTRE)))
        names = [name for name, _ in double.asked]
        [(sent, meta)] = double.bodies("add_initial_seg_interaction")
    assert names.index("add_initial_seg_interaction") < names.index("add_point_interaction")
    np.testing.assert_array_equal(sent, drawn)
    assert meta["run_prediction"] is False
    assert region.full_mask(volume.geometry.shape)[8, 18, 20]


def test_a_mask_alone_is_completed_by_its_deepest_voxel(volume):
    drawn = np.zeros(volume.geometry.shape, bool)
    drawn[8:13, 18:25, 20:29] = True
    with served() as double:
        segmenter(double).segment(volume, asked(MaskPrompt(drawn, volume.geometry)))
        [body] = double.bodies("add_point_interaction")
    assert drawn[tuple(body["coordinates"])]


def test_the_same_input_gives_the_same_bytes(volume):
    with served() as double:
        one, two = (segmenter(double).segment(volume, asked(point(volume, CENTRE))) for _ in range(2))
    assert (one.lower_index, one.mask.tobytes()) == (two.lower_index, two.mask.tobytes())


def test_the_key_is_shown_and_never_told(volume):
    with served(key="s3cret") as double:
        segmenter(double, key="s3cret").segment(volume, asked(point(volume, CENTRE)))
        for wrong in ("", "other"):
            with pytest.raises(InvalidSettings, match="SIMILAR_CASES_SEGMENT__SERVER_KEY"):
                segmenter(double, key=wrong).segment(volume, asked(point(volume, CENTRE)))
    assert "s3cret" not in repr(Server(url="http://x", key="s3cret"))


@pytest.mark.parametrize(
    ("behaviour", "error", "said"),
    [
        ({"max_sessions": 0}, SegmenterUnavailable, r"no session free: server is at capacity"),
        ({"forget_leases": True}, SegmenterUnavailable, "let go of the session: lease expired"),
        ({"fault": ("/set_image", 500)}, SegmenterUnavailable, "answers 500 as the test wants"),
        ({"fault": ("/add_point_interaction", 400)}, SegmentationFailed, "refuses: as the test wants"),
        ({"fault": ("/capabilities", 502)}, SegmenterUnavailable, "answers 502"),
        ({"garbage": True}, SegmenterUnavailable, "words of another version"),
    ],
)
def test_a_fault_of_the_server_is_told_in_words_and_gives_the_session_back(volume, behaviour, error, said):
    with served(**behaviour) as double:
        with pytest.raises(error, match=said) as raised:
            segmenter(double).segment(volume, asked(point(volume, CENTRE)))
        assert raised.value.retryable is (error is SegmenterUnavailable)
        del raised  # it holds the client, which gives the session back when it goes
        gc.collect()
        assert double.sessions == {}


def test_a_server_that_is_slow_is_left_in_time(volume):
    with served(delay_seconds=1.5) as double:
        began = time.monotonic()
        with pytest.raises(SegmenterUnavailable, match=r"no answer within 0\.1 s"):
            segmenter(double, timeout_seconds=0.1).segment(volume, asked(point(volume, CENTRE)))
        assert time.monotonic() - began < 6


def test_a_server_that_is_not_there_is_told(volume):
    with pytest.raises(SegmenterUnavailable, match="does not answer"):
        NnInteractiveSegmenter(Server(url="http://127.0.0.1:9")).segment(volume, asked(point(volume, CENTRE)))


def test_it_can_be_looked_at():
    with served() as double:
        one = segmenter(double)
        assert isinstance(one, RemoteSegmenter)
        assert one.look() == "takes bbox2d, lasso, points, scribble; weights: CC BY-NC-SA 4.0"


@pytest.mark.parametrize("unit", list(VoxelUnit))
def test_any_modality_is_taken(unit):
    one, _ = ball_volume(8.0, shape=(12, 20, 20), unit=unit, background=1.0, noise=0.1)
    with served() as double:
        assert segmenter(double).segment(one, asked(point(one, (6, 10, 10)))).mask.any()


def test_what_cannot_be_asked_is_told_before_the_server_is(volume):
    with served() as double:
        with pytest.raises(SegmentationFailed, match="knows no classes"):
            segmenter(double).segment(volume, asked(ClassPrompt(CodedConcept("10200004", "SCT", "Liver"))))
        with pytest.raises(SegmentationFailed, match="inside the volume"):
            segmenter(double).segment(volume, asked(point(volume, (900, 0, 0))))
        assert double.asked == []


@pytest.mark.parametrize("url", ["", "gpu:1527", "file:///etc/passwd"])
def test_an_address_that_is_none_is_told(url):
    with pytest.raises(InvalidSettings, match=r"segment\.server_url"):
        NnInteractiveSegmenter(Server(url=url))


def test_without_its_client_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setattr(nninteractive, "find_spec", lambda _: None)
    with pytest.raises(InvalidSettings, match=r"similar-cases\[nninteractive\]"):
        NnInteractiveSegmenter(Server(url="http://x"))


@pytest.mark.slow
def test_signs_of_life_go_while_the_server_works(volume):
    """The client beats every five seconds at the least."""
    with served(liveness_seconds=2.0, delay_seconds=6.0) as double:
        segmenter(double).segment(volume, asked(point(volume, CENTRE)))
        assert len(double.bodies("heartbeat")) >= 2
