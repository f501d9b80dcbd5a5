"""What readers do on the page, and what is looked at of it, in tests of several kinds."""

from collections.abc import Callable
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FrameLocator, Page

from similar_cases.demo.phantoms import phantom_series
from tests.browser.conftest import Hospital


def series_uid(phantom) -> str:
    return str(next(iter(phantom_series(phantom))).SeriesInstanceUID)


def feedback(hospital: Hospital) -> list[dict]:
    return hospital.archive.get("/feedback")["feedback"]


def waiting(hospital: Hospital) -> list[dict]:
    return [row for row in hospital.archive.images().values() if row["state"] == "waiting" and "place" in row]


def no_violation(page: Page) -> None:
    found = Axe().run(
        page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    )
    told = [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in found.response["violations"]]
    assert told == []


def harmless(page: Page) -> None:
    """Nothing that others sent became an element, or ran."""
    assert page.locator("body script, body img, body b").count() == 0
    assert "taken" not in page.title()


def asked_by(page: Page, act: Callable[[], Any]) -> dict[str, Any]:
    """Return the question that an act sends."""
    with page.expect_request(lambda asked: asked.url.endswith("/similar")) as sent:
        act()
    return dict(sent.value.post_data_json)


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
