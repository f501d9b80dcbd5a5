"""The page in a real browser without a mouse: by keyboard alone, and by touch; and what axe finds."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import a_phantom
from tests.browser.desk import Desk
from tests.browser.reading import feedback, move, no_violation, series_uid, swipe, tab_to

pytestmark = [pytest.mark.browser, pytest.mark.orthanc]


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
