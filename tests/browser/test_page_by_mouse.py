"""The page in a real browser, by mouse: a lesion is clicked, ten cases come, one is compared, corrected and judged."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from similar_cases.demo.phantoms import lesion_mask
from tests.browser.conftest import TWICE, a_phantom
from tests.browser.desk import BLUE, ORANGE, Desk
from tests.browser.reading import feedback, no_violation, series_uid

pytestmark = [pytest.mark.browser, pytest.mark.orthanc]


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
        pictures = (desk.images, page.locator(".key-picture").first)
        before = [picture.evaluate("c => c.toDataURL()") for picture in pictures]
        page.get_by_label("Window", exact=True).select_option("Bone")
        for picture, was in zip(pictures, before, strict=True):
            page.wait_for_function("([c, was]) => c.toDataURL() !== was", arg=[picture.element_handle(), was])

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
