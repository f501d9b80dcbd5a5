"""The catalogue, write side: the truth about every Series and Case, in SQL.

Every method takes a Connection, so that what belongs together is one transaction; the caller opens it with `writing()`.
A change of vectors takes the next `generation` as its first act; the row of that counter stays locked until the commit,
so generations are committed in their order, and an index that has seen one has seen all before it.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager

from sqlalchemy import Connection, Engine, Table, delete, insert, or_, select, update

from similar_cases.domain.case import Case, SeriesState
from similar_cases.domain.description import EmbeddingSpace
from similar_cases.domain.errors import InvalidSettings
from similar_cases.domain.references import SeriesRef
from similar_cases.index import encoding, schema
from similar_cases.index.rows import IndexedSeries, SeriesSighting
from similar_cases.index.schema import SCHEMA_VERSION, meta

#: what an annotation refers to that names no image Series
ANY_IMAGES = ""
#: SQLite lets a statement have 32766 values; well below it everywhere
CHUNK = 500


class Catalogue:
    """Writes to the catalogue.

    Attributes:
        engine: from ``database.open_engine``.
        clock: seconds since 1970.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self.engine = engine
        self.clock = clock

    def writing(self) -> AbstractContextManager[Connection]:
        """Open a transaction that commits at its end, and rolls back on any error."""
        return self.engine.begin()

    def create(self) -> None:
        """Make the tables where they are missing.

        Raises:
            InvalidSettings: when the database was made by a version with other tables.
        """
        with self.writing() as connection:
            schema.metadata.create_all(connection)
            found = self.number(connection, "schema")
            if found is None:
                self.set_number(connection, "schema", SCHEMA_VERSION)
                self.set_number(connection, "generation", 0)
            elif found != SCHEMA_VERSION:
                raise InvalidSettings(
                    f"the catalogue has schema {found}, this version needs {SCHEMA_VERSION}: give it an empty"
                    " index.data_dir (everything is indexed again from the archive), or install the version that made"
                    " it"
                )

    def number(self, connection: Connection, name: str) -> int | None:
        """Return a number that was kept under `name`, such as the cursor of the feed of changes."""
        return connection.execute(select(meta.c.value).where(meta.c.name == name)).scalar_one_or_none()

    def set_number(self, connection: Connection, name: str, value: int) -> None:
        """Keep a number under `name`."""
        _upsert(connection, meta, {"name": name}, {"value": value})

    def see(self, connection: Connection, sighting: SeriesSighting) -> None:
        """Enter a Series, or what is new about it; its state and its Cases stay."""
        now = self.clock()
        values = {
            "study_uid": sighting.series.study_uid,
            "kind": sighting.kind.value,
            "modality": sighting.modality,
            "instance_count": sighting.instance_count,
            "series_orthanc_id": sighting.series_orthanc_id,
            "study_orthanc_id": sighting.study_orthanc_id,
            "patient_orthanc_id": sighting.patient_orthanc_id,
            "updated_at": now,
        }
        _upsert(connection, schema.series, {"series_uid": sighting.series.series_uid}, values, {"created_at": now})

    def set_state(
        self, connection: Connection, series_uid: str, state: SeriesState, *, reason: str = "", attempts: int = 0
    ) -> None:
        """Tell where a Series stands."""
        connection.execute(
            update(schema.series)
            .where(schema.series.c.series_uid == series_uid)
            .values(state=state.value, reason=reason, attempts=attempts, updated_at=self.clock())
        )

    def commit(self, connection: Connection, indexed: IndexedSeries) -> None:
        """Replace all that is known of a Series by one ingestion's results: it is INDEXED then.

        Raises:
            LookupError: when the Series is not in the catalogue, as when it was forgotten meanwhile.
        """
        started = time.perf_counter()
        generation = self._next_generation(connection)
        _drop_cases(connection, [indexed.series.series_uid], generation)
        for case in indexed.cases:
            self._add_case(connection, case, generation)
        now = self.clock()
        done = connection.execute(
            update(schema.series)
            .where(schema.series.c.series_uid == indexed.series.series_uid)
            .values(
                state=SeriesState.INDEXED.value,
                reason="",
                content_key=indexed.content_key,
                pipeline=indexed.pipeline,
                timings={**indexed.timings, "index": time.perf_counter() - started},
                notes=list(indexed.notes),
                updated_at=now,
                indexed_at=now,
            )
        )
        if done.rowcount != 1:
            raise LookupError("the series is not in the catalogue")

    def outdate(self, connection: Connection, series_uid: str) -> None:
        """Forget to what content a Series was brought, so that its next job does everything anew; its Cases stay."""
        where = schema.series.c.series_uid == series_uid
        connection.execute(update(schema.series).where(where).values(content_key=""))

    def withdraw(self, connection: Connection, series_uid: str) -> None:
        """Take the Cases of a Series out of the answers, as it makes none any more."""
        _drop_cases(connection, [series_uid], self._next_generation(connection))
        where = schema.series.c.series_uid == series_uid
        values: dict[str, object] = {"content_key": "", "pipeline": "", "indexed_at": None, "timings": {}, "notes": []}
        connection.execute(update(schema.series).where(where).values(**values))

    def link(self, connection: Connection, annotation: SeriesRef, image_series: Collection[str]) -> None:
        """Replace what an annotation Series is known to refer to; `ANY_IMAGES` is all images of its own Study."""
        links = schema.annotation_links
        connection.execute(delete(links).where(links.c.annotation_series_uid == annotation.series_uid))
        rows = [
            {
                "annotation_series_uid": annotation.series_uid,
                "image_series_uid": uid,
                "annotation_study_uid": annotation.study_uid,
            }
            for uid in sorted(image_series)
        ]
        if rows:
            connection.execute(insert(links), rows)

    def forget(self, connection: Connection, series_uids: Collection[str]) -> None:
        """Remove every trace of Series; unknown ones are passed over."""
        links = schema.annotation_links
        generation = self._next_generation(connection)
        for some in _chunks(sorted(series_uids)):
            _drop_cases(connection, some, generation)
            connection.execute(delete(links).where(links.c.annotation_series_uid.in_(some)))
            told = schema.feedback.c
            about = or_(told.asked_series_uid.in_(some), told.case_series_uid.in_(some))
            connection.execute(delete(schema.feedback).where(about))
            connection.execute(delete(schema.series).where(schema.series.c.series_uid.in_(some)))

    def _next_generation(self, connection: Connection) -> int:
        bump = update(meta).where(meta.c.name == "generation").values(value=meta.c.value + 1).returning(meta.c.value)
        return int(connection.execute(bump).scalar_one())

    def _add_case(self, connection: Connection, case: Case, generation: int) -> None:
        self._know_space(connection, case.description.embedding.space)
        connection.execute(insert(schema.cases), encoding.case_row(case))
        gone = schema.removed
        space_id = case.description.embedding.space.id
        connection.execute(delete(gone).where(gone.c.case_uid == case.uid, gone.c.space_id == space_id))
        connection.execute(insert(schema.vectors), encoding.vector_row(case, generation))
        if case.description.slice_space is not None and case.description.slice_vectors is not None:
            self._know_space(connection, case.description.slice_space)
            connection.execute(insert(schema.slice_vectors), encoding.slice_row(case))
        if case.description.caption:
            connection.execute(insert(schema.captions), encoding.caption_row(case, generation))
        if case.description.text_embedding is not None:
            text_space = case.description.text_embedding.space
            self._know_space(connection, text_space)
            connection.execute(delete(gone).where(gone.c.case_uid == case.uid, gone.c.space_id == text_space.id))
            connection.execute(insert(schema.vectors), encoding.text_vector_row(case, generation))
        if case.description.slice_frames:
            connection.execute(insert(schema.slice_frames), encoding.frames_row(case))
        if case.description.radiomics is not None:
            names = self._names_of(connection, case)
            connection.execute(insert(schema.radiomics), encoding.radiomics_row(case, names, generation))
        rows = encoding.result_rows(case)
        if rows:
            connection.execute(insert(schema.results), rows)

    def _know_space(self, connection: Connection, space: EmbeddingSpace) -> None:
        known = connection.execute(select(schema.spaces.c.id).where(schema.spaces.c.id == space.id)).first()
        if known is None:
            row = {"id": space.id, "space": encoding.space_json(space), "created_at": self.clock()}
            connection.execute(insert(schema.spaces), row)

    def _names_of(self, connection: Connection, case: Case) -> list[str]:
        """Return the order of the values of the Case's recipe; names that are new go to the end."""
        vector = case.description.radiomics
        assert vector is not None
        key = vector.recipe.fingerprint
        recipes = schema.recipes
        known = connection.execute(select(recipes.c.names).where(recipes.c.fingerprint == key)).scalar_one_or_none()
        names = list(dict.fromkeys([*(known or []), *vector.values, *vector.missing]))
        if names != known:
            values = {"recipe": encoding.recipe_json(vector.recipe), "names": names}
            _upsert(connection, recipes, {"fingerprint": key}, values)
        return names


def _drop_cases(connection: Connection, series_uids: list[str], generation: int) -> None:
    vectors = schema.vectors
    gone = connection.execute(
        select(vectors.c.case_uid, vectors.c.space_id).where(vectors.c.series_uid.in_(series_uids))
    ).all()
    for case_uid, space_id in gone:
        keys = {"case_uid": case_uid, "space_id": space_id}
        _upsert(connection, schema.removed, keys, {"generation": generation})
    for table in (
        schema.vectors,
        schema.slice_vectors,
        schema.slice_frames,
        schema.captions,
        schema.radiomics,
        schema.results,
        schema.cases,
    ):
        connection.execute(delete(table).where(table.c.series_uid.in_(series_uids)))


def _upsert(
    connection: Connection,
    table: Table,
    keys: Mapping[str, object],
    values: Mapping[str, object],
    at_first: Mapping[str, object] | None = None,
) -> None:
    """Update the row under `keys`, or insert it; no dialect's own words."""
    where = [table.c[name] == value for name, value in keys.items()]
    if connection.execute(update(table).where(*where).values(**values)).rowcount == 0:
        connection.execute(insert(table), {**keys, **values, **(at_first or {})})


def _chunks(items: list[str]) -> Iterable[list[str]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
