"""Indexing again what an older pipeline indexed."""

from similar_cases.domain.case import SeriesState
from similar_cases.index.presence import Presence
from similar_cases.index.rows import SeriesKind
from similar_cases.pipeline.content import pipeline_of
from similar_cases.pipeline.tools import Tools

#: Series that are asked for in one transaction; other writers wait so long
AT_A_TIME = 200
_ON_THE_WAY = (SeriesState.WAITING, SeriesState.WORKING)


def reindex(tools: Tools, *, everything: bool = False) -> int:
    """Ask for all image Series that this pipeline has not indexed, after all other jobs, and return how many.

    Until its turn a Series is found as before; where the EmbeddingSpace is a new one, the new is filled beside the old.

    Args:
        tools: the ports, the pipeline's fingerprint among them.
        everything: those that this very pipeline indexed, too.
    """
    current = pipeline_of(tools)
    known = [one for one in Presence(tools.worklist.catalogue.engine).known() if one.kind is SeriesKind.IMAGE]
    uids = [
        one.series.series_uid
        for one in known
        if one.state not in _ON_THE_WAY and (everything or one.pipeline != current)
    ]
    parts = (uids[start : start + AT_A_TIME] for start in range(0, len(uids), AT_A_TIME))
    return sum(tools.worklist.ask_again(part, anew=everything) for part in parts)
