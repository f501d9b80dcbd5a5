"""Time a click: the first one in a CT of 512 x 512 x 300, and the correction that follows it with the mask so far.

Run ``PYTHONPATH=plugin:. .venv/bin/python -m tests.benchmark.bench_click [--backend promptable] [--device cpu]``: one
JSON. Every first click is in a volume that the segmenter has not seen, as after opening a series.
"""

import argparse
import json
import os
import sys
import time

import numpy as np

from similar_cases.domain.prompts import MaskPrompt, PointPrompt, Polarity, PromptSet
from similar_cases.domain.volume import Volume
from similar_cases.segment.registry import SEGMENTERS, SegmenterChoice
from similar_cases.segment.segmenter import Segmenter
from tests.unit.describe.volumes import texture, volume_of

SHAPE = (300, 512, 512)
SPACING_MM = (1.0, 0.8, 0.8)


def chest(number: int) -> tuple[Volume, np.ndarray]:
    """Return a body of -50 to 50 HU in air with a ball of 20 mm in it, and the ball's middle (k, j, i)."""
    array = np.full(SHAPE, -1000.0, np.float32)
    array[:, 64:448, 64:448] = texture((300, 384, 384)) / 20.0
    middle = np.array([100 + 20 * number, 240, 200 + 15 * number])
    box = tuple(slice(at - 26, at + 27) for at in middle)
    where = np.stack(np.mgrid[box]) - middle[:, None, None, None]
    inside = ((where * np.reshape(SPACING_MM, (3, 1, 1, 1))) ** 2).sum(0) <= 20.0**2
    array[box][inside] += 150.0
    return volume_of(array, SPACING_MM), middle


def timed(segmenter: Segmenter, number: int) -> tuple[float, float]:
    """Return the seconds of the first click, and of the correction."""
    volume, middle = chest(number)
    first = PointPrompt(tuple(volume.geometry.index_to_lps(middle)[0]))
    started = time.perf_counter()
    region = segmenter.segment(volume, PromptSet(prompts=(first,), tracking_uid="2.25.1"))
    clicked = time.perf_counter()
    outside = PointPrompt(tuple(volume.geometry.index_to_lps(middle + np.array([0, 0, 30]))[0]), Polarity.NEGATIVE)
    so_far = MaskPrompt(region.mask, region.geometry)
    began = time.perf_counter()
    segmenter.segment(volume, PromptSet(prompts=(first, outside, so_far), tracking_uid="2.25.1"))
    return clicked - started, time.perf_counter() - began


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", nargs="*", default=["promptable", "region_growing"], choices=SEGMENTERS.names)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=6)
    asked = parser.parse_args()
    found: dict[str, object] = {"load": os.getloadavg()[0], "cores": os.cpu_count()}
    for backend in asked.backend:
        segmenter = SEGMENTERS.create(backend, SegmenterChoice(device=asked.device))
        timed(segmenter, 0)  # the very first pays for what is loaded once
        seconds = np.array([timed(segmenter, 1 + number % 5) for number in range(asked.repeats)])
        found[backend] = {
            name: {"p50_s": round(float(np.median(one)), 2), "max_s": round(float(one.max()), 2)}
            for name, one in zip(("first click", "correction"), seconds.T, strict=True)
        }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
