"""How a request is asked of the worker."""

import base64
from urllib.parse import parse_qsl, urlencode, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from similar_cases import wire
from similar_cases.bridge.questions import headers_of, target_of, user_of

PREFIX = "/similar-cases"
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
VALUES = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(NAMES, VALUES))
def test_decoded_arguments_arrive_as_they_were_meant(arguments: dict[str, str]):
    target = target_of(PREFIX, arguments, PREFIX, is_decoded=True)
    assert dict(parse_qsl(urlsplit(target).query, keep_blank_values=True)) == arguments


@given(st.dictionaries(NAMES, VALUES))
def test_raw_arguments_arrive_as_they_were_sent(arguments: dict[str, str]):
    raw = dict(pair.split("=") for pair in urlencode(arguments).split("&") if pair)
    for known in (False, None):
        target = target_of(PREFIX, raw, PREFIX, is_decoded=known)
        assert dict(parse_qsl(urlsplit(target).query, keep_blank_values=True)) == arguments


@given(NAMES)
def test_a_target_has_no_character_that_ends_a_request_line(path: str):
    target = target_of(f"{PREFIX}/{path}", {path: path}, PREFIX, is_decoded=None)
    assert target.isascii()
    assert not set(target) & set(" \r\n\t\0")


def test_the_root_keeps_the_slash_that_orthanc_takes_away():
    assert target_of(PREFIX, {}, PREFIX, is_decoded=None) == "/similar-cases/"
    assert target_of(f"{PREFIX}/status", {}, PREFIX, is_decoded=None) == "/similar-cases/status"


def test_a_path_is_encoded_again():
    assert target_of(f"{PREFIX}/a b/c?d", {}, PREFIX, is_decoded=True) == "/similar-cases/a%20b/c%3Fd"


def test_the_second_half_of_a_torn_argument_is_left_out():
    assert target_of(PREFIX, {"q": "a", "": ""}, PREFIX, is_decoded=True) == "/similar-cases/?q=a"


def test_only_known_headers_go_on_and_nobody_can_pretend():
    came = {
        "accept": "application/dicom+json",
        "content-type": "application/json",
        "if-none-match": '"1"',
        "range": "bytes=0-3",
        "connection": "keep-alive",
        "cookie": "secret",
        "host": "pacs.example",
        wire.USER_HEADER.lower(): "somebody",
        wire.TOKEN_HEADER.lower(): "guess",
    }
    headers = headers_of({"headers": came}, authenticates=False)
    assert headers == {
        "accept": "application/dicom+json",
        "content-type": "application/json",
        "if-none-match": '"1"',
        "x-forwarded-host": "pacs.example",
    }


def test_the_user_is_told_only_where_orthanc_checked_the_password():
    basic = "Basic " + base64.b64encode("jörg:secret".encode()).decode()
    request = {"headers": {"authorization": basic}}
    assert headers_of(request, authenticates=True)[wire.USER_HEADER] == "j%C3%B6rg"
    assert wire.USER_HEADER not in headers_of(request, authenticates=False)


def test_named_credentials_go_on_as_they_came():
    came = {"authorization": "Bearer abc", "token": "t", "cookie": "secret"}
    headers = headers_of({"headers": came}, authenticates=True, credentials=("authorization", "token", "auth-token"))
    assert headers == {"authorization": "Bearer abc", "token": "t", "x-forwarded-host": ""}


def test_credentials_that_are_no_basic_ones_name_nobody():
    assert user_of("Bearer abc") == ""
    assert user_of("Basic !!") == ""
    assert user_of("Basic " + base64.b64encode(b"\xff:x").decode()) == ""
    assert user_of("") == ""
