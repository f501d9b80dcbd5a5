"""A real browser on the page of a real archive: phantoms with one lesion each, some with hostile words."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, expect
from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage

from similar_cases.demo.annotations import segmentation_of
from similar_cases.demo.image_series import with_file_meta
from similar_cases.demo.phantoms import LesionKind, Phantom, lesion_mask, phantom_series
from tests.chromium import chromium, require_chromium
from tests.integration.archive_client import ArchiveClient, archive
from tests.integration.conftest import require

#: others may use this machine
SLOW_MS = 60_000
SCRIPT = "<script>document.title='taken'</script>"
IMAGE = "<img src=x onerror=\"document.title='taken'\">"
#: a word of the report that is markup, and of no other
RARE = "quagmire"
#: the phantom in which two regions are drawn
TWICE = 13
KINDS = (LesionKind.SOLID, LesionKind.NECROTIC, LesionKind.SPICULATED, LesionKind.CALCIFIED)


@dataclass(frozen=True)
class Hospital:
    """An archive of phantoms.

    Attributes:
        unmarked: a phantom whose lesion nobody has drawn.
        hostile: UID of a series whose texts are markup, in its headers, its SEG and the report of its study.
        flat: UID of a series that makes no volume.
    """

    archive: ArchiveClient
    unmarked: Phantom
    hostile: str
    flat: str

    def page(self, study: str = "", series: str = "") -> str:
        """Return the address of the page."""
        query = f"?StudyInstanceUIDs={study}&SeriesInstanceUIDs={series}" if study else ""
        return f"{self.archive.url('/')}{query}"

    def page_of(self, series_uid: str) -> str:
        """Return the address of a series' page."""
        return self.page(self.archive.images()[series_uid]["study"], series_uid)


def hostile(instances: list[Dataset]) -> list[Dataset]:
    """Give every text of the headers a tag in it."""
    for one in instances:
        one.PatientName, one.PatientID = f"{SCRIPT}^A", "<b>HOSTILE</b>"
        one.SeriesDescription, one.StudyDescription = IMAGE, SCRIPT
        one.BodyPartExamined, one.Manufacturer = "CHEST", SCRIPT
    return instances


def hostile_seg(images: list[Dataset], mask: NDArray[np.bool_]) -> Dataset:
    """Mark a lesion with nothing but markup."""
    seg = segmentation_of(images, mask, IMAGE)
    [segment] = seg.SegmentSequence
    segment.SegmentDescription = SCRIPT
    segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning = IMAGE
    seg.SeriesDescription = seg.ContentDescription = SCRIPT
    return seg


def hostile_report(image: Dataset) -> Dataset:
    """Return an SR in the study of an image, whose text is markup and one rare word."""
    document = Dataset()
    document.SOPClassUID = BasicTextSRStorage
    document.StudyInstanceUID, document.PatientID = image.StudyInstanceUID, image.PatientID
    document.SeriesInstanceUID, document.SOPInstanceUID = (f"{image.StudyInstanceUID}.{end}" for end in ("7", "7.1"))
    document.PatientName, document.SeriesDescription, document.Modality = image.PatientName, SCRIPT, "SR"
    item = Dataset()
    item.ValueType, item.TextValue = "TEXT", f"{SCRIPT} {IMAGE} {RARE}"
    document.ContentSequence = [item]
    return with_file_meta(document)


def a_phantom(number: int, **changes: Any) -> Phantom:
    return Phantom(
        **{
            "kind": KINDS[number % 4],
            "shape": (24, 96, 96),
            "seed": number,
            "patient_id": f"P{number:02d}",
            "patient_name": f"Phantom^{number}",
            "patient_sex": "FM"[number % 2],
            "patient_birth_date": f"{1940 + 4 * number}0101",
            "lesion_radius_mm": 14.0 + number % 3,
            "lesion_lps": (20.0 - number % 3, 0.0, 0.0),
            **changes,
        }
    )


@pytest.fixture(scope="session")
def hospital(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    """Fourteen patients with a drawn lesion each, one whose lesion nobody drew, one with hostile texts, one slice."""
    require("debian", request.config)
    require_chromium(request.config)
    with archive(tmp_path_factory.mktemp("hospital")) as running:
        sent: list[Dataset] = []
        for number in range(14):
            one = a_phantom(number)
            images = list(phantom_series(one))
            sent += [*images, segmentation_of(images, lesion_mask(one), str(one.kind))]
            if number == TWICE:
                sent.append(segmentation_of(images, np.roll(lesion_mask(one), -20, axis=2), "its neighbour"))
        unmarked = a_phantom(20, kind=LesionKind.SOLID)
        sent += phantom_series(unmarked)
        bad = hostile(list(phantom_series(a_phantom(21))))
        sent += [hostile_report(bad[0]), *bad, hostile_seg(bad, lesion_mask(a_phantom(21)))]
        flat = list(phantom_series(a_phantom(22)))[:1]
        report = running.send([*sent, *flat])
        assert not report.failures
        running.wait_until_settled()
        yield Hospital(running, unmarked, str(bad[0].SeriesInstanceUID), str(flat[0].SeriesInstanceUID))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium, without a window."""
    expect.set_options(timeout=SLOW_MS)
    with chromium() as running:
        yield running


@dataclass
class Heard:
    """What the browser said that a user should not see, and requests that left the archive."""

    origin: str
    words: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> Page:
        """Listen to a page."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.words.append(str(error)))
        page.on("request", self._request)
        page.on("response", self._response)
        page.set_default_timeout(SLOW_MS)
        return page

    def _console(self, said: ConsoleMessage) -> None:
        self.words.append(f"{said.type}: {said.text}")

    def _request(self, asked: Request) -> None:
        if not asked.url.startswith((self.origin, "blob:", "data:")):
            self.words.append(f"left the archive: {asked.url}")

    def _response(self, answer: Response) -> None:
        if answer.status >= 500:
            self.words.append(f"{answer.status}: {answer.url}")


@pytest.fixture
def heard(hospital: Hospital) -> Heard:
    """What is heard from the test's pages."""
    return Heard(hospital.archive.server.url)


@pytest.fixture
def page(browser: Browser, heard: Heard, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page at 1600 × 1000; the test fails where its console says a word."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000}, accept_downloads=True)
    context.on("page", lambda opened: heard.listen(opened))
    page = context.new_page()
    yield page
    context.close()
    if not request.node.get_closest_marker("may_be_heard"):
        assert heard.words == []
