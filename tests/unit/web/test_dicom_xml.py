"""Answers as XML: each part is a Native DICOM Model that says what the JSON says."""

from email import message_from_bytes
from xml.etree import ElementTree

import pytest
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from tests.unit.web.conftest import STUDY

from similar_cases import wire
from similar_cases.web.dicom_xml import multipart, native_xml

NATIVE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
PATH = f"/studies/{STUDY}.1/series/{STUDY}.1.1/similar"
XML = {"Accept": wire.DICOM_XML}


def parts_of(answer) -> list[ElementTree.Element]:
    """Read a multipart answer with a parser of others."""
    message = message_from_bytes(f"Content-Type: {answer.content_type}\r\n\r\n".encode() + answer.data)
    assert message.get_content_type() == "multipart/related"
    assert message.get_param("type") == "application/dicom+xml"
    parts = message.get_payload()
    assert {part.get_content_type() for part in parts} == {"application/dicom+xml"}
    return [ElementTree.fromstring(part.get_payload(decode=True)) for part in parts]


def as_json_model(node: ElementTree.Element) -> dict:
    """Read a Native DICOM Model back into the DICOM JSON Model, private blocks at 10."""
    model = {}
    for attribute in node.findall(NATIVE + "DicomAttribute"):
        tag, vr, creator = (attribute.get(name) for name in ("tag", "vr", "privateCreator"))
        if creator:
            assert tag[4:6] == "00"
            model[f"{tag[:4]}0010"] = {"vr": "LO", "Value": [creator]}
            tag = f"{tag[:4]}10{tag[6:]}"
        else:
            assert tag_for_keyword(attribute.get("keyword")) == int(tag, 16)
        numbers = [int(child.get("number")) for child in attribute]
        assert numbers == list(range(1, len(numbers) + 1))
        values = [value_of(child, vr) for child in attribute]
        model[tag] = {"vr": vr, "Value": values} if values else {"vr": vr}
    return dict(sorted(model.items()))


def value_of(node: ElementTree.Element, vr: str):
    if vr == "SQ":
        return as_json_model(node)
    if vr == "PN":
        return {group.tag.removeprefix(NATIVE): "^".join(part.text for part in group) for group in node}
    return float(node.text) if vr == "FD" else int(node.text) if vr in ("UL", "IS") else node.text or ""


def test_xml_says_what_json_says(http):
    as_json = http.get(PATH, headers={"Accept": wire.DICOM_JSON}).get_json()
    answer = http.get(PATH, headers=XML)
    assert answer.status_code == 200
    assert [as_json_model(part) for part in parts_of(answer)] == as_json


def test_the_same_question_has_the_same_bytes(http):
    first, second = (http.get(PATH, headers=XML) for _ in range(2))
    assert (first.data, first.content_type) == (second.data, second.content_type)


@pytest.mark.parametrize("text", ["<b>&amp;\"'", "a\x08b\x1b", "\ud800", "]]>", "é漢\U0001f600", "\ufffe"])
def test_any_text_gives_well_formed_xml(text):
    item = Dataset()
    item.PatientName = "A^B"
    item.add_new("StudyDescription", "LO", "")
    item["StudyDescription"].value = text
    root = ElementTree.fromstring(native_xml(item))
    [told] = [node for node in root if node.get("keyword") == "StudyDescription"]
    assert "\x08" not in (told[0].text or "")
    assert len(told[0].text) == len(text)


def test_names_are_split_as_the_model_wants(http):
    item = Dataset()
    item.PatientName = "Yamada^Tarou^^Dr^=山田^太郎"
    root = ElementTree.fromstring(native_xml(item))
    [name] = root.iter(NATIVE + "PersonName")
    told = {
        (group.tag.removeprefix(NATIVE), part.tag.removeprefix(NATIVE)): part.text for group in name for part in group
    }
    assert told == {
        ("Alphabetic", "FamilyName"): "Yamada", ("Alphabetic", "GivenName"): "Tarou",
        ("Alphabetic", "NamePrefix"): "Dr", ("Ideographic", "FamilyName"): "山田", ("Ideographic", "GivenName"): "太郎",
    }  # fmt: skip


def test_no_part_is_cut_by_a_value_that_looks_like_the_boundary():
    item = Dataset()
    item.StudyDescription = "--boundary"
    body, content_type = multipart([item, item])
    boundary = content_type.rpartition("boundary=")[2]
    assert body.count(f"--{boundary}".encode()) == 3
