"""The volumes of the folder of data sets, with the labels that 3D-MIR counts."""

from collections.abc import Iterator
from csv import DictReader
from functools import partial
from pathlib import Path

from similar_cases.domain.volume import Volume
from similar_cases.evaluate.describe_volumes import VolumeSample
from similar_cases.evaluate.lesion_groups import group_of, lesion_axes_cm
from similar_cases.evaluate.lesion_samples import LesionSample, samples_in
from similar_cases.evaluate.result_store import ResultStore, files_key
from similar_cases.evaluate.split import Split


def is_own_data(data: Path) -> bool:
    """Tell whether `data` is the folder of data sets, and not a published layout."""
    return (data / "sarcoma" / "subjects.csv").is_file() or (data / "hippocampus" / "images").is_dir()


def own_volumes(data: Path, split: Split, store: ResultStore) -> Iterator[VolumeSample]:
    """Yield each volume of a split; ``organ`` is the data set with its modality.

    Of the hippocampi those of validation alone are given. ``group`` is the size of a sarcoma, by the bounds of its T
    category; ``flag`` tells lung metastases, by a table whose order of rows was not confirmed (the data's README).
    """
    metastases = _metastases(data / "sarcoma" / "subjects.csv")
    for sample in samples_in(data, split):
        if sample.source is None or (sample.dataset == "hippocampus" and split is Split.TRAINING):
            continue  # forty hippocampi make another organ well enough; two hundred would be most of the archive
        labels = {"organ": f"{sample.dataset} {sample.modality}"}
        if sample.dataset == "sarcoma":
            axes = store.document(("axes", files_key(sample.source)), partial(_axes_cm, sample))
            labels["group"] = str(group_of("sarcoma", axes))
        if sample.patient in metastases:
            labels["flag"] = metastases[sample.patient]
        yield VolumeSample(
            uid=f"{sample.dataset}/{sample.modality}/{sample.patient}",
            dataset=sample.dataset,
            modality=sample.modality,
            patient=sample.patient,
            load=partial(_volume, sample),
            source=sample.source,
            labels=labels,
            lesion=sample if sample.dataset == "sarcoma" else None,
        )


def _volume(sample: LesionSample) -> Volume:
    return sample.load()[0].volume


def _axes_cm(sample: LesionSample) -> list[float]:
    return [axis for lesion in sample.load() for axis in lesion_axes_cm(lesion.truth, lesion.volume.geometry)]


def _metastases(table: Path) -> dict[str, str]:
    if not table.is_file():
        return {}
    with table.open(encoding="utf-8") as file:
        rows = list(DictReader(file))
    return {row["id"]: row["lung_metastasis"] for row in rows if row.get("lung_metastasis")}
