"""The text of a quarantined record, fit to be stored: no card number in it, as near to what was sent as that allows.

Works on text and not on parsed JSON, since what is quarantined is often not JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from data_governance.card_numbers import MASK, card_digits, mask_card_numbers

REMOVED = "[removed]"

# JSON may write any character as \uXXXX: a field's name that is written so would hide from what follows.
_ESCAPED_ASCII = re.compile(r"\\u00(2[0-9a-fA-F]|[3-7][0-9a-fA-F])")
_KEEP_ESCAPED = ('"', "\\", "\x7f")
_CARD_NUMBER_FIELD = re.compile(r"""(\\*["'])card[\s_-]*number\1\s*:\s*""", re.IGNORECASE)
_CARD_NUMBER_TEXT = re.compile(r"""(card[\s_-]*number\W{0,8})(\d[\d\s-]*)""", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_BARE_VALUE_END = re.compile(r"[,}\]\n]|\Z")
_STRUCTURE = re.compile(r"""\\.|["\[\]{}]""", re.DOTALL)
_STRING_END = re.compile(r'\\.|"', re.DOTALL)
# A character of a JSON string as it is written: a pair of surrogates, an escape, or itself.
_WRITTEN = re.compile(
    r'\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\["\\/bfnrt]|.', re.DOTALL
)


def safe_payload(data: bytes, token: Callable[[str], str]) -> str:
    """The record as text, without card numbers.

    What stood as card_number is gone, whatever it was: a valid one became card_token and card_last4 (so that a
    corrected record keeps its card), anything else "[removed]". Card numbers elsewhere are masked.

    Bytes that are no UTF-8 become U+FFFD: written in any other way they could still be read back as digits.
    """
    text = data.decode("utf-8", "replace")
    if "\\u00" in text:
        text = _ESCAPED_ASCII.sub(_unescaped, text)
    text = _without_card_number(text, token)
    return _mask_written(text) if "\\" in text else mask_card_numbers(text)


def _unescaped(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return match[0] if character in _KEEP_ESCAPED else character


def _without_card_number(text: str, token: Callable[[str], str]) -> str:
    kept: list[str] = []
    place = 0
    while field := _CARD_NUMBER_FIELD.search(text, place):
        start, end = field.end(), _value_end(text, field.end(), field[1])
        kept.append(text[place : field.start()])
        digits = card_digits(text[start + 1 : end - 1]) if field[1] == '"' and text[start : start + 1] == '"' else None
        if digits is None:
            kept.append(f"{field[0]}{field[1]}{REMOVED}{field[1]}")
        else:
            kept.append(f'"card_token":"{token(digits)}","card_last4":"{digits[-4:]}"')
        place = end
    kept.append(text[place:])
    return _CARD_NUMBER_TEXT.sub(lambda match: match[1] + _DIGIT.sub(MASK, match[2]), "".join(kept))


def _value_end(text: str, start: int, quote: str) -> int:
    """Where the value that starts there ends; the end of the text where it never does."""
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


def _mask_written(text: str) -> str:
    r"""The text with card numbers masked that JSON escapes hide: "4111\t1111", "\uff14\uff11"."""
    written = _WRITTEN.findall(text)
    read = "".join([_read(each) for each in written])
    masked = mask_card_numbers(read)
    if masked == read:
        return text
    return "".join(
        [MASK if after != before else each for each, before, after in zip(written, read, masked, strict=True)]
    )


def _read(written: str) -> str:
    """The one character that is meant; a half of a pair of surrogates stands for none."""
    if len(written) == 1:
        return written
    character: str = json.loads(f'"{written}"')
    return character if len(character) == 1 and not "\ud800" <= character <= "\udfff" else "\ufffd"
