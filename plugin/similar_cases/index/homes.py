"""Where Cases live: the Series and the Study of many at once."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Engine, select

from similar_cases.domain.references import SeriesRef
from similar_cases.index.database import reading
from similar_cases.index.schema import cases

#: names in one statement; databases bound their number
_CHUNK = 500


def homes_of(engine: Engine, case_uids: Sequence[str]) -> Mapping[str, SeriesRef]:
    """Return the Series of every Case; those that are gone are left out."""
    found: dict[str, SeriesRef] = {}
    query = select(cases.c.uid, cases.c.study_uid, cases.c.series_uid)
    with reading(engine).begin() as connection:
        for start in range(0, len(case_uids), _CHUNK):
            some = query.where(cases.c.uid.in_(case_uids[start : start + _CHUNK]))
            found |= {uid: SeriesRef(study, series) for uid, study, series in connection.execute(some)}
    return found
