"""OHIF with our panel: a lesion is measured, ten cases come, one opens beside, and the SEG lies where it should."""

import base64
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from numpy.typing import NDArray
from playwright.sync_api import Browser, ConsoleMessage, FrameLocator, Page, expect
from pydicom import Dataset, dcmread

from similar_cases.demo.phantoms import lesion_mask, phantom_series
from tests.browser.conftest import IMAGE, a_phantom, hostile, hostile_seg
from tests.browser.ohif_server import ohif, why_not
from tests.integration.archive_client import ArchiveClient, archive
from tests.integration.conftest import require

pytestmark = [pytest.mark.browser, pytest.mark.orthanc, pytest.mark.data]

#: the first is asked about; the others have four times three regions to answer with
PATIENTS = ("STS_001", "STS_007", "STS_012", "STS_023", "STS_030")
#: software draws, and others may use this machine
SLOW_MS = 120_000
PANEL = "[data-cy=similar-cases-frame]"
CARD, OPEN = "li.card", "button[data-act=open]"
#: OHIF's own words on itself, which are none of ours
OHIF_SAYS = ("`DialogContent` requires a `DialogTitle`",)

Array = NDArray[Any]


@dataclass(frozen=True)
class Viewer:
    """An archive of sarcoma patients, and OHIF in front of it.

    Attributes:
        study: UID of the study that is asked about, `series` that of its MR.
        hostile: UIDs of a study and its series, the texts of which are markup.
    """

    archive: ArchiveClient
    url: str
    study: str
    series: str
    hostile: tuple[str, str]

    @property
    def region(self) -> dict[str, Any]:
        """The contoured region of the series that is asked about."""
        [case] = self.archive.regions(self.series)
        return dict(case["region"])

    def seg(self) -> Dataset:
        """The SEG that ingestion wrote of it."""
        [found] = [one for one in self.archive.results() if str(one.SOPInstanceUID) == self.region["seg"]]
        return found


@pytest.fixture(scope="module")
def viewer(
    request: pytest.FixtureRequest, data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Viewer]:
    require("debian", request.config)
    if reason := why_not():
        (pytest.fail if request.config.getoption("--require-browser") else pytest.skip)(reason)
    with archive(tmp_path_factory.mktemp("ohif")) as running:
        phantom = a_phantom(21)
        bad = hostile(list(phantom_series(phantom)))
        strange = [*bad, hostile_seg(bad, lesion_mask(phantom))]
        report = running.send([*(data_dir / "sarcoma" / "dicom" / patient for patient in PATIENTS), *strange])
        assert not report.failures
        first = dcmread(next((data_dir / "sarcoma" / "dicom" / PATIENTS[0] / "MR_T1" / "image").iterdir()))
        running.wait_until_settled()
        with ohif(running.server.url) as url:
            study, series = str(first.StudyInstanceUID), str(first.SeriesInstanceUID)
            yield Viewer(running, url, study, series, (str(bad[0].StudyInstanceUID), str(bad[0].SeriesInstanceUID)))


@dataclass(frozen=True)
class Reading:
    """A reader's window: OHIF with the study open, and what its console said."""

    page: Page
    said: list[str]

    @property
    def panel(self) -> FrameLocator:
        return self.page.frame_locator(PANEL)

    def shown(self) -> list[dict[str, Any]]:
        """Return what each viewport shows: series, instance and patient."""
        return list(self.page.evaluate(SHOWN))

    def keep(self, name: str) -> None:
        """Save a picture of the window where the run was told to keep them."""
        if folder := os.environ.get("OHIF_SCREENSHOTS"):
            self.page.screenshot(path=Path(folder) / f"ohif-{name}.png")


@contextmanager
def reading_of(viewer: Viewer, browser: Browser, study: str, series: str) -> Iterator[Reading]:
    """Open a study in OHIF, a series of it in the viewport; its console must stay silent."""
    page = browser.new_page(viewport={"width": 1600, "height": 900})
    page.set_default_timeout(SLOW_MS)
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(OHIF_SAYS):
            said.append(f"{message.text} ({message.location['url']})")

    page.on("console", hear)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{viewer.url}/viewer?StudyInstanceUIDs={study}&initialSeriesInstanceUID={series}")
    page.get_by_text("Confirm and hide").click()
    page.wait_for_function(f"{SHOWN_NOW}.some(({{series}}) => series === '{series}')")
    yield Reading(page, said)
    assert not said
    page.close()


@pytest.fixture
def reading(viewer: Viewer, browser: Browser) -> Iterator[Reading]:
    """OHIF with the study of the first patient open, its MR in the viewport."""
    with reading_of(viewer, browser, viewer.study, viewer.series) as opened:
        yield opened


#: what each viewport shows, by cornerstone's own word
SHOWN = """() => [...window.services.viewportGridService.getState().viewports.keys()].map((id) => {
    const shown = window.services.cornerstoneViewportService.getCornerstoneViewport(id)?.getCurrentImageId?.() || '';
    const [, series, instance] = shown.match(/series\\/([0-9.]+)\\/instances\\/([0-9.]+)/) || [];
    return {viewport: id, series, instance};
})"""

SHOWN_NOW = f"({SHOWN})()"

#: go to the slice of an LPS point and say where, in the window, two LPS points of that slice are
LOCATE = """async ({instance, ends}) => {
    const id = window.services.viewportGridService.getActiveViewportId();
    const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(id);
    await viewport.setImageIdIndex(viewport.getImageIds().findIndex((image) => image.includes(`/${instance}/`)));
    const {x, y} = viewport.element.getBoundingClientRect();
    return ends.map((point) => viewport.worldToCanvas(point)).map(([right, down]) => [x + right, y + down]);
}"""

#: each labelled slice: the instance below it, and its mask
LABELS = """() => window.cornerstoneTools.segmentation.state.getSegmentations().map(({representationData}) =>
    representationData.Labelmap.imageIds.map((id) => {
        const image = window.cornerstone.cache.getImage(id);
        const labels = Uint8Array.from(image.getPixelData());
        const [, instance] = image.referencedImageId.match(/instances\\/([0-9.]+)/);
        const text = btoa(Array.from(labels, (label) => String.fromCharCode(label)).join(''));
        return {instance, rows: image.rows, columns: image.columns, labels: text};
    }))"""


def masks_of(seg: Dataset) -> dict[str, Array]:
    """Return the mask of each instance that a SEG marks."""
    frames = np.atleast_3d(seg.pixel_array) if seg.NumberOfFrames == 1 else seg.pixel_array
    found = {}
    for frame, about in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        [source] = about.DerivationImageSequence[0].SourceImageSequence
        found[str(source.ReferencedSOPInstanceUID)] = frame > 0
    return {instance: mask for instance, mask in found.items() if mask.any()}


def longest_row(viewer: Viewer) -> tuple[str, list[list[float]]]:
    """Return the instance with most of the lesion, and both ends (LPS mm) of the lesion's longest row there."""
    masks = masks_of(viewer.seg())
    instance = max(masks, key=lambda uid: masks[uid].sum())
    row = int(masks[instance].sum(axis=1).argmax())
    columns = np.flatnonzero(masks[instance][row])
    [image] = [one for one in viewer.archive.instances_of(viewer.series) if str(one.SOPInstanceUID) == instance]
    across, down = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
    between_rows, between_columns = (float(spacing) for spacing in image.PixelSpacing)
    origin = np.array(image.ImagePositionPatient, float) + down * between_rows * row
    ends = [origin + across * between_columns * column for column in (columns[0], columns[-1])]
    return instance, [[float(value) for value in end] for end in ends]


def measure(reading: Reading, instance: str, ends: list[list[float]]) -> tuple[float, float]:
    """Draw a length between two LPS points, and return the middle of its line in the window."""
    (x0, y0), (x1, y1) = reading.page.evaluate(LOCATE, {"instance": instance, "ends": ends})
    reading.page.locator("[data-cy=MeasurementTools-split-button-primary]").click()
    reading.page.mouse.move(x0, y0)
    reading.page.mouse.down()
    reading.page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2, steps=4)
    reading.page.mouse.move(x1, y1, steps=4)
    reading.page.mouse.up()
    reading.page.wait_for_function("() => window.services.measurementService.getMeasurements().length === 1")
    return (x0 + x1) / 2, (y0 + y1) / 2


def test_measured_lesion_finds_ten_cases_and_one_opens_beside(reading: Reading, viewer: Viewer) -> None:
    instance, ends = longest_row(viewer)
    middle = measure(reading, instance, ends)
    reading.page.mouse.click(*middle, button="right")
    reading.keep("menu")
    with reading.page.expect_response("**/similar-cases/similar") as answered:
        reading.page.get_by_text("Find similar", exact=True).click()
    asked, answer = answered.value.request.post_data_json, answered.value.json()

    assert (asked["study"], asked["series"]) == (viewer.study, viewer.series)
    [point] = asked["points"]
    assert point["lps"] == pytest.approx(np.mean(ends, axis=0), abs=1.5)
    width = np.subtract(asked["box"]["upper_lps"], asked["box"]["lower_lps"])
    assert width == pytest.approx([np.linalg.norm(np.subtract(*ends))] * 3, abs=3)

    expect(reading.panel.locator(CARD)).to_have_count(10)
    expect(reading.panel.locator(".answers[data-pictures]")).to_have_count(1)
    assert len(answer["cases"]) == 10
    assert PATIENTS[0] not in {case["patient_id"] for case in answer["cases"]}
    reading.keep("panel")

    found = answer["cases"][0]
    reading.panel.locator(OPEN).first.click()
    reading.page.wait_for_function(
        f"(wanted) => {SHOWN_NOW}.some(({{instance}}) => instance === wanted)", arg=found["key_frame"]["instance"]
    )
    query, beside = reading.shown()
    assert (query["series"], query["instance"]) == (viewer.series, instance)
    assert (beside["series"], beside["instance"]) == (found["series"], found["key_frame"]["instance"])
    overlays = reading.page.locator("[data-cy=viewport-overlay-top-left]")
    expect(overlays.nth(0)).to_contain_text(PATIENTS[0])
    expect(overlays.nth(1)).to_contain_text(found["patient_id"])
    reading.panel.locator("#asked-title").scroll_into_view_if_needed()
    reading.keep("beside")


def test_another_answer_takes_the_place_of_the_first(reading: Reading, viewer: Viewer) -> None:
    reading.page.locator("[data-cy=SimilarCases]").click()
    buttons = reading.panel.locator(OPEN)
    chosen = [buttons.nth(place).get_attribute("data-series") for place in (0, 3)]
    for place, series in zip((0, 3), chosen, strict=True):
        buttons.nth(place).click()
        reading.page.wait_for_function(f"{SHOWN_NOW}[1]?.series === '{series}'")
        assert [one["series"] for one in reading.shown()] == [viewer.series, series]


def test_without_a_measurement_the_series_is_asked_about(reading: Reading, viewer: Viewer) -> None:
    with reading.page.expect_response("**/similar-cases/similar") as answered:
        reading.page.locator("[data-cy=SimilarCases]").click()
    asked = answered.value.request.post_data_json
    assert (asked["study"], asked["series"]) == (viewer.study, viewer.series)
    assert not asked.keys() & {"points", "box", "tracking_uid"}
    expect(reading.panel.locator(CARD)).not_to_have_count(0)


def test_seg_of_ingestion_lies_over_the_very_voxels(reading: Reading, viewer: Viewer) -> None:
    listed = reading.page.locator("[data-cy=study-browser-thumbnail-no-image]")
    seg = listed.filter(has_text="SEG").filter(has_text="MR series")
    expect(seg).to_have_count(1)
    seg.dblclick()
    reading.page.wait_for_function(f"({LABELS})().length === 1")
    [slices] = reading.page.evaluate(LABELS)
    shown = {
        one["instance"]: np.frombuffer(base64.b64decode(one["labels"]), np.uint8).reshape(one["rows"], one["columns"])
        for one in slices
    }
    shown = {instance: mask > 0 for instance, mask in shown.items() if mask.any()}
    written = masks_of(viewer.seg())
    assert shown.keys() == written.keys()
    assert all(np.array_equal(shown[instance], written[instance]) for instance in written)
    instance, ends = longest_row(viewer)
    reading.page.evaluate(LOCATE, {"instance": instance, "ends": ends})
    reading.keep("seg")


def test_words_of_another_window_open_nothing(reading: Reading, viewer: Viewer) -> None:
    reading.page.locator("[data-cy=SimilarCases]").click()
    expect(reading.panel.locator(CARD)).not_to_have_count(0)
    other = reading.panel.locator(OPEN).first.get_attribute("data-series")
    message = {"type": "similar-cases/open", "study": viewer.study, "series": other}
    # of the same origin, but not from the panel's frame; and from the frame, but not of our words
    reading.page.evaluate("(message) => window.postMessage(message, window.location.origin)", message)
    frame = reading.page.frame(url="**/similar-cases/**")
    assert frame
    for strange in ({**message, "series": "<b>"}, {**message, "type": "similar-cases/other"}, None, "text"):
        frame.evaluate("(message) => window.parent.postMessage(message, window.location.origin)", strange)
    reading.page.wait_for_timeout(1000)
    assert [one["series"] for one in reading.shown()] == [viewer.series]


def test_markup_in_headers_and_labels_stays_text(viewer: Viewer, browser: Browser) -> None:
    with reading_of(viewer, browser, *viewer.hostile) as reading:
        expect(reading.page.locator("[data-cy=viewport-overlay-top-left]").first).to_contain_text("<b>HOSTILE</b>")
        reading.page.locator("[data-cy=SimilarCases]").click()
        expect(reading.panel.locator(CARD)).not_to_have_count(0)
        expect(reading.panel.locator("[data-known]").first).to_contain_text(IMAGE)
        for frame in reading.page.frames:
            assert frame.evaluate("document.querySelectorAll(\"img[src='x']\").length") == 0
            assert "taken" not in frame.title()
        reading.keep("hostile")


@pytest.mark.parametrize("path", ["/", "/viewer?StudyInstanceUIDs=1", "/app-config.js", "/similar-cases/"])
def test_other_sites_cannot_frame_it_nor_load_into_it(viewer: Viewer, path: str) -> None:
    headers = requests.get(viewer.url + path, headers={"Accept": "text/html"}, timeout=30).headers
    policy = headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in policy
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.parametrize("path", ["/system", "/instances", "/patients", "/app/explorer.html", "/tools/shutdown"])
def test_the_rest_of_orthanc_is_out_of_reach(viewer: Viewer, path: str) -> None:
    assert requests.get(viewer.url + path, timeout=30).status_code == 404
    assert requests.post(viewer.url + path, data=b"", timeout=30).status_code in (404, 405)
    as_page = requests.get(viewer.url + path, headers={"Accept": "text/html"}, timeout=30)
    assert "OHIF Viewer" in as_page.text or as_page.status_code == 404
    assert viewer.archive.server.get("/system")["Version"]


def test_images_pass_unchanged(viewer: Viewer) -> None:
    path = f"/dicom-web/studies/{viewer.study}/series/{viewer.series}/metadata"
    through = requests.get(viewer.url + path, timeout=60).json()
    assert len(through) == len(viewer.archive.instances_of(viewer.series))
    instance = through[0]["00080018"]["Value"][0]
    wado = f"/dicom-web/studies/{viewer.study}/series/{viewer.series}/instances/{instance}"
    asked = {"Accept": "multipart/related; type=application/dicom; transfer-syntax=*"}
    parts = requests.get(viewer.url + wado, headers=asked, timeout=60).content
    assert dcmread(io.BytesIO(parts[parts.index(b"\r\n\r\n") + 4 :])).SOPInstanceUID == instance
