"""A lesion in one modality finds the same patient's lesion in another.

The reverse of every other protocol here: the same patient is what is sought, so nobody is left out of the archive but
the query's own modality. The masks are the experts'; nothing tells the ways which patient a Region is of, and none of
them looks at the frame of reference, in which the answer would be trivial.
"""

from collections.abc import Iterator, Sequence
from itertools import permutations

from similar_cases.evaluate.describe_samples import DescribedRegion
from similar_cases.evaluate.row import Heading, Outcome, Row, rows_of
from similar_cases.evaluate.scores import chance_of_reciprocal_rank, reciprocal_rank
from similar_cases.evaluate.ways import Way

ALL_PAIRS = "all pairs"


def same_lesion(
    queries: Sequence[DescribedRegion], archive: Sequence[DescribedRegion], ways: Sequence[Way], data: str
) -> list[Row]:
    """Return top-1 and mean reciprocal rank for all pairs of modalities together, and for each.

    Args:
        queries: each is asked once for each other modality in which its patient has a Region in the `archive`.
        archive: the queries' patients, and others as distractors.
        ways: how to rank.
        data: what the rows say of both.
    """
    modalities = sorted({one.modality for one in queries})
    pairs = [
        (asked, sought, query)
        for asked, sought in permutations(modalities, 2)
        for query in queries
        if query.modality == asked
    ]
    return rows_of(
        (Heading(data=data, task=task, way=way.name, metric=metric), outcome)
        for way in ways
        for whole in (True, False)
        for asked, sought, query in pairs
        for task in (ALL_PAIRS if whole else f"{asked} → {sought}",)
        for metric, outcome in _outcomes(query, [one for one in archive if one.modality == sought], way)
    )


def fusion_verdicts(rows: Sequence[Row]) -> list[str]:
    """Say for each archive and metric, over all pairs, whether the best fusion beats the best single way.

    A way is a fusion when its name has a ``+``, as `ways.fused` writes it.
    """
    told = []
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.task == ALL_PAIRS:
            groups.setdefault((row.data, row.metric), []).append(row)
    for (data, metric), group in groups.items():
        fusions, singles = ([row for row in group if ("+" in row.way) is mixed] for mixed in (True, False))
        if fusions and singles:
            best, alone = max(fusions, key=lambda row: row.value), max(singles, key=lambda row: row.value)
            verdict = "beats" if best.value > alone.value else "does not beat"
            told.append(
                f"{data}, {metric}: the best fusion ({best.way}, {best.value:.3f}) {verdict} the best single way "
                f"({alone.way}, {alone.value:.3f})."
            )
    return told


def _outcomes(query: DescribedRegion, archive: Sequence[DescribedRegion], way: Way) -> Iterator[tuple[str, Outcome]]:
    right = sum(one.patient == query.patient for one in archive)
    if not right:
        return
    hits = [one.patient == query.patient for one in way.ranking(query, archive)]
    chance = chance_of_reciprocal_rank(right, len(archive))
    yield "top-1", Outcome(patient=query.patient, score=float(hits[0]), chance=right / len(archive))
    yield "MRR", Outcome(patient=query.patient, score=reciprocal_rank(hits), chance=chance)
