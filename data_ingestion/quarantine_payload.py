"""The text of a quarantined record that may be stored: without card numbers and authentication data, otherwise as close
to the original as possible.

Works on text and not on parsed JSON, because quarantined records are often not JSON. Only a field's name tells what its
digits are: the contract's fields are kept, the values of others dropped, and of what is in no field no digit is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from data_catalog.transaction_contract import TRANSACTION_FIELDS
from data_governance.card_numbers import MASK, MIN_DIGITS, card_digits, holds_card_number, mask_card_numbers
from data_governance.card_screening import masked_texts
from data_ingestion.transaction_validation import FREE_TEXTS, LONG_IDENTIFIERS

REMOVED = "[removed]"
# The digits of card numbers -> the fields that replace each.
CardFields = Callable[[Sequence[str]], Sequence[Mapping[str, str]]]

_FIELDS = frozenset(field.name for field in TRANSACTION_FIELDS)
_KEPT_FIELDS = _FIELDS - {"card_number"}
# Fields of a closed set, in which a digit is no part of a value.
_CLOSED_FIELDS = {field.name: field.values for field in TRANSACTION_FIELDS if field.values}
# Read by other means.
_UNCHECKED_FIELDS = frozenset({"card_number", *FREE_TEXTS})
_is_time = re.compile(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](?:\.[0-9]{1,9})?(?:Z|[+-][0-2][0-9]:?[0-5][0-9])"
).fullmatch
# A key with its colon, the key's characters, a text or bare value (none of an array or object), and white space.
_STRING_FORM = r'"(?:[^"\\]++|\\.)*+"?'
_MEMBER = re.compile(rf'(\s*+"((?:[^"\\]++|\\.)*+)"\s*+:\s*+)({_STRING_FORM}|[^,{{}}\[\]"]*+)(\s*+)', re.DOTALL)
_is_card_number = re.compile(r"card[\s_-]*number", re.IGNORECASE).fullmatch
# The name of a field that the contract does not have: a word says what it was meant to be, anything else may be data.
_is_word = re.compile(r"[A-Za-z][A-Za-z_-]{0,39}[0-9]?").fullmatch
_is_bare_value = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null").fullmatch
_STRING = re.compile(_STRING_FORM, re.DOTALL)
_STRUCTURE = re.compile(r'["\[\]{}]')
_NEXT = re.compile(r"\S")
# What may encode something: a long piece that is no word, nor a name of words.
_MAY_ENCODE = re.compile(r"(?<![\w+/%\\-])(?![a-z_]++(?![\w+/%\\-]))[\w+/%\\-]{16,}+={0,2}", re.ASCII)
# Digits at the end of a value that was cut off may be the beginning of a card number; so many tell an issuer.
_NO_LETTERS = re.compile("[^A-Za-z]*")
_ISSUER_DIGITS = 6
_DIGIT = re.compile("[0-9]")
_BYTE_ORDER_MARK = "\ufeff"
_WIDE_ENCODINGS = {"utf-32-le": 4, "utf-32-be": 4, "utf-16-le": 2, "utf-16-be": 2}


def safe_payloads(
    records: Sequence[bytes],
    documents: Sequence[dict[str, Any] | None],
    cleared: Set[str],
    card_fields: CardFields,
) -> list[str]:
    """Each record as text, without card numbers and authentication data.

    Of JSON objects, cut off ones too, the contract's fields are kept, card numbers in them masked; the value of
    card_number is replaced by what stands for its card if it is valid (so that a corrected record keeps its card). All
    other values become "[removed]". Of text outside an object every digit becomes "*", and what may encode something is
    removed.

    UTF-16 and UTF-32 are decoded. Other bytes that are not UTF-8 become U+FFFD, because any other notation could be
    read back as digits.

    documents: what plain_document() says of each; cleared: identifiers in them that hold no card number.
    """
    stored = _stored_as_sent(records, documents, cleared, card_fields)
    missing = [place for place, payload in enumerate(stored) if payload is None]
    readings = [_reading(records[place]) for place in missing]
    payloads = _stored([text for text, _ in readings], card_fields)
    for place, (_, encoding), payload in zip(missing, readings, payloads, strict=True):
        if encoding != "utf-8" and _hides_card_number(payload, encoding):
            (payload,) = _stored([records[place].decode("utf-8", "replace")], card_fields)
        stored[place] = payload
    return [payload for payload in stored if payload is not None]


def safe_payload(data: bytes, card_fields: CardFields) -> str:
    """safe_payloads of one record."""
    return safe_payloads([data], [None], frozenset(), card_fields)[0]


def _stored_as_sent(
    records: Sequence[bytes],
    documents: Sequence[dict[str, Any] | None],
    cleared: Set[str],
    card_fields: CardFields,
) -> list[str | None]:
    """The payloads of records of which all is kept but card numbers; None for others."""
    stored: list[str | None] = [None] * len(records)
    cards: list[tuple[int, str, str]] = []  # place of the record, its card number as written, the digits
    identifiers: list[tuple[int, str, str]] = []  # place, name, value
    texts: list[tuple[int, str, str]] = []
    for place, (data, document) in enumerate(zip(records, documents, strict=True)):
        doubtful = None if document is None else _doubtful_identifiers(document, cleared)
        if document is None or doubtful is None:
            continue
        payload = data.decode("utf-8")
        number = document.get("card_number")
        if number is not None:
            digits = card_digits(number) if type(number) is str else None
            written = f'"card_number":"{number}"'
            if not digits or payload.count(written) != 1:
                continue
            cards.append((place, written, digits))
        stored[place] = payload
        identifiers += [(place, name, document[name]) for name in doubtful]
        texts += [(place, name, document[name]) for name in FREE_TEXTS if document.get(name)]
    for (place, written, _), fields in zip(cards, card_fields([digits for *_, digits in cards]), strict=True):
        stored[place] = (stored[place] or "").replace(written, _written(fields))
    _mask(stored, identifiers, with_labels=False)
    _mask(stored, texts, with_labels=True)
    return stored


def _mask(stored: list[str | None], values: Sequence[tuple[int, str, str]], with_labels: bool) -> None:
    """Mask values (place, name, value) in the payloads; one in which a value is not found as written becomes None."""
    masked_values = masked_texts([value for *_, value in values], with_labels)
    for (place, name, value), masked in zip(values, masked_values, strict=True):
        payload = stored[place]
        if masked != value and payload is not None:
            written = f'"{name}":"{value}"'
            found = payload.count(written) == 1
            stored[place] = payload.replace(written, f'"{name}":"{masked}"') if found else None


def _doubtful_identifiers(document: dict[str, Any], cleared: Set[str]) -> list[str] | None:
    """The identifiers that may hold a card number; None if anything else may, but the card number and free texts.

    Then the record has a field that the contract lacks, or one of another type or form.
    """
    doubtful: list[str] = []
    for name, value in document.items():
        if type(value) is not str:
            if (
                name not in _FIELDS
                or name in FREE_TEXTS
                or type(value) in (dict, list)
                or len(repr(value)) >= MIN_DIGITS
            ):
                return None
        elif name in _CLOSED_FIELDS:
            if not (value in _CLOSED_FIELDS[name] or value.isalpha()):
                return None
        elif len(value) >= MIN_DIGITS and value not in cleared:
            if name in LONG_IDENTIFIERS:
                doubtful.append(name)
            elif not (name in _UNCHECKED_FIELDS or (name == "event_time" and _is_time(value))):
                return None
        elif name not in _FIELDS:
            return None
    return doubtful


def _written(fields: Mapping[str, str]) -> str:
    return ",".join(f'"{name}":"{value}"' for name, value in fields.items())


def _reading(data: bytes) -> tuple[str, str]:
    """The text, and the encoding in which it was written.

    UTF-16 and UTF-32 are told by their text, which is mostly ASCII and holds no NUL.
    """
    for encoding, width in _WIDE_ENCODINGS.items() if b"\0" in data else ():
        # The last character may be cut off. In big-endian order its first bytes are only NULs, so it is dropped.
        whole = data + bytes(-len(data) % width) if encoding.endswith("le") else data[: len(data) // width * width]
        try:
            text = whole.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text and 2 * len(text.encode("ascii", "ignore")) > len(text):
            return text, encoding
    return data.decode("utf-8", "replace"), "utf-8"


def _hides_card_number(payload: str, encoding: str) -> bool:
    """Whether a digit of a card number may hide in a wide character, because encodings are mixed."""
    return not payload.lstrip(_BYTE_ORDER_MARK).isascii() and holds_card_number(
        payload.encode(encoding).decode("latin-1")
    )


def _stored(texts: Sequence[str], card_fields: CardFields) -> list[str]:
    payloads = [_Payload(text) for text in texts]
    cards = [(payload.kept, *card) for payload in payloads for card in payload.cards]
    for (kept, place, _), fields in zip(cards, card_fields([digits for *_, digits in cards]), strict=True):
        kept[place] = _written(fields)
    for name, with_labels in (("identifiers", False), ("texts", True)):
        places = [(payload.kept, place) for payload in payloads for place in getattr(payload, name)]
        values = masked_texts([kept[place] for kept, place in places], with_labels)
        for (kept, place), value in zip(places, values, strict=True):
            kept[place] = value
    return ["".join(payload.kept) for payload in payloads]


class _Payload:
    """What is kept of a text, part by part.

    identifiers, texts: the places of values in which to mask card numbers; cards: those that tokens are put for, with
    the digits.
    """

    def __init__(self, text: str) -> None:
        self.kept: list[str] = []
        self.identifiers: list[int] = []
        self.texts: list[int] = []
        self.cards: list[tuple[int, str]] = []
        self._text = text
        self._keep_text()

    def _keep_text(self) -> None:
        place = 0
        while (start := self._text.find("{", place)) >= 0:
            self._keep_outline(place, start)
            place = self._keep_object(start)
        self._keep_outline(place, len(self._text))

    def _keep_outline(self, start: int, end: int) -> None:
        """Keep text that is in no field, without digits, because nothing tells what they are."""
        if start < end:
            text = _MAY_ENCODE.sub(REMOVED, self._text[start:end])
            is_plain = text.isascii()
            masked = _DIGIT.sub(MASK, text) if is_plain else "".join([MASK if c.isnumeric() else c for c in text])
            self.kept.append(masked)

    def _keep_object(self, start: int) -> int:
        """Keep what may be kept of the object that begins there; returns where it ends, or stops being JSON."""
        text = self._text
        self.kept.append("{")
        place = start + 1
        while member := _MEMBER.match(text, place):
            written_name, name, value, space = member.groups()
            place = member.end()
            if not value and text[place : place + 1] in ("[", "{"):
                end = _structure_end(text, place)
                value, space = text[place:end], text[end : _next(text, end)]
                place = end + len(space)
            self._keep_member(_unescaped(name), written_name, value, place - len(space) == len(text))
            self.kept.append(space)
            if text[place : place + 1] != ",":
                break
            self.kept.append(",")
            place += 1
        end = _next(text, place)
        if text[end : end + 1] == "}":
            self.kept.append(text[place : end + 1])
            place = end + 1
        return place

    def _keep_member(self, name: str, written_name: str, value: str, is_cut_off: bool = False) -> None:
        """Keep a field as it may be kept. written_name: with quotes and colon."""
        kept = self.kept
        if name in _KEPT_FIELDS:
            kept.append(written_name)
            if value[:1] != '"' and not _is_bare_value(value.rstrip()):
                value = f'"{REMOVED}"'
            elif is_cut_off:
                value = _without_last_digits(mask_card_numbers(value))
            elif name in _CLOSED_FIELDS:
                value = _DIGIT.sub(MASK, value)
            elif name in FREE_TEXTS:
                self.texts.append(len(kept))
            elif len(value) >= MIN_DIGITS and not (name == "event_time" and _is_time(value[1:-1])):
                if value[0] == value[-1] == '"':
                    kept[-1] += '"'
                    self.identifiers.append(len(kept))
                    kept.append(value[1:-1])
                    value = '"'
                else:
                    self.identifiers.append(len(kept))
            kept.append(value)
            return
        if _is_card_number(name):
            digits = card_digits(value[1:-1]) if value[:1] == '"' else None
            if digits is not None:
                self.cards.append((len(kept), digits))
                kept.append("")
                return
            if value.rstrip() == "null":
                kept.append(written_name + value)
                return
        kept.append(f'"{name if _is_word(name) else REMOVED}":"{REMOVED}"')


def _without_last_digits(text: str) -> str:
    match = _NO_LETTERS.match(text[::-1])
    place = len(text) - match.end() if match else len(text)
    last = text[place:]
    return text[:place] + _DIGIT.sub(MASK, last) if len(_DIGIT.findall(last)) > _ISSUER_DIGITS else text


def _unescaped(key: str) -> str:
    """The key's characters; "" if its escapes are none of JSON's."""
    if "\\" not in key:
        return key
    try:
        found: str = json.loads(f'"{key}"', strict=False)
    except ValueError:
        return ""
    return found


def _next(text: str, place: int) -> int:
    """Where the next character stands that is no white space."""
    match = _NEXT.search(text, place)
    return match.start() if match else len(text)


def _structure_end(text: str, start: int) -> int:
    depth = 0
    place = start
    while match := _STRUCTURE.search(text, place):
        place = match.end()
        if match[0] == '"':
            place = _string_end(text, match.start())
        elif match[0] in "[{":
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return place
    return len(text)


def _string_end(text: str, start: int) -> int:
    match = _STRING.match(text, start)
    return match.end() if match else len(text)
