"""What is taken over from a source, whatever its headers hold."""

from io import BytesIO

import pytest
from pydicom import Dataset, dcmread, dcmwrite
from tests.unit.record.samples import encoded

from similar_cases.demo.phantoms import Phantom, phantom_series
from similar_cases.record.source import header_of
from similar_cases.volume.quiet import quiet_pydicom

NAMES = [
    ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("ISO 2022 IR 13\\ISO 2022 IR 87", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
    ("ISO_IR 127", "قباني^لنزار"),
    ("ISO_IR 144", "Люксембург^Роза"),
    ("ISO_IR 126", "Διονυσιος"),
    ("ISO_IR 100", "Buc^Jérôme"),
    ("GB18030", "Wang^XiaoDong=王^小东"),
    ("ISO_IR 192", "Wang^XiaoDong=王^小東"),
]


def series(**phantom: object) -> list[Dataset]:
    return phantom_series(Phantom(shape=(3, 8, 8), **phantom))  # type: ignore[arg-type]


def reread(instance: Dataset) -> Dataset:
    return dcmread(BytesIO(encoded(instance)))


@pytest.mark.parametrize(("character_set", "name"), NAMES, ids=[s for s, _ in NAMES])
def test_a_name_survives_in_utf_8(character_set, name):
    source = [reread(instance) for instance in series(character_set=character_set, patient_name=name)]
    taken = header_of(source).patient_and_study
    result = Dataset()
    result.SpecificCharacterSet = "ISO_IR 192"
    result.update(taken)
    buffer = BytesIO()
    dcmwrite(buffer, result, implicit_vr=False, little_endian=True)
    assert name.encode() in buffer.getvalue()


def test_a_name_without_a_declared_character_set_is_read_as_latin_1():
    source = series(character_set="ISO_IR 100", patient_name="Müller^Jörg")
    raw = encoded(source[0]).replace(b"ISO_IR 100", b"ISO_IR 6  ")
    taken = header_of([dcmread(BytesIO(raw))]).patient_and_study
    assert str(taken.PatientName) == "Müller^Jörg"


def test_an_unknown_character_set_does_not_stop_us():
    raw = encoded(series(character_set="ISO_IR 100")[0]).replace(b"ISO_IR 100", b"KLINGON 99")
    with quiet_pydicom():
        assert str(header_of([dcmread(BytesIO(raw))]).patient_and_study.PatientName) == "Phantom^One"


def test_the_order_of_the_instances_does_not_count():
    source = series()
    for number, instance in enumerate(source):
        instance.SeriesTime = f"10150{number}"
    there, back = header_of(source), header_of(source[::-1])
    assert (there.time, there.patient_and_study) == (back.time, back.patient_and_study)


@pytest.mark.parametrize(
    ("keyword", "value", "taken"),
    [
        ("StudyDate", "2020.01.01", ""),
        ("StudyDate", "20200101-20200102", ""),
        ("StudyTime", "10:15", ""),
        ("PatientSex", "female", ""),
        ("PatientSex", "F", "F"),
        ("PatientAge", "45", None),
        ("PatientAge", "045Y", "045Y"),
        ("StudyID", "a study ID that is far too long", ""),
        ("StudyDescription", "x" * 65, None),
        ("PatientID", "0" * 70, "0" * 70),
        ("PatientBirthDate", "19600230", "19600230"),
    ],
)
def test_what_breaks_its_vr_is_left_out_unless_it_identifies(keyword, value, taken):
    source = series()
    with quiet_pydicom():
        for instance in source:
            setattr(instance, keyword, value)
        header = header_of(source).patient_and_study
    assert header.get(keyword) == taken


def test_a_number_that_is_none_is_left_out():
    instance = series()[0]
    instance.PatientWeight = "70.25"
    raw = encoded(instance).replace(b"70.25", b"heavy")
    with quiet_pydicom():
        assert "PatientWeight" not in header_of([dcmread(BytesIO(raw))]).patient_and_study


def test_an_identifier_of_several_values_stays_the_same_bytes():
    source = series()
    for instance in source:
        instance.PatientID = "A\\B"
    assert list(header_of(source).patient_and_study.PatientID) == ["A", "B"]


def test_absent_attributes_of_type_2_are_empty():
    source = series()
    for instance in source:
        for keyword in ("PatientName", "PatientID", "StudyDate", "StudyTime", "StudyID", "ReferringPhysicianName"):
            delattr(instance, keyword)
    header = header_of(source)
    assert header.patient_and_study.PatientID == ""
    assert header.patient_and_study.StudyDate == ""


@pytest.mark.parametrize(
    ("series_date", "series_time", "study_date", "expected"),
    [
        ("20240116", "101500.25", "20240115", ("20240116", "101500.25")),
        ("20240116", "half past ten", "20240115", ("20240116", "000000")),
        ("", "", "20240115", ("20240115", "101500")),
        ("yesterday", "", "", ("19000101", "000000")),
    ],
)
def test_date_and_time_are_the_series_else_the_study_s(series_date, series_time, study_date, expected):
    source = series()
    with quiet_pydicom():
        for instance in source:
            instance.SeriesDate, instance.SeriesTime, instance.StudyDate = series_date, series_time, study_date
        header = header_of(source)
    assert (header.date, header.time) == expected


def method(value: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", "Basic profile"
    return item


def test_a_removed_identity_tells_how_or_is_left_out():
    source = series()
    for instance in source:
        instance.PatientIdentityRemoved = "YES"
    assert "PatientIdentityRemoved" not in header_of(source).patient_and_study
    for instance in source:
        instance.DeidentificationMethodCodeSequence = [method("113100")]
    taken = header_of(source).patient_and_study
    assert taken.PatientIdentityRemoved == "YES"
    assert taken.DeidentificationMethodCodeSequence[0].CodeValue == "113100"


def test_loss_by_compression_is_told_on():
    source = series()
    assert len(header_of(source).compression) == 0
    for instance in source:
        instance.LossyImageCompression, instance.LossyImageCompressionRatio = "01", [10, 3]
        instance.LossyImageCompressionMethod = ["ISO_10918_1", "ISO_15444_1"]
    assert list(header_of(source).compression.LossyImageCompressionRatio) == [10, 3]


def test_what_a_library_gets_to_see_has_no_patient():
    nameless = header_of(series()).nameless()
    assert nameless.PatientName == ""
    assert nameless.PatientID == ""
    assert "Phantom^One" not in str(nameless)
