"""The same inputs give the same bytes under the same UIDs; other inputs, other UIDs."""

import logging
from dataclasses import replace

import pytest
from tests.unit.record.samples import description, encoded, phantom_case

from similar_cases.demo.phantoms import Phantom
from similar_cases.record import ContentQualification, Recorded, Recorder, RecorderSettings
from similar_cases.volume.quiet import quiet_pydicom

SMALL = {"shape": (12, 40, 32), "lesion_radius_mm": 8.0, "lesion_lps": (6.0, 0.0, 0.0)}


def record(
    settings: RecorderSettings | None = None, count: int = 9, phantom: Phantom | None = None, **known: object
) -> Recorded:
    source, volume, region = phantom_case(phantom or Phantom(**SMALL), **known)
    return Recorder(settings or RecorderSettings()).record(source, volume, region, description(count))


def uids(out: Recorded) -> tuple[str, str]:
    return out.seg.SOPInstanceUID, out.sr.SOPInstanceUID


def series(out: Recorded) -> tuple[str, str]:
    return out.seg.SeriesInstanceUID, out.sr.SeriesInstanceUID


def test_twice_the_same_bytes():
    first, second = record(), record()
    assert encoded(first.seg) == encoded(second.seg)
    assert encoded(first.sr) == encoded(second.sr)


def test_the_order_of_the_source_and_its_pixels_do_not_count():
    source, volume, region = phantom_case(Phantom(**SMALL))
    for instance in source:
        del instance.PixelData
    out = Recorder(RecorderSettings()).record(source[::-1], volume, region, description(9))
    assert encoded(out.sr) == encoded(record().sr)
    assert encoded(out.seg) == encoded(record().seg)


def test_inputs_are_left_as_they_were():
    source, volume, region = phantom_case(Phantom(**SMALL))
    before = [encoded(instance) for instance in source]
    Recorder(RecorderSettings()).record(source, volume, region, description(9))
    assert [encoded(instance) for instance in source] == before


@pytest.mark.parametrize(
    "other",
    [
        {"tracking_uid": "2.25.7"},
        {"label": "GTV-2"},
        {"finding": None},
        {"quality": 0.5},
        {"phantom": Phantom(**(SMALL | {"lesion_radius_mm": 9.0}))},
        {"phantom": Phantom(**SMALL, patient_name="Phantom^Two")},
    ],
    ids=["tracking", "label", "finding", "quality", "mask", "patient's name"],
)
def test_other_content_other_uids_same_series(other):
    one, two = record(), record(**other)
    assert one.sr.SOPInstanceUID != two.sr.SOPInstanceUID
    assert series(one) == series(two)
    if "quality" not in other:
        assert one.seg.SOPInstanceUID != two.seg.SOPInstanceUID


def test_another_value_changes_the_report_alone():
    one, two = record(count=9), record(count=8)
    assert one.seg.SOPInstanceUID == two.seg.SOPInstanceUID
    assert one.sr.SOPInstanceUID != two.sr.SOPInstanceUID


def test_another_source_series_another_series():
    one, two = record(), record(phantom=Phantom(**SMALL, series_key="2"))
    assert not set(series(one)) & set(series(two))


def test_another_version_another_series_but_the_same_rules():
    old, new = RecorderSettings(software_version="0.1"), RecorderSettings(software_version="0.2")
    assert not set(series(record(old))) & set(series(record(new)))
    assert Recorder(old).fingerprint == Recorder(new).fingerprint


def test_the_site_s_choices_change_the_fingerprint():
    settings = RecorderSettings()
    others = (
        replace(settings, content_qualification=ContentQualification.PRODUCT),
        replace(settings, device_serial_number="2"),
    )
    assert len({Recorder(s).fingerprint for s in (settings, *others)}) == 3


def test_seg_and_sr_are_ours_in_the_same_study_over_number_9000():
    out = record(phantom=Phantom(**SMALL, series_number=4))
    assert (out.seg.SeriesNumber, out.sr.SeriesNumber) == (9041, 9042)
    for instance in (out.seg, out.sr):
        assert (instance.Manufacturer, instance.ManufacturerModelName) == ("Similar Cases project", "Similar Cases")
        assert instance.StudyInstanceUID == Phantom().header.study_uid
        assert instance.SoftwareVersions
        assert instance.DeviceSerialNumber == "1"
        assert [e.PurposeOfReferenceCodeSequence[0].CodeValue for e in instance.ContributingEquipmentSequence] == [
            "109101",
            "109102",
        ]
        assert instance.file_meta.MediaStorageSOPInstanceUID == instance.SOPInstanceUID


def test_no_clock_is_read():
    out = record()
    for instance in (out.seg, out.sr):
        dates = {element.value for element in instance.iterall() if element.VR in ("DA", "DT")}
        assert {str(date) for date in dates} <= {"20240115", "19600101"}


def test_no_patient_reaches_a_log(caplog):
    caplog.set_level(logging.DEBUG)
    with quiet_pydicom():
        source, volume, region = phantom_case(Phantom(**SMALL, patient_name="Secretname", patient_id="ID" + "7" * 66))
    caplog.clear()
    out = Recorder(RecorderSettings()).record(source, volume, region, description(3))
    assert out.seg.PatientName == out.sr.PatientName == "Secretname"
    assert out.seg.PatientID == "ID" + "7" * 66
    assert "Secretname" not in caplog.text
    assert "7777" not in caplog.text
