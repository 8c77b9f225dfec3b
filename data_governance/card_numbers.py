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
from collections.abc import Iterable, Iterator

from data_governance.authentication_data import (
    labelled_places,
    may_hold_authentication_data,
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
from data_governance.card_places import SEPARATORS, SIGN, card_places
from data_governance.iban import is_iban
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
    "fail_luhn",
    "has_candidate",
    "holds_card_number",
    "identifier_holds_card_number",
    "mask_card_numbers",
    "masked_among",
    "passes_luhn",
]

MASK = "*"
_LONGEST_WITHOUT_MORE = 16  # a longer one may be a card number with an expiry date or a code

_GAP = rf"[{SEPARATORS}]*+"
# Behind the first digit of a group: what can stand behind it in a card number, and as many digits as it has at least.
_BEGINNING = "|".join(
    f"(?<={first}){_GAP}[{seconds}](?:{_GAP}[0-9]){{{length - 2}}}" for (first, length), seconds in beginnings().items()
)
_CANDIDATE = re.compile(rf"[1-9](?<![0-9].)(?:{_BEGINNING})")
_CANDIDATE_BEHIND_EXPIRY = re.compile(rf"[01/](?:(?<=[01])[0-9](?<![0-9]..)|(?<=/))[2-4][0-9][1-9](?:{_BEGINNING})")
# As many of them as make 13 digits.
_MANY_GROUPS = re.compile(
    rf"[0-9](?<![0-9].)(?:[0-9]?({SIGN})(?:[0-9]{{1,2}}\1){{5}}|[0-9]{{2,5}}({SIGN})[0-9]{{3,6}}\2[0-9]{{3}}"
    rf"|[0-9]{{7}}{SIGN}[0-9]{{8}})"
)
_CANDIDATES = (_CANDIDATE, _MANY_GROUPS, _CANDIDATE_BEHIND_EXPIRY)
_NO_DIGITS = bytes(byte for byte in range(256) if byte not in b"0123456789")
_MOST_DIGITS = 32
# 13 digits or more with what may stand between them, in text that is not ASCII.
_ANY_DIGIT = rf"[\d{OTHER_DIGITS}]"
_ANY_RUN = re.compile(rf"{_ANY_DIGIT}[\d\W_{OTHER_DIGITS}{SEPARATING_LETTERS}]{{{MIN_DIGITS - 1},}}")
_LETTERS = re.compile(r"\?{2,}+")  # what in_ascii() makes of them; one is enough to see whether there is a candidate
# A letter can't stand between the digits of a card number, nor a NUL in what is encoded.
_BETWEEN_TEXTS = "\0x\0"
_DIGIT = re.compile(_ANY_DIGIT)


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
        or any(_holds_in_clear(in_ascii(each.text)) for each in ways)
        or any(_encodes_card_number(piece[0], depth) for piece in encoded_pieces(text))
    )


def _holds_in_clear(text: str) -> bool:
    return _has_candidate_in_clear(text) and next(card_places(text), None) is not None


def _encodes_card_number(piece: str, depth: int) -> bool:
    return depth > 0 and any(_holds_card_number(text, depth - 1) for text in decoded(piece))


def identifier_holds_card_number(text: str) -> bool:
    """Whether an identifier holds a card number. Most candidates are IBANs, which are quickly recognised."""
    if text.isdigit() and text.isascii() and len(text) <= _LONGEST_WITHOUT_MORE:
        return is_card_number(text)
    return has_candidate(text) and not is_iban(text) and holds_card_number(text)


def masked_among(texts: list[str]) -> dict[str, str]:
    """What mask_card_numbers() makes of those that it changes. texts: without NUL, beyond ASCII letters only."""
    if not texts:
        return {}
    # Searched all at once, because most of the time would go into calls.
    joined = _BETWEEN_TEXTS.join(texts)
    plain = _LETTERS.sub("?", joined.encode("ascii", "replace").decode("ascii"))
    clear = plain.split(_BETWEEN_TEXTS)
    candidates = {place for pattern in _CANDIDATES for place in _texts_with(pattern, plain)}
    numeric = [texts[place] for place in candidates if _has_card_digits(clear[place])]
    masked = {text: _with_masked_places(text, card_places(in_ascii(text))) for text in numeric}
    short = joined.encode("ascii", "ignore").decode("ascii")
    if _has_written_candidate(short) or may_hold_authentication_data(short):
        for text, letters in zip(texts, short.split(_BETWEEN_TEXTS), strict=True):
            if _has_written_candidate(letters) or may_hold_authentication_data(letters):
                masked[text] = _masked(text)
    return {text: found for text, found in masked.items() if found != text}


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
    return _masked(text) if has_candidate(text) or may_hold_authentication_data(text) else text


def _masked(text: str) -> str:
    ways = readings(text)
    if not ways:
        return _DIGIT.sub(MASK, text)
    pieces = encoded_pieces(text)
    if len(ways) == 1 and not pieces:
        return _with_masked_places(text, _hidden_places(in_ascii(text)))
    spans: set[tuple[int, int]] = set()
    for read, places in ways:
        spans.update([(places[place], places[place + 1]) for place in _hidden_places(in_ascii(read))])
    for piece in pieces:
        if _encodes_card_number(piece[0], MAX_DEPTH):
            spans.update([(place, place + 1) for place in range(*piece.span())])
    return _with_masks(text, sorted(spans)) if spans else text


def _with_masked_places(text: str, places: Iterable[int]) -> str:
    characters = list(text)
    for place in places:
        characters[place] = MASK
    return "".join(characters)


def _hidden_places(text: str) -> list[int]:
    """The places in ASCII text of all digits to mask."""
    found = labelled_places(text)
    return [*found, *card_places(text)] if _has_candidate_in_clear(text) else found


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
