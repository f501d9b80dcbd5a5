"""The similar routes through both Orthancs' bridges, as clients of others ask them: requests and dicomweb-client."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from dicomweb_client import DICOMwebClient
from pydicom import Dataset

from similar_cases import wire
from similar_cases.demo.annotations import segmentation_of
from similar_cases.demo.phantoms import LesionKind, Phantom, lesion_mask, phantom_series
from similar_cases.web.private import PRIVATE_GROUP
from tests import phantoms
from tests.integration.archive_client import ArchiveClient, archive_elsewhere
from tests.orthanc_server import Version

#: three CTs and an MR, each of a patient of its own; "alone" is a PET that nothing is similar to
KEYS = {"ct-1": "CT", "ct-2": "CT", "ct-3": "CT", "mr": "MR", "alone": "PT"}


def phantom(key: str) -> Phantom:
    return Phantom(
        kind=LesionKind.SPICULATED if key == "ct-3" else LesionKind.SOLID,
        modality=KEYS[key],
        shape=(12, 48, 48),
        spacing_mm=(4.0, 3.0, 3.0),
        lesion_radius_mm=12.0,
        patient_id=key,
        patient_name="Ямада^Тарō" if key == "ct-2" else f"Phantom^{key}",
        patient_birth_date="19500101" if key == "ct-1" else "19800101",
        study_key=key,
        series_key=key,
        series_number=len(key),
    )


@dataclass(frozen=True)
class Asked:
    """An archive, and the series that is asked about."""

    archive: ArchiveClient
    study: str
    series: str
    tracking_uid: str

    def get(self, accept: str | None = None, **parameters: Any) -> Any:
        headers = {"Accept": accept} if accept else {}
        return self.archive.similar(self.study, self.series, params=parameters, headers=headers)

    def post(self, body: object, accept: str = wire.JSON, content_type: str = wire.JSON) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Accept": accept, "Content-Type": content_type}
        return self.archive.ask(wire.ROUTE_SIMILAR, "POST", data=data, headers=headers)

    @property
    def ref(self) -> dict[str, str]:
        return {"study": self.study, "series": self.series}


@pytest.fixture(scope="module")
def asked(version: Version, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with archive_elsewhere(tmp_path_factory.mktemp("routes"), version) as running:
        for key in KEYS:
            images = list(phantom_series(phantom(key)))
            running.send([*images, segmentation_of(images, lesion_mask(phantom(key)), "lesion")])
        running.send(phantoms.series("no-volume", grid=phantoms.Grid(shape=(1, 16, 16))))
        running.wait_until_settled()
        first = phantom_series(phantom("ct-1"))[0]
        [case] = running.regions(str(first.SeriesInstanceUID))
        yield Asked(running, case["study"], case["series"], case["region"]["tracking_uid"])


def test_json_names_score_parts_and_reasons(asked: Asked) -> None:
    answer = asked.get(**{"tracking-uid": asked.tracking_uid})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].split(";")[0] == wire.JSON
    cases = answer.json()["cases"]
    # the same kind of lesion in the same modality first
    assert cases[0]["patient_id"] == "ct-2"
    assert {case["patient_id"] for case in cases} == set(KEYS) - {"ct-1"}
    assert [case["rank"] for case in cases] == [1, 2, 3, 4]
    assert [case["score"] for case in cases] == sorted((case["score"] for case in cases), reverse=True)
    for case in cases:
        assert {part["name"] for part in case["parts"]} <= {"appearance", "radiomics"}
        assert case["reasons"]


def test_a_stock_dicomweb_client_reads_the_answer(asked: Asked) -> None:
    """Its own way to ask and to read JSON: nothing of ours is needed on the other side."""
    client = DICOMwebClient(asked.archive.url(""))
    # the one step below its public methods, as the last part of the path is not QIDO-RS's
    found = client._http_get_application_json(
        f"{client.base_url}/studies/{asked.study}/series/{asked.series}/similar", {"limit": 2}
    )
    items = [Dataset.from_json(item) for item in found]
    assert len(items) == 2
    for item in items:
        assert item.PatientID in KEYS
        assert item.RetrieveURL.startswith(asked.archive.server.process.dicomweb_url)
        block = item.private_block(PRIVATE_GROUP, wire.PRIVATE_CREATOR)
        assert 0 < block[0x01].value <= 1


def test_dicom_json_carries_every_script_and_can_be_retrieved(asked: Asked) -> None:
    answer = asked.get(wire.DICOM_JSON, PatientID="ct-2", includefield="all")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].split(";")[0] == wire.DICOM_JSON
    [item] = [Dataset.from_json(one) for one in answer.json()]
    assert str(item.PatientName) == "Ямада^Тарō"
    # what the answer names is there, over plain DICOMweb
    there = DICOMwebClient(asked.archive.server.process.dicomweb_url)
    assert len(there.search_for_instances(item.StudyInstanceUID, item.SeriesInstanceUID)) == 12
    [region] = Dataset.from_json(
        asked.get(wire.DICOM_JSON, **{"tracking-uid": asked.tracking_uid, "limit": 1}).json()[0]
    )[PRIVATE_GROUP, 0x100D].value
    results = region.private_block(PRIVATE_GROUP, wire.PRIVATE_CREATOR)[0x12].value
    stored = {str(one.SOPInstanceUID) for one in asked.archive.results()}
    assert {str(one.ReferencedSOPInstanceUID) for one in results} <= stored


def test_pages_follow_each_other_without_a_gap(asked: Asked) -> None:
    whole = asked.get(limit=100).json()["cases"]
    pages = [asked.get(limit=2, offset=offset) for offset in (0, 2)]
    assert [case["case"] for page in pages for case in page.json()["cases"]] == [case["case"] for case in whole][:4]
    assert "additional results" in pages[0].headers["Warning"]
    assert "Warning" not in asked.get(limit=100).headers


@pytest.mark.parametrize(
    ("parameters", "patients"),
    [
        ({"Modality": "MR"}, {"mr"}),
        ({"Modality": "CT,MR"}, {"ct-2", "ct-3", "mr"}),
        ({"PatientID": "ct-*"}, {"ct-2", "ct-3"}),
        ({"00100020": "ct-2"}, {"ct-2"}),
        ({"PatientName": "ямада*"}, {"ct-2"}),
        ({"age-max": "50", "Modality": "CT"}, {"ct-2", "ct-3"}),
        ({"StudyDate": "20240101-", "Modality": "CT"}, {"ct-2", "ct-3"}),
        ({"Modality": "CT", "include-same-patient": "true", "tracking-uid": "own"}, {"ct-2", "ct-3"}),
    ],
)
def test_filters_by_get(asked: Asked, parameters: dict[str, str], patients: set[str]) -> None:
    given = {name: asked.tracking_uid if value == "own" else value for name, value in parameters.items()}
    assert {case["patient_id"] for case in asked.get(**given).json()["cases"]} == patients


def test_a_point_is_segmented_there_and_then(asked: Asked) -> None:
    lesion = {"lps": list(phantom("ct-1").lesion_lps)}
    answer = asked.post({**asked.ref, "points": [lesion], "filters": {"attributes": {"Modality": "CT"}}})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["segmented"]["centroid_lps"] == pytest.approx(lesion["lps"], abs=4.0)
    assert {case["patient_id"] for case in body["cases"]} == {"ct-2", "ct-3"}


def test_get_and_post_answer_the_same(asked: Asked) -> None:
    by_get = asked.get(**{"tracking-uid": asked.tracking_uid, "limit": 3}).json()
    by_post = asked.post({**asked.ref, "tracking_uid": asked.tracking_uid, "limit": 3}).json()
    assert by_get == by_post


@pytest.mark.parametrize("accept", [wire.JSON, wire.DICOM_JSON])
def test_nothing_that_matches_is_204_without_a_body(asked: Asked, accept: str) -> None:
    for answer in (
        asked.get(accept, PatientID="nobody"),
        asked.get(accept, limit=0),
        asked.get(accept, offset=1000),
        asked.post({**asked.ref, "filters": {"attributes": {"PatientID": "nobody"}}}, accept),
    ):
        assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"limit": "ten"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"PatientID\n": "x"}, "keyword"),
        ({"PatientWeight": "70"}, "PatientWeight"),
        ({"no-such-thing": "1"}, "no-such-thing"),
        ({"fuzzymatching": "maybe"}, "fuzzymatching"),
        ({"tracking-uid": "1..2"}, "UID"),
        ({"weight": "appearance"}, "weight"),
        ({"includefield": "NoKeyword"}, "NoKeyword"),
    ],
)
def test_what_cannot_be_understood_is_400_with_its_reason(asked: Asked, parameters: dict[str, str], word: str) -> None:
    answer = asked.get(**parameters)
    assert answer.status_code == 400
    assert word in answer.json()["error"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"study": "1.2"}', b'{"study": "x", "series": "1.2"}', b'{"study": 1, "series": 2}']
)
def test_a_body_that_cannot_be_understood_is_400(asked: Asked, body: bytes) -> None:
    assert asked.post(body).status_code == 400


def test_what_is_not_there_is_404(asked: Asked) -> None:
    for answer in (
        asked.archive.similar("1.2.3", "1.2.4"),
        asked.archive.similar("1.2.3", asked.series),
        asked.get(**{"tracking-uid": "1.2.3"}),
        asked.get(**{"volume-number": 7}),
        asked.archive.ask("/no/such/route"),
        asked.post({"study": "1.2.3", "series": "1.2.4"}),
    ):
        assert answer.status_code == 404
        assert answer.json()["error"]


@pytest.mark.parametrize("accept", ["text/html", "application/dicom", "image/jpeg, text/*"])
def test_a_media_type_that_nobody_makes_is_406(asked: Asked, accept: str) -> None:
    assert asked.get(accept).status_code == 406
    assert asked.post(asked.ref, accept).status_code == 406


def test_a_body_over_the_bound_is_413_and_another_type_415(asked: Asked) -> None:
    assert asked.post(b'{"study": "' + b"1" * 600_000 + b'"}').status_code == 413
    assert asked.post(asked.ref, content_type="text/plain").status_code == 415


def test_a_series_that_is_no_volume_is_422_with_its_reason(asked: Asked) -> None:
    uid = phantoms.series_uid("no-volume")
    study = phantoms.derived_uid("phantom", "no-volume", "study")
    answer = asked.archive.similar(study, uid)
    assert answer.status_code == 422
    assert "3 positions" in answer.json()["error"]


def test_logs_are_quiet(asked: Asked) -> None:
    asked.archive.assert_quiet_logs("Phantom^", "Ямада", "nobody")
