"""The protocols on the folder of data sets that the models were made from and held back from."""

from collections.abc import Sequence

from similar_cases.describe.radiomics import ALL_107
from similar_cases.domain.errors import InvalidRequest
from similar_cases.evaluate.bench import Bench
from similar_cases.evaluate.describe_samples import DescribedRegion
from similar_cases.evaluate.lesion_samples import samples_in
from similar_cases.evaluate.radiomics_agreement import radiomics_agreement
from similar_cases.evaluate.row import Row
from similar_cases.evaluate.same_lesion import same_lesion
from similar_cases.evaluate.split import Split
from similar_cases.evaluate.table import Table
from similar_cases.evaluate.ways import Way, by_radiomics, by_vector, fused


def same_lesion_table(bench: Bench, split: Split) -> Table:
    """Return the same-lesion protocol on the sarcoma patients of a split.

    Raises:
        InvalidRequest: when the folder has no sarcoma data, or the split none of it.
    """
    queries = _of_dataset(bench, "sarcoma", split)
    others = _of_dataset(bench, "sarcoma", _other(split))
    rows: list[Row] = []
    for archive, told in ((queries, "these patients"), (queries + others, "all patients")):
        ways = _ways(bench, queries + others)
        rows += same_lesion(queries, archive, ways, f"sarcoma, {split.value}; archive: {told}")
    return Table(
        name=f"same-lesion {split.value}",
        title=f"Same lesion in another modality ({split.value} patients)",
        command=f"similar-cases evaluate same-lesion --data DIR --split {split.value}",
        remarks=_SAME_LESION,
        rows=rows,
    )


def radiomics_table(bench: Bench, split: Split) -> Table:
    """Return correlation@5 for each data set and modality with enough patients.

    Raises:
        InvalidRequest: when the folder has no such data.
    """
    asked = bench.described(samples_in(bench.data, split))
    known = asked + bench.described(samples_in(bench.data, _other(split)))
    looks = [by_vector(name) for name in bench.embedders]
    rows: list[Row] = []
    for dataset, modality, label in sorted({_kind(one) for one in asked}):
        kind = (dataset, modality, label)
        queries, archive = ([one for one in group if _kind(one) == kind] for group in (asked, known))
        if len({one.patient for one in archive}) > _LEAST_PATIENTS:
            rows += radiomics_agreement(queries, archive, looks, " ".join((dataset, modality, label)).strip())
    return Table(
        name=f"radiomics {split.value}",
        title=f"Agreement in radiomics of the five most similar ({split.value} patients ask)",
        command=f"similar-cases evaluate radiomics --data DIR --split {split.value}",
        remarks=_RADIOMICS,
        rows=rows,
    )


#: an archive of fewer patients makes five answers of nearly all
_LEAST_PATIENTS = 10

_SAME_LESION = (
    "A lesion asks in one modality; the same patient's lesion in another is the one right answer, so the patient is "
    "not left out here as everywhere else. Experts' masks. Radiomics count as percentiles among all patients of "
    "their modality. The value is bold where its whole interval (bootstrap by patient) lies over chance.",
)
_RADIOMICS = (
    "Mean Pearson r between the query's and each of five answers' 72 min-max scaled features; answers are other "
    "patients' regions of the same kind, of all splits. Chance is the mean r over the whole archive. Asking with "
    "radiomics values ranks by percentiles of the subset.",
)


def _ways(bench: Bench, everyone: Sequence[DescribedRegion]) -> list[Way]:
    radiomics = by_radiomics(everyone, ALL_107)
    both = (
        fused(by_vector(name), radiomics, ranking, everyone) for name in bench.trained for ranking in bench.rankings
    )
    return [*(by_vector(name) for name in bench.embedders), radiomics, *both]


def _of_dataset(bench: Bench, dataset: str, split: Split) -> list[DescribedRegion]:
    samples = [one for one in samples_in(bench.data, split) if one.dataset == dataset]
    if not samples:
        raise InvalidRequest(f"{bench.data} has no {dataset} patients of the {split.value} split")
    return bench.described(samples)


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
