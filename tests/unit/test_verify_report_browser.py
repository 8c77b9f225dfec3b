"""The report of verify in a real browser: headless Chromium of the system, skipped by name where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.commands.verify_report import report_page
from tests.browser import Opened, needs_chromium
from tests.unit.test_verify_report import FOUND

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = needs_chromium


@pytest.mark.parametrize(("size", "scheme"), [((1280, 900), "light"), ((360, 800), "dark")], ids=["light", "dark"])
def test_it_is_read_without_a_barrier_and_asks_nothing(
    browser: Browser, size: tuple[int, int], scheme: str, tmp_path: Path
) -> None:
    file = tmp_path / "verify.html"
    file.write_text(report_page(FOUND), encoding="utf-8")
    opened = Opened(browser, size, scheme)
    opened.go(file.as_uri())
    assert opened.barriers() == []
    assert (opened.width, opened.said, opened.reached) == (size[0], [], [file.as_uri()])
