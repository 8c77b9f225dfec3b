"""Sensitive authentication data in text: card verification codes, PINs, PIN blocks and track data (PCI DSS 3.3.1).

Its digits say nothing by themselves: they are known by a label ("cvv 123"), or by standing behind a card number
("4111 1111 1111 1111 12/26 123", "4111111111111111=2612101..."). Works on text as written_text.in_ascii() gives it.
Standard library only, because it goes into the Lambda zip.
"""

from __future__ import annotations

import re

_GAP = r"[^0-9A-Za-z]{0,6}"
_CODE = r"[0-9]{3,4}(?![0-9])"
_MONTH = r"(?:0[1-9]|1[0-2])"
_YEAR = r"(?:20)?[2-4][0-9]"
_EXPIRY = rf"(?:{_MONTH}[^0-9A-Za-z]{{0,3}}{_YEAR}|{_YEAR}[^0-9A-Za-z]{{0,3}}{_MONTH})"
_EXPIRY_LABEL = r"(?:exp[a-z]*|valid[a-z]*(?: thru| until| to)?|good thru|thru)"
_CODE_LABEL = (
    r"(?:cvv2?|cvc2?|cvn2?|cvd|cve|cvp2|cav2?|csc|cid"
    r"|(?:security|verification|validation|check) ?(?:code|value|number|no)|pr.fnummer|pr.fziffer|kartenpr.f[a-z]*)"
)
_FILLER = r"(?:(?: ?(?:is|code|number|no|nr|value)(?![A-Za-z]))*[^0-9A-Za-z]{0,6})"

# Behind a card number: track data, or an expiry date and a code, either of them also alone.
_BEHIND = re.compile(
    r"(?:[=Dd]|\^[^^\n]{0,60}\^)[0-9][0-9 =]*"
    rf"|{_GAP}(?:{_EXPIRY_LABEL}[^0-9A-Za-z]{{0,6}})?{_EXPIRY}(?:{_GAP}(?:{_CODE_LABEL}{_FILLER})?{_CODE}|(?![0-9]))"
    rf"|{_GAP}{_CODE}",
    re.IGNORECASE,
)
_GLUED_DATE = rf"(?:{_MONTH}{_YEAR}|{_YEAR}{_MONTH}|{_MONTH}[2-4][0-9][0-9]{{3}}|[2-4][0-9]{_MONTH}[0-9]{{3}})"
_is_glued = re.compile(rf"{_GLUED_DATE}|[0-9]{{3}}").fullmatch
_is_glued_to_american_express = re.compile(
    rf"{_GLUED_DATE}|{_MONTH}[2-4][0-9][0-9]{{4}}|[2-4][0-9]{_MONTH}[0-9]{{4}}|[0-9]{{4}}"
).fullmatch
_GLUED_LENGTHS = (14, 15, 16)
is_month_and_year = re.compile(rf"{_MONTH}[2-4][0-9]").fullmatch

_LABELLED = re.compile(
    rf"(?<![A-Za-z])(?:{_CODE_LABEL}{_FILLER}({_CODE})"
    r"|pin ?block[^0-9A-Za-z]{0,6}([0-9A-Fa-f]{16})"
    rf"|pin{_FILLER}([0-9]{{4,12}}(?![0-9]))"
    r"|track ?(?:[123]|data)?[^0-9A-Za-z]{0,6}([0-9=^]{6,}))",
    re.IGNORECASE,
)
_LABELS = (
    "cv", "cav", "csc", "cid", "pin", "track", "security", "verification", "validation", "check", "fnummer",
    "fziffer", "kartenp",
)  # fmt: skip


def is_expiry_or_code(digits: str, length: int) -> bool:
    """Whether digits that are glued to a card number of that length are an expiry date, a code or both.

    Codes have three digits, four on American Express. Behind 19 digits none is looked for, since account numbers are
    as long, nor behind the 13 of old Visa cards.
    """
    is_one = _is_glued_to_american_express if length == 15 else _is_glued
    return length in _GLUED_LENGTHS and is_one(digits) is not None


def may_hold_authentication_data(text: str) -> bool:
    """Whether a text has a label of such data. Most texts end here."""
    lower = text.encode("ascii", "ignore").decode("ascii").lower()
    return lower.islower() and any(map(lower.__contains__, _LABELS))  # islower() is false where no letters are


def labelled_places(text: str) -> list[int]:
    """The places of such data that has a label, in ASCII text."""
    if not may_hold_authentication_data(text):
        return []
    return [
        place
        for match in _LABELLED.finditer(text.replace("_", " ").replace("-", " "))
        if match.lastindex is not None
        for place in range(*match.span(match.lastindex))
    ]


def places_behind(text: str, end: int) -> list[int]:
    """The places of digits that belong to the card number that ends there, in ASCII text."""
    match = _BEHIND.match(text, end)
    return [] if match is None else [place for place in range(*match.span()) if text[place].isdigit()]
