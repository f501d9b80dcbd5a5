import pytest

from similar_cases.domain.conditions import ATTRIBUTES, Condition, Match
from similar_cases.domain.errors import InvalidRequest, InvalidUid
from similar_cases.domain.similarity import Filters
from similar_cases.rank.filters import MAX_WILDCARDS, conditions_of, keyword_of, parse_condition


@pytest.mark.parametrize(
    ("name", "value", "match", "values"),
    [
        ("Modality", "CT", Match.SINGLE, ("CT",)),
        ("00080060", "CT", Match.SINGLE, ("CT",)),
        ("Modality", " CT ", Match.SINGLE, ("CT",)),
        ("Modality", "CT,MR,CT", Match.LIST, ("CT", "MR")),
        ("ModalitiesInStudy", "CT\\PT", Match.LIST, ("CT", "PT")),
        ("Modality", "M?", Match.WILDCARD, ("M?",)),
        ("StudyInstanceUID", "1.2.3\\1.2.4", Match.LIST, ("1.2.3", "1.2.4")),
        ("SeriesInstanceUID", "1.2.3,", Match.SINGLE, ("1.2.3",)),
        ("PatientName", "M*ller**^J?n", Match.WILDCARD, ("M*ller*^J?n",)),
        ("PatientName", "山田^太郎", Match.SINGLE, ("山田^太郎",)),
        ("PatientID", "A,B-1", Match.SINGLE, ("A,B-1",)),
        ("StudyDescription", "chest - follow-up", Match.SINGLE, ("chest - follow-up",)),
        ("StudyDate", "20240229", Match.SINGLE, ("20240229",)),
        ("StudyDate", "20200101-20201231", Match.RANGE, ("20200101", "20201231")),
        ("StudyDate", "-20201231", Match.RANGE, ("", "20201231")),
        ("PatientBirthDate", "19600101-", Match.RANGE, ("19600101", "")),
        ("StudyDate", "20200101-20200101", Match.SINGLE, ("20200101",)),
        ("StudyTime", "10", Match.RANGE, ("100000", "105959.999999")),
        ("StudyTime", "1030-1200", Match.RANGE, ("103000", "120059.999999")),
        ("StudyTime", "-235959.5", Match.RANGE, ("", "235959.500000")),
        ("PatientAge", "045Y", Match.YEARS, ("45.0", "46.0")),
        ("PatientAge", "045Y-060Y", Match.YEARS, ("45.0", "61.0")),
        ("PatientAge", "-006M", Match.YEARS, ("", str(7 * (1 / 12)))),
    ],
)
def test_the_grammar_of_qido(name, value, match, values):
    assert parse_condition(name, value) == Condition(keyword_of(name), match, values)


@pytest.mark.parametrize("value", ["", "*", "**", " "])
@pytest.mark.parametrize("name", ["PatientName", "StudyDate", "StudyInstanceUID", "PatientAge"])
def test_universal_matching_asks_nothing(name, value):
    assert parse_condition(name, value) is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("StudyDate", "2020", "YYYYMMDD"),
        ("StudyDate", "20201301", "YYYYMMDD"),
        ("StudyDate", "20200101-20191231", "ends before"),
        ("StudyDate", "-", "no bound"),
        ("StudyTime", "25", "HHMMSS"),
        ("StudyTime", "1200-1000", "ends before"),
        ("PatientAge", "45", "045Y"),
        ("PatientAge", "060Y-045Y", "ends before"),
        ("PatientAge", "-", "no bound"),
        ("Modality", "CT,M*", "wildcard"),
        ("Modality", ",", "empty"),
        ("PatientName", "*a" * (MAX_WILDCARDS + 1), "wildcards"),
        ("PatientName", "a" * 1000, "longer"),
    ],
)
def test_what_the_value_representation_does_not_allow_is_refused(name, value, words):
    with pytest.raises(InvalidRequest, match=words):
        parse_condition(name, value)


@pytest.mark.parametrize("value", ["1.2.*", "abc", "1..2", "1." * 40])
def test_what_is_no_uid_is_refused(value):
    with pytest.raises(InvalidUid):
        parse_condition("StudyInstanceUID", value)


@pytest.mark.parametrize("name", ["PatientWeight", "00101030", "patientid", "", "00100010.00100020", "x" * 10_000])
def test_an_unknown_attribute_is_answered_with_the_known_ones(name):
    with pytest.raises(InvalidRequest) as caught:
        parse_condition(name, "1")
    assert all(keyword in str(caught.value) for keyword in ATTRIBUTES)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("keyword", ATTRIBUTES)
def test_every_attribute_has_the_tag_and_vr_of_the_dictionary(keyword):
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    attribute = ATTRIBUTES[keyword]
    assert int(attribute.tag, 16) == tag_for_keyword(keyword)
    assert attribute.vr == dictionary_VR(keyword)
    assert keyword_of(attribute.tag) == keyword_of(attribute.tag.lower()) == keyword


def test_names_alone_ignore_case():
    assert [k for k in ATTRIBUTES if Condition(k, Match.SINGLE, ("x",)).ignores_case] == ["PatientName"]


@pytest.mark.parametrize(
    ("ages", "values"),
    [
        ((40, 60), ("40.0", "61.0")),
        ((None, 60), ("", "61.0")),
        ((0, None), ("0.0", "")),
        ((0.25, 0.5), ("0.25", "0.5")),
    ],
)
def test_ages_are_completed_years(ages, values):
    assert conditions_of(Filters(age_years=ages)) == (Condition("PatientAge", Match.YEARS, values),)


@pytest.mark.parametrize("ages", [(60, 40), (-1, None), (None, float("nan")), (float("inf"), None)])
def test_ages_that_nobody_has_are_refused(ages):
    with pytest.raises(InvalidRequest):
        conditions_of(Filters(age_years=ages))


def test_conditions_keep_their_order_and_leave_out_what_asks_nothing():
    filters = Filters(attributes=(("Modality", "CT"), ("PatientSex", "*"), ("StudyDate", "20200101-")))
    assert [c.keyword for c in conditions_of(filters)] == ["Modality", "StudyDate"]
    assert conditions_of(Filters()) == ()
