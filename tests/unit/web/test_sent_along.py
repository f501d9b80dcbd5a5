"""DICOM sent along with a query: it is asked about, and nothing of it stays."""

import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from tests.small_archive import contours_of, images_of, phantom, segments_of
from tests.unit.web.conftest import ROOT, TOKEN

from similar_cases import wire
from similar_cases.demo.phantoms import LesionKind
from similar_cases.index.audit import AuditBook
from similar_cases.web.app import create_app
from similar_cases.web.services import WebOptions

NEW = phantom("nobody-knows-me", LesionKind.NECROTIC, seed=77)
RELATED = 'multipart/related; type="application/dicom"; boundary=parts'


def file_of(instance: Dataset) -> bytes:
    written = io.BytesIO()
    instance.save_as(written, enforce_file_format=True)
    return written.getvalue()


def related(*parts: bytes) -> bytes:
    def kind(part: bytes) -> bytes:
        return b"application/json" if part[:1] == b"{" else b"application/dicom"

    return b"".join(b"--parts\r\nContent-Type: " + kind(part) + b"\r\n\r\n" + part + b"\r\n" for part in parts) + (
        b"--parts--\r\n"
    )


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path, monkeypatch) -> None:
    """So that what others leave in the machine's own is not taken for ours."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture(scope="module")
def images() -> list[bytes]:
    return [file_of(instance) for instance in images_of(NEW)]


@pytest.fixture
def send(ask):
    def sent(*parts: bytes, **options: object):
        return ask("/similar", "POST", data=related(*parts), content_type=RELATED, **options)

    return sent


def patients(answer) -> list[str]:
    return [case["patient_id"] for case in answer.get_json()["cases"]]


def traces(archive) -> object:
    """Everything that a query could leave behind: files, rows, objects in the archive, temporary files."""
    engine = archive.held.tools.worklist.catalogue.engine
    with engine.connect() as connection:
        tables = connection.exec_driver_sql("select name from sqlite_master where type = 'table'").scalars().all()
        # the audit trail tells that somebody asked; that it names nothing of what was sent is tested below
        kept = set(tables) - {"audit"}
        rows = {name: connection.exec_driver_sql(f"select count(*) from {name}").scalar() for name in sorted(kept)}
    files = sorted(str(path) for path in Path(archive.held.folder).rglob("*.dcm"))
    return rows, files, list(archive.held.pacs.stored), sorted(Path(tempfile.gettempdir()).iterdir())


def test_a_study_that_the_archive_does_not_hold_is_asked_about_and_leaves_nothing(archive, send, images):
    before = traces(archive)
    answer = send(*images)
    assert answer.status_code == 200, answer.get_json()
    assert {case["level"] for case in answer.get_json()["cases"]} == {"series"}
    assert sorted(patients(answer)) == ["P0", "P1", "P2", "P3"]
    assert traces(archive) == before
    assert send(*images).data == answer.data, "the same bytes twice"


def test_the_audit_trail_tells_that_dicom_was_sent_and_nothing_of_it(archive, send, images):
    assert send(*images, b'{"text": "Doe"}').status_code == 200
    engine = archive.held.tools.worklist.catalogue.engine
    *_, entry = AuditBook(engine, days=1).entries()
    assert (entry.route, set(entry.kinds), entry.asked, entry.cases) == ("similar", {"dicom", "text"}, (), 4)
    header = images_of(NEW)[0]
    for secret in (header.StudyInstanceUID, header.SeriesInstanceUID, header.PatientID, "Doe"):
        assert str(secret) not in repr(entry).replace(repr(entry.shown), "")


def test_it_answers_as_the_same_series_in_the_archive_would(archive, ask, send):
    known = [file_of(instance) for instance in images_of(archive.patients[0])]
    sent = send(*known)
    held = ask(f"/studies/{archive.refs[0].study_uid}/series/{archive.refs[0].series_uid}/similar")
    assert patients(sent) == patients(held)
    assert [case["score"] for case in sent.get_json()["cases"]] == pytest.approx(
        [case["score"] for case in held.get_json()["cases"]], abs=1e-3
    )


@pytest.mark.parametrize("annotation", [contours_of, segments_of], ids=["RTSTRUCT", "SEG"])
def test_an_annotation_beside_the_images_shows_the_region(archive, send, images, annotation):
    before = traces(archive)
    answer = send(*images, file_of(annotation(NEW)))
    assert answer.status_code == 200, answer.get_json()
    body = answer.get_json()
    assert {case["level"] for case in body["cases"]} == {"region"}
    assert {part["name"] for part in body["cases"][0]["parts"]} == {"appearance", "radiomics"}
    assert patients(answer)[0] == "P2", "the other necrotic one"
    assert body["segmented"]["volume_ml"] == pytest.approx(4 / 3 * np.pi * 0.9**3, rel=0.3)
    assert traces(archive) == before


def test_an_annotation_alone_is_read_over_the_series_that_the_archive_holds(archive, ask, send):
    answer = send(file_of(segments_of(archive.patients[0], label="mine")))
    assert answer.status_code == 200, answer.get_json()
    assert patients(answer)[0] == "P1"
    assert "P0" not in patients(answer)


def test_a_form_carries_files_and_the_query(archive, ask, images):
    query = json.dumps({"limit": 1, "rank_by": "slices-frequency", "includefield": ["BodyPartExamined"]})
    data = {"query": query, "dicom": [(io.BytesIO(part), f"{n}.dcm") for n, part in enumerate(images)]}
    answer = ask("/similar", "POST", data=data, content_type="multipart/form-data")
    assert answer.status_code == 200, answer.get_json()
    assert (len(answer.get_json()["cases"]), answer.get_json()["ranking"]) == (1, "slices-frequency")
    data = {"query": query, "dicom": [(io.BytesIO(images[0]), "0.dcm")]}
    strange = ask(
        "/similar", "POST", data=data, content_type="multipart/form-data", headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert strange.status_code == 415


def test_points_in_images_that_are_sent(archive, send, images):
    middle = [float(value) for value in lesion_centre()]
    answer = send(json.dumps({"points": [{"lps": middle}]}).encode(), *images)
    assert answer.status_code == 200, answer.get_json()
    assert answer.get_json()["segmented"]["volume_ml"] > 0


def lesion_centre() -> np.ndarray:
    from similar_cases.demo.phantoms import lesion_mask
    from similar_cases.volume.build import build_volumes

    [volume] = build_volumes(images_of(NEW))
    return volume.geometry.index_to_lps(np.argwhere(lesion_mask(NEW)).mean(axis=0))[0]


def test_a_later_page_is_asked_for_by_its_list_alone(archive, ask, send, images):
    first = send(json.dumps({"limit": 1}).encode(), *images).get_json()
    body = {"list": first["list"], "offset": 1, "limit": 2}
    second = ask("/similar", "POST", json=body).get_json()
    assert [case["rank"] for case in second["cases"]] == [2, 3]
    assert ask("/similar", "POST", json={**body, "list": "none"}).status_code == 404


@pytest.mark.parametrize(
    ("parts", "status", "words"),
    [
        ((), 400, "no DICOM file"),
        ((b"{}",), 400, "no DICOM file"),
        ((b"{}", b"{}", "image"), 400, "at most one JSON"),
        ((b"nonsense", "image"), 400, "body"),
        ((b'{"luck": 1}', "image"), 400, "luck"),
        ((bytes(128) + b"DICM" + b"\1\2\3",), 422, "missing or no UID"),
        (("image",), 422, "slice"),
        (("annotation",), 404, "series"),
        ((b'{"tracking_uid": "1.2.3"}', "all", "annotation"), 404, "shows no region 1.2.3"),
    ],
)
def test_what_cannot_be_asked_is_refused(archive, send, images, parts, status, words):
    known = {"image": images[:1], "all": images, "annotation": [file_of(contours_of(NEW))]}
    before = traces(archive)
    sent = [one for part in parts for one in (known[part] if isinstance(part, str) else [part])]
    answer = send(*sent)
    body = answer.get_json()
    assert (answer.status_code, words in body["detail"]) == (status, True), body
    assert traces(archive) == before


def test_a_message_that_breaks_off_or_is_too_long_is_refused(archive, ask, images):
    whole = related(*images)
    assert ask("/similar", "POST", data=whole[:-40], content_type=RELATED).status_code == 400
    assert ask("/similar", "POST", data=whole, content_type="multipart/related").status_code == 400
    small = create_app(archive.services, WebOptions(token=TOKEN, max_sent_bytes=1000)).test_client()
    answer = small.post(f"{ROOT}/similar", data=whole, content_type=RELATED, headers={wire.TOKEN_HEADER: TOKEN})
    assert answer.status_code == 413
