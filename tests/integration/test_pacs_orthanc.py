"""C-STORE into real Orthancs, and what their feed of changes tells."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import pytest
from pydicom import Dataset

from similar_cases.demo.annotations import segmentation_of
from similar_cases.demo.phantoms import Phantom, lesion_mask, phantom_series
from similar_cases.domain.errors import InvalidRequest, PacsUnavailable
from similar_cases.pacs.client import uids_of
from similar_cases.pacs.dicomweb import DicomWebClient
from similar_cases.pacs.dimse import DimseAddress, echo, send
from similar_cases.pacs.http import HttpAccess, basic_authorization
from similar_cases.pacs.orthanc_changes import Change, OrthancFeed, OrthancSeries, orthanc_id_of
from similar_cases.pacs.parse import series_of
from tests.orthanc_server import OrthancServer, Version
from tests.waiting import wait_until

SMALL = Phantom(shape=(4, 24, 24), spacing_mm=(4.0, 4.0, 4.0))


@pytest.fixture
def orthanc(start_orthanc: Callable[..., OrthancServer], version: Version) -> OrthancServer:
    return start_orthanc(version=version)


@pytest.fixture
def feed(orthanc: OrthancServer) -> OrthancFeed:
    return OrthancFeed(orthanc.url)


def upload(orthanc: OrthancServer, instances: list[Dataset]) -> list[str]:
    identifiers = []
    for instance in instances:
        buffer = BytesIO()
        instance.save_as(buffer, enforce_file_format=True)
        identifiers.append(orthanc.upload(buffer.getvalue()))
    return identifiers


def changes_once(feed: OrthancFeed, kind: str, count: int) -> list[Change]:
    """Wait until the feed holds `count` changes of that kind."""
    found: list[Change] = []

    def came() -> bool:
        found[:] = [change for change in feed.changes(0, 10_000).changes if change.kind == kind]
        return len(found) >= count

    wait_until(came)
    return found


def test_what_a_scanner_sends_is_retrieved(orthanc: OrthancServer) -> None:
    address = DimseAddress(host="127.0.0.1", port=orthanc.process.dicom_port, called_aet=orthanc.process.aet)
    echo(address)
    sent = phantom_series(SMALL)
    report = send(sent, address)
    assert (report.sent, report.failures) == (4, ())
    came = DicomWebClient(orthanc.process.dicomweb_url).retrieve_series(series_of(sent[0]))
    assert uids_of(came) == uids_of(sent)


@pytest.mark.parametrize("patient_id", ["P1", "", "  spaces inside and  around ", "Ä-日本-김", "1|2"])
def test_orthanc_names_the_levels_as_we_do(patient_id: str, orthanc: OrthancServer, feed: OrthancFeed) -> None:
    instance = phantom_series(replace(SMALL, patient_id=patient_id))[0]
    (identifier,) = upload(orthanc, [instance])
    uids = (str(instance.StudyInstanceUID), str(instance.SeriesInstanceUID), str(instance.SOPInstanceUID))
    assert orthanc_id_of(patient_id, *uids) == identifier
    for depth, level in enumerate(("patient", "study", "series", "instance")):
        assert feed.exists(level, orthanc_id_of(patient_id, *uids[:depth]))
    orthanc.clear()
    assert not feed.exists("series", orthanc_id_of(patient_id, *uids[:2]))


def test_changes_come_page_by_page_and_are_done_at_the_end(orthanc: OrthancServer, feed: OrthancFeed) -> None:
    assert feed.changes(0).changes == ()
    assert feed.changes(0).is_done
    sent = phantom_series(SMALL)
    upload(orthanc, sent)
    # three come, one after the other, and the pages are read when none is to come
    (stable,), *_ = [changes_once(feed, f"Stable{level}", 1) for level in ("Series", "Study", "Patient")]
    identifier = orthanc_id_of(SMALL.patient_id, sent[0].StudyInstanceUID, sent[0].SeriesInstanceUID)
    assert (stable.level, stable.orthanc_id) == ("series", identifier)
    pages, since = [], 0
    while True:
        page = feed.changes(since, 3)
        pages.append(page)
        since = page.last
        if page.is_done:
            break
    together = [change for page in pages for change in page.changes]
    assert together == list(feed.changes(0, 1000).changes)
    assert [change.sequence for change in together] == sorted({change.sequence for change in together})
    assert feed.last_sequence() == together[-1].sequence
    assert feed.changes(since).changes == ()
    assert feed.changes(since).last == since


def test_a_deleted_series_takes_its_changes_along(orthanc: OrthancServer, feed: OrthancFeed) -> None:
    upload(orthanc, phantom_series(SMALL))
    (stable,) = changes_once(feed, "StableSeries", 1)
    assert feed.exists("series", stable.orthanc_id)
    orthanc.delete(f"/series/{stable.orthanc_id}")
    assert stable not in feed.changes(0).changes
    assert not feed.exists("series", stable.orthanc_id)
    assert feed.series(stable.orthanc_id) is None


def test_a_series_is_told_with_its_uids(orthanc: OrthancServer, feed: OrthancFeed) -> None:
    sent = phantom_series(SMALL)
    upload(orthanc, sent)
    changes_once(feed, "StableSeries", 1)
    ref = series_of(sent[0])
    told = feed.series(orthanc_id_of(SMALL.patient_id, ref.study_uid, ref.series_uid))
    assert told == OrthancSeries(
        orthanc_id=orthanc_id_of(SMALL.patient_id, ref.study_uid, ref.series_uid),
        study_orthanc_id=orthanc_id_of(SMALL.patient_id, ref.study_uid),
        patient_orthanc_id=orthanc_id_of(SMALL.patient_id),
        series=ref,
        modality="CT",
        instance_count=4,
        is_stable=True,
    )


def test_segmentations_are_told_with_their_maker(orthanc: OrthancServer, feed: OrthancFeed) -> None:
    sent = phantom_series(SMALL)
    seg = segmentation_of(sent, lesion_mask(SMALL), "lesion")
    nameless = segmentation_of(sent, lesion_mask(SMALL), "other")
    nameless.ManufacturerModelName = ""
    upload(orthanc, [seg, nameless])
    names = {told.series: told.manufacturer_model_name for told in feed.all_series()}
    assert names == {series_of(seg): "Phantom", series_of(nameless): ""}


def test_all_series_come_once_over_several_pages(
    orthanc: OrthancServer, feed: OrthancFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(feed.all_series()) == []
    sent = [phantom_series(replace(SMALL, shape=(1, 8, 8), patient_id=f"P{n}"))[0] for n in range(7)]
    sent += [phantom_series(replace(SMALL, shape=(1, 8, 8), patient_id="P0", series_key="2"))[0]]
    upload(orthanc, sent)
    monkeypatch.setattr("similar_cases.pacs.orthanc_changes._PAGE", 3)
    listed = list(feed.all_series())
    assert sorted(told.series for told in listed) == sorted(series_of(instance) for instance in sent)
    for told in listed:
        alone = feed.series(told.orthanc_id)
        assert alone
        assert alone == replace(told, is_stable=alone.is_stable), "it may have become stable since it was listed"


def test_a_level_that_does_not_exist_is_refused(feed: OrthancFeed) -> None:
    with pytest.raises(InvalidRequest, match="patient, study, series, instance"):
        feed.exists("frame", "x")
    assert not feed.exists("series", "../system")


def test_credentials(start_orthanc: Callable[..., OrthancServer], version: Version) -> None:
    users = {"AuthenticationEnabled": True, "RegisteredUsers": {"worker": "pass"}}
    orthanc = start_orthanc(version=version, overrides=users)
    access = HttpAccess(authorization=basic_authorization("worker", "pass"))
    assert OrthancFeed(orthanc.url, access).changes(0).is_done
    assert DicomWebClient(orthanc.process.dicomweb_url, access).search_series() == []
    for act in (OrthancFeed(orthanc.url).last_sequence, DicomWebClient(orthanc.process.dicomweb_url).search_series):
        with pytest.raises(PacsUnavailable, match="check the credentials"):
            act()
