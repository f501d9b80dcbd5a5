"""What a Series is brought to: its Instances, what others say of them, and the pipeline; as one key."""

from dataclasses import asdict, dataclass

from similar_cases.describe.text import CAPTION_VERSION
from similar_cases.domain.description import fingerprint
from similar_cases.domain.errors import NotFound
from similar_cases.domain.references import SeriesRef
from similar_cases.pipeline.tools import Tools

#: raised by hand when the order or the meaning of the steps changes what comes of them
PIPELINE_VERSION = 1


@dataclass(frozen=True)
class Content:
    """What the PACS holds of a Series now.

    Attributes:
        key: changes whenever ingesting again would give anything else.
        annotations: the annotation Series that refer to it and that the PACS has, in the order of their UIDs.
    """

    key: str
    annotations: tuple[SeriesRef, ...]


def content_of(series: SeriesRef, tools: Tools) -> Content:
    """Ask the PACS what it holds of `series` and of its annotations.

    Raises:
        NotFound: when it holds nothing of `series`.
    """
    instances = tools.pacs.search_instances(series)
    if not instances:
        raise NotFound(f"the archive has no series {series.series_uid}")
    linked = {ref: tools.pacs.search_instances(ref) for ref in tools.lookups.annotations_of(series)}
    present = {ref: uids for ref, uids in linked.items() if uids}
    key = fingerprint(
        [series.series_uid, instances, [(ref.series_uid, uids) for ref, uids in present.items()], pipeline_of(tools)]
    )
    return Content(key, tuple(present))


def pipeline_of(tools: Tools) -> str:
    """Return the fingerprint of everything but the images that changes a result."""
    return fingerprint(
        {
            "version": PIPELINE_VERSION,
            "segmenter": asdict(tools.segmenter.identity),
            "spaces": [
                space.id
                for space in (tools.embedder.region_space, tools.embedder.series_space, tools.embedder.slice_space)
            ],
            "radiomics": tools.radiomics.recipe.fingerprint,
            "body_position": tools.body_position.space if tools.body_position else None,
            "captions": [CAPTION_VERSION, tools.text_embedder.space.id if tools.text_embedder else None],
            "recorder": tools.recorder.fingerprint if tools.recorder else None,
            "max_regions": tools.rules.max_regions,
            "auto": tools.rules.auto.value,
            "everything": asdict(tools.rules.everything),
            "searcher": asdict(tools.searcher.identity) if tools.rules.everything.points else None,
            "classes": [str(one) for one in tools.rules.classes],
        }
    )
