"""Planes on a line to grids."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from similar_cases.volume.bounds import VolumeBounds
from similar_cases.volume.layout import layouts


def laid(*distances: float, **bounds: int) -> list[list[int]]:
    return [found.steps.tolist() for found in layouts(np.array(distances), VolumeBounds(**bounds))]


@pytest.mark.parametrize(
    ("distances", "expected"),
    [
        ((0.0, 1.0), []),
        ((0.0, 1.0, 2.0), [[0, 1, 2]]),
        ((0.0, 1.0, 2.05, 3.0), [[0, 1, 2, 3]]),
        ((0.0, 1.0, 2.0, 3.0, 5.0), [[0, 1, 2, 3, 5]]),
        # three planes and one missing: what the spacing is, nobody can tell
        ((0.0, 1.0, 3.0), []),
        ((0.0, 1.0, 2.0, 20.0, 21.0, 22.0), [[0, 1, 2], [0, 1, 2]]),
        ((0.0, 1.0, 2.0, 20.0), [[0, 1, 2]]),
        ((0.0, 2.0, 4.0, 6.0, 11.0, 16.0, 21.0), [[0, 1, 2, 3], [0, 1, 2]]),
    ],
)
def test_layouts(distances: tuple[float, ...], expected: list[list[int]]) -> None:
    assert laid(*distances) == expected


def test_too_many_missing_slices_are_not_invented() -> None:
    every_other = np.concatenate((np.arange(6.0), np.arange(7.0, 40.0, 2.0)))
    assert [(found.spacing_mm, found.missing) for found in layouts(every_other, VolumeBounds())] == [(1.0, 0), (2.0, 0)]


@settings(deadline=None, max_examples=50)
@given(
    spacing=st.floats(0.1, 12.0),
    count=st.integers(12, 60),
    lost=st.sets(st.integers(1, 6), max_size=2),
    start=st.floats(-2000.0, 2000.0),
)
def test_any_regular_stack_with_few_losses_is_one_grid(
    spacing: float, count: int, lost: set[int], start: float
) -> None:
    steps = np.array([k for k in range(count) if k not in lost])
    [found] = layouts(start + steps * spacing, VolumeBounds())
    assert found.steps.tolist() == steps.tolist()
    assert found.spacing_mm == pytest.approx(spacing, rel=1e-6)
