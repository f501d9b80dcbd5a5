"""What a reader sees and does on the page of a series."""

from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

from similar_cases.demo.phantoms import Phantom

ORANGE = """
canvas => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) {
    count += data[at] > 220 && Math.abs(data[at + 1] - 176) < 30 && data[at + 2] < 60;
  }
  return count;
}
"""


#: pixels of the thin blue outlines
BLUE = ORANGE.replace(
    "data[at] > 220 && Math.abs(data[at + 1] - 176) < 30 && data[at + 2] < 60",
    "Math.abs(data[at] - 86) < 12 && Math.abs(data[at + 1] - 180) < 12 && data[at + 2] > 220",
)


#: what was asked to be drawn is drawn
DRAWN = "await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@dataclass(frozen=True)
class Desk:
    """The page of one series."""

    page: Page

    @property
    def images(self) -> Locator:
        """The large view."""
        return self.page.get_by_role("application", name="Images as acquired")

    @property
    def beside(self) -> Locator:
        """The view of the answer beside the question."""
        return self.page.locator(".beside canvas")

    @property
    def cards(self) -> Locator:
        """The answers."""
        return self.page.locator("li.card")

    def opened(self) -> "Desk":
        """Wait until every voxel is there."""
        self.page.wait_for_selector(".stage[data-loaded=whole]")
        return self

    def answered(self, count: int | None = None) -> "Desk":
        """Wait for the answer to the question at hand, pictures included."""
        self.page.wait_for_selector(".answers[data-shown][data-pictures]")
        if count is not None:
            expect(self.cards).to_have_count(count)
        return self

    def place_of(self, phantom: Phantom, lps: tuple[float, float, float]) -> dict[str, float]:
        """Return where a place lies on the large view while it shows the whole of an axial phantom."""
        box = self.images.bounding_box()
        assert box
        _, j, i = phantom.geometry.lps_to_index(lps)[0]
        _, rows, columns = phantom.shape
        _, down, across = phantom.spacing_mm
        scale = min(box["width"] / (columns * across), box["height"] / (rows * down))
        return {
            "x": box["width"] / 2 + (i + 0.5 - columns / 2) * across * scale,
            "y": box["height"] / 2 + (j + 0.5 - rows / 2) * down * scale,
        }

    def outline(self, canvas: Locator | None = None) -> int:
        """Return how many pixels of a view, once it is drawn anew, are of the outline's colour."""
        return int(
            (canvas or self.images).evaluate(f"async canvas => {{ {DRAWN}; return ({ORANGE.strip()})(canvas) }}")
        )

    def volume_ml(self) -> float:
        """Return the size of the region that is asked about, ml."""
        return float(self.page.locator(".asked .size").get_attribute("data-ml") or 0)

    def slice_of(self, canvas: Locator) -> int:
        """Return the index of the slice that a view, once it is drawn anew, shows."""
        return int(canvas.evaluate(f"async canvas => {{ {DRAWN}; return canvas.dataset.slice ?? -1 }}"))
