"""Where card numbers stand in ASCII text, and what belongs to them: the search itself, exact and slow. Pure.

A number is what card_brands.py says, in one piece, in groups with separators between, or in groups of a card's sizes
with one and the same sign between. Takes time in proportion to the text's length, whatever the text is.
Standard library only, because it goes into the Lambda zip.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate, compress, pairwise

from data_governance.authentication_data import is_expiry_or_code, is_month_and_year, places_behind
from data_governance.card_brands import (
    ISSUER_DIGITS,
    MAX_DIGITS,
    MIN_DIGITS,
    card_lengths,
    is_card_number,
    passes_luhn,
)
from data_governance.known_ids import without_ids

KEPT_DIGITS = 4  # the digits of card_last4; PCI DSS 3.4.1 allows showing them
# Timestamps in nanoseconds begin like a UATP number, which has no code; so nothing that is glued to one is looked for.
_UATP = "1"

# The ASCII characters that may stand between the digits of a card number.
SEPARATORS = r"\x00-\x20\x7f\-"
# Groups with the same sign between them, whatever it is: 4111.1111.1111.1111, ["4111","1111","1111","1111"].
SIGN = rf"(?:[^0-9A-Za-z]{{0,5}}[^0-9A-Za-z{SEPARATORS}][^0-9A-Za-z]{{0,5}})"
_RUN = re.compile(rf"[0-9][0-9{SEPARATORS}]*")
_SAME_SIGN = re.compile(rf"[0-9](?<![0-9].)[0-9]*+({SIGN})[0-9]++(?:\1[0-9]++)*+")
_GROUP = re.compile("[0-9]+")
# The commonest text by far: no digits but a number's, which stands between spaces. The search would say the same.
_ALONE = re.compile(r"(?:[^0-9]* )?([0-9]{13,19}|[0-9]{4}(?:[ -][0-9]{4}){3})(?:[ ,.][^0-9]*)?").fullmatch
# A date in a group of its own, before a serial number.
_MONTH, _DAY = "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
_YEAR_FIRST = rf"(?:19|20)[0-9]{{2}}{_MONTH}{_DAY}"
_is_year_first_date = re.compile(_YEAR_FIRST).fullmatch
_is_date = re.compile(
    rf"{_YEAR_FIRST}|(?:{_DAY}{_MONTH}|{_MONTH}{_DAY})(?:19|20)[0-9]{{2}}"
    rf"|[0-3][0-9]{_MONTH}{_DAY}|{_DAY}{_MONTH}[0-3][0-9]"
).fullmatch


def card_places(text: str) -> Iterator[int]:
    """The places in ASCII text of the digits to mask: of card numbers, and of what stands behind them."""
    alone = _ALONE(text)
    if alone is not None and is_card_number("".join(_GROUP.findall(alone[1]))):
        digits = [place for place in range(*alone.span(1)) if text[place].isdigit()]
        yield from digits[:-KEPT_DIGITS]
        return
    text = without_ids(text)
    for run in _RUN.finditer(text):
        if run.end() - run.start() >= MIN_DIGITS:
            groups = [each.span() for each in _GROUP.finditer(text, *run.span())]
            yield from _Run(text, groups).hidden()
    for match in _SAME_SIGN.finditer(text):
        yield from _places_of_groups(text, [each.span() for each in _GROUP.finditer(text, *match.span())])


class _Run:
    """Digits with nothing but separators between them, in groups."""

    def __init__(self, text: str, groups: list[tuple[int, int]]) -> None:
        self._text = text
        self._groups = groups
        self._digits = "".join([text[start:end] for start, end in groups])
        self._ends = list(accumulate([end - start for start, end in groups]))  # of each group, counted in digits
        self._is_end = frozenset(self._ends)

    def hidden(self) -> list[int]:
        """The places to mask.

        Tries spans between group boundaries, longest first, because a card number is often followed by more digits (an
        expiry date, a code). What is left becomes a group and is tried again.
        """
        count = len(self._digits)
        masked = bytearray(count)
        ends = [self._mask(masked, start, count) for start in self._starts()]
        place = 0
        while (start := masked.find(b"\1\0", place) + 1) > 0:
            following = masked.find(b"\1", start)
            ends.append(self._mask(masked, start, count if following < 0 else following))
            place = start
        if not any(ends):
            return []
        places = [place for start, end in self._groups for place in range(start, end)]
        behind = [place for end in filter(None, ends) for place in places_behind(self._text, places[end - 1] + 1)]
        return [*compress(places, masked), *behind]

    def _starts(self) -> Iterator[int]:
        """Where a number may begin: with a group, or behind an expiry date that is glued to it."""
        start = 0
        for (place, _), end in zip(self._groups, self._ends, strict=True):
            if len(self._digits) - start < MIN_DIGITS:
                return
            yield start
            if end - start > MIN_DIGITS:
                if is_month_and_year(self._digits[start : start + 4]) and self._digits[start + 4] != _UATP:
                    yield start + 4
                if place and self._text[place - 1] == "/":
                    yield start + 2
            start = end

    def _mask(self, masked: bytearray, start: int, limit: int) -> int:
        """Mark the digits to mask of the number that begins there; returns its end, 0 if there is none."""
        for length in card_lengths(self._digits[start : start + ISSUER_DIGITS]):
            end = start + length
            if end <= limit and self._is_card_number(start, end):
                masked[start : end - KEPT_DIGITS] = b"\1" * (length - KEPT_DIGITS)
                return end
        return 0

    def _is_card_number(self, start: int, end: int) -> bool:
        return (
            (end in self._is_end or self._goes_on_as_expiry_or_code(start, end))
            and passes_luhn(self._digits[start:end])
            and not self._holds_date(start, end)
        )

    def _goes_on_as_expiry_or_code(self, start: int, end: int) -> bool:
        """Whether the group goes on behind a card number with an expiry date, a code or both."""
        group_end = self._group_end(end)
        rest = self._digits[end:group_end]
        if len(rest) == 2:  # 4111111111111111 12/26
            place = self._groups[bisect_left(self._ends, group_end)][1]
            rest += self._text[place + 1 : place + 3] if self._text[place : place + 1] == "/" else ""
        return self._digits[start] != _UATP and is_expiry_or_code(rest, end - start)

    def _holds_date(self, start: int, end: int) -> bool:
        """Whether the first group, or the first three (day, month, year), or any group of eight digits is a date."""
        if start and start not in self._is_end:
            return False
        first = self._group_end(start)
        if first - start == 2 and {start + 4, start + 8} <= self._is_end:
            first = start + 8
        if first >= end:
            return False
        if _is_date(self._digits[start:first]):
            return True
        ends = self._ends[bisect_left(self._ends, first) : bisect_right(self._ends, end)]
        return any(_is_year_first_date(self._digits[last:next_]) for last, next_ in pairwise(ends))

    def _group_end(self, place: int) -> int:
        """Where the group ends in which the digit stands."""
        return self._ends[bisect_right(self._ends, place)]


def _places_of_groups(text: str, groups: list[tuple[int, int]]) -> Iterator[int]:
    """The places to mask in groups of digits with the same sign between them."""
    sizes = [end - start for start, end in groups]
    first = 0
    while first < len(groups) - 1:
        last = _last_group(text, groups, sizes, first)
        if last:
            places = [place for start, end in groups[first:last] for place in range(start, end)]
            yield from places[:-KEPT_DIGITS]
            yield from places_behind(text, places[-1] + 1)
        first = last or first + 1


def _last_group(text: str, groups: list[tuple[int, int]], sizes: list[int], first: int) -> int:
    """The end of the groups, from the first one on, that are a card number of a card's sizes; 0 if they are none."""
    digits = ""
    found = 0
    for last, (start, end) in enumerate(groups[first : first + MAX_DIGITS], first + 1):
        digits += text[start:end]
        if len(digits) > MAX_DIGITS:
            break
        if len(digits) < MIN_DIGITS or not _are_card_sizes(sizes[first:last]) or not is_card_number(digits):
            continue
        if _is_date(digits[: sizes[first]]) is None:
            found = last
    return found


def _are_card_sizes(sizes: list[int]) -> bool:
    """Whether groups are as on a card: 4-6-5, 4-6-4, 8-8, or three or more of one size but the last."""
    return (
        sizes[:-1] == [4, 6]
        or sizes == [8, 8]
        or (len(sizes) > 2 and len(set(sizes[:-1])) == 1 and sizes[-1] <= sizes[0] + KEPT_DIGITS)
    )
