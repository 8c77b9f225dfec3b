"""The report of verify in a real browser: headless Chromium of the system, skipped by name where there is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts.commands.verify_report import report_page
from tests.unit.test_verify_report import FOUND

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")


@pytest.mark.parametrize(("size", "scheme"), [((1280, 900), "light"), ((360, 800), "dark")], ids=["light", "dark"])
def test_it_is_read_without_a_barrier_and_asks_nothing(size: tuple[int, int], scheme: str, tmp_path: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    file = tmp_path / "verify.html"
    file.write_text(report_page(FOUND), encoding="utf-8")
    reached: list[str] = []
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)  # type: ignore[arg-type]
        page = context.new_page()
        page.on("request", lambda request: reached.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(file.as_uri())
        for details in page.query_selector_all("details"):
            details.evaluate("found => { found.open = true }")
        found = Axe().run(page).response
        width = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert found["passes"], "axe has looked"
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
    assert (width, said, reached) == (size[0], [], [file.as_uri()])
