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
from similar_cases.index.exact import ExactIndex
from similar_cases.index.faiss_index import FaissIndex

SIZE = 16


def space(size: int = SIZE) -> EmbeddingSpace:
    return EmbeddingSpace(model="m", version="1", weights="w", preprocessing="p", level=Level.REGION, size=size)


BACKENDS: dict[str, Any] = {
    "exact": lambda s: ExactIndex(s, device="cpu"),
    "exact, half precision": lambda s: ExactIndex(s, device="cpu", dtype=torch.float16),
    "faiss": FaissIndex,
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
