"""MaxSim of a query's slices against those of fifty candidates, and reading them from the catalogue.

Run ``.venv/bin/python -m tests.benchmark.bench_maxsim [--device cuda] [--index-rows 1000000]``: one JSON. With a GPU it
needs torch and numpy alone, and times exact search there too; on the CPU that is ``bench_index``.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from similar_cases.index.exact import ExactIndex
from similar_cases.index.late_interaction import max_sim
from tests.benchmark import synthetic_archive as archive

CORES = 2
SLICES = 300
CANDIDATES = 50
REPEATS = 30
#: what the 95th percentile was asked to be at most, ms
WANTED = {"cpu": 300, "cuda": 20}


def timed(act: Callable[[], object], repeats: int = REPEATS) -> dict[str, float]:
    """Return wall times in ms, and the processor time of all threads together, after two runs that do not count."""
    walls, cpus = [], []
    for run in range(repeats + 2):
        started, used = time.perf_counter(), time.process_time()
        act()
        if run >= 2:
            walls.append((time.perf_counter() - started) * 1000)
            cpus.append((time.process_time() - used) * 1000)
    p50, p95 = np.percentile(walls, [50, 95])
    figures = {"p50_ms": p50, "p95_ms": p95, "min_ms": min(walls), "cpu_p50_ms": np.median(cpus)}
    return {name: round(float(value), 2) for name, value in figures.items()}


def sets(size: int) -> list[np.ndarray]:
    """Return the query's and the candidates' slices: along a volume, each slice is near the one before."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(CANDIDATES + 1):
        steps = rng.normal(size=(SLICES, size)).cumsum(axis=0) * 0.3 + rng.normal(size=size) * 3
        made.append(steps.astype(np.float16))
    return made


def reading(made: list[np.ndarray], repeats: int) -> dict[str, float]:
    """Time reading the candidates' slices from a catalogue of them, as it lies in SQLite."""
    from sqlalchemy import insert

    from similar_cases.index import encoding, schema
    from similar_cases.index.catalogue import Catalogue
    from similar_cases.index.database import open_engine, sqlite_url
    from similar_cases.index.vector_sets import VectorSets

    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(sqlite_url(Path(folder)))
        Catalogue(engine).create()
        rows = [
            {
                "case_uid": f"2.25.{at}",
                "space_id": "s",
                "series_uid": "",
                "slices": SLICES,
                "vectors": encoding.half(one),
            }
            for at, one in enumerate(made)
        ]
        with engine.begin() as connection:
            connection.execute(insert(schema.slice_vectors), rows)
        uids = [f"2.25.{at}" for at in range(1, len(made))]
        found = timed(lambda: VectorSets(engine).of_slices(uids, "s"), repeats)
        engine.dispose()
    return found


def exact_search(device: str, rows: int) -> dict[str, object]:
    """Time exact search on a device, and compare it with the product in double precision there."""
    random = torch.Generator(device).manual_seed(0)
    index = ExactIndex(archive.space(), device)
    centres = torch.randn(2000, archive.SIZE, generator=random, device=device)
    blocks = []
    for start in range(0, rows, archive.BLOCK):
        count = min(archive.BLOCK, rows - start)
        cluster = torch.randint(2000, (count,), generator=random, device=device)
        block = (centres[cluster] + torch.randn(count, archive.SIZE, generator=random, device=device)).half()
        index.add([archive.uid_of(start + at) for at in range(count)], block.float().cpu().numpy())
        blocks.append(block)
    everything = torch.cat(blocks)
    chance = np.random.default_rng(1).random(rows)
    found: dict[str, object] = {"rows": rows}
    for name, mask in (("none", None), ("10 %", chance < 0.1), ("0.1 %", chance < 0.001)):
        queries = iter(centres.repeat(4, 1)[: REPEATS * 4].cpu().numpy())
        found[name] = timed(lambda queries=queries, mask=mask: index.nearest(next(queries), 50, mask))
        found[f"{name}, same as brute force"] = all(
            _same(index, everything, query, mask) for query in centres[:5].cpu().numpy()
        )
    return found


def _same(index: ExactIndex, everything: torch.Tensor, query: np.ndarray, mask: np.ndarray | None) -> bool:
    wide = torch.from_numpy(query).to(everything.device).double()
    parts = [part.double() for part in torch.split(everything, archive.BLOCK)]
    cosines = torch.cat([part @ wide / torch.linalg.vector_norm(part, dim=1) for part in parts]) / wide.norm()
    exact = np.round(cosines.cpu().numpy(), 6)
    if mask is not None:
        exact[~mask] = -2
    order = np.lexsort((np.arange(len(exact)), -exact))[:50]
    return [one.case_uid for one in index.nearest(query, 50, mask)] == [archive.uid_of(int(at)) for at in order]


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--index-rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    asked = parser.parse_args()
    torch.set_num_threads(CORES)
    found: dict[str, object] = {
        "device": torch.cuda.get_device_name() if asked.device == "cuda" else f"{CORES} cores",
        "load": round(os.getloadavg()[0], 1),
        "repeats": asked.repeats,
        "slices": SLICES,
        "candidates": CANDIDATES,
        "wanted_p95_ms": WANTED[asked.device],
    }
    for size in (384, 1280):
        query, *candidates = sets(size)
        found[f"size {size}"] = timed(partial(max_sim, query, candidates, asked.device), asked.repeats)
        if asked.device == "cpu":
            found[f"size {size}, reading them"] = reading([query, *candidates], asked.repeats)
    if asked.device == "cuda":
        found["exact search"] = exact_search("cuda", asked.index_rows)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
