"""The page in a real browser: nothing that lies in an archive becomes markup, and no other site gets in."""

from pathlib import Path

import pytest
import requests
from playwright.sync_api import expect

from tests.browser.conftest import IMAGE, RARE, SCRIPT, a_phantom
from tests.browser.desk import Desk
from tests.browser.reading import embedded, harmless, series_uid, tell

pytestmark = [pytest.mark.browser, pytest.mark.orthanc]


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
