"""Conditions in SQL: QIDO's matching, border by border."""

from pathlib import Path

import pytest
from tests.case_samples import sample, series, space

from similar_cases.domain.conditions import ATTRIBUTES, Condition, Match
from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.similarity import Filters
from similar_cases.index.catalogue import Catalogue
from similar_cases.index.database import open_engine, sqlite_url
from similar_cases.index.lookups import Lookups
from similar_cases.index.matching import clause_of
from similar_cases.index.rows import IndexedSeries, SeriesKind, SeriesSighting
from similar_cases.rank.filters import conditions_of

FACTS = {
    1: {"modality": "CT", "patient_sex": "F", "patient_name": "Doe^Jane", "patient_age_years": 60.9},
    2: {"modality": "MR", "patient_sex": "M", "patient_name": "DOE^John^^", "patient_age_years": 61.0},
    3: {"modality": "PT", "patient_name": "Yamada^Tarou=山田^太郎=やまだ^たろう", "patient_age_years": 0.5},
    4: {"study_date": "20200101", "study_time": "103000.5", "series_description": "T1 50% a_b"},
    5: {
        "study_date": "20201231",
        "study_time": "235959",
        "series_description": "T1 50x aXb",
        "accession_number": "A\\1",
    },
    6: {"study_date": "20210101", "body_part_examined": "CHEST", "patient_id": "O'Hara"},
    7: {"body_part_examined": "chest", "manufacturer": "[abc]*", "patient_birth_date": "19600229"},
}


@pytest.fixture(scope="module")
def lookups(tmp_path_factory: pytest.TempPathFactory) -> Lookups:
    return filled(sqlite_url(tmp_path_factory.mktemp("catalogue")))


def filled(url: str) -> Lookups:
    engine = open_engine(url)
    catalogue = Catalogue(engine)
    catalogue.create()
    with catalogue.writing() as connection:
        for number, facts in FACTS.items():
            ref = series(number)
            modality = facts.get("modality", "CT")
            sighting = SeriesSighting(series=ref, kind=SeriesKind.IMAGE, modality=modality, instance_count=1)
            catalogue.see(connection, sighting)
            cases = (sample(ref, number, **facts),)
            catalogue.commit(connection, IndexedSeries(series=ref, content_key="", pipeline="", cases=cases))
        # a report in the study of 1 makes it a study with SR
        report = SeriesSighting(series=series(50, study=1), kind=SeriesKind.OTHER, modality="SR", instance_count=1)
        catalogue.see(connection, report)
    return Lookups(engine)


def found(lookups: Lookups, *attributes: tuple[str, str], ages: tuple = (None, None)) -> set[int]:
    uids = lookups.case_uids(space().id, conditions_of(Filters(attributes=attributes, age_years=ages)))
    numbers = {sample(series(number), number).uid: number for number in FACTS}
    assert len(uids) == len(set(uids))
    return {numbers[uid] for uid in uids}


@pytest.mark.parametrize(
    ("keyword", "value", "numbers"),
    [
        ("Modality", "MR", {2}),
        ("Modality", "MR,PT", {2, 3}),
        ("Modality", "mr", set()),
        ("ModalitiesInStudy", "SR", {1}),
        ("ModalitiesInStudy", "SR,PT", {1, 3}),
        ("PatientName", "doe^jane", {1}),
        ("PatientName", "Doe^*", {1, 2}),
        ("PatientName", "DOE^JOHN", {2}),
        ("PatientName", "Doe", set()),
        ("PatientName", "山田*", {3}),
        ("PatientName", "yamada^tarou", {3}),
        ("PatientName", "Yamada^Tarou=山田^太郎", {3}),
        ("PatientName", "*たろう", {3}),
        ("PatientName", "D?e^J*", {1, 2}),
        ("PatientSex", "F", {1}),
        ("StudyDate", "20201231", {5}),
        ("StudyDate", "20200101-20201231", {4, 5}),
        ("StudyDate", "20201231-", {5, 6}),
        ("StudyDate", "-20200101", {4}),
        ("StudyTime", "10-11", {4}),
        ("StudyTime", "2359", {5}),
        ("SeriesDescription", "T1 50% a_b", {4}),
        ("SeriesDescription", "T1 50% *", {4}),
        ("SeriesDescription", "T1*a_b", {4}),
        ("SeriesDescription", "T1*", {4, 5}),
        ("SeriesDescription", "t1*", set()),
        ("AccessionNumber", "A\\1", {5}),
        ("AccessionNumber", "A\\?", {5}),
        ("Manufacturer", "[abc]?", {7}),
        ("Manufacturer", "a*", set()),
        ("BodyPartExamined", "CHEST", {6}),
        ("PatientID", "O'Hara", {6}),
        ("PatientBirthDate", "19600101-19601231", {7}),
        ("SeriesInstanceUID", "1.2.4.1,1.2.5.1,1.2.77", {4, 5}),
        ("StudyInstanceUID", "1.2.2", {2}),
        ("PatientAge", "060Y", {1}),
        ("PatientAge", "061Y-", {2}),
        ("PatientAge", "-001Y", {3}),
        ("PatientName", "*", set(FACTS)),
    ],
)
def test_matching_is_qidos(lookups, keyword, value, numbers):
    assert found(lookups, (keyword, value)) == numbers


def test_every_condition_must_hold(lookups):
    assert found(lookups, ("PatientName", "doe*"), ("PatientSex", "M")) == {2}
    assert found(lookups, ("PatientName", "doe*"), ages=(61, None)) == {2}
    assert found(lookups, ages=(None, 60)) == {1, 3}


def test_every_attribute_that_can_be_asked_for_has_its_clause():
    for keyword in ATTRIBUTES:
        match = Match.YEARS if keyword == "PatientAge" else Match.SINGLE
        values = ("1", "2") if match is Match.YEARS else ("1",)
        assert clause_of(Condition(keyword, match, values)) is not None
    with pytest.raises(InvalidRequest):
        clause_of(Condition("PixelData", Match.SINGLE, ("1",)))


def test_the_same_patient_is_the_same_id_or_the_same_study(tmp_path: Path):
    engine = open_engine(sqlite_url(tmp_path))
    catalogue, lookups = Catalogue(engine), Lookups(engine)
    catalogue.create()
    known = {1: "P1", 2: "P1", 3: "P2", 4: "", 5: ""}
    with catalogue.writing() as connection:
        for number, patient in known.items():
            for part in (0, 100):
                ref = series(number + part, study=number)
                sighting = SeriesSighting(series=ref, kind=SeriesKind.IMAGE, modality="CT", instance_count=1)
                catalogue.see(connection, sighting)
                cases = (sample(ref, number, patient_id=patient),)
                catalogue.commit(connection, IndexedSeries(series=ref, content_key="", pipeline="", cases=cases))

    def excluded(number: int) -> set[int]:
        uids = lookups.same_patient(series(number), known[number], space().id)
        return {n + part for n in known for part in (0, 100) if sample(series(n + part, study=n), n).uid in uids}

    assert excluded(1) == {1, 101, 2, 102}
    assert excluded(3) == {3, 103}
    # nobody knows whether two patients without an ID are one
    assert excluded(4) == {4, 104}
    assert lookups.same_patient(series(1), "P1", space(version="other").id) == set()
