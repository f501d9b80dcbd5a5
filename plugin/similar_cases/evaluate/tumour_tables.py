"""The table of RadiomicsRetrieval's protocol (arXiv 2507.08546) on its own data sets."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from similar_cases.describe.radiomics import ALL_107
from similar_cases.evaluate.bench import Bench
from similar_cases.evaluate.describe_samples import DescribedRegion
from similar_cases.evaluate.location_precision import DEPTH, by_place
from similar_cases.evaluate.radiomics_agreement import Asking, radiomics_agreement
from similar_cases.evaluate.row import Heading, Outcome, Row, rows_of
from similar_cases.evaluate.scores import precision_at
from similar_cases.evaluate.table import Table
from similar_cases.evaluate.tumour_layouts import BRATS, NSCLC, tumour_samples
from similar_cases.evaluate.ways import Way, by_radiomics, by_vector, fused

#: data set → the paper's location P@5, with its position embedding
PAPER: Mapping[str, str] = MappingProxyType({BRATS: ".9117 (with APE)", NSCLC: ".9115 (with APE)"})
_REMARK = (
    "Every patient asks, all others answer. Location: the share of five answers whose tumour lies in the same place: "
    "side and third of the lung, or octant of the brain; these labels are ours, the paper's lobes were not released. "
    "Correlation as in the radiomics table. Expert's mask: the query is the data set's own outline. One click: the "
    "query is what the segmenter finds from a click in the tumour's middle, and its radiomics come from that; what "
    "a click does not find is ranked at random. The paper's release asks with the expert's mask throughout."
)


def radiomics_retrieval_table(bench: Bench) -> Table:
    """Return location P@5 and correlation@5, by the expert's mask and by one click.

    Raises:
        InvalidRequest: when the folder has neither layout.
    """
    samples = tumour_samples(bench.data)
    lesions = bench.described(samples)
    rows: list[Row] = []
    for how, asking in (("expert's mask", lesions), ("one click", bench.clicked(samples))):
        queries = [Asking(asks=asks, lesion=lesion) for asks, lesion in zip(asking, lesions, strict=False)]
        data = f"{samples[0].dataset}, {how}"
        if queries:
            rows += _location(queries, lesions, _ways(bench, lesions, asking), data)
            rows += rows_of(radiomics_agreement(queries, lesions, bench.embedders, [data]))
    return Table(
        name=f"radiomics-retrieval {samples[0].dataset}",
        title=f"Tumours by tumours, RadiomicsRetrieval, {samples[0].dataset}",
        command="similar-cases evaluate radiomics-retrieval --data DIR",
        remarks=(_REMARK,),
        rows=rows,
    )


def _ways(bench: Bench, lesions: Sequence[DescribedRegion], asking: Sequence[DescribedRegion]) -> list[Way]:
    radiomics = by_radiomics(lesions, ALL_107, guests=asking)
    ways = [*(by_vector(name) for name in bench.embedders), radiomics, by_place("place in the volume", body=False)]
    if bench.describers.body is not None:
        ways.append(by_place("place in the body", body=True))
    return [*ways, *(fused(by_vector(name), radiomics, bench.rankings[0]) for name in bench.trained)]


def _location(
    queries: Sequence[Asking], archive: Sequence[DescribedRegion], ways: Sequence[Way], data: str
) -> list[Row]:
    def outcomes(way: Way) -> Iterator[tuple[Heading, Outcome]]:
        paper = PAPER.get(archive[0].dataset, "")
        heading = Heading(data=data, task="same place", way=way.name, metric=f"P@{DEPTH}", paper=paper)
        for query in queries:
            place, patient = query.lesion.label, query.lesion.patient
            others = [one for one in archive if one.patient != patient and one.label]
            if place and others:
                right = [one.label == place for one in way.ranking(query.asks, others)]
                chance = sum(right) / len(right)
                yield heading, Outcome(patient=patient, score=precision_at(right, DEPTH), chance=chance)

    return rows_of(pair for way in ways for pair in outcomes(way))
