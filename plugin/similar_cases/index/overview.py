"""The catalogue as a page of Series shows it: some rows, how many there are, and what the headers say of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, func, select

from similar_cases.domain.case import SeriesState
from similar_cases.domain.volume import SeriesFacts
from similar_cases.index.database import reading
from similar_cases.index.encoding import FACTS
from similar_cases.index.lookups import WITH_STATE, series_row_of
from similar_cases.index.rows import SeriesKind, SeriesRow
from similar_cases.index.schema import cases, series


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Which Series a page shows: in one state, of one Study; images alone unless `annotations` too."""

    state: SeriesState | None = None
    study_uid: str = ""
    annotations: bool = False
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True)
class StudyCounts:
    """What the catalogue knows to be in a Study: modalities, sorted, and the numbers of its Series and Instances."""

    modalities: tuple[str, ...]
    series: int
    instances: int


class Overview:
    """Reads what a page of Series needs, in few statements whatever its length."""

    def __init__(self, engine: Engine) -> None:
        self._engine = reading(engine)

    def series_uids(self, wish: Wish) -> tuple[list[str], int]:
        """Return the Series Instance UIDs of a page, what changed last first, and how many there are in all."""
        kinds = WITH_STATE if wish.annotations else (SeriesKind.IMAGE.value,)
        clauses: list[ColumnElement[bool]] = [series.c.kind.in_(kinds)]
        if wish.state is not None:
            clauses.append(series.c.state == wish.state.value)
        if wish.study_uid:
            clauses.append(series.c.study_uid == wish.study_uid)
        newest = select(series.c.series_uid).where(*clauses).order_by(series.c.updated_at.desc(), series.c.series_uid)
        with self._engine.begin() as connection:
            total = connection.execute(select(func.count()).select_from(series).where(*clauses)).scalar_one()
            found = connection.execute(newest.limit(wish.limit).offset(wish.offset)).scalars().all()
        return list(found), int(total)

    def rows_of(self, series_uids: Sequence[str]) -> list[SeriesRow]:
        """Return Series by UID, in the order of `series_uids`; what is gone by now is left out."""
        with self._engine.begin() as connection:
            found = connection.execute(select(series).where(series.c.series_uid.in_(series_uids))).all()
        rows = {row.series_uid: series_row_of(row) for row in found}
        return [rows[uid] for uid in series_uids if uid in rows]

    def facts_of(self, series_uids: Collection[str]) -> Mapping[str, SeriesFacts]:
        """Return what the headers of indexed Series say; Series without Cases are left out."""
        columns = [cases.c[name] for name in FACTS]
        query = select(cases.c.series_uid, *columns).where(cases.c.series_uid.in_(list(series_uids)))
        with self._engine.begin() as connection:
            rows = connection.execute(query.order_by(cases.c.uid.desc())).all()
        return {row.series_uid: SeriesFacts(**{name: row._mapping[name] for name in FACTS}) for row in rows}

    def orthanc_ids_of(self, series_uids: Collection[str]) -> Mapping[str, str]:
        """Return Orthanc's own identifiers of Series; unknown ones are left out."""
        query = select(series.c.series_uid, series.c.series_orthanc_id)
        with self._engine.begin() as connection:
            rows = connection.execute(query.where(series.c.series_uid.in_(list(series_uids)))).all()
        return {row.series_uid: row.series_orthanc_id for row in rows if row.series_orthanc_id}

    def studies_of(self, study_uids: Collection[str]) -> Mapping[str, StudyCounts]:
        """Return what is in Studies, everything counted that the archive told of; unknown ones are left out."""
        query = select(series.c.study_uid, series.c.modality, series.c.instance_count)
        found: dict[str, list[tuple[str, int]]] = {}
        with self._engine.begin() as connection:
            for study, modality, count in connection.execute(query.where(series.c.study_uid.in_(list(study_uids)))):
                found.setdefault(study, []).append((modality, count))
        return {
            study: StudyCounts(tuple(sorted({name for name, _ in held if name})), len(held), sum(n for _, n in held))
            for study, held in found.items()
        }

    def instances_of(self, series_uids: Collection[str]) -> Mapping[str, int]:
        """Return how many Instances are in Series; unknown ones are left out."""
        query = select(series.c.series_uid, series.c.instance_count).where(series.c.series_uid.in_(list(series_uids)))
        with self._engine.begin() as connection:
            return {row.series_uid: row.instance_count for row in connection.execute(query)}

    def has_cases(self, study_uid: str) -> bool:
        """Tell whether a Series of a Study is indexed."""
        query = select(cases.c.uid).where(cases.c.study_uid == study_uid).limit(1)
        with self._engine.begin() as connection:
            return connection.execute(query).first() is not None

    def indexed_since(self, moment: float) -> tuple[int, float]:
        """Return how many Series were indexed since a `moment` (seconds since 1970, UTC), and their seconds of work."""
        query = select(series.c.timings).where(series.c.indexed_at >= moment, series.c.kind == SeriesKind.IMAGE.value)
        with self._engine.begin() as connection:
            timings = connection.execute(query).scalars().all()
        return len(timings), float(sum(sum(one.values()) for one in timings))
