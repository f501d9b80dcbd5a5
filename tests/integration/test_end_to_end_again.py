"""A study that becomes stable several times, an ingestion that is repeated: one SEG and one SR a region in the end."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator

import pytest
from pydicom import Dataset

from similar_cases import wire
from similar_cases.demo.annotations import segmentation_of, structure_set_of
from similar_cases.demo.phantoms import LesionKind, Phantom, lesion_mask, phantom_series
from tests.integration.archive_client import COMMAND, ArchiveClient, archive
from tests.integration.conftest import require

pytestmark = pytest.mark.orthanc


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveClient]:
    require("debian", request.config)
    with archive(tmp_path_factory.mktemp("again")) as found:
        yield found


def phantom(key: str) -> Phantom:
    return Phantom(
        kind=LesionKind.SOLID,
        shape=(16, 48, 48),
        spacing_mm=(4.0, 3.0, 3.0),
        lesion_radius_mm=14.0,
        patient_id=key,
        study_key=key,
        series_key=key,
    )


def results_of(running: ArchiveClient, key: str) -> list[Dataset]:
    return [one for one in running.results() if one.PatientID == key]


def kinds(results: list[Dataset]) -> Counter[str]:
    return Counter(str(one.Modality) for one in results)


def state_of(running: ArchiveClient, series_uid: str) -> tuple[str, int, int, int]:
    """State, Instances, and how many Cases are volumes and regions."""
    row = running.images()[series_uid]
    levels = Counter(case["level"] for case in running.cases(series_uid))
    return row["state"], row["instances"], levels["series"], levels["region"]


def test_instances_and_contours_that_arrive_later(running: ArchiveClient) -> None:
    one = phantom("later")
    images = list(phantom_series(one))
    uid = str(images[0].SeriesInstanceUID)
    contours = structure_set_of(images, lesion_mask(one), "GTV")

    running.send(images[:10])
    running.wait_until_settled()
    assert state_of(running, uid) == ("indexed", 10, 1, 0)

    running.send([contours])
    running.wait_until_settled()
    assert state_of(running, uid) == ("indexed", 10, 1, 1)
    [early] = running.regions(uid)

    running.send(images[10:])
    running.wait_until_settled()
    assert state_of(running, uid) == ("indexed", 16, 1, 1)
    [late] = running.regions(uid)

    assert late["region"]["tracking_uid"] == early["region"]["tracking_uid"]
    assert late["region"]["volume_ml"] > early["region"]["volume_ml"]
    results = results_of(running, "later")
    assert {str(result.SOPInstanceUID) for result in results} == {late["region"]["seg"], late["region"]["sr"]}


def test_a_second_expert_adds_a_region_and_touches_no_other(running: ArchiveClient) -> None:
    one = phantom("second")
    images = list(phantom_series(one))
    uid = str(images[0].SeriesInstanceUID)
    running.send([*images, segmentation_of(images, lesion_mask(one), "first")])
    running.wait_until_settled()
    [before] = running.regions(uid)
    running.send([structure_set_of(images, lesion_mask(one), "second")])
    running.wait_until_settled()
    after = {case["region"]["tracking_uid"]: case["region"] for case in running.regions(uid)}
    assert len(after) == 2
    assert after[before["region"]["tracking_uid"]] == before["region"]
    assert kinds(results_of(running, "second")) == {"SEG": 2, "SR": 2}


def test_contours_that_arrive_before_their_images(running: ArchiveClient) -> None:
    one = phantom("before")
    images = list(phantom_series(one))
    running.send([structure_set_of(images, lesion_mask(one), "GTV")])
    running.wait_until_settled()
    running.send(images)
    running.wait_until_settled()
    assert state_of(running, str(images[0].SeriesInstanceUID)) == ("indexed", 16, 1, 1)
    assert kinds(results_of(running, "before")) == {"SEG": 1, "SR": 1}


def test_the_same_images_sent_again_change_nothing(running: ArchiveClient) -> None:
    one = phantom("twice")
    images = list(phantom_series(one))
    everything = [*images, structure_set_of(images, lesion_mask(one), "GTV")]
    running.send(everything)
    running.wait_until_settled()
    before = running.cases(str(images[0].SeriesInstanceUID))
    running.send(everything)
    running.wait_until_settled()
    assert running.cases(str(images[0].SeriesInstanceUID)) == before
    assert kinds(results_of(running, "twice")) == {"SEG": 1, "SR": 1}


def test_ingested_twice_gives_the_same_uids_and_nothing_double(running: ArchiveClient) -> None:
    one = phantom("again")
    images = list(phantom_series(one))
    uid = str(images[0].SeriesInstanceUID)
    running.send([*images, structure_set_of(images, lesion_mask(one), "GTV")])
    running.wait_until_settled()
    before, files = running.cases(uid), files_of(running, "again")

    [row] = ingest(running, uid)
    assert row["state"] == "indexed"
    running.ask(wire.ROUTE_SERIES_RETRY.format(series=uid), "POST", json={}).raise_for_status()
    running.wait_until_settled()

    assert running.cases(uid) == before
    assert {uid: len(file) for uid, file in files_of(running, "again").items()} == {
        uid: len(file) for uid, file in files.items()
    }
    assert files_of(running, "again") == files
    assert len(files) == 2
    running.assert_quiet_logs("Phantom^", "again^")


def files_of(running: ArchiveClient, key: str) -> dict[str, bytes]:
    return {str(one.SOPInstanceUID): file for one, file in running.result_files() if one.PatientID == key}


def ingest(running: ArchiveClient, series_uid: str) -> list[dict[str, object]]:
    """Ingest a series anew on the command line, beside the worker."""
    environment = {wire.ENV_ORTHANC_URL: running.server.url, wire.ENV_DATA_DIR: str(running.worker_dir)}
    command = [str(COMMAND), "ingest", "--series", series_uid, "--again", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd="/")
    return list(json.loads(run.stdout))
