import numpy as np
import pytest
import torch
from tests.unit.describe.volumes import ball, texture, volume_of

from similar_cases.describe.backends import pooling
from similar_cases.describe.backends.efficientnet import EfficientNetEmbedder


def test_a_long_series_is_sampled_evenly(monkeypatch):
    embedder, volume = EfficientNetEmbedder(batch_size=2), volume_of(texture((9, 24, 24)))
    _, every = embedder.embed_volume(volume)
    monkeypatch.setattr(pooling, "MAX_SLICES", 3)
    _, sampled = embedder.embed_volume(volume)
    np.testing.assert_allclose(sampled.astype(np.float32), every[[1, 4, 7]].astype(np.float32), atol=2e-3)


def test_the_crop_is_a_square_in_mm_with_context():
    volume = volume_of(np.zeros((3, 100, 200)), (3.0, 2.0, 1.0))
    rows, columns = pooling.crop_box(volume, ball(volume, (1, 50, 100), 20.0))
    # 42 mm is the longer side (21 rows of 2 mm), and a quarter of it on each side makes 63 mm
    assert (rows.stop - rows.start) * 2 == pytest.approx(63, abs=4)
    assert columns.stop - columns.start == pytest.approx(63, abs=2)
    assert (rows.start + rows.stop - 1) / 2 == pytest.approx(50, abs=1)


def test_the_crop_is_cut_at_the_border():
    volume = volume_of(np.zeros((3, 30, 30)))
    assert pooling.crop_box(volume, ball(volume, (1, 0, 29), 6.0)) == (slice(0, 12), slice(18, 30))


def test_what_fills_the_picture_up_is_black_in_every_window():
    fitted = pooling.fit(np.full((1, 10, 20), 500.0, np.float32), (1.0, 1.0), 224).numpy()
    assert fitted.shape == (1, 224, 224)
    assert not np.isfinite(fitted[0, :56]).any()
    assert (fitted[0, 56:168] == 500.0).all()


def test_the_mean_inside_looks_at_the_mask_alone():
    maps = torch.zeros(1, 2, 4, 4)
    maps[0, 0, :2], maps[0, 1, 2:] = 3.0, 5.0
    mask = torch.zeros(1, 224, 224)
    mask[0, :112] = 1.0
    assert pooling.mean_inside(maps, mask).tolist() == [[3.0, 0.0]]
