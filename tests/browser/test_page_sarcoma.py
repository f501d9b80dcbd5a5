"""The page on real patients: the tumour is clicked in CT, MR and PET; the mask lies on it, and ten cases come."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Heard
from tests.browser.desk import Desk
from tests.integration.archive_client import ArchiveClient, archive
from tests.integration.conftest import require

pytestmark = [pytest.mark.browser, pytest.mark.orthanc, pytest.mark.data]

PATIENTS = ("STS_003", "STS_005", "STS_007", "STS_012", "STS_030")


@pytest.fixture(scope="module")
def patients(
    request: pytest.FixtureRequest, data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ArchiveClient]:
    """Five patients with CT, MR and PET, and a contour in each."""
    require("debian", request.config)
    with archive(tmp_path_factory.mktemp("patients")) as running:
        running.send([data_dir / "sarcoma" / "dicom" / patient for patient in PATIENTS])
        running.wait_until_settled()
        yield running


@pytest.fixture
def reader(patients: ArchiveClient, browser: Browser) -> Iterator[Page]:
    """A page whose console stays silent."""
    heard = Heard(patients.server.url)
    page = heard.listen(browser.new_page(viewport={"width": 1600, "height": 1000}))
    yield page
    page.close()
    assert heard.words == []


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_a_click_on_the_tumour(patients: ArchiveClient, reader: Page, modality: str) -> None:
    row = next(
        one
        for one in patients.images().values()
        if one["modality"] == modality and one["about"]["patient_id"] == "STS_003"
    )
    reader.goto(f"{patients.url('/')}?StudyInstanceUIDs={row['study']}&SeriesInstanceUIDs={row['series']}")
    desk = Desk(reader).opened().answered(10)
    for view in reader.locator(".view-canvas").all():
        assert desk.outline(view) > 50
    first = reader.locator(".card h3").first.inner_text()
    assert first.startswith(f"1. {modality}")
    drawn_ml = desk.volume_ml()

    reader.locator("[data-known]").last.click()  # the whole series
    desk.answered()
    assert desk.outline() == 0
    reader.locator("[data-known]").first.click()
    desk.answered(10)
    reader.get_by_role("button", name="Region", exact=True).click()
    reader.locator("[data-known]").last.click()
    desk.answered()
    box = desk.images.bounding_box()
    assert box
    desk.images.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    desk.answered(10)
    assert desk.outline() > 100
    assert drawn_ml / 4 < desk.volume_ml() < drawn_ml * 4

    desk.cards.first.locator(".open").click()
    reader.wait_for_selector(".views[data-compared]")
    assert desk.outline(desk.beside) > 100
    before = desk.slice_of(desk.beside)
    desk.images.hover()
    reader.mouse.wheel(0, 40)
    expect(desk.beside).not_to_have_attribute("data-slice", str(before))
