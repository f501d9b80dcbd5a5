"""Every question leaves one entry: who, by what, which UIDs, how many answers; and no word that may name a patient."""

import pytest
from tests.unit.web.conftest import STUDY

from similar_cases import wire

SERIES = f"{STUDY}.1.1"
ANN = {wire.USER_HEADER: "ann"}


def entry(http):
    [found] = http.services.audit.entries()
    return found


def test_a_question_by_get_is_kept(http):
    http.get(f"/studies/{STUDY}.1/series/{SERIES}/similar?PatientName=Doe*", headers=ANN)
    kept = entry(http)
    assert (kept.user, kept.route, kept.kinds, kept.asked) == (
        "ann",
        "series_similar",
        ("series",),
        (f"{STUDY}.1", SERIES),
    )
    assert (kept.cases, kept.shown) == (2, (f"{STUDY}.2", f"{STUDY}.3"))
    assert "Doe" not in repr(kept)


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        ({"study": "1.2", "series": "1.2.3"}, ("series",)),
        ({"study": "1.2"}, ("study",)),
        ({"study": "1.2", "series": "1.2.3", "tracking_uid": "1.9"}, ("region",)),
        ({"study": "1.2", "series": "1.2.3", "points": [{"lps": [0, 0, 0]}]}, ("hints",)),
        ({"text": "Doe's mass", "like": ["1.7"]}, ("text", "examples")),
    ],
)
def test_a_question_by_body_says_by_what_it_asks(http, body, kinds):
    assert http.post("/similar", json=body, headers=ANN).status_code == 200
    kept = entry(http)
    assert (kept.route, kept.kinds) == ("similar", kinds)
    assert set(kept.asked) == {value for value in body.values() if str(value)[:2] == "1."} | set(body.get("like", ()))
    assert "Doe" not in repr(kept)


def test_an_answer_without_cases_is_kept_and_a_refusal_is_not(with_answer):
    http = with_answer(cases=(), remaining=0)
    http.get(f"/series?similar-to={SERIES}")
    assert entry(http).cases == 0
    http.get("/series?similar-to=abc")
    http.get("/series")
    assert entry(http).cases == 0
