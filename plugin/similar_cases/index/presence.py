"""What the catalogue believes to be in the PACS, for the comparison of the two."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, select

from similar_cases.domain.case import SeriesState
from similar_cases.domain.references import SeriesRef
from similar_cases.index.database import reading
from similar_cases.index.rows import SeriesKind
from similar_cases.index.schema import meta, series

CHUNK = 500


@dataclass(frozen=True, kw_only=True)
class KnownSeries:
    """A Series that the catalogue knows: what tells whether the PACS still has it, and has it so."""

    series: SeriesRef
    kind: SeriesKind
    instance_count: int
    series_orthanc_id: str
    study_orthanc_id: str
    patient_orthanc_id: str
    state: SeriesState | None
    pipeline: str


class Presence:
    """Reads which Series the catalogue knows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = reading(engine)

    def known(self) -> list[KnownSeries]:
        """Return every Series, of every kind, in the order of their UIDs."""
        with self._engine.begin() as connection:
            return _known(connection)

    def under(self, orthanc_id: str) -> list[KnownSeries]:
        """Return the Series that are, or lie in, the patient, study or series with that identifier of Orthanc's."""
        columns = (series.c.series_orthanc_id, series.c.study_orthanc_id, series.c.patient_orthanc_id)
        with self._engine.begin() as connection:
            found = {one.series: one for column in columns for one in _known(connection, column == orthanc_id)}
        return [found[ref] for ref in sorted(found)]

    def number(self, name: str) -> int | None:
        """Return a number that the catalogue keeps, such as a cursor."""
        with self._engine.begin() as connection:
            return connection.execute(select(meta.c.value).where(meta.c.name == name)).scalar_one_or_none()


def series_by_uid(connection: Connection, series_uids: Collection[str]) -> list[KnownSeries]:
    """Return those of `series_uids` that the catalogue knows."""
    uids = sorted(series_uids)
    parts: Iterator[list[str]] = (uids[start : start + CHUNK] for start in range(0, len(uids), CHUNK))
    return [one for some in parts for one in _known(connection, series.c.series_uid.in_(some))]


def _known(connection: Connection, *where: ColumnElement[bool]) -> list[KnownSeries]:
    rows = connection.execute(select(series).where(*where).order_by(series.c.series_uid))
    return [
        KnownSeries(
            series=SeriesRef(row.study_uid, row.series_uid),
            kind=SeriesKind(row.kind),
            instance_count=row.instance_count,
            series_orthanc_id=row.series_orthanc_id,
            study_orthanc_id=row.study_orthanc_id,
            patient_orthanc_id=row.patient_orthanc_id,
            state=SeriesState(row.state) if row.state else None,
            pipeline=row.pipeline,
        )
        for row in rows
    ]
