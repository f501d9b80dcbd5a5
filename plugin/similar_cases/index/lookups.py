"""The catalogue, read side. Nothing here takes a lock; every answer is one consistent moment."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, Row, Select, and_, bindparam, func, or_, select

from similar_cases.domain.case import Case, SeriesState
from similar_cases.domain.conditions import Condition
from similar_cases.domain.description import Embedding, EmbeddingSpace, Level, RadiomicsRecipe, RadiomicsVector
from similar_cases.domain.errors import NotFound
from similar_cases.domain.references import SeriesRef
from similar_cases.index import encoding
from similar_cases.index.database import reading
from similar_cases.index.matching import clause_of
from similar_cases.index.rows import CatalogueStats, SeriesKind, SeriesRow, SpaceStats
from similar_cases.index.schema import (
    annotation_links,
    cases,
    meta,
    radiomics,
    recipes,
    results,
    slice_vectors,
    spaces,
    vectors,
)
from similar_cases.index.schema import series as series_table

CHUNK = 500
#: kinds of Series that have a state
WITH_STATE = (SeriesKind.IMAGE.value, SeriesKind.ANNOTATION.value)
#: asked by every question, so that it is not put together anew
_SAME_PATIENT = select(cases.c.uid).where(
    cases.c.space_id == bindparam("space"),
    or_(cases.c.study_uid == bindparam("study"), cases.c.patient_id.in_(bindparam("patients", expanding=True))),
)


class Lookups:
    """Reads the catalogue for pipeline, page and command line."""

    def __init__(self, engine: Engine) -> None:
        self._engine = reading(engine)

    def series_rows(self, state: SeriesState | None = None, limit: int = 100, offset: int = 0) -> list[SeriesRow]:
        """Return the image and annotation Series, in that state if one is given, what changed last first."""
        query = select(series_table).where(series_table.c.kind.in_(WITH_STATE))
        if state is not None:
            query = query.where(series_table.c.state == state.value)
        newest = query.order_by(series_table.c.updated_at.desc(), series_table.c.series_uid)
        return [series_row_of(row) for row in self._all(newest.limit(limit).offset(offset))]

    def series_row(self, series_uid: str) -> SeriesRow:
        """Return one Series, of any kind.

        Raises:
            NotFound: when the catalogue does not know it.
        """
        found = self._all(select(series_table).where(series_table.c.series_uid == series_uid))
        if not found:
            raise NotFound(f"series {series_uid} is not in the catalogue")
        return series_row_of(found[0])

    def counts(self) -> Mapping[SeriesState, int]:
        """Return how many image and annotation Series are in every state, none left out."""
        with self._engine.begin() as connection:
            return _states(connection)

    def stats(self) -> CatalogueStats:
        """Return how large the catalogue is."""
        with self._engine.begin() as connection:
            kinds = dict(_pairs(connection, series_table.c.kind))
            levels = dict(_pairs(connection, cases.c.level))
            counted = Counter(dict(_pairs(connection, vectors.c.space_id)))
            known = connection.execute(select(spaces.c.space).order_by(spaces.c.created_at)).scalars()
            held = [SpaceStats(space=s, vectors=counted[s.id]) for s in map(encoding.space_of, known) if counted[s.id]]
            generation = select(meta.c.value).where(meta.c.name == "generation")
            return CatalogueStats(
                series={kind: kinds.get(kind.value, 0) for kind in SeriesKind},
                states=_states(connection),
                cases={level: levels.get(level.value, 0) for level in (Level.REGION, Level.SERIES)},
                spaces=tuple(held),
                results=connection.execute(select(func.count()).select_from(results)).scalar_one(),
                generation=connection.execute(generation).scalar_one(),
            )

    def cases_of(self, series_uid: str = "", study_uid: str = "") -> list[Case]:
        """Return the Cases of a Series, or of a Study: Volumes, then Regions, each in the order of their UIDs."""
        asked = cases.c.series_uid == series_uid if series_uid else cases.c.study_uid == study_uid
        with self._engine.begin() as connection:
            found = _cases(connection, select(cases).where(asked))
        return sorted(found, key=lambda case: (case.series, case.level is Level.REGION, case.volume_number, case.uid))

    def case(self, uid: str) -> Case:
        """Return one Case.

        Raises:
            NotFound: when there is none under that UID.
        """
        found = self.cases([uid])
        if not found:
            raise NotFound(f"no case {uid}")
        return found[0]

    def cases(self, uids: Sequence[str]) -> list[Case]:
        """Return Cases in the order of `uids`; those that are gone are left out."""
        found: dict[str, Case] = {}
        with self._engine.begin() as connection:
            for some in _chunks(uids):
                found |= {case.uid: case for case in _cases(connection, select(cases).where(cases.c.uid.in_(some)))}
        return [found[uid] for uid in uids if uid in found]

    def region_case(self, tracking_uid: str, series_uid: str | None = None) -> Case:
        """Return the Case of the Region with that Tracking Unique Identifier, the smallest UID where several share it.

        Raises:
            NotFound: when no indexed Region has it.
        """
        query = select(cases).where(cases.c.tracking_uid == tracking_uid, cases.c.level == Level.REGION.value)
        if series_uid is not None:
            query = query.where(cases.c.series_uid == series_uid)
        with self._engine.begin() as connection:
            # sorted here: asked to sort, SQLite may walk the whole table in the order of its key
            found = _cases(connection, query)
        if not found:
            raise NotFound(f"no indexed region has the tracking UID {tracking_uid}")
        return min(found, key=lambda case: case.uid)

    def slice_vectors(self, case_uid: str) -> NDArray[np.float32] | None:
        """Return the (slices, size) unit vectors of a Case's slices; None where it has none."""
        query = select(slice_vectors.c.slices, slice_vectors.c.vectors).where(slice_vectors.c.case_uid == case_uid)
        found = self._all(query)
        if not found:
            return None
        count, blob = found[0]
        return encoding.from_half(blob, len(blob) // 2 // max(1, count))

    def case_uids(self, space_id: str, conditions: Collection[Condition], most: int | None = None) -> list[str]:
        """Return the UIDs of the Cases of one EmbeddingSpace that satisfy every condition, at the `most` the first."""
        query = select(cases.c.uid).where(cases.c.space_id == space_id, *map(clause_of, conditions))
        if most is not None:
            query = query.order_by(cases.c.uid).limit(most)
        return [row[0] for row in self._all(query)]

    def same_patient(self, case: SeriesRef, patient_id: str, space_id: str) -> set[str]:
        """Return the UIDs of the Cases of the same patient; an empty `patient_id` says nothing beyond the Study."""
        patient = patient_id.strip()
        ids = sorted({patient_id, patient}) if patient else []
        with self._engine.begin() as connection:
            asked = {"space": space_id, "study": case.study_uid, "patients": ids}
            return set(connection.execute(_SAME_PATIENT, asked).scalars())

    def annotations_of(self, image: SeriesRef) -> list[SeriesRef]:
        """Return the annotation Series that refer to an image Series, in the order of their UIDs."""
        links, named = annotation_links.c, annotation_links.c.image_series_uid == image.series_uid
        same_study = and_(links.image_series_uid == "", links.annotation_study_uid == image.study_uid)
        query = select(links.annotation_study_uid, links.annotation_series_uid).where(or_(named, same_study)).distinct()
        return [SeriesRef(*row) for row in self._all(query.order_by(links.annotation_series_uid))]

    def _all(self, query: Select[*tuple[Any, ...]]) -> Sequence[Row[*tuple[Any, ...]]]:
        with self._engine.begin() as connection:
            return connection.execute(query).all()


def images_of(connection: Connection, annotation_series_uids: Collection[str]) -> list[str]:
    """Return the image Series that annotation Series refer to, sorted; some may not be in the catalogue."""
    links, table = annotation_links.c, series_table.c
    these = links.annotation_series_uid.in_(annotation_series_uids)
    named = select(links.image_series_uid).where(these, links.image_series_uid != "")
    studies = select(links.annotation_study_uid).where(these, links.image_series_uid == "")
    implied = select(table.series_uid).where(table.study_uid.in_(studies), table.kind == SeriesKind.IMAGE.value)
    return sorted({*connection.execute(named).scalars(), *connection.execute(implied).scalars()})


def _cases(connection: Connection, query: Select[*tuple[Any, ...]]) -> list[Case]:
    rows = connection.execute(query).mappings().all()
    uids = [row["uid"] for row in rows]
    if not rows:
        return []
    known = {row.id: encoding.space_of(row.space) for row in connection.execute(select(spaces.c.id, spaces.c.space))}
    blobs: dict[tuple[str, str], bytes] = {}
    for some in _chunks(uids):
        # a Case has vectors in several spaces: of its looks, and of its words
        stored = select(vectors.c.case_uid, vectors.c.space_id, vectors.c.vector).where(vectors.c.case_uid.in_(some))
        blobs |= {(row.case_uid, row.space_id): row.vector for row in connection.execute(stored)}
    measured = _radiomics(connection, uids)
    return [
        encoding.case_of(
            row, _embedding(blobs[row["uid"], row["space_id"]], known[row["space_id"]]), measured.get(row["uid"])
        )
        for row in rows
    ]


def _embedding(blob: bytes, space: EmbeddingSpace) -> Embedding:
    return Embedding(encoding.from_half(blob, space.size)[0], space)


def _radiomics(connection: Connection, case_uids: Sequence[str]) -> dict[str, RadiomicsVector]:
    known: dict[str, tuple[RadiomicsRecipe, list[str]]] = {
        row.fingerprint: (encoding.recipe_of(row.recipe), row.names) for row in connection.execute(select(recipes))
    }
    found = {}
    for some in _chunks(case_uids):
        for row in connection.execute(select(radiomics).where(radiomics.c.case_uid.in_(some))).mappings():
            recipe, names = known[row["fingerprint"]]
            found[row["case_uid"]] = encoding.radiomics_of(row["values"], names, recipe, row["missing"])
    return found


def _states(connection: Connection) -> Mapping[SeriesState, int]:
    query = select(series_table.c.state, func.count()).where(series_table.c.kind.in_(WITH_STATE))
    found = {row[0]: row[1] for row in connection.execute(query.group_by(series_table.c.state))}
    return {state: found.get(state.value, 0) for state in SeriesState}


def _pairs(connection: Connection, column: Any) -> list[tuple[str, int]]:
    return [(row[0], row[1]) for row in connection.execute(select(column, func.count()).group_by(column))]


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def series_row_of(row: Row[*tuple[Any, ...]]) -> SeriesRow:
    """Return a row of the table `series` as what it stands for."""
    value = row._mapping
    named = {field: value[field] for field in SeriesRow.__dataclass_fields__ if field in value}
    return SeriesRow(
        **{
            **named,
            "series": SeriesRef(value["study_uid"], value["series_uid"]),
            "kind": SeriesKind(value["kind"]),
            "state": SeriesState(value["state"]) if value["state"] else None,
            "notes": tuple(value["notes"]),
        }
    )
