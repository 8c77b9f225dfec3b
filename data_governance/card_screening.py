"""Which of many short texts may hold card data, found for all of them at once: most hold none.

A text is reduced to its shape ("Invoice 2026-0317" -> "xxxxxxx00000000") by one bytes.translate for all. What a shape
can't rule out is read by card_numbers.py. Standard library only, because it goes into the Lambda zip.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from data_governance.authentication_data import may_hold_authentication_data
from data_governance.card_numbers import MIN_DIGITS, identifier_holds_card_number, mask_card_numbers, masked_among
from data_governance.iban import without_ibans
from data_governance.written_text import (
    FURTHER_BYTES,
    LETTER_BYTES,
    LONG_PIECE,
    SHORT_BASE64,
    holds_encoding,
    holds_short_base64,
)

_DIGITS = b"0123456789"
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ESCAPE_SIGNS = b"%=&\\"
_CARD_LIKE = b"0" * MIN_DIGITS
_CODE_LIKE = b"0" * 3
# Digits alike, letters alike, "%" for what may begin an escaped character, "?" for other characters, NUL between texts.
# All other signs may stand inside a card number, and are deleted.
_TEXT_SHAPE = bytes(
    ord("0") if byte in _DIGITS
    else ord("%") if byte in _ESCAPE_SIGNS
    else 0 if byte == 0
    else ord("x") if byte < 128 or byte in LETTER_BYTES
    else ord("?")
    for byte in range(256)
)  # fmt: skip
_ASCII_SIGNS = bytes(byte for byte in range(1, 128) if byte not in _DIGITS + _LETTERS + _ESCAPE_SIGNS)
_TEXT_SIGNS = _ASCII_SIGNS + FURTHER_BYTES
# The same of an identifier: "!" for what none may hold, a line feed between them.
_IDENTIFIER_SHAPE = bytes(
    byte if byte == 10 else ord("!") if byte < 33 or byte > 126 else _TEXT_SHAPE[byte] for byte in range(256)
)
_IDENTIFIER_SIGNS = bytes(byte for byte in _ASCII_SIGNS if 33 <= byte <= 126)
_holds_short_base64 = re.compile(SHORT_BASE64.encode()).search


def shapes(texts: Sequence[str], table: bytes, deleted: bytes = b"", between: str = "\n") -> list[bytes]:
    """The shape of each text; "?" for all of them if a text contains the separator."""
    return _shapes(between.join(texts).encode(), len(texts), table, deleted, between) if texts else []


def _shapes(joined: bytes, count: int, table: bytes, deleted: bytes, between: str) -> list[bytes]:
    found = joined.translate(table, deleted).split(between.encode())
    return found if len(found) == count else [b"?"] * count


def refused_identifiers(values: set[str]) -> set[str]:
    """Those of distinct identifiers that hold a card number, or a character that none may hold."""
    if not values:
        return set()
    texts = list(values)
    joined = "\n".join(texts).encode()
    together = joined.translate(_IDENTIFIER_SHAPE, _IDENTIFIER_SIGNS)
    found = together.split(b"\n")
    if len(found) != len(texts):
        return values  # one holds a line feed, so that nobody knows which shape is whose
    may_be_base64 = _holds_short_base64(joined) is not None
    refused: set[str] = set()
    if may_be_base64 or b"!" in together or b"%" in together or max(map(len, texts)) >= LONG_PIECE:
        for text, shape in zip(texts, found, strict=True):
            may_be_encoded = b"%" in shape or len(text) >= LONG_PIECE or may_be_base64
            if b"!" in shape or (may_be_encoded and _CARD_LIKE not in shape and identifier_holds_card_number(text)):
                refused.add(text)
    if _CARD_LIKE not in together:
        return refused
    numeric = [text for text, shape in zip(texts, found, strict=True) if _CARD_LIKE in shape]
    return refused.union(filter(identifier_holds_card_number, without_ibans(numeric)))


def masked_texts(column: Sequence[Any], with_labels: bool = True) -> Sequence[Any]:
    """Texts (or no text) with the card numbers in them masked, and authentication data that has a label.

    Each distinct text is read once. with_labels: False for identifiers, in which no label stands.
    """
    texts = [text for text in set(column) if text]
    if not texts:
        return column
    joined = "\0".join(texts)
    may_be_base64 = _holds_short_base64(joined.encode("ascii", "ignore")) is not None
    doubtful: list[str] = []
    numeric: list[str] = []
    for text, shape in zip(texts, _shapes(joined.encode(), len(texts), _TEXT_SHAPE, _TEXT_SIGNS, "\0"), strict=True):
        if b"?" in shape:
            doubtful.append(text)
        elif _CARD_LIKE in shape:
            numeric.append(text)
        elif (
            (len(text) >= LONG_PIECE and holds_encoding(text.encode("ascii", "ignore").decode("ascii")))
            or (b"%" in shape and shape.count(b"0") >= MIN_DIGITS)
            or (with_labels and _CODE_LIKE in shape and may_hold_authentication_data(text))
            or (may_be_base64 and holds_short_base64(text))
        ):
            doubtful.append(text)
    masked = {text: found for text in doubtful if (found := mask_card_numbers(text)) != text}
    masked |= masked_among(without_ibans(numeric))
    return [masked.get(text, text) for text in column] if masked else column
