"""A click on the GPU, and its correction, give what they give on the CPU; not to the bit: bfloat16 rounds otherwise."""

import numpy as np
import pytest
from tests.unit.describe.volumes import ball, texture, volume_of
from tests.unit.segment.lesions import dice

from similar_cases.domain.prompts import MaskPrompt, PointPrompt, Polarity, PromptSet
from similar_cases.domain.volume import Volume
from similar_cases.segment.backends.promptable.segmenter import PromptableSegmenter

MIDDLE = (30, 60, 60)


@pytest.fixture(scope="module")
def volume() -> Volume:
    """A bright ball of 15 mm in noise."""
    quiet = volume_of((texture((60, 120, 120)) / 20.0).astype(np.float32), (2.0, 1.0, 1.0))
    shown = np.array(quiet.array)
    shown += 150.0 * ball(quiet, MIDDLE, 15.0).full_mask(shown.shape)
    return volume_of(shown, (2.0, 1.0, 1.0))


def point(volume: Volume, index: tuple[int, int, int], polarity: Polarity = Polarity.POSITIVE) -> PointPrompt:
    x, y, z = volume.geometry.index_to_lps(np.array(index, float))[0]
    return PointPrompt((float(x), float(y), float(z)), polarity)


def test_a_click_and_its_correction_give_the_same_on_both(cuda, volume):
    clicks = [point(volume, MIDDLE)]
    found = {}
    for device in (cuda, "cpu"):
        segmenter = PromptableSegmenter(device=device)
        first = segmenter.segment(volume, PromptSet(prompts=tuple(clicks), tracking_uid="1.2"))
        outside = point(volume, (30, 60, 80), Polarity.NEGATIVE)
        so_far = MaskPrompt(first.mask, first.geometry)
        again = segmenter.segment(volume, PromptSet(prompts=(*clicks, outside, so_far), tracking_uid="1.2"))
        found[device] = [one.full_mask(volume.geometry.shape) for one in (first, again)]
        assert first.quality is not None
    assert all(dice(one, other) > 0.98 for one, other in zip(found[cuda], found["cpu"], strict=True))


def test_the_same_click_gives_the_same_bytes_twice_on_the_gpu(cuda, volume):
    segmenter = PromptableSegmenter(device=cuda)
    prompts = PromptSet(prompts=(point(volume, MIDDLE),), tracking_uid="1.2")
    one, other = segmenter.segment(volume, prompts), segmenter.segment(volume, prompts)
    assert one.mask.tobytes() == other.mask.tobytes()
    assert one.quality == other.quality
