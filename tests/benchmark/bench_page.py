"""Time the page in a real browser: opening a series, click to mask, click to cards.

Run ``SIMILAR_CASES_DATA=… PYTHONPATH=plugin:. .venv/bin/python tests/benchmark/bench_page.py [--clicks 20]``: one JSON.
Without SIMILAR_CASES_DATA, phantoms stand for the sarcoma patients. Nothing else should run meanwhile; the load of the
machine is told beside the figures.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page
from pydicom import Dataset

from similar_cases.demo.annotations import segmentation_of
from similar_cases.demo.phantoms import lesion_mask, phantom_series
from tests.browser.conftest import a_phantom
from tests.browser.ohif_server import chromium
from tests.integration.archive_client import ArchiveClient, archive

PATIENTS = 12
MARKS = "() => Object.fromEntries(performance.getEntriesByType('mark').map(mark => [mark.name, mark.startTime]))"


def studies() -> Iterator[Path | Dataset]:
    """Yield what is sent: sarcoma patients where their folder is named, else phantoms."""
    named = os.environ.get("SIMILAR_CASES_DATA", "")
    if named:
        yield from sorted((Path(named) / "sarcoma" / "dicom").iterdir())[:PATIENTS]
        return
    for number in range(3 * PATIENTS):
        one = a_phantom(number)
        images = list(phantom_series(one))
        yield from (*images, segmentation_of(images, lesion_mask(one), str(one.kind)))


def spread(values: list[float]) -> dict[str, float]:
    """Return percentiles of milliseconds."""
    return {"p50": round(float(np.percentile(values, 50))), "p95": round(float(np.percentile(values, 95)))}


def opened(page: Page, address: str) -> dict[str, float]:
    """Open a series and return when its marks were passed, ms from the navigation on."""
    page.goto(address)
    page.wait_for_selector(".stage[data-loaded=whole]")
    page.wait_for_selector(".answers[data-shown][data-pictures]")
    return dict(page.evaluate(MARKS))


def clicked(page: Page) -> tuple[float, float]:
    """Click in the middle of the region that is shown, and return ms to its mask and to the cards."""
    page.get_by_role("button", name="Region", exact=True).click()
    page.locator(".known [data-known]").last.click()  # the whole series: the next click begins anew
    page.wait_for_selector(".answers[data-shown][data-pictures]")
    page.evaluate("() => performance.clearMarks()")
    box = page.get_by_role("application", name="Images as acquired").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector(".asked .size")
    page.wait_for_selector(".answers[data-shown][data-pictures]")
    marks = page.evaluate(MARKS)
    return marks["mask"] - marks["click"], marks["cards"] - marks["click"]


def measured(running: ArchiveClient, clicks: int) -> dict[str, Any]:
    """Open series one after the other, and click in each."""
    rows = [row for row in running.images().values() if running.regions(row["series"])]
    marks: list[dict[str, float]] = []
    masks: list[float] = []
    cards: list[float] = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        for row in rows[:clicks]:
            query = f"?StudyInstanceUIDs={row['study']}&SeriesInstanceUIDs={row['series']}"
            marks.append(opened(page, running.url("/") + query))
            to_mask, to_cards = clicked(page)
            masks.append(to_mask)
            cards.append(to_cards)
    names = ("first-picture", "first-slice", "volume-whole")
    return {
        "series": len(marks),
        **{name: spread([one[name] for one in marks if name in one]) for name in names},
        "click_to_mask": spread(masks),
        "click_to_cards": spread(cards),
    }


def main() -> None:
    """Print one JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, archive(Path(folder)) as running:
        running.send(studies())
        running.wait_until_settled()
        before = os.getloadavg()[0]
        figures = measured(running, asked.clicks)
        told = {
            "unit": "ms",
            "cpus": os.cpu_count(),
            "load_before": before,
            "load_after": os.getloadavg()[0],
            **figures,
        }
    json.dump(told, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
