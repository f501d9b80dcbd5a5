"""Volumes in memory: fetched once."""

import pytest

from similar_cases.pipeline.volume_cache import VolumeCache


def test_volumes_are_fetched_once_and_the_oldest_is_let_go():
    cache, fetched = VolumeCache(2), []

    def fetch(key: str):
        return cache.get((key, ""), lambda: fetched.append(key) or [key])

    for key in "aababca":
        assert fetch(key) == [key]
    assert fetched == ["a", "b", "c", "a"]
    with pytest.raises(ZeroDivisionError):
        cache.get(("x", ""), lambda: 1 // 0)
    assert fetch("x") == ["x"], "a fetch that failed is tried again"
