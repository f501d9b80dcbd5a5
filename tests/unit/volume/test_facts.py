"""What the headers say of the patient, in any character set and whatever is wrong."""

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from tests import phantoms

from similar_cases.volume.facts import series_facts


@pytest.mark.parametrize("name", phantoms.NAMES)
def test_names_survive_their_character_set(name: str) -> None:
    read = dcmread(BytesIO(phantoms.to_bytes(phantoms.named(name)[0])))
    assert series_facts(read).patient_name == phantoms.NAMES[name][1]


def aged(**attributes: object) -> float | None:
    dataset = Dataset()
    for keyword, value in attributes.items():
        dataset.add_new(keyword, {"PatientAge": "AS"}.get(keyword, "DA"), value)
    return series_facts(dataset).patient_age_years


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize(
    ("attributes", "years"),
    [
        ({"PatientAge": "045Y"}, 45.0),
        ({"PatientAge": "018M"}, 1.5),
        ({"PatientAge": "026W"}, 0.498),
        ({"PatientAge": "010D"}, 0.027),
        ({"PatientBirthDate": "19600229", "StudyDate": "20240229"}, 64.0),
        ({"PatientBirthDate": "1960.02.29", "StudyDate": "20240229"}, 64.0),
        ({"PatientAge": "old", "PatientBirthDate": "19600229", "SeriesDate": "20240229"}, 64.0),
        ({"PatientBirthDate": "20240301", "StudyDate": "20240229"}, None),
        ({"PatientBirthDate": "19001301", "StudyDate": "20240229"}, None),
        ({"PatientBirthDate": "18000101", "StudyDate": "20240229"}, None),
        ({"PatientAge": "999Y"}, None),
        ({}, None),
    ],
)
def test_age(attributes: dict[str, str], years: float | None) -> None:
    assert aged(**attributes) == pytest.approx(years, abs=2e-3)


def test_the_anatomy_of_an_enhanced_object_stands_in_for_body_part_examined() -> None:
    [dataset] = phantoms.enhanced()
    region = phantoms.item_of(CodeValue="69536005", CodingSchemeDesignator="SCT", CodeMeaning="Head")
    anatomy = phantoms.item_of(AnatomicRegionSequence=[region])
    dataset.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = [anatomy]
    assert series_facts(dataset).body_part_examined == "HEAD"


def test_control_characters_and_endless_text_do_not_come_through() -> None:
    dataset = Dataset()
    dataset.StudyDescription = "line\nbreak\x1b[31m" + "x" * 10
    dataset.PatientID = "7\x00"
    facts = series_facts(dataset)
    assert facts.study_description == "linebreak[31m" + "x" * 10
    assert facts.patient_id == "7"


READ = {
    "SpecificCharacterSet": "CS",
    "PatientName": "PN",
    "PatientAge": "AS",
    "PatientBirthDate": "DA",
    "StudyDate": "DA",
    "SeriesNumber": "IS",
    "Modality": "CS",
    "AnatomicRegionSequence": "SQ",
}


@settings(deadline=None)
@given(values=st.dictionaries(st.sampled_from(sorted(READ)), st.binary(max_size=40)), implicit=st.booleans())
def test_no_value_raises(values: dict[str, bytes], implicit: bool) -> None:
    raw = {
        Tag(keyword): RawDataElement(Tag(keyword), READ[keyword], len(value), value, 0, implicit, True)
        for keyword, value in values.items()
    }
    facts = series_facts(Dataset(raw))
    assert facts.patient_age_years is None or 0 <= facts.patient_age_years <= 130
