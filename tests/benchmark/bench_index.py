"""The nearest among a million Regions, under filters, beside other people's indexes, in one run.

Run ``.venv/bin/python -m tests.benchmark.bench_index [--rows 1000000] [--without "Milvus Lite"] [--folder DIR]``: one
JSON. What is built (vectors, the catalogue, the indexes of others) stays in the folder for the next run; building all
for a million takes the better part of an hour on two cores.

Every question is put to everyone in turn, so that what else the machine does falls on all of them. `recall` is the
share of the brute force's answer that was found; `same` says whether the answer equals it, order and scores included;
`cpu_p50_ms` is the processor time of this process, all threads together (PostgreSQL works in others): what a question
costs where the machine has something else to do.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from similar_cases.domain.conditions import Condition, Match
from similar_cases.domain.description import EmbeddingSpace
from similar_cases.domain.references import SeriesRef
from similar_cases.domain.similarity import Candidate
from similar_cases.index.case_index import CaseIndex
from similar_cases.index.case_indexes import CaseIndexes
from similar_cases.index.database import open_engine, sqlite_url
from similar_cases.index.exact import ExactIndex
from similar_cases.index.lookups import Lookups
from tests.benchmark import synthetic_archive as archive
from tests.benchmark.rivals import FILTERS, RIVALS, kept
from tests.benchmark.synthetic_catalogue import fill_catalogue

CORES = 2
TOP = 50
#: what the figures were asked to be at most, in ms of the median, on 2 cores at a million
WANTED = {"none": 70, "10 %": 20, "0.1 %": 3}
CONDITIONS = {
    "none": (),
    "10 %": (Condition("Modality", Match.SINGLE, ("PT",)),),
    "0.1 %": (Condition("StudyDate", Match.RANGE, ("20150601", "20150607")),),
}
Answer = list[tuple[int, float]]
Asked = Callable[[int, str], list[int]]


class Ours:
    """The exact index, alone and the whole way from a filter in the catalogue."""

    def __init__(self, folder: Path, made: NDArray[np.float16], known: archive.Attributes) -> None:
        path = folder / "catalogue.sqlite"
        if not path.exists():
            building = folder / "building"
            fill_catalogue(open_engine(sqlite_url(building)), made, known)
            (building / "catalogue.sqlite").rename(path)
        engine = open_engine(sqlite_url(folder))
        self._opened: list[CaseIndex] = []
        self._indexes = CaseIndexes(engine, self._open)
        self._lookups = Lookups(engine)
        self._known = known
        started = time.perf_counter()
        self._indexes.warm(archive.space())
        self.seconds_to_open = time.perf_counter() - started
        index = self._opened[0]
        self._rows = np.array([int(uid[5:]) - 10**9 for uid in index.uids_of(np.arange(len(index)))])
        self._masks = {name: None if one is None else one[self._rows] for name, one in kept(known).items()}

    def _open(self, space: EmbeddingSpace) -> CaseIndex:
        self._opened.append(ExactIndex(space, "cpu"))
        return self._opened[-1]

    def alone(self, query: NDArray[np.float32], filtered: str) -> list[Candidate]:
        """Ask the index, given which rows pass."""
        return self._opened[0].nearest(query, TOP, self._masks[filtered])

    def whole_way(self, query: NDArray[np.float32], filtered: str) -> list[Candidate]:
        """Ask as `find_similar` does: the patient's own Cases from SQL, conditions, the nearest, how many passed."""
        asker = SeriesRef("2.99.1", "2.99.2")
        without = self._lookups.same_patient(asker, "P7", archive.space().id)
        chosen = self._indexes.select(archive.space(), CONDITIONS[filtered], without)
        found = self._indexes.nearest(archive.space(), query, TOP, chosen)
        assert len(chosen) >= len(found)
        return found

    def own_patient(self) -> NDArray[np.bool_]:
        """Which positions `whole_way` leaves out."""
        return self._known.patient == 7


def brute_force(
    made: NDArray[np.float16], queries: NDArray[np.float32], masks: dict[str, NDArray[np.bool_] | None]
) -> dict[str, list[Answer]]:
    """Return the answers under each mask: a product with every vector, the best of them again in double precision."""
    units = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    cosines = np.empty((len(queries), len(made)), np.float32)
    for start in range(0, len(made), archive.BLOCK):
        wide = made[start : start + archive.BLOCK].astype(np.float32)
        cosines[:, start : start + len(wide)] = units @ (wide / np.linalg.norm(wide, axis=1, keepdims=True)).T
    return {
        name: [
            _answer(made, query, row if mask is None else np.where(mask, row, -np.inf))
            for query, row in zip(queries, cosines, strict=True)
        ]
        for name, mask in masks.items()
    }


def _answer(made: NDArray[np.float16], query: NDArray[np.float32], cosines: NDArray[np.float32]) -> Answer:
    least = np.partition(cosines, len(cosines) - TOP)[len(cosines) - TOP] - 1e-4
    near = np.flatnonzero((cosines >= least) & np.isfinite(cosines))
    wide, asked = made[near].astype(np.float64), query.astype(np.float64)
    exact = np.round(wide @ asked / np.linalg.norm(wide, axis=1) / np.linalg.norm(asked), 6)
    order = np.lexsort((near, -exact))[:TOP]
    return [(int(near[at]), float(exact[at])) for at in order]


class Timed:
    """Times and recalls of one contender under one filter."""

    def __init__(self) -> None:
        self.walls: list[float] = []
        self.cpus: list[float] = []
        self.recalls: list[float] = []
        self.same = True

    @contextmanager
    def clock(self) -> Iterator[None]:
        """Time what happens inside."""
        started, used = time.perf_counter(), time.process_time()
        yield
        self.walls.append((time.perf_counter() - started) * 1000)
        self.cpus.append((time.process_time() - used) * 1000)

    def judge(self, found: list[int], truth: Answer) -> None:
        """Compare an answer with the brute force's."""
        right = [position for position, _ in truth]
        self.recalls.append(len(set(found) & set(right)) / max(1, len(right)))
        self.same = self.same and found == right

    def told(self) -> dict[str, object]:
        """Return the figures, in ms."""
        p50, p95 = np.percentile(self.walls, [50, 95])
        return {
            "p50_ms": round(float(p50), 2),
            "p95_ms": round(float(p95), 2),
            "min_ms": round(min(self.walls), 2),
            "cpu_p50_ms": round(float(np.median(self.cpus)), 2),
            "recall": round(float(np.mean(self.recalls)), 4),
            "same": self.same,
        }


def positions(found: list[Candidate]) -> Answer:
    """Return an answer of ours as positions in the archive."""
    return [(int(one.case_uid[5:]) - 10**9, one.similarity) for one in found]


def measured(folder: Path, rows: int, questions: int, left_out: list[str]) -> dict[str, object]:
    """Build what is missing, ask everyone everything, and return the figures."""
    made, known, queries = prepared(folder, rows, questions)
    ours = Ours(folder, made, known)
    passing = kept(known)
    mine = ~ours.own_patient()
    truths = brute_force(made, queries, passing)
    whole = brute_force(made, queries, {name: mine if one is None else one & mine for name, one in passing.items()})
    rivals, failed = {}, {}
    for name in RIVALS:
        if name not in left_out:
            try:
                rivals[name] = RIVALS[name](folder, made, known)
            except Exception as fault:
                failed[name] = f"{type(fault).__name__}: {fault}"[:200]
    figures: dict[str, dict[str, Timed]] = {}
    for number, query in enumerate(queries):
        for filtered in FILTERS:
            for way, ask, truth in (("alone", ours.alone, truths), ("whole way", ours.whole_way, whole)):
                one = figures.setdefault(f"exact, {way}", {}).setdefault(filtered, Timed())
                with one.clock():
                    found = positions(ask(query, filtered))
                one.judge([position for position, _ in found], truth[filtered][number])
                one.same = one.same and found == truth[filtered][number]
            for name, rival in rivals.items():
                one = figures.setdefault(name, {}).setdefault(filtered, Timed())
                with one.clock():
                    numbers = rival.nearest(query, TOP, filtered)
                one.judge(numbers, truths[filtered][number])
    for rival in rivals.values():
        rival.close()
    return {
        "rows": rows,
        "questions": questions,
        "cores": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "kept": {name: rows if mask is None else int(mask.sum()) for name, mask in passing.items()},
        "seconds_to_open": round(ours.seconds_to_open, 1),
        "wanted_p50_ms": WANTED,
        "figures": {who: {name: one.told() for name, one in by.items()} for who, by in figures.items()},
        "times_exact_alone_p50": {
            who: {
                name: round(float(np.median(one.walls) / np.median(figures["exact, alone"][name].walls)), 2)
                for name, one in by.items()
            }
            for who, by in figures.items()
        },
        **({"failed": failed} if failed else {}),
    }


def prepared(
    folder: Path, rows: int, questions: int
) -> tuple[NDArray[np.float16], archive.Attributes, NDArray[np.float32]]:
    """Return vectors, attributes and questions; the vectors are kept in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "vectors.npy"
    if not path.exists():
        np.save(folder / "making.npy", archive.vectors(rows))
        (folder / "making.npy").rename(path)
    return np.load(path), archive.attributes(rows), archive.queries(questions)


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--without", action="append", default=[], help="a rival that is left out; may be repeated")
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--cores", type=int, default=CORES)
    asked = parser.parse_args()
    torch.set_num_threads(asked.cores)
    faiss.omp_set_num_threads(asked.cores)
    folder = asked.folder or Path(".cache") / f"bench-index-{asked.rows}"
    found = measured(folder.absolute(), asked.rows, asked.questions, asked.without)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
