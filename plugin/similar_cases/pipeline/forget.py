"""Forgetting: what the PACS has no more is gone from the answers."""

from collections.abc import Sequence

from similar_cases.index.presence import KnownSeries
from similar_cases.pipeline.worklist import Worklist

#: Series that are forgotten in one transaction; other writers wait so long
AT_A_TIME = 200


def forget_series(worklist: Worklist, gone: Sequence[KnownSeries]) -> int:
    """Remove every trace of Series, their jobs included, and return how many there were.

    A worker that is at one of them finds its lease gone and commits nothing. As long as the PACS has a Series, the
    next comparison of both brings it back.
    """
    uids = [one.series.series_uid for one in gone]
    for start in range(0, len(uids), AT_A_TIME):
        worklist.forget(uids[start : start + AT_A_TIME])
    return len(uids)
