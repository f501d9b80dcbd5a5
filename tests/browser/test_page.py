"""The page in a real browser: a lesion is clicked, ten cases come, one is compared; by mouse and by keyboard alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FrameLocator, Page, expect

from similar_cases.demo.annotations import segmentation_of
from similar_cases.demo.phantoms import lesion_mask, phantom_series
from tests.browser.conftest import IMAGE, RARE, SCRIPT, SLOW_MS, TWICE, Heard, Hospital, a_phantom
from tests.browser.desk import BLUE, ORANGE, Desk
from tests.browser.prefix_proxy import PREFIX, behind_a_prefix
from tests.integration.archive_client import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.orthanc]


def series_uid(phantom) -> str:
    return str(next(iter(phantom_series(phantom))).SeriesInstanceUID)


def no_violation(page: Page) -> None:
    found = Axe().run(
        page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    )
    told = [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in found.response["violations"]]
    assert told == []


def feedback(hospital: Hospital) -> list[dict]:
    return hospital.archive.get("/feedback")["feedback"]


class TestByMouse:
    """The way of most readers."""

    def test_from_orthanc_explorer_to_a_compared_corrected_filtered_and_judged_answer(self, hospital, page):
        uid = series_uid(hospital.unmarked)
        orthanc_id = hospital.archive.images()[uid]["orthanc_id"]
        page.goto(f"{hospital.archive.server.url}/app/explorer.html#series?uuid={orthanc_id}")
        with page.context.expect_page() as opened:
            page.locator("#similar-cases-series").click()
        desk = Desk(opened.value).opened()
        reader = desk.page
        expect(reader.get_by_text("Click a lesion in the images")).to_be_visible()
        assert desk.outline() == 0

        desk.images.click(position=desk.place_of(hospital.unmarked, hospital.unmarked.lesion_lps))
        desk.answered(10)
        assert desk.outline() > 100
        drawn = lesion_mask(hospital.unmarked).sum() * hospital.unmarked.geometry.voxel_volume_mm3 / 1000
        assert drawn / 2 < desk.volume_ml() < 2 * drawn
        assert all(desk.outline(picture) > 50 for picture in reader.locator(".key-picture").all())

        before, size = [desk.cards.nth(n).get_attribute("data-case") for n in range(10)], desk.volume_ml()
        edge = (hospital.unmarked.lesion_lps[0] + 11.0, 0.0, 0.0)
        with reader.expect_request(lambda asked: asked.url.endswith("/region")) as correction:
            desk.images.click(position=desk.place_of(hospital.unmarked, edge), button="right")
        desk.answered(10)
        assert desk.volume_ml() < size
        told = correction.value.post_data_json
        assert [point["positive"] for point in told["points"]] == [True, False]
        assert sum(told["mask"]["runs"][1::2]) == round(size * 1000 / hospital.unmarked.geometry.voxel_volume_mm3)

        reader.get_by_role("button", name="male", exact=True).click()
        desk.answered()
        expect(reader.get_by_role("button", name="male", exact=True)).to_have_attribute("aria-pressed", "true")
        titles = reader.locator(".card h3").all_inner_texts()
        assert titles
        assert all(", 5" in title or " male" in title for title in titles)
        assert not any("female" in title for title in titles)
        reader.get_by_role("button", name="Clear filters").click()
        desk.answered(10)

        desk.cards.first.get_by_role("button", name="Alike", exact=True).click()
        expect(desk.cards.first.get_by_role("button", name="Alike", exact=True)).to_have_attribute(
            "aria-pressed", "true"
        )
        [kept] = feedback(hospital)
        assert (kept["verdict"], kept["rank"]) == ("alike", 1)
        assert len(kept["asked_prompts"]["points"]) == 2
        desk.cards.first.get_by_role("button", name="Alike", exact=True).click()
        expect(desk.cards.first.get_by_role("button", name="Alike", exact=True)).to_have_attribute(
            "aria-pressed", "false"
        )
        assert feedback(hospital) == []

        desk.cards.nth(1).locator(".open").click()
        reader.wait_for_selector(".views[data-compared]")
        assert desk.outline(desk.beside) > 100
        here, there = desk.slice_of(desk.images), desk.slice_of(desk.beside)
        desk.images.hover()
        reader.mouse.wheel(0, 80)
        expect(desk.images).to_have_attribute("data-slice", str(here + 2))
        expect(desk.beside).not_to_have_attribute("data-slice", str(there))
        reader.get_by_role("button", name="Linked").click()
        there = desk.slice_of(desk.beside)
        desk.images.hover()
        reader.mouse.wheel(0, 40)
        expect(desk.images).to_have_attribute("data-slice", str(here + 3))
        assert desk.slice_of(desk.beside) == there
        reader.locator(".beside").get_by_role("button", name="Close").click()
        expect(desk.beside).to_have_count(0)
        assert before

    def test_a_box_shows_a_region_too_and_outlines_can_be_hidden(self, hospital, page):
        page.goto(hospital.page_of(series_uid(hospital.unmarked)))
        desk = Desk(page).opened()
        page.get_by_role("button", name="Box").click()
        x, y, z = hospital.unmarked.lesion_lps
        corners = [desk.place_of(hospital.unmarked, (x + step, y + step, z)) for step in (-16.0, 16.0)]
        box = desk.images.bounding_box()
        page.mouse.move(box["x"] + corners[0]["x"], box["y"] + corners[0]["y"])
        page.mouse.down()
        page.mouse.move(box["x"] + corners[1]["x"], box["y"] + corners[1]["y"], steps=4)
        page.mouse.up()
        desk.answered(10)
        assert desk.outline() > 100
        page.get_by_role("button", name="Outlines").click()
        page.wait_for_function(f"canvas => ({ORANGE.strip()})(canvas) === 0", arg=desk.images.element_handle())

    def test_what_is_dragged_or_turned_can_be_clicked_too(self, hospital, page):
        phantom = hospital.unmarked
        page.goto(hospital.page_of(series_uid(phantom)))
        desk = Desk(page).opened()
        x, y, z = phantom.lesion_lps
        page.get_by_role("button", name="Box").click()
        for step in (-16.0, 16.0):
            desk.images.click(position=desk.place_of(phantom, (x + step, y + step, z)))
        desk.answered(10)
        small = desk.outline()
        assert small > 100
        for _ in range(2):
            page.get_by_role("button", name="Zoom in").click()
        assert desk.outline() > 1.2 * small
        page.get_by_role("button", name="Move").click()
        before = desk.images.evaluate("c => c.toDataURL()")
        desk.images.click(position={"x": 100, "y": 100})
        page.wait_for_function("([c, was]) => c.toDataURL() !== was", arg=[desk.images.element_handle(), before])
        slider = page.get_by_role("slider", name="Slices: Images as acquired")
        box = slider.bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 2)
        expect(desk.images).to_have_attribute("data-slice", "23")
        expect(slider).to_have_attribute("aria-valuetext", "Axial 24 / 24")

    def test_a_known_region_is_corrected_from_its_own_mask_and_comes_back_by_undo(self, hospital, page):
        phantom = a_phantom(0)
        page.goto(hospital.page_of(series_uid(phantom)))
        desk = Desk(page).opened().answered(10)
        drawn = desk.volume_ml()
        x, y, z = phantom.lesion_lps
        page.get_by_role("button", name="Fit", exact=True).click()
        with page.expect_request(lambda asked: asked.url.endswith("/region")) as correction:
            desk.images.click(position=desk.place_of(phantom, (x + 10.0, y, z)), button="right")
        desk.answered(10)
        assert sum(correction.value.post_data_json["mask"]["runs"]) > 0
        assert desk.volume_ml() != drawn
        expect(page.locator("[data-known]").first).to_have_attribute("aria-pressed", "false")
        page.get_by_role("button", name="Undo").click()
        desk.answered(10)
        assert desk.volume_ml() == drawn
        expect(page.locator("[data-known]").first).to_have_attribute("aria-pressed", "true")

    def test_a_known_region_is_outlined_in_every_plane(self, hospital, page):
        page.goto(hospital.page_of(series_uid(a_phantom(0))))
        desk = Desk(page).opened().answered(10)
        for view in page.locator(".view-canvas").all():
            page.wait_for_function("c => c.dataset.slice !== undefined", arg=view.element_handle())
            assert desk.outline(view) > 50

    def test_other_known_regions_are_outlined_thinly_and_hidden_with_the_rest(self, hospital, page):
        page.goto(hospital.page_of(series_uid(a_phantom(TWICE))))
        desk = Desk(page).opened().answered(10)
        page.get_by_role("button", name="Fit", exact=True).click()
        expect(page.locator("[data-known]")).to_have_count(3)
        blue = f"canvas => ({BLUE.strip()})(canvas) > 50"
        page.wait_for_function(blue, arg=desk.images.element_handle())
        assert desk.outline() > 50
        page.locator("[data-known]").nth(1).click()
        desk.answered(10)
        page.wait_for_function(blue, arg=desk.images.element_handle())
        page.get_by_role("button", name="Outlines").click()
        page.wait_for_function(blue.replace("> 50", "=== 0"), arg=desk.images.element_handle())

    def test_windows_change_the_picture_and_the_cards(self, hospital, page):
        page.goto(hospital.page_of(series_uid(a_phantom(0))))
        desk = Desk(page).opened().answered(10)
        before = [
            picture.evaluate("c => c.toDataURL()") for picture in (desk.images, page.locator(".key-picture").first)
        ]
        page.get_by_label("Window", exact=True).select_option("Bone")
        page.wait_for_function("([c, was]) => c.toDataURL() !== was", arg=[desk.images.element_handle(), before[0]])
        assert page.locator(".key-picture").first.evaluate("c => c.toDataURL()") != before[1]

    def test_the_table_of_radiomics_and_the_answers_can_be_taken_along(self, hospital, page, tmp_path):
        page.goto(hospital.page_of(series_uid(a_phantom(0))))
        Desk(page).opened().answered(10)
        with page.expect_download() as taken:
            page.get_by_role("button", name="Export CSV").click()
        answers = Path(taken.value.path()).read_text("utf-8").splitlines()
        assert len(answers) == 11
        assert answers[0].startswith("rank,score,appearance,radiomics,chance,modality")
        page.get_by_role("button", name="Radiomics").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("row", name="Mesh Volume")).to_be_visible()
        no_violation(page)
        with page.expect_download() as taken:
            dialog.get_by_role("button", name="Export CSV").click()
        rows = [line.split(",") for line in Path(taken.value.path()).read_text("utf-8").splitlines()]
        assert len(rows[0]) == 12
        assert len(rows) > 100
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)

    def test_feedback_on_a_known_region_is_still_there_after_reloading(self, hospital, page):
        page.goto(hospital.page_of(series_uid(a_phantom(2))))
        desk = Desk(page).opened().answered(10)
        desk.cards.nth(2).get_by_role("button", name="Not alike").click()
        expect(desk.cards.nth(2).get_by_role("button", name="Not alike")).to_have_attribute("aria-pressed", "true")
        page.reload()
        desk.answered(10)
        again = desk.cards.nth(2).get_by_role("button", name="Not alike")
        expect(again).to_have_attribute("aria-pressed", "true")
        again.click()
        expect(again).to_have_attribute("aria-pressed", "false")


class TestByKeyboard:
    """Without a mouse."""

    def test_the_whole_way(self, hospital, page):
        page.goto(hospital.page())
        row = page.locator("tr", has=page.locator(f"[data-key='{series_uid(hospital.unmarked)}']"))
        expect(row).to_be_visible()
        tab_to(page, f"[data-key='{series_uid(hospital.unmarked)}']", limit=200)
        page.keyboard.press("Enter")
        desk = Desk(page).opened()
        tab_to(page, ".view-canvas")
        _, j, i = (round(value) for value in hospital.unmarked.geometry.lps_to_index(hospital.unmarked.lesion_lps)[0])
        move(page, i - 95 / 2, j - 95 / 2)
        page.keyboard.press("Enter")
        desk.answered(10)
        assert desk.outline() > 100
        size = desk.volume_ml()
        move(page, 5, 0)
        page.keyboard.press("n")
        desk.answered(10)
        assert desk.volume_ml() < size
        page.keyboard.press("Backspace")
        desk.answered(10)
        assert desk.volume_ml() == size

        tab_to(page, "[data-chip='sex-M']")
        page.keyboard.press("Space")
        desk.answered()
        expect(page.locator("[data-chip='sex-M']")).to_be_focused()
        assert page.locator("[data-chip='sex-M']").get_attribute("aria-pressed") == "true"
        assert not any("female" in title for title in page.locator(".card h3").all_inner_texts())

        tab_to(page, ".card .open")
        page.keyboard.press("Enter")
        page.wait_for_selector(".views[data-compared]")
        expect(page.locator(".beside h2")).to_be_focused()
        tab_to(page, ".beside canvas")
        there, here = desk.slice_of(desk.beside), desk.slice_of(desk.images)
        for _ in range(3):
            page.keyboard.press("PageDown")
        expect(desk.beside).to_have_attribute("data-slice", str(there + 3))
        expect(desk.images).not_to_have_attribute("data-slice", str(here))
        page.keyboard.press("Shift+Tab")
        expect(page.locator(".beside [data-act=close]")).to_be_focused()
        page.keyboard.press("Enter")
        expect(desk.beside).to_have_count(0)
        expect(desk.cards.first.locator(".open")).to_be_focused()

        tab_to(page, ".card [data-act=alike]")
        page.keyboard.press("Space")
        expect(desk.cards.first.locator("[data-act=alike]")).to_have_attribute("aria-pressed", "true")
        assert [word["verdict"] for word in feedback(hospital)] == ["alike"]
        page.keyboard.press("Space")
        expect(desk.cards.first.locator("[data-act=alike]")).to_have_attribute("aria-pressed", "false")

    def test_windows_and_slices(self, hospital, page):
        page.goto(hospital.page_of(series_uid(a_phantom(0))))
        desk = Desk(page).opened().answered(10)
        tab_to(page, ".view-canvas")
        window = page.get_by_label("Window", exact=True)
        told = page.locator(".grey-told").first
        page.keyboard.press("3")
        expect(told).to_have_text("C 300 W 1500")
        assert window.evaluate("one => one.selectedOptions[0].text") == "Bone"
        page.keyboard.press("s")
        expect(told).to_have_text("C 300 W 1650")
        page.keyboard.press("f")
        expect(told).to_have_text("C 218 W 1650")
        assert window.evaluate("one => one.selectedOptions[0].text") == "By hand"
        expect(page.get_by_role("button", name="Crosshair")).to_have_attribute("aria-pressed", "false")
        for _ in range(12):
            page.keyboard.press("+")
        seen = desk.images.evaluate("c => c.toDataURL()")
        for _ in range(3):
            page.keyboard.press("Shift+ArrowRight")  # the picture follows the crosshair
        page.wait_for_function("([c, was]) => c.toDataURL() !== was", arg=[desk.images.element_handle(), seen])
        expect(page.get_by_role("button", name="Crosshair")).to_have_attribute("aria-pressed", "true")
        at = desk.slice_of(desk.images)
        page.keyboard.press("Tab")
        expect(page.get_by_role("slider", name="Slices: Images as acquired")).to_be_focused()
        page.keyboard.press("ArrowDown")
        expect(desk.images).to_have_attribute("data-slice", str(at + 1))
        page.keyboard.press("Home")
        expect(desk.images).to_have_attribute("data-slice", "0")


class TestByTouch:
    """One finger points, scrolls, and does what the tool says; two fingers zoom."""

    def test_the_whole_way(self, hospital, browser, heard):
        context = browser.new_context(viewport={"width": 820, "height": 1180}, has_touch=True)
        page = heard.listen(context.new_page())
        page.goto(hospital.page_of(series_uid(hospital.unmarked)))
        desk = Desk(page).opened()
        box = desk.images.bounding_box()
        place = desk.place_of(hospital.unmarked, hospital.unmarked.lesion_lps)
        page.touchscreen.tap(box["x"] + place["x"], box["y"] + place["y"])
        desk.answered(10)
        small = desk.outline()
        assert small > 100
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        swipe(page, [(middle, (0.0, 64.0))])
        at = desk.slice_of(desk.images)
        assert at > hospital.unmarked.shape[0] // 2
        page.get_by_role("button", name="Window", exact=True).tap()
        swipe(page, [(middle, (60.0, 0.0))])
        expect(page.locator(".grey-told").first).not_to_have_text("C 40 W 400")
        assert desk.slice_of(desk.images) == at
        page.get_by_role("button", name="Point").tap()
        swipe(page, [(middle, (0.0, -64.0))])
        swipe(page, [((middle[0] - 40, middle[1]), (-60.0, 0.0)), ((middle[0] + 40, middle[1]), (60.0, 0.0))])
        assert desk.outline() > 1.5 * small
        page.get_by_role("button", name="Fit", exact=True).tap()
        edge = desk.place_of(hospital.unmarked, (hospital.unmarked.lesion_lps[0] + 11.0, 0.0, 0.0))
        size = desk.volume_ml()
        page.get_by_role("button", name="− Outside").tap()
        page.touchscreen.tap(box["x"] + edge["x"], box["y"] + edge["y"])
        desk.answered(10)
        assert desk.volume_ml() < size
        desk.cards.first.locator(".open").tap()
        page.wait_for_selector(".views[data-compared]")
        context.close()
        assert heard.words == []


def swipe(page: Page, fingers: list[tuple[tuple[float, float], tuple[float, float]]], steps: int = 8) -> None:
    """Move fingers over the screen, each from a place by so many pixels."""
    device = page.context.new_cdp_session(page)

    def touch(kind: str, share: float) -> None:
        points = [{"x": x + share * dx, "y": y + share * dy, "id": n} for n, ((x, y), (dx, dy)) in enumerate(fingers)]
        told = {"type": kind, "touchPoints": [] if kind == "touchEnd" else points}
        device.send("Input.dispatchTouchEvent", told)

    touch("touchStart", 0.0)
    for step in range(1, steps + 1):
        touch("touchMove", step / steps)
    touch("touchEnd", 1.0)


def tab_to(page: Page, selector: str, limit: int = 60) -> None:
    """Press Tab until the first element of `selector` has the keyboard."""
    for _ in range(limit):
        if page.evaluate("s => document.activeElement === document.querySelector(s)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} was not reached by {limit} presses of Tab")


def move(page: Page, columns: float, rows: float) -> None:
    """Move the crosshair by the arrow keys."""
    for steps, keys in ((columns, ("ArrowLeft", "ArrowRight")), (rows, ("ArrowUp", "ArrowDown"))):
        for _ in range(abs(round(steps))):
            page.keyboard.press(keys[steps > 0])


class TestFurtherWays:
    """Words, a place, measurements, examples, rankings: beside what is asked about, or alone."""

    def test_by_mouse(self, hospital, page):
        page.goto(hospital.page_of(series_uid(a_phantom(0))))
        desk = Desk(page).opened().answered(10)
        page.locator(".wishes summary").click()
        no_violation(page)
        told = asked_by(page, lambda: page.get_by_role("button", name="At this place").click())
        assert told["at"]["lps"] == pytest.approx(a_phantom(0).lesion_lps, abs=1.5)
        desk.answered(10)
        expect(desk.cards.first.get_by_text("Place")).to_be_visible()
        told = asked_by(page, lambda: page.get_by_label("Volume", exact=True).select_option("as here"))
        assert told["radiomics"] == [{"name": "shape_MeshVolume"}]
        desk.answered(10)
        asked_by(page, lambda: page.get_by_label("Brightness", exact=True).select_option("chosen"))
        told = asked_by(page, lambda: page.get_by_label("Brightness: percentile").fill("90"))
        assert {"name": "firstorder_Mean", "percentile": 90} in told["radiomics"]
        desk.answered(10)
        expect(page.locator(".wishes .badge")).to_have_text("3")
        no_violation(page)
        told = asked_by(page, lambda: page.get_by_role("button", name="Take all of these back").click())
        assert not {"at", "radiomics"} & set(told)
        expect(page.locator(".wishes .badge")).to_be_hidden()

    def test_words_by_keyboard(self, hospital, page):
        page.goto(hospital.page_of(series_uid(a_phantom(0))))
        desk = Desk(page).opened().answered(10)
        tab_to(page, ".wishes summary")
        page.keyboard.press("Enter")
        tab_to(page, "#wish-words")
        page.keyboard.type(f"lesion {IMAGE}")
        told = asked_by(page, lambda: page.keyboard.press("Enter"))
        assert told["text"] == f"lesion {IMAGE}"
        desk.answered()
        assert page.locator("main img").count() == 0
        tab_to(page, "[data-wish='ranking']")
        told = asked_by(page, lambda: page.keyboard.press("ArrowDown"))
        assert told["rank_by"] == "appearance"
        expect(page.locator("[data-wish='ranking']")).to_be_focused()

    def test_words_alone_ask_where_nothing_else_is_asked(self, hospital, page):
        page.goto(hospital.page_of(series_uid(hospital.unmarked)))
        desk = Desk(page).opened()
        page.locator(".wishes summary").click()
        page.get_by_label("Words", exact=True).fill("CT of the chest")
        told = asked_by(page, lambda: page.keyboard.press("Enter"))
        assert not {"study", "series"} & set(told)
        desk.answered(10)
        expect(desk.cards.first.get_by_label("Words")).to_be_visible()

    def test_the_archive_is_asked_by_words_and_an_answer_opens_as_a_question(self, hospital, page):
        page.goto(hospital.page())
        page.wait_for_selector("table tbody tr")
        told = asked_by(
            page, lambda: (page.get_by_role("searchbox").fill(f"chest {SCRIPT}"), page.keyboard.press("Enter"))
        )
        assert told == {"text": f"chest {SCRIPT}", "limit": 10}
        page.wait_for_selector(".answers[data-shown][data-pictures]")
        no_violation(page)
        card = Desk(page).cards.first
        expect(card.get_by_role("button", name="Alike", exact=True)).to_have_count(0)
        found = told and card.get_attribute("data-case")
        card.locator(".open").click()
        Desk(page).opened().answered()
        series = page.url.rpartition("SeriesInstanceUIDs=")[2]
        assert found in {case["case"] for case in hospital.archive.cases(series)}

    def test_what_was_judged_alike_is_an_example(self, hospital, page):
        page.goto(hospital.page_of(series_uid(a_phantom(4))))
        desk = Desk(page).opened().answered(10)
        page.locator(".wishes summary").click()
        expect(page.get_by_role("button", name="Like what you judge alike")).to_be_disabled()
        uid = desk.cards.nth(1).get_attribute("data-case")
        desk.cards.nth(1).get_by_role("button", name="Alike", exact=True).click()
        told = asked_by(page, lambda: page.get_by_role("button", name="Like what you judged (1 alike, 0 not)").click())
        assert (told["like"], told["unlike"]) == ([uid], [])
        desk.answered()
        expect(page.locator(f"[data-case='{uid}']")).to_have_count(0)  # an example is no answer
        told = asked_by(page, lambda: page.get_by_role("button", name="Like what you judged").click())
        assert not {"like", "unlike"} & set(told)
        desk.answered(10)
        page.locator(f"[data-case='{uid}']").get_by_role("button", name="Alike", exact=True).click()
        expect(page.get_by_role("button", name="Like what you judge alike")).to_be_disabled()

    def test_a_whole_series_opens_on_the_slices_that_match(self, hospital, page):
        phantom = a_phantom(0)
        page.goto(hospital.page_of(series_uid(phantom)))
        desk = Desk(page).opened().answered(10)
        page.locator("[data-known]").last.click()
        desk.answered(10)
        page.locator(".wishes summary").click()
        with page.expect_response(lambda came: came.url.endswith("/similar")) as answer:
            page.get_by_label("Ranked by").select_option("reranked")
        desk.answered(10)
        found = answer.value.json()["cases"][0]
        match = next(one for one in found["matches"] if "asked" in one)
        desk.cards.first.locator(".open").click()
        page.wait_for_selector(".views[data-compared]")
        for view, series, frame in (
            (desk.images, series_uid(phantom), match["asked"]),
            (desk.beside, found["series"], match["found"]),
        ):
            study = hospital.archive.images()[series]["study"]
            frames = hospital.archive.get(f"/studies/{study}/series/{series}/volumes/0")["frames"]
            expect(view).to_have_attribute("data-slice", str(frames.index(frame)))


def asked_by(page: Page, act: Callable[[], Any]) -> dict[str, Any]:
    """Return the question that an act sends."""
    with page.expect_request(lambda asked: asked.url.endswith("/similar")) as sent:
        act()
    return dict(sent.value.post_data_json)


class TestForEverybody:
    """Accessibility, on large and small screens."""

    def test_axe_finds_nothing_on_the_archive(self, hospital, page):
        page.goto(hospital.page())
        page.wait_for_selector("table tbody tr")
        no_violation(page)

    @pytest.mark.parametrize("size", [(1600, 1000), (390, 844)])
    def test_axe_finds_nothing_beside_an_answer(self, hospital, page, size):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.goto(hospital.page_of(series_uid(a_phantom(0))))
        desk = Desk(page).opened().answered(10)
        no_violation(page)
        desk.cards.first.locator(".open").click()
        page.wait_for_selector(".views[data-compared]")
        no_violation(page)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


class TestWhatOthersSend:
    """Nothing that lies in an archive becomes markup."""

    def test_on_the_page_of_their_series(self, hospital, page):
        page.goto(hospital.page_of(hospital.hostile))
        desk = Desk(page).opened().answered(10)
        expect(page.get_by_role("heading", level=1)).to_contain_text(IMAGE)
        expect(page.locator(".who")).to_contain_text(SCRIPT)
        expect(page.locator("[data-known]").first).to_contain_text(IMAGE)
        expect(page.locator(".asked")).to_contain_text(IMAGE)
        desk.images.press("Enter")
        expect(page.locator("#news")).not_to_be_empty()
        harmless(page)

    def test_on_cards_in_the_table_of_radiomics_and_beside(self, hospital, page):
        page.goto(hospital.page_of(series_uid(a_phantom(1))))
        desk = Desk(page).opened().answered(10)
        page.locator(".wishes summary").click()
        page.get_by_label("Words", exact=True).fill(RARE)
        page.keyboard.press("Enter")
        desk.answered()
        card = desk.cards.filter(has_text=IMAGE)
        expect(card).to_have_count(1)
        card.locator(".more summary").click()
        for text in (IMAGE, SCRIPT, "<b>HOSTILE</b>"):
            expect(card).to_contain_text(text)
        page.get_by_role("button", name="Radiomics").click()
        expect(page.get_by_role("dialog").get_by_role("row", name="Mesh Volume")).to_be_visible()
        harmless(page)
        page.keyboard.press("Escape")
        card.locator(".open").click()
        page.wait_for_selector(".views[data-compared]")
        harmless(page)
        card.get_by_role("link", name="Find similar to this").click()
        Desk(page).opened().answered(10)
        assert page.url.endswith(hospital.hostile)
        harmless(page)

    def test_in_the_archive_and_in_its_answers_to_words(self, hospital, page):
        page.goto(hospital.page())
        expect(page.get_by_role("cell", name=IMAGE).first).to_be_visible()
        page.get_by_role("searchbox").fill(RARE)
        page.keyboard.press("Enter")
        card = Desk(page).cards.filter(has_text=IMAGE)
        expect(card).to_have_count(1)
        harmless(page)
        study = hospital.archive.images()[hospital.hostile]["study"]
        page.goto(f"{hospital.page()}?StudyInstanceUIDs={study}")
        expect(page.get_by_role("cell", name=IMAGE).first).to_be_visible()
        harmless(page)

    def test_in_the_panel_of_a_viewer(self, hospital, page):
        panel = embedded(hospital, page)
        study = hospital.archive.images()[hospital.hostile]["study"]
        tell(page, {"type": "similar-cases/find", "study": study, "series": hospital.hostile, "points": []})
        expect(panel.locator("[data-known]").first).to_contain_text(IMAGE)
        panel.locator("[data-known]").first.click()
        expect(panel.locator("li.card")).to_have_count(10)
        harmless(page)
        assert page.frames[1].evaluate("document.querySelectorAll('main img, main script').length") == 0
        assert page.frames[1].title() == "Similar Cases"


def harmless(page: Page) -> None:
    """Nothing that others sent became an element, or ran."""
    assert page.locator("body script, body img, body b").count() == 0
    assert "taken" not in page.title()


def embedded(hospital: Hospital, page: Page) -> FrameLocator:
    """Frame the page as a viewer does, and wait until it listens; what it tells is kept in `told`."""
    page.goto(f"{hospital.archive.server.url}/system")
    page.evaluate(
        """address => {
          window.told = [];
          window.addEventListener("message", ({ data }) => window.told.push(data));
          const frame = document.createElement("iframe");
          Object.assign(frame, { src: address, width: 500, height: 900 });
          document.body.replaceChildren(frame);
        }""",
        f"{hospital.page()}?embedded=1",
    )
    page.wait_for_function("() => window.told.some(one => one.type === 'similar-cases/ready')")
    return page.frame_locator("iframe")


def tell(page: Page, message: dict[str, Any]) -> None:
    """Say something to the framed page."""
    page.evaluate(
        "message => document.querySelector('iframe').contentWindow.postMessage(message, location.origin)", message
    )


class TestWhenThingsGoWrong:
    """Each state says what it is, and what can be done."""

    def test_what_makes_no_volume_says_why(self, hospital, page):
        page.goto(hospital.page_of(hospital.flat))
        expect(page.get_by_text("refused")).to_be_visible()
        expect(page.locator(".facts").first).to_contain_text("makes no volume")
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
        no_violation(page)

    @pytest.mark.may_be_heard  # a browser tells of every 404 itself
    def test_what_is_unknown_says_so(self, hospital, page):
        page.goto(hospital.page("1.2.3", "1.2.3.4"))
        expect(page.get_by_role("alert").filter(has_text="does not know this series")).to_be_visible()

    def test_a_point_in_air_says_what_to_do_and_keeps_the_images(self, hospital, page):
        page.goto(hospital.page_of(series_uid(hospital.unmarked)))
        desk = Desk(page).opened()
        desk.images.click(position=desk.place_of(hospital.unmarked, hospital.unmarked.lesion_lps), modifiers=["Shift"])
        expect(page.locator("#news")).to_contain_text("First show a place inside")

    @pytest.mark.may_be_heard
    def test_a_worker_that_is_away_is_asked_again(self, hospital, page):
        away = {"on": True}

        def answer(route):
            if away["on"]:
                body = json.dumps({"detail": "the worker does not answer"})
                route.fulfill(status=503, content_type="application/json", body=body)
            else:
                route.fallback()

        page.route("**/similar-cases/archive/series/**", answer)
        page.goto(hospital.page_of(series_uid(a_phantom(0))))
        expect(page.get_by_role("alert").filter(has_text="The worker does not answer")).to_be_visible()
        away["on"] = False
        Desk(page).opened().answered(10)

    @pytest.mark.may_be_heard
    def test_who_has_no_rights_is_told(self, hospital, page):
        page.route("**/similar-cases/status", lambda route: route.fulfill(status=403, body=""))
        page.goto(hospital.page_of(series_uid(a_phantom(0))))
        expect(page.get_by_role("alert").filter(has_text="does not let you see this")).to_be_visible()

    def test_a_new_study_appears_by_itself_and_waits_in_the_queue(self, hospital, page):
        page.goto(hospital.page())
        page.wait_for_selector("table tbody tr")
        late = a_phantom(40)
        images = list(phantom_series(late))
        hospital.archive.send([*images, segmentation_of(images, lesion_mask(late), "late")])
        row = page.locator("tr", has=page.locator(f"[data-key='{series_uid(late)}']"))
        expect(row).to_be_visible(timeout=SLOW_MS)
        expect(row.get_by_text("indexed")).to_be_visible(timeout=SLOW_MS)
        hospital.archive.wait_until_settled()

    def test_a_series_that_waits_tells_its_place_and_can_be_hurried(self, hospital, page):
        crowd = [a_phantom(50 + number) for number in range(12)]
        hospital.archive.send([one for phantom in crowd for one in phantom_series(phantom)])
        wait_until(lambda: len(waiting(hospital)) > 3, "a queue")
        last = max(waiting(hospital), key=lambda row: row["place"])
        page.goto(hospital.page(last["study"], last["series"]))
        expect(page.locator(".standing")).to_contain_text("before it in the queue")
        hurry = page.get_by_role("button", name="Process first")
        hurry.click()
        expect(page.locator(".state").first).to_have_text("indexed")
        expect(hurry).to_have_count(0)
        assert any(row["place"] >= 0 for row in waiting(hospital)), "it came before those that waited longer"
        hospital.archive.wait_until_settled()

    def test_the_queue_tells_what_is_being_done_and_its_bar_moves(self, hospital, page):
        page.goto(hospital.page())
        page.wait_for_selector("table tbody tr")
        bar = page.get_by_role("progressbar", name="Done")
        before = bar.evaluate("one => one.max")
        hospital.archive.send([one for number in range(70, 76) for one in phantom_series(a_phantom(number))])
        queue = page.get_by_role("region", name="Queue and index")
        expect(queue.get_by_role("link", name="CT, 24 instances").first).to_be_visible()
        expect(queue).to_contain_text("Left")
        page.wait_for_function(
            "([bar, was]) => bar.max > was && bar.value < bar.max", arg=[bar.element_handle(), before]
        )
        page.wait_for_function("bar => bar.value === bar.max", arg=bar.element_handle())
        expect(queue).to_contain_text("Nothing is being processed.")
        expect(page.get_by_role("region", name="Models")).to_contain_text("vectors")
        no_violation(page)


def waiting(hospital: Hospital) -> list[dict]:
    return [row for row in hospital.archive.images().values() if row["state"] == "waiting" and "place" in row]


class TestWhereItStands:
    """The page knows nothing of the address under which it is seen."""

    def test_behind_a_reverse_proxy_with_a_prefix(self, hospital, browser):
        with behind_a_prefix(hospital.archive.server.url) as seen:
            heard = Heard(seen.removesuffix(PREFIX))
            page = heard.listen(browser.new_page())
            page.goto(hospital.page().replace(hospital.archive.server.url, seen))
            page.locator(f"[data-key='{series_uid(a_phantom(3))}']").click()
            Desk(page).opened().answered(10)
            assert page.url.startswith(f"{seen}/similar-cases/?")
            page.close()
            assert heard.words == []

    def test_inside_a_viewer_it_takes_a_measurement_and_tells_what_was_chosen(self, hospital, page):
        phantom = hospital.unmarked
        uid = series_uid(phantom)
        panel = embedded(hospital, page)
        x, y, z = phantom.lesion_lps
        measured = {
            "type": "similar-cases/find",
            "study": hospital.archive.images()[uid]["study"],
            "series": uid,
            "points": [[x - 14, y, z], [x + 14, y, z]],
        }
        tell(page, {**measured, "series": "<b>"})
        tell(page, measured)
        expect(panel.locator("li.card")).to_have_count(10)
        expect(panel.locator(".asked")).to_contain_text("Another measurement asks anew")
        chosen = panel.get_by_role("button", name="Open beside").first
        other = chosen.get_attribute("data-series")
        chosen.click()
        page.wait_for_function("() => window.told.some(one => one.type === 'similar-cases/open')")
        [opened] = page.evaluate("() => window.told.filter(one => one.type === 'similar-cases/open')")
        assert opened["series"] == other
        assert opened["sop_instance_uid"]


class TestTheBorder:
    """What protects the reader."""

    def test_the_policy_lets_nothing_in(self, hospital):
        answer = requests.get(hospital.page(), timeout=30)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "<style" not in answer.text
        assert "onclick" not in answer.text

    def test_sources_make_elements_by_text_alone(self):
        folder = Path(__file__).parents[2] / "plugin" / "similar_cases" / "web" / "page"
        for path in folder.glob("*.js"):
            text = path.read_text("utf-8")
            for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
                assert word not in text, (path.name, word)
