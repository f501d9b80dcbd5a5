"""3D-MIR (arXiv 2311.13752): volumes found by volumes, and counted by lesion flag and lesion group.

P@k is the mean over the queries of the share of the first k answers with an equal label; AP that of scikit-learn on the
ten answers, ranks as scores. The paper has one archive an organ, where no organ can be taken for another; here one of
all organs stands beside it, in which an answer of another organ is wrong.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from similar_cases.evaluate.describe_volumes import DescribedVolume
from similar_cases.evaluate.row import Heading, Outcome, Row, rows_of
from similar_cases.evaluate.scores import average_precision, chance_of_average_precision, precision_at
from similar_cases.evaluate.volume_ways import VolumeWay

DEPTHS = (3, 5, 10)
#: slices found for each slice of a query, and neighbours of a pooled vector (section on methods of the paper)
PER_SLICE, NEIGHBOURS = 20, 50
#: (organ, label and metric) → the paper's figure of its hybrid of slices and captions
PAPER: Mapping[tuple[str, str], str] = MappingProxyType({("liver", "flag P@3"): ".842 (19 queries, chance .562)"})
ONE_ORGAN, ALL_ORGANS = "one organ", "all organs"


def mir_3d(
    queries: Sequence[DescribedVolume], archive: Sequence[DescribedVolume], ways: Sequence[VolumeWay], embedder: str
) -> list[Row]:
    """Return P@3, P@5, P@10 and AP of every way, organ by organ, in the archive of that organ and in that of all.

    Args:
        queries: volumes with the labels ``organ`` and, where they are known, ``flag`` and ``group``.
        archive: volumes likewise; the query's patient is left out.
        ways: how to rank.
        embedder: whose vectors they are.
    """
    return rows_of(
        (Heading(data=data, task=f"same {label}", way=f"{embedder}: {way.name}", metric=metric, paper=paper), outcome)
        for query in queries
        for data, among in _archives(query, archive)
        for way in ways
        for label, metric, outcome in _outcomes(query, among, way)
        for paper in (_paper(query, data, way, f"{label} {metric}"),)
        if label != "organ" or data.endswith(ALL_ORGANS)
    )


def _archives(
    query: DescribedVolume, archive: Sequence[DescribedVolume]
) -> Iterator[tuple[str, list[DescribedVolume]]]:
    """Yield the archive of the query's organ, and that of all where there are others; the patient is in neither."""
    others = [one for one in archive if one.patient != query.patient]
    same = [one for one in others if one.sample.labels["organ"] == query.sample.labels["organ"]]
    if same:
        yield f"{query.sample.dataset}; archive: {ONE_ORGAN}", same
    if len(same) < len(others):
        yield f"{query.sample.dataset}; archive: {ALL_ORGANS}", others


def _outcomes(
    query: DescribedVolume, among: Sequence[DescribedVolume], way: VolumeWay
) -> Iterator[tuple[str, str, Outcome]]:
    by_uid = {one.uid: one for one in among}
    found = [by_uid[uid] for uid in way.ranking(query, among)][: max(DEPTHS)]
    for label in ("organ", "flag", "group"):
        if label in query.sample.labels:
            for metric, outcome in _scored(query, found, among, label):
                yield label, metric, outcome


def _paper(query: DescribedVolume, data: str, way: VolumeWay, what: str) -> str:
    if not way.name.startswith("hybrid") or not data.endswith(ONE_ORGAN):
        return ""
    return PAPER.get((query.sample.labels["organ"], what), "")


def _scored(
    query: DescribedVolume, found: Sequence[DescribedVolume], among: Sequence[DescribedVolume], label: str
) -> Iterator[tuple[str, Outcome]]:
    """Yield what the answers score; fewer answers than the depth leave the missing ones wrong."""

    def right(one: DescribedVolume) -> bool:
        return all(one.sample.labels.get(name) == query.sample.labels[name] for name in {"organ", label})

    hits = [right(one) for one in found]
    relevant, total = sum(map(right, among)), len(among)
    padded = hits + [False] * (min(max(DEPTHS), total) - len(hits))
    for depth in DEPTHS:
        if depth <= total:
            score = precision_at(padded, depth)
            yield f"P@{depth}", Outcome(patient=query.patient, score=score, chance=relevant / total)
    chance = chance_of_average_precision(relevant, total, max(DEPTHS))
    yield "AP", Outcome(patient=query.patient, score=average_precision(padded), chance=chance)
