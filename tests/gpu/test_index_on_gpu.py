"""The GPU finds what the CPU finds: the same Cases, in the same order, with the same numbers."""

import numpy as np
import pytest
import torch

from similar_cases.domain.description import EmbeddingSpace, Level
from similar_cases.index.exact import ExactIndex
from similar_cases.index.late_interaction import max_sim

SIZE = 384
ROWS = 200_000


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Clusters of unequal tightness, with copies and near copies among them."""
    rng = np.random.default_rng(0)
    cluster = rng.integers(0, 500, ROWS)
    spread = np.array([0.0, 1e-3, 0.3, 1.0], np.float32)[cluster % 4] / np.sqrt(SIZE)
    centres = rng.standard_normal((500, SIZE), dtype=np.float32) / np.sqrt(SIZE)
    made = centres[cluster] + spread[:, None] * rng.standard_normal((ROWS, SIZE), dtype=np.float32)
    return made.astype(np.float16).astype(np.float32)


@pytest.mark.parametrize("count", [1, 50, 1000])
def test_exact_search_gives_the_same_on_both(cuda, vectors, count):
    space = EmbeddingSpace(model="m", version="1", weights="w", preprocessing="p", level=Level.REGION, size=SIZE)
    uids = [f"2.25.{n}" for n in range(ROWS)]
    on_gpu, on_cpu = ExactIndex(space, cuda), ExactIndex(space, "cpu")
    for index in (on_gpu, on_cpu):
        index.add(uids, vectors)
        index.remove(uids[5::1000])
        index.add(uids[7::1000], vectors[8::1000])
    random = np.random.default_rng(1)
    for share in (1.0, 0.1, 0.05, 0.001):
        passing = random.random(ROWS) < share
        for query in (vectors[3], vectors[77_777] + 1e-3, random.normal(size=SIZE).astype(np.float32)):
            among = None if share == 1.0 else passing
            assert on_gpu.nearest(query, count, among) == on_cpu.nearest(query, count, among)


def test_maxsim_gives_the_same_on_both(cuda, vectors):
    candidates = [vectors[at * 300 : at * 300 + 40 + at].astype(np.float16) for at in range(50)]
    query = vectors[-120:].astype(np.float16)
    for one, other in zip(max_sim(query, candidates, cuda), max_sim(query, candidates, "cpu"), strict=True):
        assert one.score == pytest.approx(other.score, abs=2e-6)
        np.testing.assert_allclose(one.cosines, other.cosines, atol=2e-6)


def test_maxsim_never_uses_the_gpu_s_short_cuts(cuda):
    """TF32 would be off by 1e-3, which is more than near slices differ."""
    assert torch.get_float32_matmul_precision() == "highest"
    one = np.random.default_rng(0).normal(size=(1, SIZE))
    near = np.concatenate([one * (1 + 1e-6 * np.arange(SIZE)), one])
    assert max_sim(one, [near], cuda)[0].matched.tolist() == [1]
