"""The protocols on the folder of data sets that the models were made from and held back from."""

from collections.abc import Sequence

from similar_cases.describe.embedder import RadiomicsEmbedder
from similar_cases.describe.radiomics import ALL_107
from similar_cases.domain.errors import InvalidRequest
from similar_cases.evaluate.bench import Bench
from similar_cases.evaluate.describe_samples import DescribedRegion
from similar_cases.evaluate.lesion_samples import LesionSample, samples_in
from similar_cases.evaluate.location_precision import by_place, landmark_distance, organ_in_another, region_precision
from similar_cases.evaluate.organ_samples import organ_samples
from similar_cases.evaluate.radiomics_agreement import NO_FEATURES, ONE_FEATURE, Asking, radiomics_agreement
from similar_cases.evaluate.row import Heading, Outcome, Row, rows_of
from similar_cases.evaluate.same_lesion import ALL_PAIRS, fusion_verdicts, same_lesion
from similar_cases.evaluate.split import Split
from similar_cases.evaluate.table import Table
from similar_cases.evaluate.ways import Way, by_learned_radiomics, by_radiomics, by_vector, fused


def same_lesion_table(bench: Bench, split: Split) -> Table:
    """Return the same-lesion protocol on the sarcoma patients of a split.

    Raises:
        InvalidRequest: when the folder has no sarcoma data, or the split none of it.
    """
    samples, others = _sarcoma(bench, split), bench.described(_sarcoma(bench, _other(split)))
    queries = bench.described(samples)
    # what is no proof is not worth the minutes that clicks take
    clicked = [] if split is Split.TRAINING else bench.clicked(samples)
    ways = _ways(bench, queries + others, clicked)
    shown = {way.name for way in ways if "untrained" not in way.name}
    rows: list[Row] = []
    for asking, archive, told in (
        (queries, queries, _ALONE),
        (queries, queries + others, "all patients"),
        (clicked, clicked, f"{_ALONE}; both by one click"),
    ):
        rows += same_lesion(asking, archive, ways, f"sarcoma, {split.value}; archive: {told}")
    return Table(
        name=f"same-lesion {split.value}",
        title=f"Same lesion in another modality ({split.value} patients)",
        command=f"similar-cases evaluate same-lesion --data DIR --split {split.value}",
        remarks=(*_SAME_LESION, *fusion_verdicts(rows)),
        rows=rows,
        told=lambda row: (
            row.task == ALL_PAIRS or (row.metric == "MRR" and row.way in shown and row.data.endswith(_ALONE))
        ),
    )


def radiomics_table(bench: Bench, split: Split) -> Table:
    """Return correlation@5 for each data set and modality with enough patients.

    Raises:
        InvalidRequest: when the folder has no such data.
    """
    samples = samples_in(bench.data, split)
    asked = bench.described(samples)
    known = asked + bench.described(samples_in(bench.data, _other(split)))
    # where only a part of an organ is outlined, a click says nothing of which part is meant
    lesions = [one for one in asked if one.dataset == "sarcoma"]
    clicked = bench.clicked([sample for sample in samples if sample.dataset == "sarcoma"])
    asking = {
        "expert's mask": [Asking(asks=one, lesion=one) for one in asked],
        "one click": [Asking(asks=found, lesion=one) for found, one in zip(clicked, lesions, strict=False)],
    }
    outcomes: list[tuple[Heading, Outcome]] = []
    for kind in sorted({_kind(one) for one in asked}):
        archive = [one for one in known if _kind(one) == kind]
        for how, everyone in asking.items():
            queries = [query for query in everyone if _kind(query.lesion) == kind]
            if queries and len({one.patient for one in archive}) > _LEAST_PATIENTS:
                names = (f"{kind[0]}, {how}", f"{' '.join(kind).strip()}, {how}")
                outcomes += radiomics_agreement(queries, archive, bench.embedders, names)
    return Table(
        name=f"radiomics {split.value}",
        title=f"Agreement in radiomics of the five most similar ({split.value} patients ask)",
        command=f"similar-cases evaluate radiomics --data DIR --split {split.value}",
        remarks=_RADIOMICS,
        rows=rows_of(outcomes),
        told=lambda row: (
            row.data.startswith("sarcoma,") or (row.data.startswith("hippocampus,") and row.task in _BRIEF)
        ),
    )


def location_table(bench: Bench, split: Split) -> Table:
    """Return P@5 by region of the body, and the same organ in another patient.

    Raises:
        InvalidRequest: when the folder has no data of the split.
    """
    asked = bench.described(samples_in(bench.data, split))
    known = [*asked]
    for other in Split:
        if other is not split and (samples := samples_in(bench.data, other, absent_is_fine=True)):
            known += bench.described(samples)
    organs = bench.described(list(organ_samples(bench.data)))
    ways = [by_vector(name) for name in bench.embedders]
    ways.append(by_place("place in the volume", body=False))
    if bench.describers.body is not None:
        ways.append(by_place("place in the body", body=True))
    rows = region_precision([*asked, *organs], [*known, *organs], ways)
    rows += organ_in_another(organs, ways) + landmark_distance(organs)
    return Table(
        name=f"location {split.value}",
        title=f"The same place of the body ({split.value} patients and labelled organs ask)",
        command=f"similar-cases evaluate location --data DIR --split {split.value}",
        remarks=_LOCATION,
        rows=rows,
    )


#: what is told of a data set that has more rows than news
_BRIEF = (NO_FEATURES, "all 72", ONE_FEATURE)
#: what the rows say of an archive of the asking patients alone
_ALONE = "these patients"
#: an archive of fewer patients makes five answers of nearly all
_LEAST_PATIENTS = 10

_SAME_LESION = (
    "A lesion asks in one modality; the same patient's lesion in another is the one right answer, so the patient is "
    "not left out here as everywhere else. Radiomics count as percentiles among all patients of their modality. The "
    "value is bold where its whole interval (bootstrap by patient) lies over chance.",
    "Experts drew each lesion once, and the outline was carried over to the other modalities: by experts' masks the "
    "same shape gives the patient away. Radiomics without shape, and both sides by one click in each modality, do not "
    "profit from it.",
)
_LOCATION = (
    "Answers are other patients' regions in one archive of all data sets. Each data set shows one region of the body, "
    "mostly by one kind of image, which an untrained network tells apart too: read the rows beside it. The same organ "
    "is sought among the labelled organs of one CT, one MR, one spleen and one chest: few patients, wide intervals. "
    "The labels of the first two are a model's, not an expert's, and these images were trained on.",
)
_RADIOMICS = (
    "Mean Pearson r between the query's and each of five answers' 72 min-max scaled features; answers are other "
    "patients' regions of the same kind and modality, of all splits. Chance is the mean r over the whole archive. "
    "Asking with radiomics values ranks by percentiles of the subset. One click: the region, and so its radiomics, is "
    "what the segmenter finds from a click in the lesion's middle, nobody's mask; r is counted with the expert's.",
)


def _ways(bench: Bench, everyone: Sequence[DescribedRegion], guests: Sequence[DescribedRegion]) -> list[Way]:
    radiomics = by_radiomics(everyone, ALL_107, guests=guests)
    textures = [name for name in ALL_107 if not name.startswith("shape")]
    both = (
        fused(by_vector(name), radiomics, ranking, everyone) for name in bench.trained for ranking in bench.rankings
    )
    learned = (
        by_learned_radiomics(name, embedder, ALL_107, f"{name}, radiomics values")
        for name, embedder in bench.embedders.items()
        if isinstance(embedder, RadiomicsEmbedder)
    )
    return [
        *(by_vector(name) for name in bench.embedders),
        radiomics,
        by_radiomics(everyone, textures, "radiomics without shape", guests),
        *learned,
        *both,
    ]


def _sarcoma(bench: Bench, split: Split) -> list[LesionSample]:
    samples = [one for one in samples_in(bench.data, split) if one.dataset == "sarcoma"]
    if not samples:
        raise InvalidRequest(f"{bench.data} has no sarcoma patients of the {split.value} split")
    return samples


def _other(split: Split) -> Split:
    """Return the split whose patients fill the archive up.

    Raises:
        InvalidRequest: for data sets whose patients are too few to seek among.
    """
    if split is Split.TEST:
        raise InvalidRequest("the test data sets have too few patients to seek among; ask for validation or training")
    return Split.TRAINING if split is Split.VALIDATION else Split.VALIDATION


def _kind(one: DescribedRegion) -> tuple[str, str, str]:
    """Return what must be equal for two Regions to be sought among each other; sarcomas' labels name the modality."""
    return one.dataset, one.modality, one.label if one.dataset == "hippocampus" else ""
