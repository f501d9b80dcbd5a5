"""Orthanc's own rights decide what a caller sees of our answers, in both Orthancs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import pytest
import requests
from pydicom import Dataset

from similar_cases import wire
from similar_cases.demo.annotations import segmentation_of
from similar_cases.demo.phantoms import Phantom, lesion_mask, phantom_series
from similar_cases.pacs.orthanc_changes import orthanc_id_of
from tests.integration.archive_client import ArchiveClient, archive_elsewhere
from tests.orthanc_server import Version

KEYS = ("open-1", "open-2", "secret")
USERS = {"doctor": "d", "guest": "g"}
#: a site's filter of requests: the guest is not let at one patient's series
FILTER = """
function IncomingHttpRequestFilter(method, uri, ip, username, httpHeaders)
  return username ~= 'guest' or string.find(uri, '{hidden}', 1, true) == nil
end
"""


def phantom(key: str) -> Phantom:
    return Phantom(
        shape=(12, 48, 48), spacing_mm=(4.0, 3.0, 3.0), lesion_radius_mm=12.0, patient_id=key, study_key=key,
        series_key=key,
    )  # fmt: skip


@dataclass(frozen=True)
class Hospital:
    """An archive with three patients, one of whom a guest may not see; key → (study, series)."""

    archive: ArchiveClient
    known: dict[str, tuple[str, str]]

    def by(self, user: str, route: str, method: str = "GET", **options: object) -> requests.Response:
        return self.archive.ask(route, method, auth=(user, USERS[user]), **options)

    def similar(self, user: str, key: str) -> requests.Response:
        study, series = self.known[key]
        return self.by(user, wire.ROUTE_SERIES_SIMILAR.format(study=study, series=series))


@pytest.fixture(scope="module")
def hospital(version: Version, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with archive_elsewhere(
        tmp_path_factory.mktemp("rights"),
        version,
        users=USERS,
        section={"CallerCredentials": ["Authorization"]},
        overrides={"ExecuteLuaEnabled": True},
        environment={wire.ENV_CALLER_CREDENTIALS: "Authorization"},
    ) as archive:
        known = {}
        for key in KEYS:
            images = list(phantom_series(phantom(key)))
            archive.send([*images, segmentation_of(images, lesion_mask(phantom(key)), "lesion")])
            known[key] = str(images[0].StudyInstanceUID), str(images[0].SeriesInstanceUID)
        archive.wait_until_settled()
        hidden = orthanc_id_of("secret", *known["secret"])
        script = FILTER.replace("{hidden}", hidden)
        archive.server.rest.post(f"{archive.server.url}/tools/execute-script", data=script, timeout=30)
        yield Hospital(archive, known)


def test_the_filter_is_in_force(hospital):
    address = f"{hospital.archive.server.url}/series/{orthanc_id_of('secret', *hospital.known['secret'])}"
    assert requests.get(address, auth=("doctor", "d"), timeout=30).status_code == 200
    assert requests.get(address, auth=("guest", "g"), timeout=30).status_code == 403


def test_each_sees_what_orthanc_lets_them_read(hospital):
    _, other = hospital.known["open-2"]
    _, hidden = hospital.known["secret"]
    found = {
        user: {case["series"] for case in hospital.similar(user, "open-1").json()["cases"]}
        for user in ("doctor", "guest")
    }
    assert found == {"doctor": {other, hidden}, "guest": {other}}


def test_what_is_hidden_cannot_be_asked_about_or_looked_at(hospital):
    study, series = hospital.known["secret"]
    assert hospital.similar("doctor", "secret").status_code == 200
    refused = hospital.similar("guest", "secret")
    assert refused.status_code == 403
    assert refused.json()["class"] == "NotAllowed"
    for route in (
        wire.ROUTE_SERIES_ONE.format(series=series),
        wire.ROUTE_VOLUME.format(study=study, series=series, volume=0),
    ):
        assert hospital.by("doctor", route).status_code == 200
        assert hospital.by("guest", route).status_code == 403
    listed = hospital.by("guest", f"{wire.ROUTE_SERIES}?limit=500").json()["series"]
    assert series not in {row["series"] for row in listed}
    assert series in {row["series"] for row in hospital.by("doctor", f"{wire.ROUTE_SERIES}?limit=500").json()["series"]}


def sent_along(hospital: Hospital, user: str, key: str, **asked: object) -> requests.Response:
    """Ask with the images of a patient in the body, whether the archive has them or not."""
    parts = [(wire.JSON, json.dumps(asked).encode())]
    parts += [("application/dicom", file_of(one)) for one in phantom_series(phantom(key))]
    body = b"".join(b"--parts\r\nContent-Type: %b\r\n\r\n%b\r\n" % (kind.encode(), part) for kind, part in parts)
    headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=parts'}
    return hospital.by(user, wire.ROUTE_SIMILAR, "POST", data=body + b"--parts--\r\n", headers=headers)


def file_of(instance: Dataset) -> bytes:
    written = BytesIO()
    instance.save_as(written, enforce_file_format=True)
    return written.getvalue()


def named(hospital: Hospital, user: str, name: str, **page: int) -> requests.Response:
    """Ask for a page of a list by its name alone."""
    return hospital.by(user, wire.ROUTE_SIMILAR, "POST", json={"list": name, **page})


def test_a_later_page_of_images_that_were_sent_along_is_asked_for_by_its_list(hospital):
    first = sent_along(hospital, "doctor", "of-no-archive", limit=1)
    assert first.status_code == 200, first.text
    assert first.json()["remaining"] == 2
    name = first.json()["list"]
    second = named(hospital, "doctor", name, offset=1, limit=2).json()
    assert [case["rank"] for case in second["cases"]] == [2, 3]
    everything = [case["series"] for case in first.json()["cases"] + second["cases"]]
    assert set(everything) == {series for _, series in hospital.known.values()}

    # whoever else names the list sees of it what they may read, and not that there was more
    _, hidden = hospital.known["secret"]
    seen = [series for series in everything if series != hidden]
    whole = named(hospital, "guest", name, limit=10)
    assert [case["series"] for case in whole.json()["cases"]] == seen
    assert (whole.json()["remaining"], "Warning" in whole.headers) == (0, False)
    pages = [named(hospital, "guest", name, offset=offset, limit=1) for offset in range(3)]
    assert [page.json()["cases"][0]["series"] for page in pages[:2]] == seen
    assert pages[2].status_code == 204
    assert [case["series"] for case in sent_along(hospital, "guest", "of-no-archive").json()["cases"]] == seen


def test_what_is_hidden_cannot_be_asked_about_by_sending_its_images(hospital):
    asked = sent_along(hospital, "doctor", "secret", limit=1)
    assert asked.status_code == 200, asked.text
    assert named(hospital, "doctor", asked.json()["list"], offset=1).status_code == 200
    assert sent_along(hospital, "guest", "secret").status_code == 403
    assert named(hospital, "guest", asked.json()["list"], offset=1).status_code == 403


def test_credentials_are_written_nowhere(hospital):
    assert "Z3Vlc3Q6Zw==" not in hospital.archive.worker_log
    hospital.archive.assert_quiet_logs()
