"""Card numbers (PANs) in text: finding them however they are written, and masking them and what belongs to them.

A card number is what card_brands.py says, in one piece or in groups. Digits of any kind count. Between them may stand
any number of white space characters, dashes, control characters and invisible ones; or one and the same sign between
groups of a card's sizes. Escapes and encodings are taken away first (written_text.py); IBANs, UUIDs and hashes are left
as they are (known_ids.py). docs/lambda.md has the table of what is promised and what is not.

Everything here takes time in proportion to the text's length, whatever the text is: a record can be 1 MiB of anything.
Standard library only, because it goes into the Lambda zip.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate, compress, pairwise

from data_governance.authentication_data import (
    is_expiry_or_code,
    is_month_and_year,
    labelled_places,
    may_hold_authentication_data,
    places_behind,
)
from data_governance.card_brands import (
    ISSUER_DIGITS,
    MAX_DIGITS,
    MIN_DIGITS,
    beginnings,
    card_lengths,
    fail_luhn,
    is_card_number,
    passes_luhn,
)
from data_governance.iban import is_iban
from data_governance.known_ids import without_ids
from data_governance.written_text import (
    LONG_PIECE,
    MAX_DEPTH,
    OTHER_DIGITS,
    SEPARATING_LETTERS,
    decoded,
    encoded_pieces,
    holds_encoding,
    holds_escape,
    holds_short_base64,
    in_ascii,
    readings,
    with_letters_in_ascii,
)

__all__ = [
    "MASK",
    "MAX_DIGITS",
    "MIN_DIGITS",
    "card_digits",
    "doubtful_among",
    "fail_luhn",
    "has_candidate",
    "holds_card_number",
    "identifier_holds_card_number",
    "mask_card_numbers",
    "passes_luhn",
]

MASK = "*"
_LONGEST_WITHOUT_MORE = 16  # a longer one may be a card number with an expiry date or a code
# Timestamps in nanoseconds begin like a UATP number, which has no code; so nothing that is glued to one is looked for.
_UATP = "1"
KEPT_DIGITS = 4  # the digits of card_last4; PCI DSS 3.4.1 allows showing them

# The ASCII characters that may stand between the digits of a card number.
_SEPARATORS = r"\x00-\x20\x7f\-"
_GAP = rf"[{_SEPARATORS}]*+"
# Behind the first digit of a group: what can stand behind it in a card number, and as many digits as it has at least.
_BEGINNING = "|".join(
    f"(?<={first}){_GAP}[{seconds}](?:{_GAP}[0-9]){{{length - 2}}}" for (first, length), seconds in beginnings().items()
)
_CANDIDATE = re.compile(rf"[1-9](?<![0-9].)(?:{_BEGINNING})")
_CANDIDATE_BEHIND_EXPIRY = re.compile(rf"[01/](?:(?<=[01])[0-9](?<![0-9]..)|(?<=/))[2-4][0-9][1-9](?:{_BEGINNING})")
_RUN = re.compile(rf"[0-9][0-9{_SEPARATORS}]*")
# Groups with the same sign between them, whatever it is: 4111.1111.1111.1111, ["4111","1111","1111","1111"].
_SIGN = rf"(?:[^0-9A-Za-z]{{0,5}}[^0-9A-Za-z{_SEPARATORS}][^0-9A-Za-z]{{0,5}})"
_SAME_SIGN = re.compile(rf"[0-9](?<![0-9].)[0-9]*+({_SIGN})[0-9]++(?:\1[0-9]++)*+")
# As many of them as make 13 digits.
_MANY_GROUPS = re.compile(
    rf"[0-9](?<![0-9].)(?:[0-9]?({_SIGN})(?:[0-9]{{1,2}}\1){{5}}|[0-9]{{2,5}}({_SIGN})[0-9]{{3,6}}\2[0-9]{{3}}"
    rf"|[0-9]{{7}}{_SIGN}[0-9]{{8}})"
)
_CANDIDATES = (_CANDIDATE, _MANY_GROUPS, _CANDIDATE_BEHIND_EXPIRY)
_NO_DIGITS = bytes(byte for byte in range(256) if byte not in b"0123456789")
_MOST_DIGITS = 32
_GROUP = re.compile("[0-9]+")
# 13 digits or more with what may stand between them, in text that is not ASCII.
_ANY_DIGIT = rf"[\d{OTHER_DIGITS}]"
_ANY_RUN = re.compile(rf"{_ANY_DIGIT}[\d\W_{OTHER_DIGITS}{SEPARATING_LETTERS}]{{{MIN_DIGITS - 1},}}")
_LETTERS = re.compile(r"\?{2,}+")  # what in_ascii() makes of them; one is enough to see whether there is a candidate
# A letter can't stand between the digits of a card number, nor a NUL in what is encoded.
_BETWEEN_TEXTS = "\0x\0"
_DIGIT = re.compile(_ANY_DIGIT)
# A date in a group of its own, before a serial number.
_MONTH, _DAY = "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
_YEAR_FIRST = rf"(?:19|20)[0-9]{{2}}{_MONTH}{_DAY}"
_is_year_first_date = re.compile(_YEAR_FIRST).fullmatch
_is_date = re.compile(
    rf"{_YEAR_FIRST}|(?:{_DAY}{_MONTH}|{_MONTH}{_DAY})(?:19|20)[0-9]{{2}}"
    rf"|[0-3][0-9]{_MONTH}{_DAY}|{_DAY}{_MONTH}[0-3][0-9]"
).fullmatch


def card_digits(text: str) -> str | None:
    """The digits of a card_number field: ASCII, in one piece or with single spaces or dashes between; else None."""
    if not text.isdigit():
        if _CARD_FORM(text) is None:
            return None
        text = text.replace(" ", "").replace("-", "")
    return text if MIN_DIGITS <= len(text) <= MAX_DIGITS and text.isascii() and passes_luhn(text) else None


_CARD_FORM = re.compile("[0-9](?:[ -]?[0-9]){12,18}").fullmatch


def has_candidate(text: str) -> bool:
    """Whether a text may hold a card number. Most texts end here."""
    data = text.encode("ascii", "ignore")
    if len(data) < len(text):
        if _has_written_candidate(data.decode("ascii")):
            return True
        plain = with_letters_in_ascii(text)
        if plain is None:
            return any(map(_has_candidate_in_clear, map(in_ascii, _ANY_RUN.findall(text))))
        return _has_candidate_in_clear(_LETTERS.sub("?", plain))
    if len(data) - len(data.translate(None, b"0123456789")) < MIN_DIGITS:
        return holds_short_base64(text) is not None or (len(text) >= LONG_PIECE and holds_encoding(text))
    return _has_candidate_in_clear(text) or _has_written_candidate(text)


def _has_written_candidate(text: str) -> bool:
    """Whether there are escapes or encodings in ASCII text."""
    return holds_escape(text) is not None or holds_encoding(text)


def _has_candidate_in_clear(text: str) -> bool:
    """The same of ASCII text as it stands."""
    return any(pattern.search(text) is not None for pattern in _CANDIDATES) and _has_card_digits(text)


def _has_card_digits(text: str) -> bool:
    """Whether digits that follow each other in ASCII text make a card number, whatever stands between them."""
    digits = text.encode("ascii").translate(None, _NO_DIGITS).decode("ascii")
    if len(digits) > _MOST_DIGITS:
        return True  # among so many, one in ten numbers passes by chance, and looking at each would cost more
    for start in range(len(digits) - MIN_DIGITS + 1):
        for length in card_lengths(digits[start : start + ISSUER_DIGITS]):
            if start + length <= len(digits) and passes_luhn(digits[start : start + length]):
                return True
    return False


def holds_card_number(text: str) -> bool:
    """Whether text holds a card number."""
    return _holds_card_number(text, MAX_DEPTH)


def _holds_card_number(text: str, depth: int) -> bool:
    """depth: how many encodings inside each other are looked into."""
    if not has_candidate(text):
        return False
    ways = readings(text)
    return (
        not ways
        or any(next(_card_places(in_ascii(each.text)), None) is not None for each in ways)
        or any(_encodes_card_number(piece[0], depth) for piece in encoded_pieces(text))
    )


def _encodes_card_number(piece: str, depth: int) -> bool:
    return depth > 0 and any(_holds_card_number(text, depth - 1) for text in decoded(piece))


def identifier_holds_card_number(text: str) -> bool:
    """Whether an identifier holds a card number. Most candidates are IBANs, which are quickly recognised."""
    if text.isdigit() and text.isascii() and len(text) <= _LONGEST_WITHOUT_MORE:
        return is_card_number(text)
    return has_candidate(text) and not is_iban(text) and holds_card_number(text)


def doubtful_among(texts: list[str]) -> list[str]:
    """Those that mask_card_numbers() may change, of texts without NUL whose characters beyond ASCII are letters."""
    if not texts:
        return []
    # Searched all at once, because most of the time would go into calls.
    joined = _BETWEEN_TEXTS.join(texts)
    plain = _LETTERS.sub("?", joined.encode("ascii", "replace").decode("ascii"))
    places = {place for pattern in _CANDIDATES for place in _texts_with(pattern, plain)}
    short = joined.encode("ascii", "ignore").decode("ascii")
    clear = plain.split(_BETWEEN_TEXTS)
    found = {place for place in places if _has_card_digits(clear[place])}
    if _has_written_candidate(short) or may_hold_authentication_data(short):
        each = enumerate(short.split(_BETWEEN_TEXTS))
        found.update(place for place, text in each if _has_written_candidate(text) or may_hold_authentication_data(text))
    return [texts[place] for place in sorted(found)]


def _texts_with(pattern: re.Pattern[str], joined: str) -> Iterator[int]:
    """The places of the texts in which the pattern is found, which can't reach across what stands between them."""
    place = start = 0
    for match in pattern.finditer(joined):
        place += joined.count(_BETWEEN_TEXTS, start, match.start())
        start = match.start()
        yield place


def mask_card_numbers(text: str) -> str:
    """The text with every digit of a card number but the last four replaced by "*", and all authentication data.

    Separators stay. A digit that is written as an escape becomes one "*" too. What encodes a card number is replaced
    whole.
    """
    if not has_candidate(text) and not may_hold_authentication_data(text):
        return text
    ways = readings(text)
    if not ways:
        return _DIGIT.sub(MASK, text)
    spans: set[tuple[int, int]] = set()
    for read, places in ways:
        plain = in_ascii(read)
        hidden = [*_card_places(plain), *labelled_places(plain)]
        spans.update([(places[place], places[place + 1]) for place in hidden])
    for piece in encoded_pieces(text):
        if _encodes_card_number(piece[0], MAX_DEPTH):
            spans.update([(place, place + 1) for place in range(*piece.span())])
    return _with_masks(text, sorted(spans)) if spans else text


def _with_masks(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with "*" for each span; spans that overlap are one."""
    characters = list(text)
    end = 0
    for first, last in spans:
        characters[first:last] = [""] * (last - first)
        if first >= end:
            characters[first] = MASK
        end = max(end, last)
    return "".join(characters)


def _card_places(text: str) -> Iterator[int]:
    """The places in ASCII text of the digits to mask: of card numbers, and of what stands behind them."""
    if not _has_candidate_in_clear(text):
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
