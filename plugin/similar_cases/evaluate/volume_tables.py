"""The tables of the protocols on whole volumes: 3D-MIR and TotalSegmentator."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from similar_cases.evaluate.anatomy_classes import merged
from similar_cases.evaluate.bench import Bench
from similar_cases.evaluate.describe_samples import DescribedRegion
from similar_cases.evaluate.describe_volumes import DescribedVolume, VolumeSample
from similar_cases.evaluate.lesion_samples import LesionSample
from similar_cases.evaluate.mir_3d import ALL_ORGANS, NEIGHBOURS, PER_SLICE, mir_3d
from similar_cases.evaluate.msd_layout import msd_samples
from similar_cases.evaluate.organ_recall import COARSE, FINE, ShownVolume, organ_recall
from similar_cases.evaluate.own_volumes import is_own_data, own_volumes
from similar_cases.evaluate.row import Row
from similar_cases.evaluate.split import Split
from similar_cases.evaluate.table import Table
from similar_cases.evaluate.totalsegmentator_layout import shown_classes, totalsegmentator_samples
from similar_cases.evaluate.volume_ways import SliceArchive, VolumeWay, by_max_sim, by_pooling, by_voting, in_turn
from similar_cases.evaluate.volume_words import by_words, caption_of_volume
from similar_cases.rank.pooling import Pooling
from similar_cases.rank.voting import Vote


def mir_3d_table(bench: Bench, split: Split) -> Table:
    """Return the protocol of 3D-MIR on the Medical Segmentation Decathlon, or on the folder of data sets.

    Raises:
        InvalidRequest: when the folder is neither.
    """
    own = is_own_data(bench.data)
    samples, asking = _own(bench, split) if own else _decathlon(bench)
    words = _words(bench, samples, asking)
    rows: list[Row] = []
    for name in _of_distinct_slices(bench):
        volumes = bench.volumes(samples, name)
        queries = [one for one in volumes if one.uid in asking]
        archive = volumes if own else [one for one in volumes if one.uid not in asking]
        seen = _ways(bench, archive, name)
        hybrids = [VolumeWay(f"hybrid, {way.name}", in_turn(seen[0], way).ranking) for way in words]
        rows += mir_3d(queries, archive, [*seen, *words, *hybrids], name)
    return Table(
        name=f"3d-mir {split.value}" if own else "3d-mir",
        title=f"Volumes by volumes, as 3D-MIR ({split.value} patients ask)" if own else "Volumes by volumes, 3D-MIR",
        command=f"similar-cases evaluate 3d-mir --data DIR --split {split.value}",
        remarks=(_OWN_VOLUMES, _MIR) if own else (_MIR,),
        rows=rows,
        told=lambda row: not own or (row.metric == "P@5" and (ALL_ORGANS in row.data) is (row.task == "same organ")),
    )


def totalsegmentator_table(bench: Bench) -> Table:
    """Return the protocol of arXiv 2405.09334 on TotalSegmentator's data set.

    Raises:
        InvalidRequest: when the folder is not of its layout.
    """
    pairs = list(totalsegmentator_samples(bench.data))
    with bench.progress(f"Reading masks of {len(pairs)} volumes", len(pairs)) as move:
        shown = {}
        for done, (sample, _) in enumerate(pairs, 1):
            shown[sample.uid] = shown_classes(sample, bench.store)
            move(done, len(pairs))
    asking = {sample.uid for sample, asks in pairs if asks}
    rows: list[Row] = []
    for name in _of_distinct_slices(bench):
        embedder = bench.embedders[name]
        volumes = bench.volumes([sample for sample, _ in pairs], name)
        archive = [one for one in volumes if one.uid not in asking]
        queries = [one for one in volumes if one.uid in asking]
        for told, open_index in bench.indexes.items():
            slices = SliceArchive(archive, embedder.slice_space, open_index)
            for task in (FINE, COARSE):
                classes = shown if task == FINE else {uid: merged(one) for uid, one in shown.items()}
                asked, known = ([ShownVolume.of(one, classes[one.uid]) for one in some] for some in (queries, archive))
                rows += organ_recall(asked, known, slices, ("TotalSegmentator", task, f"{name}, {told}"))
    return Table(
        name="totalsegmentator",
        title="Organs in the answers, TotalSegmentator",
        command="similar-cases evaluate totalsegmentator --data DIR",
        remarks=(_ORGANS,),
        rows=rows,
    )


_MIR = (
    "P@k is the mean share of the first k answers with an equal label, AP scikit-learn's on ten answers. Slices find "
    f"{PER_SLICE} each; a pooled vector its {NEIGHBOURS} nearest, of which the first ten volumes count. The query's "
    "patient is never an answer. In the archive of all organs an answer of another organ is wrong. Captions are the "
    "product's; of an expert's mask they are an oracle, as the paper's first ones were. Hybrids take slices and "
    "captions in turn. The paper's best, on 19 livers: P@3 of the flag .842, where chance is .562."
)
_OWN_VOLUMES = (
    "The data are no Decathlon of tumours: organ is the data set and its modality, each an archive of its own; group "
    "is the size of a sarcoma (up to 5, 10, 15 cm, more), flag its lung metastases, by a table whose order of rows was "
    "not confirmed."
)
_ORGANS = (
    "Recall by class, mean ± standard deviation over the classes. The mapping to 29 classes is ours, the paper's could "
    "not be read. Localized: the best of the slices that spoke for the answer shows the organ; the paper's parameter L "
    "could not be read. Its figures are those of the best of its extractors with HNSW."
)


def _of_distinct_slices(bench: Bench) -> list[str]:
    """Return trained embedders, one for each space of slices; who borrows another's stands back."""
    names = {embedder.slice_space.id: name for name, embedder in bench.trained.items()}
    return list(names.values())


def _own(bench: Bench, split: Split) -> tuple[list[VolumeSample], set[str]]:
    queries = list(own_volumes(bench.data, split, bench.store))
    if split is Split.TEST:
        return queries, {one.uid for one in queries}
    other = Split.TRAINING if split is Split.VALIDATION else Split.VALIDATION
    return [*queries, *own_volumes(bench.data, other, bench.store)], {one.uid for one in queries}


def _words(bench: Bench, samples: Sequence[VolumeSample], asking: set[str]) -> list[VolumeWay]:
    """Return the rankings by captions: of experts' masks, and, where clicks are wanted, asked from one click."""
    bench = replace(bench, describers=replace(bench.describers, embedders={}))
    drawn = _captions(samples, bench.described)
    clicked = _captions([sample for sample in samples if sample.uid in asking], bench.clicked)
    ways = [by_words(drawn, drawn, "captions of experts' masks (an oracle)")]
    return [*ways, by_words(clicked, drawn, "caption of one click")] if bench.clicking else ways


def _captions(
    samples: Sequence[VolumeSample], describe: Callable[[Sequence[LesionSample]], list[DescribedRegion]]
) -> dict[str, str]:
    """Return the caption of each volume, of its largest lesion where it has some."""
    lesions = [sample.lesion for sample in samples if sample.lesion is not None]
    largest: dict[tuple[str, str], DescribedRegion] = {}
    for one in sorted(describe(lesions), key=_volume_mm3):
        largest[one.modality, one.patient] = one
    return {
        sample.uid: caption_of_volume(sample, largest.get((sample.modality, f"{sample.dataset} {sample.patient}")))
        for sample in samples
    }


def _volume_mm3(one: DescribedRegion) -> float:
    return one.radiomics.values.get("shape_VoxelVolume", 0.0) if one.radiomics else 0.0


def _decathlon(bench: Bench) -> tuple[list[VolumeSample], set[str]]:
    pairs = list(msd_samples(bench.data, bench.store))
    return [sample for sample, _ in pairs], {sample.uid for sample, asks in pairs if asks}


def _ways(bench: Bench, archive: Sequence[DescribedVolume], name: str) -> list[VolumeWay]:
    space, (open_index, *_) = bench.embedders[name].slice_space, bench.indexes.values()
    slices = SliceArchive(archive, space, open_index)
    voting = [by_voting(slices, how, PER_SLICE) for how in Vote]
    pooling = [by_pooling(archive, how, space, open_index, NEIGHBOURS) for how in Pooling]
    return [*voting, *pooling, by_max_sim(slices, archive, PER_SLICE), in_turn(voting[0], pooling[0])]
