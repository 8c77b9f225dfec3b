"""Pages in a real browser: the system's headless Chromium, for tests that are skipped by name where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")

_OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def started() -> Iterator[Browser]:
    """A browser. It must be closed before another one is started in the same process."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*_OPTIONS])
        yield browser
        browser.close()


class Opened:
    """The page, what its console said, and what it reached for."""

    def __init__(self, browser: Browser, size: tuple[int, int], scheme: str) -> None:
        self.said: list[str] = []
        self.reached: list[str] = []
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)  # type: ignore[arg-type]
        self.page: Page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.reached.append(request.url))

    def go(self, address: str) -> Page:
        self.page.goto(address)
        return self.page

    def barriers(self) -> list[tuple[str, str]]:
        """(rule, element) of what axe-core finds to keep people out, whatever is folded away included."""
        from axe_playwright_python.sync_playwright import Axe

        for details in self.page.query_selector_all("details"):
            details.evaluate("found => { found.open = true }")
        found = Axe().run(self.page).response
        assert found["passes"], "axe has looked"
        return [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]]

    @property
    def width(self) -> int:
        """Of all that stands on the page; more than the window's if something stands out to the side."""
        found: int = self.page.evaluate("document.documentElement.scrollWidth")
        return found
