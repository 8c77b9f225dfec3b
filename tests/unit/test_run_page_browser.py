"""The page in a real browser: headless Chromium of the system, which is skipped by name where there is none."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infrastructure.local.run_page.html import page as page_of
from infrastructure.local.run_page.serve import served
from tests.browser import Opened, needs_chromium
from tests.run_page_sample import sample_document

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = needs_chromium

DESKTOP, PHONE = (1280, 900), (390, 844)
# A folder to keep screenshots in, for whoever wants to look at them.
SCREENSHOTS = os.environ.get("RUN_PAGE_SCREENSHOTS")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(page_of(sample_document()), encoding="utf-8")
    return file.as_uri()


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["1280-light", "390-dark"])
def test_it_draws_all_without_an_error_a_request_or_a_barrier(browser, address, size, scheme):
    opened = Opened(browser, size, scheme)
    page = opened.go(address)
    page.wait_for_selector("#stages ~ .card svg rect")
    assert opened.barriers() == []
    assert opened.width == size[0]
    assert opened.said == []
    assert [url for url in opened.reached if not url.startswith(("file:", "data:"))] == []
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"{size[0]}-{scheme}.png", full_page=True)


@pytest.fixture(scope="module")
def desktop(browser: Browser, address: str) -> Opened:
    """One page for the tests that only read it, or leave it as good."""
    opened = Opened(browser, DESKTOP, "light")
    opened.go(address)
    return opened


def test_headings_say_what_is_seen_and_text_of_records_stays_text(desktop):
    page = desktop.page
    assert page.locator("h1").inner_text() == "Every one of 7,230 records is accounted for."
    titles = page.locator("h2").all_inner_texts()
    assert "120 records broke the contract in 3 ways" in titles
    assert "This run put in 3,615 of the 7,230 records that are held" in titles
    page.locator("summary", has_text="1 sample").nth(1).click()
    assert page.locator("pre img").count() == 0
    assert page.title() == "Balanced · run report"


def test_the_field_at_fault_is_marked(desktop):
    assert desktop.page.locator("mark").first.text_content() == '"currency":"EURO"'


def test_the_keyboard_chooses_the_currency_that_charts_and_tables_show(desktop):
    page = desktop.page
    heading = page.locator("#amounts ~ .pair h3").first
    assert heading.inner_text() == "EUR by hour of the day"
    page.get_by_role("radio", name="EUR").focus()
    page.keyboard.press("ArrowRight")
    assert heading.inner_text() == "JPY by hour of the day"
    assert page.locator("summary", has_text="The figures of JPY by hour").count() == 1


def test_amounts_are_added_exactly(desktop):
    sums = {
        ("0.1", "0.2"): "0.30",
        ("99999999999999.9999", "0.0001"): "100000000000000",
        ("171.4900", "1.005"): "172.495",
        ("8342567", "0"): "8342567",
        (): "0",
    }
    assert [desktop.page.evaluate("exactSum", list(texts)) for texts in sums] == list(sums.values())


def test_no_number_is_folded_on_a_phone(browser, address):
    page = Opened(browser, PHONE, "light").go(address)
    folded = page.evaluate(
        """[...document.querySelectorAll("td.n, .keys strong, .flow li strong, .count")].flatMap((cell) =>
            [...cell.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).filter((node) => {
                const range = document.createRange();
                range.selectNodeContents(node);
                return new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1;
            }).map((node) => node.textContent))"""
    )
    assert folded == []


def test_the_live_page_follows_the_run_to_its_end(browser):
    documents = [replace(sample_document(), is_live=True, stages=sample_document().stages[:2])]
    with served(lambda: documents[-1]) as address:
        opened = Opened(browser, DESKTOP, "light")
        page = opened.go(address)
        assert page.locator("h1").inner_text() == "The run goes on."
        assert page.locator(".stage.waiting").count() == 4
        documents.append(sample_document())
        page.wait_for_selector("text=is accounted for")
        assert opened.said == []
        assert {url.split("/")[2] for url in opened.reached if url.startswith("http")} == {address.split("/")[2]}
