"""The page in a real browser: words, places, measurements and examples are asked by."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import IMAGE, SCRIPT, a_phantom
from tests.browser.desk import Desk
from tests.browser.reading import asked_by, no_violation, series_uid, tab_to

pytestmark = [pytest.mark.browser, pytest.mark.orthanc]


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
