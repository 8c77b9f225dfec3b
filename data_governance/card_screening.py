"""Which of many short texts may hold card data, found for all of them at once: most hold none.

A text is reduced to its shape ("Invoice 2026-0317" -> "xxxxxxx00000000") by one bytes.translate for all. What a shape
can't rule out is read by card_numbers.py. Standard library only, because it goes into the Lambda zip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from data_governance.authentication_data import may_hold_authentication_data
from data_governance.card_numbers import MIN_DIGITS, identifier_holds_card_number, mask_card_numbers
from data_governance.iban import without_ibans
from data_governance.written_text import LONG_PIECE, holds_encoding, holds_short_base64

_DIGITS = b"0123456789"
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ESCAPE_SIGNS = b"%=&\\"
_CARD_LIKE = b"0" * MIN_DIGITS
_CODE_LIKE = b"0" * 3
# Digits alike, letters alike, "%" for what may begin an escaped character, NUL between texts. All other signs may stand
# inside a card number, and are deleted.
_TEXT_SHAPE = bytes(
    ord("0") if byte in _DIGITS else ord("%") if byte in _ESCAPE_SIGNS else 0 if byte == 0 else ord("x")
    for byte in range(256)
)
_TEXT_SIGNS = bytes(byte for byte in range(1, 128) if byte not in _DIGITS + _LETTERS + _ESCAPE_SIGNS)
# The same of an identifier: "!" for what none may hold, a line feed between them.
_IDENTIFIER_SHAPE = bytes(
    byte if byte == 10 else ord("!") if byte < 33 or byte > 126 else _TEXT_SHAPE[byte] for byte in range(256)
)
_IDENTIFIER_SIGNS = bytes(byte for byte in _TEXT_SIGNS if 33 <= byte <= 126)


def shapes(texts: Sequence[str], table: bytes, deleted: bytes = b"", between: str = "\n") -> list[bytes]:
    """The shape of each text; "?" for all of them if a text contains the separator."""
    if not texts:
        return []
    found = between.join(texts).encode().translate(table, deleted).split(between.encode())
    return found if len(found) == len(texts) else [b"?"] * len(texts)


def refused_identifiers(values: set[str]) -> set[str]:
    """Those of distinct identifiers that hold a card number, or a character that none may hold."""
    texts = list(values)
    joined = "\n".join(texts)
    together = joined.encode().translate(_IDENTIFIER_SHAPE, _IDENTIFIER_SIGNS)
    are_plain = _CARD_LIKE not in together and b"!" not in together and b"%" not in together
    are_short = max(map(len, texts), default=0) < LONG_PIECE
    if are_plain and are_short and together.count(b"\n") < max(1, len(texts)) and holds_short_base64(joined) is None:
        return set()
    texts = without_ibans(texts)
    return {
        text
        for text, shape in zip(texts, shapes(texts, _IDENTIFIER_SHAPE, _IDENTIFIER_SIGNS), strict=True)
        if b"!" in shape or shape == b"?" or identifier_holds_card_number(text)
    }


def masked_texts(column: Sequence[Any], with_labels: bool = True) -> Sequence[Any]:
    """Texts (or no text) with the card numbers in them masked, and authentication data that has a label.

    Each distinct text is read once. with_labels: False for identifiers, in which no label stands.
    """
    texts = [text for text in set(column) if text]
    plain = [text for text in texts if text.isascii()]
    doubtful = [text for text in texts if not text.isascii()] if len(plain) < len(texts) else []
    may_be_base64 = holds_short_base64("\n".join(plain)) is not None
    numeric = []
    for text, shape in zip(plain, shapes(plain, _TEXT_SHAPE, _TEXT_SIGNS, "\0"), strict=True):
        if _CARD_LIKE in shape:
            numeric.append(text)
        elif (
            (len(text) >= LONG_PIECE and holds_encoding(text))
            or (b"%" in shape and shape.count(b"0") >= MIN_DIGITS)
            or (with_labels and _CODE_LIKE in shape and may_hold_authentication_data(text))
            or (may_be_base64 and holds_short_base64(text))
            or shape == b"?"
        ):
            doubtful.append(text)
    doubtful += without_ibans(numeric)
    masked = {text: found for text in doubtful if (found := mask_card_numbers(text)) != text}
    return [masked.get(text, text) for text in column] if masked else column
