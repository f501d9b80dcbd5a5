"""Debian's chromium, without a window, drawing by software.

with chromium() as browser: …
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = "/usr/bin/chromium"
#: WebGL 2 without a graphics card
DRAW_BY_SOFTWARE = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


def why_not() -> str | None:
    """Return why chromium cannot run here, or None where it can."""
    return None if Path(CHROMIUM).exists() else "no chromium here: apt-get install chromium"


def require_chromium(config: pytest.Config) -> None:
    """Skip where no chromium can run here, or fail under ``--require-browser``."""
    if reason := why_not():
        (pytest.fail if config.getoption("--require-browser") else pytest.skip)(reason)


@contextmanager
def chromium(arguments: Sequence[str] = DRAW_BY_SOFTWARE) -> Iterator[Browser]:
    """Run Debian's chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(arguments))
        try:
            yield browser
        finally:
            browser.close()
