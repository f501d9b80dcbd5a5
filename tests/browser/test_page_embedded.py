"""The page in a real browser, wherever it stands: behind a proxy, and inside a viewer."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Heard, a_phantom
from tests.browser.desk import Desk
from tests.browser.prefix_proxy import PREFIX, behind_a_prefix
from tests.browser.reading import embedded, series_uid, tell

pytestmark = [pytest.mark.browser, pytest.mark.orthanc]


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
