"""A condition means the same in memory and in SQL."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event, insert, select
from tests.case_samples import sample, series

from similar_cases.domain.conditions import Condition, Match
from similar_cases.index import encoding
from similar_cases.index.attribute_columns import READ, TEXTS, AttributeColumns
from similar_cases.index.matching import clause_of
from similar_cases.index.schema import cases

letters = st.text(alphabet="aB%_ \n山[]\\^", max_size=5)
patterns = st.text(alphabet="aB%_*?山[\\", min_size=1, max_size=6)
facts = {
    "StudyDate": "study_date",
    "Modality": "modality",
    "Manufacturer": "manufacturer",
    "ManufacturerModelName": "manufacturer_model_name",
    "StudyDescription": "study_description",
    "SeriesDescription": "series_description",
    "PatientSex": "patient_sex",
    "BodyPartExamined": "body_part_examined",
}
years = st.sampled_from(["", "0", "0.5", "45", "46.0"])
conditions = st.one_of(
    st.builds(Condition, st.sampled_from(list(facts)), st.just(Match.SINGLE), st.tuples(letters)),
    st.builds(Condition, st.sampled_from(list(facts)), st.just(Match.LIST), st.lists(letters, min_size=1).map(tuple)),
    st.builds(Condition, st.sampled_from(list(facts)), st.just(Match.WILDCARD), st.tuples(patterns)),
    st.builds(Condition, st.sampled_from(list(facts)), st.just(Match.RANGE), st.tuples(letters, letters)),
    st.builds(Condition, st.just("PatientAge"), st.just(Match.YEARS), st.tuples(years, years)),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(letters, letters, st.sampled_from([None, 0.0, 0.49, 0.5, 45.0, 46.0])), min_size=1, max_size=8),
    st.lists(conditions, min_size=1, max_size=6),
)
def test_a_condition_means_in_memory_what_it_means_in_sql(values, asked):
    engine = create_engine("sqlite://")
    event.listen(engine, "connect", lambda raw, _record: raw.execute("PRAGMA case_sensitive_like=ON"))
    cases.metadata.create_all(engine, [cases])
    with engine.begin() as connection:
        for number, (one, other, age) in enumerate(values):
            texts = {name: one if at % 2 else other for at, name in enumerate(facts.values())}
            case = sample(series(number), vector=np.ones(8), patient_age_years=age, **texts)
            connection.execute(insert(cases), encoding.case_row(case))
        uids = list(connection.execute(select(cases.c.uid).order_by(cases.c.uid)).scalars())
        stored = connection.execute(select(*READ).order_by(cases.c.uid)).all()
        columns = AttributeColumns()
        # rows come in parts, in any order, and one of them again
        for part in (range(len(uids))[::-2], range(len(uids))):
            rows = np.array(part)
            columns.put(rows, list(zip(*(stored[row] for row in part), strict=True)))
        for condition in asked:
            there = set(connection.execute(select(cases.c.uid).where(clause_of(condition))).scalars())
            passing = columns.passing(condition, len(uids))
            assert {uid for uid, passes in zip(uids, passing, strict=True) if passes} == there, condition
    engine.dispose()


def test_what_has_no_column_is_left_to_the_catalogue():
    assert AttributeColumns().passing(Condition("PatientID", Match.SINGLE, ("a",)), 0) is None
    assert list(facts) == list(TEXTS)


@pytest.mark.parametrize("pattern", ["*a*a*a*a*a*a*a*b", "a*a*a*a*a*a*a*?b"])
def test_no_pattern_takes_long(pattern):
    columns = AttributeColumns()
    texts = ["a" * 20_000] * (len(READ) - 1)
    columns.put(np.array([0]), [[text] for text in texts] + [[None]])
    assert not columns.passing(Condition("StudyDescription", Match.WILDCARD, (pattern,)), 1).any()
