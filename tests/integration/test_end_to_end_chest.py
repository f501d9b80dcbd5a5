"""A whole chest CT with its RTSTRUCT, RTDOSE and RTPLAN: what the largest common series costs, and what comes of it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from pydicom import Dataset, dcmread

from similar_cases import wire
from tests.integration.archive_client import ArchiveClient, archive, wait_until
from tests.integration.conftest import require
from tests.integration.figures import tell

pytestmark = [pytest.mark.orthanc, pytest.mark.data]


@dataclass(frozen=True)
class Chest:
    """The patient in an archive, and how long it took."""

    archive: ArchiveClient
    headers: dict[str, Dataset]
    seconds: dict[str, float]

    @property
    def ct(self) -> Dataset:
        return self.headers["CT"]


@pytest.fixture(scope="module")
def chest(request: pytest.FixtureRequest, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chest]:
    require("debian", request.config)
    folder = data_dir / "nsclc"
    headers = {}
    for path in folder.rglob("*.dcm"):
        header = dcmread(path, stop_before_pixels=True)
        headers.setdefault(str(header.Modality), header)
    with archive(tmp_path_factory.mktemp("chest")) as running:
        started = time.monotonic()
        assert not running.send([folder]).failures
        seconds = {"sent": time.monotonic() - started}
        seconds |= follow(running, str(headers["CT"].SeriesInstanceUID))
        running.wait_until_settled()
        yield Chest(running, headers, seconds)


def follow(running: ArchiveClient, series_uid: str) -> dict[str, float]:
    """Return the seconds from the moment that Orthanc calls the series stable until it, and its regions, are found."""
    wait_until(lambda: is_stable(running, series_uid), "the CT is stable", pause_seconds=0.05)
    stable = time.monotonic()
    wait_until(lambda: series_state(running, series_uid) == "indexed", "the CT is indexed", pause_seconds=0.05)
    indexed = time.monotonic() - stable
    wait_until(lambda: bool(running.regions(series_uid)), "its regions are indexed", pause_seconds=0.1)
    return {"stable_to_indexed": indexed, "stable_to_regions": time.monotonic() - stable}


def is_stable(running: ArchiveClient, series_uid: str) -> bool:
    series = running.server.get("/series?expand")
    return any(one["IsStable"] for one in series if one["MainDicomTags"]["SeriesInstanceUID"] == series_uid)


def series_state(running: ArchiveClient, series_uid: str) -> str | None:
    return running.images().get(series_uid, {}).get("state")


def test_the_series_is_indexed_and_its_companions_are_no_failure(chest: Chest) -> None:
    status = chest.archive.get(wire.ROUTE_STATUS)
    assert (status["states"]["failed"], status["states"]["refused"]) == (0, 0)
    assert status["series"]["other"] == 2  # RTDOSE, RTPLAN
    [row] = chest.archive.images().values()
    assert (row["series"], row["state"]) == (chest.ct.SeriesInstanceUID, "indexed")


def test_every_structure_is_a_region_with_its_seg_and_sr(chest: Chest) -> None:
    names = contoured(chest.headers["RTSTRUCT"])
    assert len(names) == 8
    regions = [case["region"] for case in chest.archive.regions(chest.ct.SeriesInstanceUID)]
    assert {region["label"] for region in regions} == names
    results = {str(result.SOPInstanceUID): result.Modality for result in chest.archive.results()}
    expected = {region["seg"]: "SEG" for region in regions} | {region["sr"]: "SR" for region in regions}
    assert results == expected


def contoured(structure_set: Dataset) -> set[str]:
    """Return the names of the structures that are drawn; isocentres and other points are no regions."""
    drawn = {
        int(roi.ReferencedROINumber)
        for roi in structure_set.ROIContourSequence
        for contour in roi.get("ContourSequence", [])
        if contour.ContourGeometricType == "CLOSED_PLANAR"
    }
    return {str(roi.ROIName) for roi in structure_set.StructureSetROISequence if int(roi.ROINumber) in drawn}


def test_what_it_costs_is_told(chest: Chest) -> None:
    peaks = chest.archive.worker_peak_mib()
    [row] = chest.archive.images().values()
    seconds = {name: round(value, 2) for name, value in chest.seconds.items()}
    tell("LUNG1-001", peak_memory_mib=peaks, seconds=seconds, timings=row["timings"], load=psutil.getloadavg()[0])
    assert sum(peaks) < 3 * 1024


def test_logs_are_quiet_and_name_nobody(chest: Chest) -> None:
    chest.archive.assert_quiet_logs(str(chest.ct.PatientID), str(chest.ct.PatientName))
