"""Volumes found by words, as 3D-MIR's captions find them: each volume's caption asks for the others'.

The captions are the product's own (``describe.text``): coded facts and measurements of the lesion. Made from an
expert's mask they know its size and are an oracle, as the paper's first captions were; made from one click they are
none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from similar_cases.describe.text import caption_of
from similar_cases.domain.case import Case, RegionSummary, derived_uid
from similar_cases.domain.description import Description, Embedding, EmbeddingSpace, Level
from similar_cases.domain.references import FrameRef, SeriesRef
from similar_cases.domain.volume import SeriesFacts
from similar_cases.evaluate.describe_samples import DescribedRegion
from similar_cases.evaluate.describe_volumes import DescribedVolume, VolumeSample
from similar_cases.evaluate.volume_ways import VolumeWay
from similar_cases.index.bm25 import Postings, words_of

_NOWHERE = Embedding(
    np.ones(1, np.float32),
    EmbeddingSpace(model="none", version="", weights="", preprocessing="", level=Level.REGION, size=1),
)


def caption_of_volume(sample: VolumeSample, lesion: DescribedRegion | None) -> str:
    """Return the caption of a volume, of its `lesion` where one is known."""
    uid = derived_uid("captioned", sample.uid)
    frame = FrameRef("1.2.840.10008.5.1.4.1.1.2", uid)
    case = Case(
        uid=uid,
        level=Level.SERIES,
        series=SeriesRef(uid, uid),
        volume_number=0,
        volume_label="",
        facts=SeriesFacts(modality=sample.modality, body_part_examined=sample.dataset),
        key_frame=frame,
        description=Description(embedding=_NOWHERE),
    )
    if lesion is None or lesion.location is None or lesion.radiomics is None:
        return caption_of(case)
    summary = RegionSummary(
        tracking_uid=uid,
        volume_ml=lesion.radiomics.values.get("shape_VoxelVolume", 0.0) / 1000,
        centroid_lps=lesion.location.centroid_lps,
        lower_index=(0, 0, 0),
        upper_index=(1, 1, 1),
        key_frame=frame,
    )
    description = Description(embedding=_NOWHERE, radiomics=lesion.radiomics, location=lesion.location)
    return caption_of(replace(case, level=Level.REGION, region=summary, description=description))


def by_words(asking: Mapping[str, str], archive: Mapping[str, str], title: str) -> VolumeWay:
    """Return the ranking by BM25 of captions.

    Args:
        asking: volume → the caption that it asks with.
        archive: volume → its caption; among these answers are found.
        title: of the rows.
    """
    held = Postings()
    numbers = {uid: held.add(words_of(caption)) for uid, caption in archive.items()}

    def ranking(query: DescribedVolume, among: Sequence[DescribedVolume]) -> list[str]:
        live = np.zeros(len(held), dtype=bool)
        there = [one.uid for one in among if one.uid in numbers]
        live[[numbers[uid] for uid in there]] = True
        scores = np.round(held.scores(words_of(asking[query.uid]), live), 9)
        return sorted((uid for uid in there if scores[numbers[uid]] > 0), key=lambda uid: (-scores[numbers[uid]], uid))

    return VolumeWay(title, ranking)
