"""Card numbers (PANs) in text: the Luhn check, finding them wherever they were typed, and masking them.

A card number is a run of 13 to 19 digits that passes the Luhn check (ISO/IEC 7812-1), typed in one piece or in groups.
Digits are those of any script, separators are white space, dashes, control and invisible characters. IBANs are
known by their own check (ISO 13616) and survive, and so does every other run of digits.

One random run of digits in ten passes the Luhn check, so a bank's own 13 to 19 digit number has that chance to be
taken for a card number. See docs/lambda.md for what follows.

Standard library only: goes into the Lambda zip.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import itemgetter

from data_governance.iban import IBAN_LENGTHS, is_iban

MIN_DIGITS, MAX_DIGITS = 13, 19
MASK = "*"
KEPT_DIGITS = 4  # as card_last4; PCI DSS 3.4.1 allows them to be shown

# What may stand between the digits of a card number: white space, dashes, controls and format characters (Unicode's
# Z*, Pd, Cc, Cf), minus signs, fillers and variation selectors, and U+FFFD, which stands for bytes that were no text.
_ASCII_SEPARATORS = r"\x00-\x20\x7f\-"
_SEPARATORS = _ASCII_SEPARATORS + (
    r"\x80-\xa0\xad\u034f\u058a\u05be\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u115f-\u1160\u1400"
    r"\u1680\u1806\u180b-\u180e\u2000-\u2015\u2028-\u202f\u2053\u205f-\u2064\u2066-\u206f\u207b\u208b"
    r"\u2212\u2e17\u2e1a\u2e3a-\u2e3b\u2e40\u2e5d\u3000\u301c\u3030\u30a0\u3164\ufe00-\ufe0f\ufe31-\ufe32"
    r"\ufe58\ufe63\ufeff\uff0d\uffa0\ufff9-\ufffd"
)
_MAX_SEPARATORS = 5  # in a row


def _patterns(digit: str, separators: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """13 digits that could belong to one number, and a whole run of digits with separators."""
    candidate = rf"{digit}(?:[{separators}]{{0,{_MAX_SEPARATORS}}}{digit}){{{MIN_DIGITS - 1}}}"
    return re.compile(candidate), re.compile(rf"{digit}+(?:[{separators}]{{1,{_MAX_SEPARATORS}}}{digit}+)*")


# Most texts are ASCII, and there the simple sets are three times as fast.
_ASCII_CANDIDATE, _ASCII_RUN = _patterns("[0-9]", _ASCII_SEPARATORS)
_CANDIDATE, _RUN = _patterns(r"\d", _SEPARATORS)
_GROUP = re.compile(r"\d+")
# Capitals or not, in one piece or with single spaces between groups, as on paper.
_IBAN_START = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2})[0-9]{2}(?=[ ]?[A-Za-z0-9])", re.ASCII)

_is_uuid = re.compile(
    "[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}\\1[1-8][0-9a-fA-F]{3}\\1[89abAB][0-9a-fA-F]{3}\\1[0-9a-fA-F]{12}"
).fullmatch

# Luhn sums of every four-digit group (the two even places doubled), so that a card number takes four or five look-ups.
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_COLUMN_DIGITS = 20
_PLAIN_VALUE = bytes(max(0, byte - 48) if byte < 58 else 0 for byte in range(256))
_DOUBLED_VALUE = bytes(_DOUBLED[value] for value in _PLAIN_VALUE)
_PAIR_SUMS = [_DOUBLED[tens] + units for tens in range(10) for units in range(10)]
_GROUP_SUMS = bytes(high + low for high in _PAIR_SUMS for low in _PAIR_SUMS)


def passes_luhn(digits: str) -> bool:
    """Whether decimal digits (of any script, at most 20) pass the Luhn check."""
    number = int(digits)
    sums = _GROUP_SUMS
    high, low = divmod(number, 100_000_000)
    total = sums[low % 10_000] + sums[low // 10_000] + sums[high % 10_000]
    high //= 10_000
    return (total + sums[high % 10_000] + sums[high // 10_000]) % 10 == 0


def fail_luhn(numbers: Sequence[str]) -> list[int]:
    """Which of these ASCII digit strings (at most 20 digits each) fail the Luhn check.

    Twice as fast as one at a time: the doubled and the plain places are added as two long integers, a byte a place.
    """
    places = "".join([number.rjust(_COLUMN_DIGITS, "0") for number in numbers]).encode("ascii")
    doubled = int.from_bytes(places[0::2].translate(_DOUBLED_VALUE), "little")
    plain = int.from_bytes(places[1::2].translate(_PLAIN_VALUE), "little")
    half = _COLUMN_DIGITS // 2
    sums = (doubled + plain).to_bytes(half * len(numbers), "little")  # at most 18 a byte: nothing is carried
    return [index for index in range(len(numbers)) if sum(sums[index * half : index * half + half]) % 10]


def card_digits(text: str) -> str | None:
    """The digits of a card_number field: ASCII, in one piece or with single spaces or dashes between; None if bad."""
    if not text.isdigit():
        if _CARD_FORM(text) is None:
            return None
        text = text.replace(" ", "").replace("-", "")
    return text if MIN_DIGITS <= len(text) <= MAX_DIGITS and text.isascii() and passes_luhn(text) else None


_CARD_FORM = re.compile("[0-9](?:[ -]?[0-9]){12,18}").fullmatch


def has_candidate(text: str) -> bool:
    """Whether 13 digits stand together, whatever they are. Most texts end here."""
    return (_ASCII_CANDIDATE if text.isascii() else _CANDIDATE).search(text) is not None


def holds_card_number(text: str) -> bool:
    """Whether text holds a card number."""
    return has_candidate(text) and next(_spans(text), None) is not None


def identifier_holds_card_number(text: str) -> bool:
    """Whether an identifier holds a card number. An IBAN or a UUID (RFC 9562) is none, as long a run as it may hold."""
    return not (is_iban(text) or not has_candidate(text) or _is_uuid(text)) and holds_card_number(text)


def mask_card_numbers(text: str) -> str:
    """The text with all but the last four digits of every card number replaced by "*"; separators stay."""
    while has_candidate(text):
        spans = list(_spans(text))
        if not spans:
            break
        masked = list(text)
        for start, end in spans:
            places = [place for place in range(start, end) if text[place].isdecimal()]
            for place in places[:-KEPT_DIGITS]:
                masked[place] = MASK
        text = "".join(masked)
    return text


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each card number in text, left to right; they may overlap."""
    ibans: list[tuple[int, int]] | None = None
    for run in (_ASCII_RUN if text.isascii() else _RUN).finditer(text):
        if run.end() - run.start() < MIN_DIGITS:
            continue
        groups = [group.span() for group in _GROUP.finditer(text, *run.span())]
        if next(_card_spans(text, groups), None) is None:
            continue
        if ibans is None:  # looked for only now: most texts have no need
            ibans = _iban_spans(text)
        for start, end in _without(ibans, groups):
            yield from _card_spans(text, groups[start:end])


def _without(ibans: list[tuple[int, int]], groups: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The stretches of groups, as (start, end), that stand in no IBAN."""
    first = 0
    for index, (start, _) in enumerate(groups):
        place = bisect_right(ibans, start, key=itemgetter(0))
        if place and start < ibans[place - 1][1]:
            yield first, index
            first = index + 1
    yield first, len(groups)


def _card_spans(text: str, groups: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The card numbers among neighbouring groups of digits: every stretch of whole groups is tried.

    A card number is often followed by more digits (an expiry date, a CVV), so the whole run is not enough.
    """
    for first, (start, _) in enumerate(groups):
        digits, end = "", None
        for group_start, group_end in groups[first : first + MAX_DIGITS]:
            if len(digits) + group_end - group_start > MAX_DIGITS:
                break
            digits += text[group_start:group_end]
            if len(digits) >= MIN_DIGITS and passes_luhn(digits):
                end = group_end
        if end is not None:
            yield start, end


def _iban_spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of the IBANs in text, as electronic strings or in groups of four, capitals or not."""
    spans = []
    for match in _IBAN_START.finditer(text):
        length = IBAN_LENGTHS.get(match[1].upper())
        if length is None:
            continue
        start = match.start()
        compact = text[start : start + length]
        end = start + length
        if " " in compact:
            end += (length - 1) // 4
            compact = text[start:end].replace(" ", "")
        if is_iban(compact.upper()) and not text[end : end + 1].isalnum():
            spans.append((start, end))
    return spans
