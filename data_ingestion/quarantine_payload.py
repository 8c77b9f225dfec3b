"""The text of a quarantined record that may be stored: without card numbers, otherwise as close to the original as
possible.

Works on text and not on parsed JSON, because quarantined records are often not JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from data_governance.card_numbers import MASK, card_digits, holds_card_number, mask_card_numbers

REMOVED = "[removed]"

# JSON may write any character as \uXXXX, and a field name written that way would not be found. A backslash and the
# character that it escapes are read as a pair, so that \\u0031 stays literal text.
_ESCAPE = re.compile(r"\\(?:u00(2[0-9a-fA-F]|[3-7][0-9a-fA-F])|.)", re.DOTALL)
_KEEP_ESCAPED = ('"', "\\", "\x7f")
# Never starts inside a run of backslashes, because each place of a long run would scan the rest of it.
_CARD_NUMBER_FIELD = re.compile(r"""(?<!\\)(\\*["'])card[\s_-]*number\1\s*:\s*""", re.IGNORECASE)
_CARD_NUMBER_TEXT = re.compile(r"""(card[\s_-]*number\W{0,8})(\d[\d\s-]*)""", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_NULL = re.compile(r"null\s*(?=[,}\]])")
_BARE_VALUE_END = re.compile(r"[,}\]\n]|\Z")
_STRUCTURE = re.compile(r"""\\.|["\[\]{}]""", re.DOTALL)
_STRING_END = re.compile(r'\\.|"', re.DOTALL)
_WIDE_ENCODINGS = {"utf-32-le": 4, "utf-32-be": 4, "utf-16-le": 2, "utf-16-be": 2}


def safe_payload(data: bytes, token: Callable[[str], str]) -> str:
    """The record as text, without card numbers.

    The value of card_number is always replaced: a valid one by card_token and card_last4 (so that a corrected record
    keeps its card), anything else by "[removed]". Card numbers elsewhere are masked.

    UTF-16 and UTF-32 are decoded. Other bytes that are not UTF-8 become U+FFFD, because any other notation could be
    read back as digits.
    """
    for encoding, text in _wide_readings(data):
        stored = _without_card_numbers(text, token)
        # In a text of mixed encodings a digit can hide inside another character.
        if not holds_card_number(stored.encode(encoding).decode("latin-1")):
            return stored
    return _without_card_numbers(data.decode("utf-8", "replace"), token)


def _wide_readings(data: bytes) -> Iterator[tuple[str, str]]:
    """(encoding, text) if the bytes look like UTF-16 or UTF-32: decoded, they are mostly ASCII and hold no NUL."""
    if b"\0" not in data:
        return
    for encoding, width in _WIDE_ENCODINGS.items():
        # The last character may be cut off. In big-endian order its first bytes are only NULs, so it is dropped.
        whole = data + bytes(-len(data) % width) if encoding.endswith("le") else data[: len(data) // width * width]
        try:
            text = whole.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text and 2 * len(text.encode("ascii", "ignore")) > len(text):
            yield encoding, text


def _without_card_numbers(text: str, token: Callable[[str], str]) -> str:
    if "\\u00" in text:
        text = _ESCAPE.sub(_unescaped, text)
    return mask_card_numbers(_without_card_number_field(text, token))


def _unescaped(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16)) if match[1] else "\\"
    return match[0] if character in _KEEP_ESCAPED else character


def _without_card_number_field(text: str, token: Callable[[str], str]) -> str:
    kept: list[str] = []
    place = 0
    while field := _CARD_NUMBER_FIELD.search(text, place):
        start, end = field.end(), _value_end(text, field.end(), field[1])
        kept.append(text[place : field.start()])
        place = end
        digits = card_digits(text[start + 1 : end - 1]) if field[1] == '"' and text[start : start + 1] == '"' else None
        if digits is not None:
            kept.append(f'"card_token":"{token(digits)}","card_last4":"{digits[-4:]}"')
        elif _NULL.match(text, start):
            kept.append(text[field.start() : end])
        else:
            kept.append(f"{field[0]}{field[1]}{REMOVED}{field[1]}")
    kept.append(text[place:])
    return _CARD_NUMBER_TEXT.sub(lambda match: match[1] + _DIGIT.sub(MASK, match[2]), "".join(kept))


def _value_end(text: str, start: int, quote: str) -> int:
    """The end of the value that starts there, or of the text if the value never ends."""
    if text.startswith(quote, start):
        if quote == '"':
            return _string_end(text, start + 1)
        end = text.find(quote, start + len(quote))
        return len(text) if end < 0 else end + len(quote)
    if text[start : start + 1] in ("[", "{"):
        return _structure_end(text, start)
    match = _BARE_VALUE_END.search(text, start)
    return match.start() if match else len(text)


def _string_end(text: str, start: int) -> int:
    for match in _STRING_END.finditer(text, start):
        if match[0] == '"':
            return match.end()
    return len(text)


def _structure_end(text: str, start: int) -> int:
    depth = 0
    place = start
    while match := _STRUCTURE.search(text, place):
        place = match.end()
        if match[0] == '"':
            place = _string_end(text, place)
        elif match[0] in "[{":
            depth += 1
        elif match[0] in "]}":
            depth -= 1
            if depth == 0:
                return place
    return len(text)
