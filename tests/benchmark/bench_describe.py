"""Time describing: radiomics by size of the Region, embedding by slice, agreement by size of the archive.

Run ``PYTHONPATH=plugin:. .venv/bin/python tests/benchmark/bench_describe.py [--slices 134] [--device cpu]``: one JSON.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable

import numpy as np

from similar_cases.describe.normalise import Population, agreements
from similar_cases.describe.radiomics import ALL_107, RadiomicsExtractor
from similar_cases.describe.registry import open_embedder
from similar_cases.domain.description import RadiomicsRecipe
from tests.unit.describe.volumes import ball, texture, volume_of


def seconds(act: Callable[[], object], repeats: int) -> dict[str, float]:
    """Return the best and the median wall time, and the CPU time of one of `repeats` runs."""
    walls = []
    cpu_started = time.process_time()
    for _ in range(repeats):
        started = time.perf_counter()
        act()
        walls.append(time.perf_counter() - started)
    cpu = (time.process_time() - cpu_started) / repeats
    return {"best": round(min(walls), 4), "median": round(float(np.median(walls)), 4), "cpu": round(cpu, 4)}


def radiomics() -> dict[str, dict[str, float]]:
    """All 107 features of balls of 485, 14 k and 113 k voxels at 1.5 mm, and of one over the bound."""
    volume = volume_of(texture((130, 130, 130)), (1.5, 1.5, 1.5))
    extractor = RadiomicsExtractor(RadiomicsRecipe())
    found = {}
    for voxels in (485, 14_000, 113_000, 400_000):
        region = ball(volume, (64, 64, 64), 1.5 * (voxels * 3 / 4 / np.pi) ** (1 / 3))
        found[str(int(region.mask.sum()))] = seconds(lambda region=region: extractor.extract(volume, region), 5)
    return found


def embedding(device: str, slices: int) -> dict[str, object]:
    """A Series of 512 x 512, and twelve slices of one Region in it."""
    opened = time.perf_counter()
    embedder = open_embedder("efficientnet-lite0", device)
    loading = time.perf_counter() - opened
    volume = volume_of(np.tile(texture((8, 512, 512)), (-(-slices // 8), 1, 1))[:slices], (3.0, 0.98, 0.98))
    region = ball(volume, (slices // 2, 200, 300), 40.0)
    return {
        "load": round(loading, 3),
        "slices": slices,
        "series": seconds(lambda: embedder.embed_volume(volume), 3),
        "region": seconds(lambda: embedder.embed_regions(volume, [region]), 3),
    }


def agreement() -> dict[str, dict[str, float]]:
    """One query against N candidates, and the making of the population."""
    found = {}
    for count in (1_000, 10_000, 100_000):
        matrix = np.random.default_rng(0).lognormal(size=(count, 107))
        population = Population(ALL_107, matrix)
        scaled = population.scale(matrix)
        found[str(count)] = seconds(lambda scaled=scaled: agreements(scaled[0], scaled, ALL_107), 5)
        found[f"{count} learn"] = seconds(lambda matrix=matrix: Population(ALL_107, matrix).scale(matrix), 1)
    return found


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=134)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    found = {
        "radiomics_seconds": radiomics(),
        "embedding_seconds": embedding(asked.device, asked.slices),
        "agreement_seconds": agreement(),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
