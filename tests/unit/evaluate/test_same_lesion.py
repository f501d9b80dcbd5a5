import numpy as np
import pytest
from tests.unit.evaluate.described import region

from similar_cases.evaluate.row import Heading, Outcome, row_of
from similar_cases.evaluate.same_lesion import ALL_PAIRS, fusion_verdicts, same_lesion
from similar_cases.evaluate.ways import by_vector

ORACLE = by_vector("oracle")
MODALITIES = ("CT", "MR", "PT")


def patients(count, vector):
    return [region(f"p{n}", modality, vector(n)) for n in range(count) for modality in MODALITIES]


def axis(number, size=12):
    return tuple(np.eye(size)[number].tolist())


def test_an_oracle_finds_every_lesion():
    regions = patients(5, axis)
    rows = same_lesion(regions, regions, [ORACLE], "made")
    assert {row.value for row in rows} == {1.0}
    assert {(row.task, row.metric) for row in rows} == {
        (task, metric)
        for metric in ("top-1", "MRR")
        for task in (ALL_PAIRS, *(f"{a} → {b}" for a in MODALITIES for b in MODALITIES if a != b))
    }
    first = rows[0]
    assert (first.task, first.n, first.patients, first.chance) == (ALL_PAIRS, 30, 5, pytest.approx(0.2))
    assert rows[1].chance == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 5)
    assert first.beats_chance


def test_random_vectors_do_not_beat_chance():
    random = np.random.default_rng(3)
    regions = patients(30, lambda _: tuple(random.standard_normal(64).tolist()))
    top, mrr = same_lesion(regions, regions, [ORACLE], "made")[:2]
    assert mrr.metric == "MRR"
    assert mrr.ci[0] <= mrr.chance <= mrr.ci[1]
    assert not top.beats_chance


def test_distractors_lower_chance_and_never_ask():
    queries = patients(3, axis)
    archive = queries + [region(f"other{n}", m, axis(6 + n)) for n in range(3) for m in MODALITIES]
    row = same_lesion(queries, archive, [ORACLE], "made")[0]
    assert (row.n, row.patients, row.value, row.chance) == (18, 3, 1.0, pytest.approx(1 / 6))


def test_a_lesion_without_a_partner_does_not_ask():
    regions = [*patients(3, axis), region("alone", "CT", axis(5))]
    assert same_lesion(regions, regions, [ORACLE], "made")[0].n == 18


def test_the_second_place_is_half_a_rank():
    regions = [region("a", "CT", (1, 0)), region("a", "MR", (0.6, 0.8)), region("b", "MR", (1, 0.1))]
    rows = same_lesion(regions[:2], regions, [ORACLE], "made")
    top, mrr = (row for row in rows if row.task == "CT → MR")
    assert (top.value, mrr.value) == (0.0, 0.5)


@pytest.mark.parametrize(("together", "verdict"), [(0.9, "beats"), (0.5, "does not beat"), (0.6, "does not beat")])
def test_whether_fusion_beats_every_single_way_is_told(together, verdict):
    def row(way, value):
        about = Heading(data="d", task=ALL_PAIRS, way=way, metric="top-1")
        return row_of(about, [Outcome(patient="p", score=value, chance=0.1)])

    [told] = fusion_verdicts([row("a", 0.6), row("b", 0.3), row("a + b, weighted", together), row("a + b, other", 0.1)])
    assert f"(a + b, weighted, {together:.3f}) {verdict} the best single way (a, 0.600)" in told
    assert fusion_verdicts([row("a", 0.6)]) == []
