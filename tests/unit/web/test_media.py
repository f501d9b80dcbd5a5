"""Content negotiation: ranges, qualities, parameters, and what a query string says instead."""

import pytest

from similar_cases import wire
from similar_cases.domain.errors import NotAcceptable
from similar_cases.web.media import negotiated, require_utf8

XML = wire.DICOM_XML


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", wire.JSON),
        ("*/*", wire.JSON),
        ("application/*", wire.JSON),
        ("multipart/*", XML),
        ("multipart/related", XML),
        (XML, XML),
        ("multipart/related; type=application/dicom+xml", XML),
        ("MULTIPART/Related; Type=\"Application/DICOM+xml\"", XML),
        ("multipart/related; type=\"application/dicom+xml\"; transfer-syntax=*", XML),
        ("application/dicom+xml", XML),
        ("application/dicom+json; charset=utf-8", wire.DICOM_JSON),
        ("application/dicom+json, application/json", wire.DICOM_JSON),
        ("application/json, application/dicom+json", wire.JSON),
        # the range that fits closest decides: a type may be refused among all others
        ("*/*, application/json;q=0", wire.DICOM_JSON),
        ("application/*;q=0.9, application/json;q=0.1, multipart/*;q=0.5", wire.DICOM_JSON),
        ("multipart/related;q=0.9, application/dicom+json;q=0.8", XML),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", wire.JSON),
    ],
)  # fmt: skip
def test_the_best_of_what_fits_is_taken(accept, expected):
    assert negotiated(accept) == expected


@pytest.mark.parametrize(
    "accept",
    [
        "text/html", "application/xml", "multipart/related; type=\"application/dicom\"", "multipart/form-data",
        "application/json; charset=iso-8859-1", "*/*;q=0", "application/json;q=0, application/dicom+json;q=0", ";,",
    ],
)  # fmt: skip
def test_what_nobody_makes_is_refused_with_the_list(accept):
    with pytest.raises(NotAcceptable) as refused:
        negotiated(accept)
    for offered in (wire.JSON, wire.DICOM_JSON, XML):
        assert offered in str(refused.value)


def test_the_query_parameter_wins_and_its_plus_may_have_become_a_space():
    assert negotiated("image/png", "application/dicom+json") == wire.DICOM_JSON
    assert negotiated("application/json", "application/dicom json") == wire.DICOM_JSON
    assert negotiated("application/json", 'multipart/related; type="application/dicom xml"') == XML
    with pytest.raises(NotAcceptable):
        negotiated("application/json", "text/csv")


@pytest.mark.parametrize("charset", [None, "utf-8", "UTF-8", "utf8", "iso-8859-1, utf-8;q=0.5", "*"])
def test_utf8_is_sent_where_it_is_taken(charset):
    require_utf8(charset)


@pytest.mark.parametrize("charset", ["iso-8859-1", "", "utf-8;q=0"])
def test_another_character_set_is_refused(charset):
    with pytest.raises(NotAcceptable, match="utf-8"):
        require_utf8(charset)
