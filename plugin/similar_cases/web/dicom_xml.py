"""Data sets as XML: the Native DICOM Model (PS3.19 annex A), one part each in a multipart answer (PS3.18 8.7.3)."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from pydicom import Dataset
from pydicom.datadict import keyword_for_tag

PART_TYPE = "application/dicom+xml"
_NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
#: what XML 1.0 (section 2.2) cannot hold, not even escaped
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")


def multipart(items: Sequence[Dataset]) -> tuple[bytes, str]:
    """Return a body with one part for each data set, and its Content-Type. The same items give the same bytes."""
    parts = [native_xml(item) for item in items]
    # a boundary that depends on the content alone, and that no part can hold but by breaking the hash
    boundary = hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]
    head = f"--{boundary}\r\nContent-Type: {PART_TYPE}\r\n\r\n".encode()
    body = b"".join(head + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()
    return body, f'multipart/related; type="{PART_TYPE}"; boundary={boundary}'


def native_xml(item: Dataset) -> bytes:
    """Return one data set as a Native DICOM Model document, UTF-8.

    A private attribute names its creator, has 00 where its tag has the block (PS3.19 A.1.5), and so needs no Private
    Creator element beside it. A character that XML cannot hold becomes U+FFFD.

    >>> item = Dataset()
    >>> item.PatientName = "Doe^Jane"
    >>> native_xml(item).decode().partition("<Alphabetic>")[2].partition("</Alphabetic>")[0]
    '<FamilyName>Doe</FamilyName><GivenName>Jane</GivenName>'
    """
    root = ElementTree.Element("NativeDicomModel", {"xmlns": _NAMESPACE, "xml:space": "preserve"})
    _fill(root, item.to_json_dict())
    written: bytes = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return written


def _fill(parent: ElementTree.Element, attributes: dict[str, dict[str, Any]]) -> None:
    for tag, attribute in sorted(attributes.items()):
        group, element = int(tag[:4], 16), int(tag[4:], 16)
        if group % 2 and element < 0x100:
            continue  # the Private Creator stands with each of its attributes
        named = {"tag": tag, "vr": attribute["vr"]}
        if group % 2:
            creator = attributes[f"{tag[:4]}00{tag[4:6]}"]["Value"][0]
            named |= {"tag": f"{tag[:4]}00{tag[6:]}", "privateCreator": _text(creator)}
        elif keyword := keyword_for_tag(int(tag, 16)):
            named["keyword"] = keyword
        node = ElementTree.SubElement(parent, "DicomAttribute", named)
        for number, value in enumerate(attribute.get("Value", ()), 1):
            _put(node, attribute["vr"], str(number), value)


def _put(node: ElementTree.Element, vr: str, number: str, value: Any) -> None:
    if vr == "SQ":
        _fill(ElementTree.SubElement(node, "Item", {"number": number}), value)
    elif vr == "PN":
        name = ElementTree.SubElement(node, "PersonName", {"number": number})
        for group in ("Alphabetic", "Ideographic", "Phonetic"):
            if value and value.get(group):
                _put_name(ElementTree.SubElement(name, group), value[group])
    elif value is not None:  # an empty value among others is told by the number that is left out
        ElementTree.SubElement(node, "Value", {"number": number}).text = _text(value)


def _put_name(group: ElementTree.Element, text: str) -> None:
    for part, value in zip(_NAME_PARTS, text.split("^", len(_NAME_PARTS) - 1), strict=False):
        if value:
            ElementTree.SubElement(group, part).text = _text(value)


def _text(value: object) -> str:
    return _NOT_XML.sub("\ufffd", str(value))
