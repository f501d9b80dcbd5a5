"""What hospitals send, and worse: each series is indexed, or refused with its reason, and no log shows a traceback."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from similar_cases import wire
from similar_cases.domain.case import derived_uid
from similar_cases.domain.errors import Refused
from similar_cases.pacs.dimse import SendReport
from similar_cases.volume.build import build_volumes
from tests import phantoms
from tests.integration.archive_client import ArchiveClient, archive
from tests.integration.conftest import require
from tests.integration.figures import tell

pytestmark = pytest.mark.orthanc
#: what the bounds on retrieved objects refuse before a volume is tried
EARLIER = {"truncated-pixels": "852 bytes, 2560 are wanted", "contradictory-frames": "5497558136320 are wanted"}


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveClient]:
    """An archive of this module."""
    require("debian", request.config)
    with archive(tmp_path_factory.mktemp("awkward")) as found:
        yield found


# --- phantoms ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sent(running: ArchiveClient) -> ArchiveClient:
    """The archive with every awkward phantom in it."""
    report = running.send(one for each in phantoms.AWKWARD.values() for one in each.make())
    assert not report.failures
    running.wait_until_settled()
    return running


@pytest.mark.parametrize("name", phantoms.AWKWARD)
def test_a_phantom_is_indexed_or_refused_with_its_reason(sent: ArchiveClient, name: str) -> None:
    expected = phantoms.AWKWARD[name]
    uid = phantoms.series_uid(name)
    row = sent.images().get(uid) or sent.get(wire.ROUTE_SERIES_ONE.format(series=uid))
    if expected.volumes:
        assert (row["state"], row.get("reason", "")) == ("indexed", "")
        assert len([case for case in sent.cases(uid) if case["level"] == "series"]) == expected.volumes
    elif row["kind"] == "image":
        assert row["state"] == "refused"
        assert EARLIER.get(name, expected.reason) in row["reason"]
    else:
        assert row["kind"] == "other"


@pytest.mark.parametrize("name", phantoms.NAMES)
def test_a_name_of_any_script_arrives_whole(sent: ArchiveClient, name: str) -> None:
    uid = phantoms.series_uid(name)
    [case] = sent.cases(uid)
    assert case["patient_name"].rstrip("=") == phantoms.NAMES[name][1]
    answer = sent.similar(case["study"], uid, headers={"Accept": wire.DICOM_JSON}, params={"PatientName": "*"})
    assert answer.status_code == 200


def test_of_all_this_no_log_shows_a_traceback_or_a_name(sent: ArchiveClient) -> None:
    people = {person.split("=")[0] for _, person in phantoms.NAMES.values()}
    sent.assert_quiet_logs("PHANTOM-", "Phantom^", *people, *(person for _, person in phantoms.NAMES.values()))


# --- real files -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Original:
    """One series of real files as it was sent."""

    name: str
    instances: tuple[Dataset, ...]


@dataclass(frozen=True)
class Collection:
    """All real awkward series in an archive, by Series Instance UID."""

    archive: ArchiveClient
    originals: dict[str, list[Dataset]]
    report: SendReport


@pytest.fixture(scope="module")
def collection(running: ArchiveClient, data_dir: Path) -> Collection:
    found = [*readdressed(data_dir / "awkward"), *stacked(data_dir / "awkward" / "cornerstone_ct_ts")]
    by_series: dict[str, list[Dataset]] = {}
    for one in found:
        by_series.setdefault(str(one.SeriesInstanceUID), []).append(one)
    report = running.send(found)
    running.wait_until_settled()
    return Collection(running, by_series, report)


def readdressed(root: Path) -> Iterator[Dataset]:
    """Yield all files; one that shares its UID with another one, in other pixels, gets UIDs of its own folder."""
    seen: set[str] = set()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        try:
            one = dcmread(path)
        except InvalidDicomError:
            continue
        if one.SOPInstanceUID in seen:
            place = path.parent.relative_to(root)
            one.StudyInstanceUID = derived_uid(place, one.StudyInstanceUID)
            one.SeriesInstanceUID = derived_uid(place, one.SeriesInstanceUID)
            one.SOPInstanceUID = derived_uid(path.relative_to(root), one.SOPInstanceUID)
            one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        seen.add(str(one.SOPInstanceUID))
        yield one


def stacked(folder: Path) -> Iterator[Dataset]:
    """Yield a series of three slices of each file: one image in every transfer syntax."""
    for path in sorted(folder.iterdir()):
        one = dcmread(path)
        for k in range(3):
            copy = deepcopy(one)
            copy.StudyInstanceUID, copy.SeriesInstanceUID = derived_uid(path.name), derived_uid(path.name, "series")
            copy.SOPInstanceUID = derived_uid(path.name, "instance", k)
            copy.file_meta.MediaStorageSOPInstanceUID = copy.SOPInstanceUID
            copy.ImagePositionPatient = [0.0, 0.0, 5.0 * k]
            yield copy


def of_files(instances: list[Dataset]) -> int | str:
    """Return how many volumes the files themselves make, or why they make none."""
    try:
        return len(build_volumes(instances))
    except Refused as refusal:
        return str(refusal)


@pytest.mark.data
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_real_series_becomes_in_the_archive_what_it_is_as_files(collection: Collection) -> None:
    refused_by_orthanc = {failure.sop_instance_uid for failure in collection.report.failures}
    rows = collection.archive.images()
    outcomes: dict[str, int] = {}
    for uid, instances in collection.originals.items():
        there = [one for one in instances if str(one.SOPInstanceUID) not in refused_by_orthanc]
        expected = of_files(there) if there else "nothing of it was taken"
        if uid in rows:
            row = rows[uid]
            cases = [case for case in collection.archive.cases(uid) if case["level"] == "series"]
            found = len(cases) if row["state"] == "indexed" else row["reason"]
            assert found == expected, instances[0].file_meta.TransferSyntaxUID
            assert row["state"] in ("indexed", "refused")
            outcomes[row["state"]] = outcomes.get(row["state"], 0) + 1
        else:
            assert not there or there[0].Modality not in ("CT", "MR", "PT")
            outcomes["other"] = outcomes.get("other", 0) + 1
    tell("awkward files", **outcomes, series=len(collection.originals), not_taken=len(refused_by_orthanc))


@pytest.mark.data
def test_of_the_real_series_no_log_shows_a_traceback(collection: Collection) -> None:
    collection.archive.assert_quiet_logs()
