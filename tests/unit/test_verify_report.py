"""The report of verify: one page that holds all of its evidence, asks no network, and is read by anybody."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from scripts.commands.verify_report import report_page

FOUND: dict[str, Any] = {
    "account": "123456789012",
    "region": "eu-central-1",
    "environment": "prod",
    "emulated": False,
    "caller": "arn:aws:iam::123456789012:role/auditor",
    "at": "2026-11-26T08:00:00+00:00",
    "standard": "PCI DSS v4.0.1",
    "summary": {"met": 1, "failed": 1, "not evaluated": 1, "not asked": 0},
    "controls": [
        {
            "id": name,
            "requirement": "4.2.1",
            "standards": ["IAM_POLICY_NO_STATEMENTS_WITH_FULL_ACCESS"],
            "what": f"{name} <holds>",
            "severity": "high",
            "status": status,
            "remedy": "apply mends it.",
            "evidence_command": "aws s3api get-bucket-policy --bucket BUCKET",
            "exempt": {"-access-logs-": "S3's own rule"},
            "resources": [
                {
                    "name": "S3::BucketPolicy raw",
                    "status": status,
                    "faults": [] if status == "met" else ["</td><script>alert(1)</script>"],
                    "looked_at": {"PolicyDocument": {"Statement": [{"Sid": "<b>"}]}},
                }
            ],
        }
        for name, status in (("bucket-tls", "failed"), ("bucket-url", "not evaluated"), ("key-state", "met"))
    ],
    "elsewhere": [{"requirement": "11.5.1", "what": "GuardDuty"}],
}
PAGE = report_page(FOUND)
_VOID = {"meta", "br", "hr", "img", "link", "input"}


class Reader(HTMLParser):
    """Reads a page strictly: every element is closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def read() -> Reader:
    reader = Reader()
    reader.feed(PAGE)
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize(
    "told",
    [
        "123456789012",
        "eu-central-1",
        "2026-11-26T08:00:00+00:00",
        "arn:aws:iam::123456789012:role/auditor",
        "4.2.1 · IAM_POLICY_NO_STATEMENTS_WITH_FULL_ACCESS · high · bucket-tls",
        "aws s3api get-bucket-policy --bucket BUCKET",
        "What to do: apply mends it.",
        '"Sid": "<b>"',
        "</td><script>alert(1)</script>",
        "Left out: access-logs (S3's own rule).",
        "11.5.1: GuardDuty",
    ],
)
def test_it_tells_account_time_and_the_evidence_of_each_control(told: str, read: Reader) -> None:
    assert told in read.text


def test_it_holds_no_script_and_asks_no_network(read: Reader) -> None:
    names = {name for _, name, _ in read.attributes}
    assert not names & {"src", "href", "action", "onclick", "onload", "srcset"}
    assert {tag for tag, _, _ in read.attributes} & {"script", "iframe", "img", "link"} == set()
    assert "<script" not in PAGE
    assert not re.search(r"https?:|url\(|@import", PAGE)


def test_it_is_read_in_light_and_dark_and_by_a_screen_reader(read: Reader) -> None:
    assert ("html", "lang", "en") in read.attributes
    assert ("meta", "name", "viewport") in read.attributes
    assert "prefers-color-scheme: dark" in PAGE
    assert {value for tag, name, value in read.attributes if (tag, name) == ("th", "scope")} == {"row", "col"}
    assert PAGE.count("<h1>") == 1 and "<main>" in PAGE
    # A status is told in words, not by its colour alone.
    assert PAGE.count('class="mark">') == 3


def contrast(one: str, other: str) -> float:
    """WCAG's ratio of two colours, #rgb or #rrggbb."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_every_text_stands_out_from_its_ground_in_both_colour_schemes() -> None:
    schemes = re.findall(r":root \{(.*?)\}", PAGE, re.DOTALL)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w+)", scheme))
        for text in ("ink", "dim", "met", "failed", "unknown"):
            for ground in ("paper", "soft"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground, colours)


def test_what_fails_and_what_is_not_known_is_open_and_comes_first() -> None:
    opened = re.findall(r'<details id="([\w-]+)"[^>]* open>', PAGE)
    assert opened == ["bucket-tls", "bucket-url"]
    assert PAGE.index("<h2>Failed") < PAGE.index("<h2>Not evaluated") < PAGE.index("<h2>Met")
