"""The private dictionary: readers that know it see names, and `includefield` takes it."""

import json

import pytest
from pydicom import Dataset
from pydicom._private_dict import private_dictionaries
from pydicom.datadict import add_private_dict_entries
from tests.unit.web.conftest import STUDY

from similar_cases import wire
from similar_cases.web.private import DICTIONARY, pydicom_entries

PATH = f"/studies/{STUDY}.1/series/{STUDY}.1.1/similar"
DICOM = {"Accept": wire.DICOM_JSON}


@pytest.fixture
def known_to_pydicom():
    add_private_dict_entries(wire.PRIVATE_CREATOR, pydicom_entries())
    yield
    private_dictionaries.pop(wire.PRIVATE_CREATOR)


def items_of(http, query: str = "") -> list[Dataset]:
    return [Dataset.from_json(json.dumps(one)) for one in http.get(f"{PATH}?{query}", headers=DICOM).get_json()]


def private_elements(item: Dataset):
    for element in item.iterall():
        if element.tag.is_private and not element.tag.is_private_creator:
            yield element


@pytest.mark.usefixtures("known_to_pydicom")
def test_a_reader_sees_names_and_the_right_representations(http):
    elements = list(private_elements(items_of(http, "includefield=all")[0]))
    by_element = {one.element: one for one in DICTIONARY}
    assert {element.tag.element & 0xFF for element in elements} >= set(by_element) - {0x0B, 0x11}
    for element in elements:
        told = by_element[element.tag.element & 0xFF]
        assert (element.name, element.VR) == (f"[{told.name}]", told.vr)
        if told.vm.isdigit() and told.vr != "SQ":
            assert int(told.vm) == element.VM


def test_sequences_hold_what_the_dictionary_says(http):
    item = items_of(http, "includefield=all")[0]
    block = item.private_block(0x0077, wire.PRIVATE_CREATOR)
    sequences = {one.name: one.element for one in DICTIONARY if one.vr == "SQ"}
    for one in DICTIONARY:
        if one.within and one.element != 0x11:
            [*items] = block[sequences[one.within]].value
            assert one.element in items[0].private_block(0x0077, wire.PRIVATE_CREATOR), one.name


@pytest.mark.parametrize("name", ["RadiomicsFeatureSequence", "00771015", "0077FF15", "00770015", "all"])
def test_radiomics_come_when_asked_for(http, name):
    [feature] = items_of(http, f"includefield={name}")[0].private_block(0x0077, wire.PRIVATE_CREATOR)[0x15].value
    told = feature.private_block(0x0077, wire.PRIVATE_CREATOR)
    assert (told[0x16].value, told[0x17].value) == ("shape_MeshVolume", 12.5)


@pytest.mark.parametrize("query", ["", "includefield=BodyPartExamined", "includefield=SimilarityScore"])
def test_and_not_otherwise(http, query):
    block = items_of(http, query)[0].private_block(0x0077, wire.PRIVATE_CREATOR)
    assert 0x15 not in block
    assert 0x01 in block


@pytest.mark.parametrize("name", ["00771099", "00790010", "NoSuchSequence"])
def test_what_no_dictionary_has_is_400(http, name):
    assert http.get(f"{PATH}?includefield={name}", headers=DICOM).status_code == 400


def test_names_and_elements_are_used_once():
    assert len({one.keyword for one in DICTIONARY}) == len({one.element for one in DICTIONARY}) == len(DICTIONARY)
    assert all(len(one.name) <= 64 and one.keyword.isalnum() for one in DICTIONARY)
