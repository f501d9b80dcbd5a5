"""The page in a real browser: what goes wrong, and what is still being done, is told."""

import json

import pytest
from playwright.sync_api import expect

from similar_cases.demo.annotations import segmentation_of
from similar_cases.demo.phantoms import lesion_mask, phantom_series
from tests.browser.conftest import SLOW_MS, a_phantom
from tests.browser.desk import Desk
from tests.browser.reading import no_violation, series_uid, waiting
from tests.integration.archive_client import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.orthanc]


KEEP_WHAT_IS_TOLD = """queue => {
  const bar = queue.querySelector("progress"), before = bar.max;
  window.told = {};
  new MutationObserver(() => {
    const link = [...queue.querySelectorAll("a")].some((one) => one.textContent === "CT, 24 instances");
    const now = { link, left: queue.textContent.includes("Left"), moves: bar.max > before && bar.value < bar.max };
    for (const [name, is] of Object.entries(now)) window.told[name] ||= is;
  }).observe(queue, { subtree: true, childList: true, attributes: true, characterData: true });
}"""


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
        queue = wait_until(lambda: found if len(found := waiting(hospital)) > 3 else None, "a queue")
        last = max(queue, key=lambda row: row["place"])
        page.goto(hospital.page(last["study"], last["series"]))
        expect(page.locator(".standing")).to_contain_text("before it in the queue")
        hurry = page.get_by_role("button", name="Process first")
        hurry.click()
        expect(page.locator(".state").first).to_have_text("indexed")
        expect(hurry).to_have_count(0)
        hospital.archive.wait_until_settled()
        ended = {uid: row["indexed_at"] for uid, row in hospital.archive.images().items() if "indexed_at" in row}
        longer = [row["series"] for row in queue if row["series"] != last["series"]]
        assert any(ended[uid] > ended[last["series"]] for uid in longer), "it came before some that waited longer"

    def test_the_queue_tells_what_is_being_done_and_its_bar_moves(self, hospital, page):
        page.goto(hospital.page())
        page.wait_for_selector("table tbody tr")
        bar = page.get_by_role("progressbar", name="Done")
        queue = page.get_by_role("region", name="Queue and index")
        # what it tells in between is kept, since each may be told only for a moment
        queue.evaluate(KEEP_WHAT_IS_TOLD)
        hospital.archive.send([one for number in range(70, 76) for one in phantom_series(a_phantom(number))])
        page.wait_for_function("() => told.link && told.left && told.moves")
        page.wait_for_function("bar => bar.value === bar.max", arg=bar.element_handle())
        expect(queue).to_contain_text("Nothing is being processed.")
        expect(page.get_by_role("region", name="Models")).to_contain_text("vectors")
        no_violation(page)
