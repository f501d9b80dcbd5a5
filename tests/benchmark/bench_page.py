"""Time the page in a real browser: opening a series, click to mask and cards, a correction, scrolling a long series.

Run ``SIMILAR_CASES_DATA=… PYTHONPATH=plugin:. .venv/bin/python tests/benchmark/bench_page.py [--clicks 20]
[--slices 500]``: one JSON. Without SIMILAR_CASES_DATA, phantoms stand for the sarcoma patients. Nothing else should run
meanwhile; the load of the machine is told beside the figures.
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
from tests.chromium import chromium
from tests.integration.archive_client import ArchiveClient, archive

PATIENTS = 12
#: as on a PC without a graphics card; WebGL by software, which OHIF's tests need, would draw the page far slower
WITHOUT_GRAPHICS = ("--no-sandbox", "--disable-gpu")
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


#: turn the wheel over a view by three slices a frame, from end to end and back; return when each frame of the screen
#: began, and ms of it in which the page computes
SCROLL = """
async ([view, count]) => {
  const canvas = document.querySelectorAll(".view-canvas")[view];
  const [began, work, seen] = [[], [], new Set()];
  const turn = async (deltaY, isCounted) => {
    const start = performance.now();
    canvas.dispatchEvent(new WheelEvent("wheel", { deltaY, bubbles: true, cancelable: true }));
    const told = performance.now() - start;
    await new Promise((done) => requestAnimationFrame((at) => {
      const drawing = performance.now();
      window.setTimeout(() => {
        if (isCounted) {
          began.push(at);
          work.push(told + performance.now() - drawing);
          seen.add(canvas.dataset.slice);
        }
        done();
      }, 0);
    }));
  };
  for (let n = 0; n < count / 10; n += 1) await turn(-400, false);
  const there = Math.ceil((count - 1) / 3);
  for (let n = 0; n < 2 * there; n += 1) await turn(n < there ? 120 : -120, true);
  return { began, work, slices: seen.size };
}
"""
#: a screen shows sixty frames a second
FRAME_MS = 1000 / 60


def spread(values: list[float]) -> dict[str, float]:
    """Return percentiles of milliseconds."""
    return {"p50": round(float(np.percentile(values, 50)), 1), "p95": round(float(np.percentile(values, 95)), 1)}


def opened(page: Page, address: str) -> dict[str, float]:
    """Open a series and return when its marks were passed, ms from the navigation on."""
    page.goto(address)
    page.wait_for_selector(".stage[data-loaded=whole]", timeout=120_000)
    page.wait_for_selector(".answers[data-shown][data-pictures]", timeout=120_000)
    return dict(page.evaluate(MARKS))


def clicked(page: Page) -> dict[str, float]:
    """Click in the middle of the region that is shown, then take away at a side of it; return ms to mask and cards."""
    page.get_by_role("button", name="Region", exact=True).click()
    page.locator(".known [data-known]").last.click()  # the whole series: the next click begins anew
    page.wait_for_selector(".answers[data-shown][data-pictures]", timeout=120_000)
    page.evaluate("() => performance.clearMarks()")
    box = page.get_by_role("application", name="Images as acquired").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    took: dict[str, float] = {}
    for name, place, button in (("click", (x, y), "left"), ("correction", (x + 60, y), "right")):
        page.evaluate("() => performance.clearMarks()")
        page.mouse.click(*place, button=button)  # type: ignore[arg-type]
        page.wait_for_selector(".asked .size")
        page.wait_for_selector(".answers[data-shown][data-pictures]", timeout=120_000)
        marks = page.evaluate(MARKS)
        if "mask" in marks:  # hints that show nothing have none
            took |= {f"{name}_to_{what}": marks[what] - marks["click"] for what in ("mask", "cards") if what in marks}
    return took


def measured(running: ArchiveClient, clicks: int) -> dict[str, Any]:
    """Open series one after the other, and click in each."""
    rows = [row for row in running.images().values() if running.regions(row["series"])]
    marks: list[dict[str, float]] = []
    took: list[dict[str, float]] = []
    with chromium(WITHOUT_GRAPHICS) as browser:
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        for row in rows[:clicks]:
            query = f"?StudyInstanceUIDs={row['study']}&SeriesInstanceUIDs={row['series']}"
            marks.append(opened(page, running.url("/") + query))
            took.append(clicked(page))
    names = ("first-picture", "first-slice", "volume-whole")
    return {
        "series": len(marks),
        **{name: spread([one[name] for one in marks if name in one]) for name in names},
        **{
            name: spread([one[name] for one in took if name in one])
            for name in sorted({n for one in took for n in one})
        },
    }


def scrolled(running: ArchiveClient, slices: int) -> dict[str, Any]:
    """Send a CT of 512 × 512 × `slices`, open it, and scroll through it."""
    long = a_phantom(900, shape=(slices, 512, 512), spacing_mm=(0.8, 0.75, 0.75), lesion_radius_mm=20.0)
    images = list(phantom_series(long))
    running.send([*images, segmentation_of(images, lesion_mask(long), str(long.kind))])
    running.wait_until_settled()
    row = running.images()[str(images[0].SeriesInstanceUID)]
    sizes = {"acquired": slices, "second": 512, "third": 512}
    with chromium(WITHOUT_GRAPHICS) as browser:
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        marks = opened(page, f"{running.url('/')}?StudyInstanceUIDs={row['study']}&SeriesInstanceUIDs={row['series']}")
        views = {name: page.evaluate(SCROLL, [n, size]) for n, (name, size) in enumerate(sizes.items())}
    return {
        "slices": slices,
        **{name: round(marks[name]) for name in ("first-picture", "first-slice", "volume-whole")},
        **{name: smoothness(told) for name, told in views.items()},
    }


def smoothness(told: dict[str, Any]) -> dict[str, Any]:
    """Return how evenly frames came while a view was scrolled, and how many of the screen's had nothing new."""
    between = np.diff(told["began"])
    missed = np.maximum(np.round(between / FRAME_MS) - 1, 0)
    return {
        "frames": len(between),
        "slices_seen": told["slices"],
        "frame": spread(between.tolist()),
        "work_in_frame": spread(told["work"]),
        "dropped": int(missed.sum()),
        "longest": round(float(between.max()), 1),
    }


def main() -> None:
    """Print one JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=20)
    parser.add_argument("--slices", type=int, default=0, help="also scroll through a CT of so many slices")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, archive(Path(folder)) as running:
        running.send(studies())
        running.wait_until_settled()
        before = os.getloadavg()[0]
        figures = measured(running, asked.clicks)
        if asked.slices:
            figures["long_series"] = scrolled(running, asked.slices)
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
