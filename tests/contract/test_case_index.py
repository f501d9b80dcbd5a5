"""Every CaseIndex gives what a plain loop over all vectors gives."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from similar_cases.domain.description import EmbeddingSpace, Level
from similar_cases.domain.errors import WrongEmbeddingSpace
from similar_cases.index.case_index import CaseIndex
from similar_cases.index.code_scan import CodeScan
from similar_cases.index.exact import ExactIndex, MatrixScan
from similar_cases.index.faiss_index import FaissIndex, FaissKind
from similar_cases.index.scanned_index import ScannedIndex

SIZE = 16


def space(size: int = SIZE) -> EmbeddingSpace:
    return EmbeddingSpace(model="m", version="1", weights="w", preprocessing="p", level=Level.REGION, size=size)


def matrix(dtype: torch.dtype) -> Any:
    return lambda s: ScannedIndex(s, lambda store: MatrixScan(store, "cpu", dtype, gather_below=0))


#: those that are exact whatever is asked; with gather_below=0 the scan is asked even where few rows pass
BACKENDS: dict[str, Any] = {
    "exact": lambda s: ExactIndex(s, device="cpu"),
    "codes": lambda s: ScannedIndex(s, lambda store: CodeScan(store, gather_below=0)),
    "codes, in a file": lambda s: ScannedIndex(s, lambda store: CodeScan(store, gather_below=0), in_memory=False),
    "matrix": matrix(torch.float32),
    "matrix, half precision": matrix(torch.float16),
    "faiss-flat": lambda s: FaissIndex(s, FaissKind.FLAT, gather_below=0),
    # approximate ones are exact where few pass
    **{kind.value: lambda s, kind=kind: FaissIndex(s, kind) for kind in FaissKind if kind is not FaissKind.FLAT},
}


@pytest.fixture(params=BACKENDS)
def index(request: pytest.FixtureRequest) -> CaseIndex:
    return BACKENDS[request.param](space())


def plain(held: dict[str, np.ndarray], query: np.ndarray, count: int, among: Collection[str] | None) -> list[tuple]:
    """The oracle: one cosine at a time, in double precision."""
    wide = query.astype(np.float64)
    scored = []
    for uid, vector in held.items():
        if among is None or uid in among:
            row = vector.astype(np.float64)
            cosine = float(row @ wide / np.linalg.norm(row) / np.linalg.norm(wide))
            scored.append((-round(max(-1.0, min(1.0, cosine)), 6), uid))
    return [(uid, pytest.approx(-negative, abs=2e-6)) for negative, uid in sorted(scored)[:count]]


def told(index: CaseIndex, query: np.ndarray, count: int, among: Collection[str] | None = None) -> list[tuple]:
    return [(found.case_uid, found.similarity) for found in index.nearest(query, count, among)]


def rows(count: int, seed: int = 0) -> np.ndarray:
    """Vectors that half precision holds as they are, as the catalogue gives them."""
    return np.random.default_rng(seed).normal(size=(count, SIZE)).astype(np.float16).astype(np.float32)


@pytest.mark.parametrize("count", [1, 10, 299, 300, 5000])
@pytest.mark.parametrize("share", [None, 0.0, 0.01, 0.3, 1.0])
def test_it_answers_as_a_plain_loop_does(index, count, share):
    vectors, query = rows(300), rows(1, seed=1)[0]
    held = {f"2.25.{n}": vector for n, vector in enumerate(vectors)}
    index.add(list(held), vectors)
    chosen = None if share is None else [uid for n, uid in enumerate(held) if n < share * 300]
    assert told(index, query, count, chosen) == plain(held, query, count, chosen)


def test_ties_come_in_the_order_of_their_uids_even_at_the_border_of_the_page(index):
    one, other = rows(2)
    uids = [f"2.25.{n}" for n in np.random.default_rng(2).permutation(200)]
    # the same direction at three lengths is the same cosine
    index.add(uids, np.array([one * (1 + n % 3) for n in range(200)]))
    index.add(["far"], other[np.newaxis])
    assert [uid for uid, _ in told(index, one, 7)] == sorted(uids)[:7]
    assert [uid for uid, _ in told(index, one, 3, among=uids[50:100])] == sorted(uids[50:100])[:3]


def test_a_known_uid_gets_the_new_vector_and_the_last_one_of_a_batch_counts(index):
    one, other, third = rows(3)
    index.add(["a", "b"], np.array([one, other]))
    index.add(["a", "a"], np.array([third, other]))
    assert len(index) == 2
    assert told(index, other, 2) == [("a", pytest.approx(1, abs=1e-6)), ("b", pytest.approx(1, abs=1e-6))]


def test_what_was_removed_never_comes_back(index):
    vectors = rows(50)
    held = {str(n): vector for n, vector in enumerate(vectors)}
    index.add(list(held), vectors)
    gone = {"0", "49", "7", "unknown"}
    index.remove(gone)
    left = {uid: vector for uid, vector in held.items() if uid not in gone}
    assert len(index) == 47
    assert told(index, vectors[7], 50) == plain(left, vectors[7], 50, None)
    assert told(index, vectors[7], 5, among=gone) == []


def test_empty_and_senseless_askings_give_nothing(index):
    query = rows(1)[0]
    assert told(index, query, 5) == []
    index.add([], np.empty((0, SIZE), np.float32))
    index.add(["a"], query[np.newaxis])
    assert told(index, query, 0) == []
    assert told(index, query, 5, among=["nobody"]) == []
    assert len(index) == 1


@pytest.mark.parametrize(
    "vectors",
    [
        np.ones((1, SIZE + 1), np.float32),
        np.ones((2, SIZE), np.float32),
        np.zeros((1, SIZE), np.float32),
        np.full((1, SIZE), np.nan, np.float32),
        np.full((1, SIZE), np.inf, np.float32),
    ],
)
def test_vectors_of_another_space_or_without_direction_are_refused(index, vectors):
    with pytest.raises(WrongEmbeddingSpace):
        index.add(["a"], vectors)
    assert len(index) == 0


@pytest.mark.parametrize("query", [np.ones(SIZE - 1), np.zeros(SIZE), np.full(SIZE, np.nan)])
def test_a_query_of_another_space_is_refused(index, query):
    index.add(["a"], rows(1))
    with pytest.raises(WrongEmbeddingSpace):
        index.nearest(query.astype(np.float32), 1)


changes = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.integers(0, 12), max_size=6), st.integers(0, 4)),
        st.tuples(st.just("remove"), st.lists(st.integers(0, 12), max_size=6), st.just(0)),
    ),
    max_size=12,
)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=40, deadline=None)
@given(steps=changes, count=st.integers(0, 14), among=st.none() | st.sets(st.integers(0, 14)))
def test_any_run_of_additions_and_removals_ends_as_a_plain_dictionary_does(backend, steps, count, among):
    index, held, pool = BACKENDS[backend](space()), {}, rows(5, seed=3)
    for act, numbers, shift in steps:
        uids = [str(n) for n in numbers]
        if act == "remove":
            index.remove(uids)
            held = {uid: vector for uid, vector in held.items() if uid not in uids}
        else:
            vectors = np.array([pool[(n + shift) % 5] for n in numbers], np.float32).reshape(-1, SIZE)
            index.add(uids, vectors)
            held |= dict(zip(uids, vectors, strict=True))
    chosen = None if among is None else {str(n) for n in among}
    assert len(index) == len(held)
    assert told(index, pool[0], count, chosen) == plain(held, pool[0], count, chosen)


def clustered(count: int, size: int = SIZE, spreads: tuple[float, ...] = (0.0, 1e-4, 1e-2, 0.1, 0.5)) -> np.ndarray:
    """Clusters of all sizes and tightnesses, with exact and near copies: what makes search hard."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(40, size))
    cluster = rng.choice(40, count, p=np.arange(1, 41) / 820)
    spread = np.array(spreads)[cluster % len(spreads)]
    return (centres[cluster] + spread[:, None] * rng.normal(size=(count, size))).astype(np.float16).astype(np.float32)


EXACT_SCANS = [name for name in BACKENDS if name not in [k.value for k in FaissKind if k is not FaissKind.FLAT]]


@pytest.mark.parametrize("backend", EXACT_SCANS)
@pytest.mark.parametrize("count", [1, 600])
def test_copies_and_near_copies_are_told_apart_as_by_the_plain_loop(backend, count):
    vectors = clustered(2500)
    held = {f"2.25.{n}": vector for n, vector in enumerate(vectors)}
    index = BACKENDS[backend](space())
    index.add(list(held), vectors)
    for number in (0, 1700):
        query = vectors[number] + 1e-3
        for among in (None, list(held)[::2], list(held)[::20]):
            assert told(index, query, count, among) == plain(held, query, count, among)


def test_all_exact_backends_give_the_same_numbers():
    vectors = clustered(3000)
    answers = []
    for name in EXACT_SCANS:
        index = BACKENDS[name](space())
        index.add([str(n) for n in range(3000)], vectors)
        answers.append([index.nearest(query, 40) for query in vectors[:10]])
    assert all(answer == answers[0] for answer in answers)


APPROXIMATE = {
    # recall of the 20 nearest that each must reach on clustered data, unfiltered
    FaissKind.SQ8: 0.99,
    FaissKind.HNSW: 0.95,
    FaissKind.IVFPQ: 0.9,
    FaissKind.LSH: 0.9,
}


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_approximate_backends_find_most_and_tell_exact_similarities(kind):
    size, count = 32, 4000
    vectors = clustered(count, size, spreads=(0.2, 0.5, 1.0))
    uids = [str(n) for n in range(count)]
    index, exact = FaissIndex(space(size), kind, gather_below=1000), ExactIndex(space(size), device="cpu")
    for one in (index, exact):
        one.add(uids, vectors)
    recalls = []
    for query in np.random.default_rng(8).choice(vectors, 15) + 0.05:
        found, truth = index.nearest(query, 20), exact.nearest(query, 20)
        assert len(found) == 20
        # ties at the border are as good as what the exact index chose among them
        recalls.append(sum(one.similarity >= truth[-1].similarity for one in found) / 20)
        everything = {one.case_uid: one.similarity for one in exact.nearest(query, count)}
        assert all(everything[one.case_uid] == one.similarity for one in found)
        assert found == sorted(found, key=lambda one: (-one.similarity, one.case_uid))
        few = uids[::8]
        assert index.nearest(query, 20, few) == exact.nearest(query, 20, few)
    assert np.mean(recalls) >= APPROXIMATE[kind]


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_approximate_backends_follow_what_comes_and_goes(kind):
    size = 32
    vectors = clustered(3000, size)
    index = FaissIndex(space(size), kind, gather_below=100)
    uids = [str(n) for n in range(3000)]
    index.add(uids[:1000], vectors[:1000])
    index.nearest(vectors[0], 5)
    index.add(uids[1000:], vectors[1000:])
    index.remove(uids[:500])
    index.add(["600"], -vectors[[600]])
    found = {one.case_uid for number in range(0, 3000, 50) for one in index.nearest(vectors[number], 20)}
    assert not found & set(uids[:500])
    assert found & set(uids[1000:])
    assert index.nearest(-vectors[600], 1)[0].similarity > 0.9


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 400),
    st.integers(1, 30),
    st.sampled_from([1e-6, 1e-3, 0.1, 3.0]),
    st.integers(0, 10**6),
    st.floats(0, 1),
)
def test_the_bound_on_codes_never_loses_a_row(rows_held, count, spread, seed, share):
    rng = np.random.default_rng(seed)
    vectors = (rng.normal(size=SIZE) + spread * rng.normal(size=(rows_held, SIZE))).astype(np.float16)
    # some numbers much larger than the others are the worst for codes of one scale a row
    vectors[:, rng.integers(SIZE)] *= np.float16(rng.choice([1, 30]))
    index = BACKENDS["codes"](space())
    held = {str(n): vector.astype(np.float32) for n, vector in enumerate(vectors)}
    index.add(list(held), vectors.astype(np.float32))
    chosen = [uid for uid in held if rng.random() < share]
    query = rng.normal(size=SIZE).astype(np.float32)
    assert told(index, query, count, chosen) == plain(held, query, count, chosen)
