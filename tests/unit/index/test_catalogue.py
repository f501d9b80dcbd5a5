"""The catalogue: what goes in comes out, in one piece, and what is gone is gone everywhere."""

import sqlite3
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event, select, text, update
from tests.case_samples import SIZE, sample, series, space

from similar_cases.domain.case import SeriesState
from similar_cases.domain.description import Level
from similar_cases.domain.errors import InvalidSettings, NotFound
from similar_cases.domain.references import SeriesRef
from similar_cases.index import schema
from similar_cases.index.catalogue import ANY_IMAGES, Catalogue
from similar_cases.index.database import open_engine, reading, sqlite_url
from similar_cases.index.lookups import Lookups, images_of
from similar_cases.index.overview import Overview
from similar_cases.index.presence import Presence
from similar_cases.index.rows import IndexedSeries, SeriesKind, SeriesSighting


class Shelf:
    """A catalogue with both of its sides."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.engine = open_engine(url or sqlite_url(folder))
        self.catalogue = Catalogue(self.engine)
        self.catalogue.create()
        self.lookups, self.presence = Lookups(self.engine), Presence(self.engine)

    def see(self, ref: SeriesRef, kind: SeriesKind = SeriesKind.IMAGE, count: int = 5, **ids: str) -> None:
        with self.catalogue.writing() as connection:
            sighting = SeriesSighting(series=ref, kind=kind, modality="CT", instance_count=count, **ids)
            self.catalogue.see(connection, sighting)

    def commit(self, ref: SeriesRef, *cases, key: str = "k", **known) -> None:
        with self.catalogue.writing() as connection:
            indexed = IndexedSeries(series=ref, content_key=key, pipeline="p", cases=cases, **known)
            self.catalogue.commit(connection, indexed)

    def forget(self, *refs: SeriesRef) -> None:
        with self.catalogue.writing() as connection:
            self.catalogue.forget(connection, [ref.series_uid for ref in refs])


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def plain(case) -> dict:
    """A Case as plain values, vectors and mappings included."""
    described = case.description
    return {
        "fields": {name: getattr(case, name) for name in ("uid", "level", "series", "volume_number", "key_frame")},
        "facts": asdict(case.facts),
        "region": case.region,
        "location": described.location,
        "space": described.embedding.space,
        "radiomics": described.radiomics and (dict(described.radiomics.values), dict(described.radiomics.missing)),
        "recipe": described.radiomics and described.radiomics.recipe,
    }


def test_a_case_comes_out_as_it_went_in(shelf):
    ref = series(1)
    whole = sample(ref, 0, level=Level.SERIES)
    region = sample(
        ref,
        "a",
        radiomics={"shape_MeshVolume": 1.25, "shape_Flatness": -3.5e-7},
        patient_name="山田^太郎",
        patient_age_years=61.5,
        series_number=7,
    )
    shelf.see(ref)
    shelf.commit(ref, region, whole, timings={"build": 1.5}, notes=("mended",))
    found = shelf.lookups.cases_of(ref.series_uid)
    assert [plain(case) for case in found] == [plain(whole), plain(region)]
    for stored, given in zip(found, (whole, region), strict=True):
        vectors = stored.description.embedding.vector, given.description.embedding.vector
        np.testing.assert_allclose(*vectors, atol=1e-3)
    np.testing.assert_array_equal(shelf.lookups.slice_vectors(whole.uid), np.eye(3, SIZE))
    assert shelf.lookups.slice_vectors(region.uid) is None
    row = shelf.lookups.series_row(ref.series_uid)
    assert (row.state, row.content_key, row.pipeline, row.notes) == (SeriesState.INDEXED, "k", "p", ("mended",))
    assert row.timings["build"] == 1.5
    assert row.timings["index"] > 0
    assert row.indexed_at is not None


def test_committing_again_replaces_everything_of_the_series_and_nothing_else(shelf):
    one, other = series(1), series(2)
    for ref in (one, other):
        shelf.see(ref)
        shelf.commit(ref, sample(ref, "a"), sample(ref, "b"), sample(ref, 0, level=Level.SERIES))
    shelf.commit(one, sample(one, "b"), key="k2")
    assert [case.uid for case in shelf.lookups.cases_of(one.series_uid)] == [sample(one, "b").uid]
    assert len(shelf.lookups.cases_of(other.series_uid)) == 3
    stats = shelf.lookups.stats()
    assert stats.cases == {Level.REGION: 3, Level.SERIES: 1}
    assert stats.results == 6
    assert {held.space.level: held.vectors for held in stats.spaces} == {Level.REGION: 3, Level.SERIES: 1}


def test_a_commit_that_fails_half_way_leaves_what_was_there(shelf):
    ref = series(1)
    shelf.see(ref)
    shelf.commit(ref, sample(ref, "a"))
    before = shelf.lookups.stats()
    twice = sample(ref, "b")
    with pytest.raises(Exception, match=r"(?i)unique"):
        shelf.commit(ref, twice, twice, key="k2")
    assert shelf.lookups.stats() == before
    assert shelf.lookups.series_row(ref.series_uid).content_key == "k"


def test_the_numbers_of_the_catalogue_are_of_one_moment(shelf: Shelf) -> None:
    def waits(ref: SeriesRef) -> None:
        sighting = SeriesSighting(series=ref, kind=SeriesKind.IMAGE, modality="CT", instance_count=5)
        with shelf.catalogue.writing() as connection:
            shelf.catalogue.see(connection, sighting)
            shelf.catalogue.set_state(connection, ref.series_uid, SeriesState.WAITING)

    waits(series(1))
    came = []

    def meanwhile(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT") and not came:  # after the first of several
            came.append(statement)
            waits(series(2))

    reader = shelf.lookups._engine
    event.listen(reader, "after_cursor_execute", meanwhile)
    stats = shelf.lookups.stats()
    event.remove(reader, "after_cursor_execute", meanwhile)
    assert (stats.series[SeriesKind.IMAGE], sum(stats.states.values())) == (1, 1)
    assert sum(shelf.lookups.stats().states.values()) == 2


def test_a_series_that_was_forgotten_cannot_be_committed(shelf):
    with pytest.raises(LookupError):
        shelf.commit(series(1), sample(series(1)))
    assert shelf.lookups.stats().cases[Level.REGION] == 0


def test_forgetting_leaves_no_trace(shelf):
    one, other, annotation = series(1), series(2), series(3)
    for ref in (one, other):
        shelf.see(ref)
        shelf.commit(ref, sample(ref, "a", radiomics={"shape_x": 1.0}), sample(ref, 0, level=Level.SERIES))
    with shelf.catalogue.writing() as connection:
        shelf.catalogue.link(connection, annotation, [one.series_uid])
    shelf.forget(one, annotation, series(99))
    with reading(shelf.engine).begin() as connection:
        for table in schema.metadata.sorted_tables:
            if table is not schema.removed:
                rows = str(connection.execute(select(table)).all())
                assert one.series_uid not in rows, table.name
                assert sample(one, "a").uid not in rows, table.name
    assert len(shelf.lookups.cases_of(other.series_uid)) == 2
    with pytest.raises(NotFound):
        shelf.lookups.series_row(one.series_uid)


def test_withdrawing_takes_the_cases_and_keeps_the_series(shelf):
    ref = series(1)
    shelf.see(ref)
    shelf.commit(ref, sample(ref))
    with shelf.catalogue.writing() as connection:
        shelf.catalogue.withdraw(connection, ref.series_uid)
        shelf.catalogue.set_state(connection, ref.series_uid, SeriesState.REFUSED, reason="one slice", attempts=1)
    row = shelf.lookups.series_row(ref.series_uid)
    assert (row.state, row.reason, row.attempts, row.indexed_at) == (SeriesState.REFUSED, "one slice", 1, None)
    assert shelf.lookups.cases_of(ref.series_uid) == []


def test_features_that_come_later_do_not_move_those_that_were_there(shelf):
    one, other = series(1), series(2)
    for ref, values in ((one, {"b": 1.0, "a": 2.0}), (other, {"c": 3.0, "a": 4.0})):
        shelf.see(ref)
        shelf.commit(ref, sample(ref, radiomics=values))
    read = [dict(shelf.lookups.cases_of(ref.series_uid)[0].description.radiomics.values) for ref in (one, other)]
    assert read == [{"b": 1.0, "a": 2.0}, {"c": 3.0, "a": 4.0}]


def test_seeing_a_series_again_keeps_its_state_and_its_cases(shelf):
    ref = series(1)
    shelf.see(ref, count=5)
    shelf.commit(ref, sample(ref))
    shelf.see(ref, count=6, series_orthanc_id="abc")
    row = shelf.lookups.series_row(ref.series_uid)
    assert (row.state, row.instance_count, row.series_orthanc_id) == (SeriesState.INDEXED, 6, "abc")
    assert len(shelf.lookups.cases_of(ref.series_uid)) == 1


def test_series_are_found_under_every_level_of_the_archive(shelf):
    ids = {"patient_orthanc_id": "p", "study_orthanc_id": "st"}
    shelf.see(series(1), series_orthanc_id="a", **ids)
    shelf.see(series(2), series_orthanc_id="b", **ids)
    shelf.see(series(3), series_orthanc_id="c")
    for orthanc_id, numbers in (("p", (1, 2)), ("st", (1, 2)), ("b", (2,)), ("unknown", ()), ("c", (3,))):
        assert [one.series for one in shelf.presence.under(orthanc_id)] == [series(n) for n in numbers]
    assert len(shelf.presence.known()) == 3


def test_links_lead_both_ways_and_unnamed_ones_to_the_whole_study(shelf):
    one, other, elsewhere = series(1, study=7), series(2, study=7), series(3, study=8)
    for ref in (one, other, elsewhere):
        shelf.see(ref)
    named, unnamed = series(10, study=9), series(11, study=7)
    with shelf.catalogue.writing() as connection:
        shelf.catalogue.link(connection, named, ["1.5.5", one.series_uid])
        shelf.catalogue.link(connection, unnamed, [ANY_IMAGES])
    assert shelf.lookups.annotations_of(one) == [named, unnamed]
    assert shelf.lookups.annotations_of(other) == [unnamed]
    assert shelf.lookups.annotations_of(elsewhere) == []
    with shelf.catalogue.writing() as connection:
        assert images_of(connection, [unnamed.series_uid]) == [one.series_uid, other.series_uid]
        assert images_of(connection, [named.series_uid]) == [one.series_uid, "1.5.5"]
        shelf.catalogue.link(connection, named, [])
    assert shelf.lookups.annotations_of(one) == [unnamed]


def test_hostile_headers_are_stored_as_far_as_a_database_can(shelf):
    ref = series(1)
    shelf.see(ref)
    facts = {
        "patient_name": "Nul\x00^Surrogate\udce9",
        "study_description": "'; DROP TABLE cases; --",
        "series_number": 10**30,
        "patient_age_years": float("nan"),
    }
    shelf.commit(ref, sample(ref, **facts))
    [case] = shelf.lookups.cases_of(ref.series_uid)
    assert case.facts.patient_name == "Nul^Surrogate?"
    assert case.facts.study_description == "'; DROP TABLE cases; --"
    assert (case.facts.series_number, case.facts.patient_age_years) == (None, None)


def test_pages_show_what_changed_last_first(shelf):
    for number in range(5):
        shelf.catalogue.clock = lambda number=number: float(number)
        shelf.see(series(number))
    shelf.see(series(9), SeriesKind.OURS)
    uids = [row.series for row in shelf.lookups.series_rows(limit=2, offset=1)]
    assert uids == [series(3), series(2)]
    assert shelf.lookups.series_rows(SeriesState.FAILED) == []
    with shelf.catalogue.writing() as connection:
        shelf.catalogue.set_state(connection, series(2).series_uid, SeriesState.FAILED, reason="x")
    assert [row.series for row in shelf.lookups.series_rows(SeriesState.FAILED)] == [series(2)]
    overview = Overview(shelf.catalogue.engine)
    wanted = [series(2).series_uid, "2.25.404", series(1).series_uid]
    # one that was forgotten between a list and its rows is left out
    assert [row.series for row in overview.rows_of(wanted)] == [series(2), series(1)]
    assert overview.rows_of([]) == []
    assert shelf.lookups.counts()[SeriesState.FAILED] == 1


def test_regions_are_found_by_their_tracking_uid(shelf):
    ref = series(1)
    shelf.see(ref)
    case = sample(ref, "a")
    shelf.commit(ref, case, sample(ref, "b"))
    assert shelf.lookups.region_case(case.region.tracking_uid).uid == case.uid
    assert shelf.lookups.region_case(case.region.tracking_uid, ref.series_uid).uid == case.uid
    for asked in (("1.2.3",), (case.region.tracking_uid, "1.2.3")):
        with pytest.raises(NotFound):
            shelf.lookups.region_case(*asked)


def test_cases_come_in_the_order_that_was_asked_for_without_those_that_are_gone(shelf):
    ref = series(1)
    shelf.see(ref)
    cases = [sample(ref, key) for key in range(600)]
    shelf.commit(ref, *cases)
    uids = [case.uid for case in reversed(cases)]
    assert [case.uid for case in shelf.lookups.cases([*uids[:300], "2.25.1", *uids[300:]])] == uids
    with pytest.raises(NotFound):
        shelf.lookups.case("2.25.1")


def test_two_spaces_live_side_by_side_until_the_series_is_committed_in_the_new_one(shelf):
    one, other = series(1), series(2)
    for ref in (one, other):
        shelf.see(ref)
        shelf.commit(ref, sample(ref, "a"))
    shelf.commit(one, sample(one, "a", version="2"), key="k2")
    held = {held.space.version: held.vectors for held in shelf.lookups.stats().spaces}
    assert held == {"1": 1, "2": 1}
    assert shelf.lookups.case_uids(space(version="2").id, []) == [sample(one, "a").uid]


def test_a_database_of_another_version_is_refused(shelf, tmp_path):
    with shelf.catalogue.writing() as connection:
        connection.execute(update(schema.meta).where(schema.meta.c.name == "schema").values(value=99))
    with pytest.raises(InvalidSettings, match="schema 99"):
        Catalogue(open_engine(sqlite_url(tmp_path))).create()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "no url"])
def test_addresses_that_cannot_hold_a_catalogue_are_refused(url):
    with pytest.raises(InvalidSettings):
        open_engine(url)


def test_what_was_committed_outlives_a_loss_of_power(shelf, tmp_path):
    """The journal is a WAL, and each commit is synchronised with the disk."""
    if shelf.engine.dialect.name != "sqlite":
        pytest.skip("about SQLite")
    with reading(shelf.engine).begin() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
    ref = series(1)
    shelf.see(ref)
    # another process that was killed in the middle of its transaction
    killed = sqlite3.connect(tmp_path / "catalogue.sqlite", isolation_level=None)
    killed.execute("BEGIN IMMEDIATE")
    killed.execute("DELETE FROM series")
    killed.close()
    assert shelf.lookups.series_row(ref.series_uid).series == ref


def test_readers_see_one_moment_and_keep_no_writer_waiting(shelf):
    shelf.see(series(1))
    with reading(shelf.engine).begin() as reader:
        assert len(reader.execute(select(schema.series)).all()) == 1
        shelf.see(series(2))
        assert len(reader.execute(select(schema.series)).all()) == 1
    assert len(shelf.presence.known()) == 2


def test_replaced_facts_are_the_new_ones(shelf):
    ref = series(1)
    shelf.see(ref)
    shelf.commit(ref, sample(ref, patient_name="Old^Name"))
    case = sample(ref, patient_name="New^Name")
    shelf.commit(ref, replace(case, volume_label="EchoTime=12"))
    [found] = shelf.lookups.cases_of(ref.series_uid)
    assert (found.facts.patient_name, found.volume_label) == ("New^Name", "EchoTime=12")
