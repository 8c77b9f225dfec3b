"""The fast way: which of a batch's records are certainly valid, found a column at a time. Pure.

Only ever says "certain" or "look closer": what is not certain goes through transaction_validation.validate(), which
alone decides. A mistake towards caution costs microseconds; the tests hold that "certain" is never a mistake.

Checking a record at a time costs some thirty Python calls each. Here every check is a few calls for the whole batch:
distinct values are looked up once, and text is reduced to shapes ("67.54" -> "00.00") by one bytes.translate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from data_catalog.currencies import LAST_EVENT_DATES
from data_catalog.transaction_contract import COUNTRIES
from data_governance.card_numbers import MAX_DIGITS, MIN_DIGITS, fail_luhn, has_candidate
from data_governance.iban import without_ibans
from data_ingestion.transaction_validation import (
    DATES,
    EARLIEST_EVENT_TIME,
    FREE_TEXTS,
    LATEST_EVENT_TIME,
    LONG_IDENTIFIERS,
    MAX_RECORD_BYTES,
    RECEIVED_FIELDS,
    ReceivedTransaction,
    is_amount,
    is_balance,
    is_category_code,
    is_supported_version,
)

Columns = dict[str, Sequence[Any]]

_decode = msgspec.json.Decoder(ReceivedTransaction).decode
_encode = msgspec.json.Encoder().encode
_NAMES = tuple(field.name for field in RECEIVED_FIELDS)
_REQUIRED = tuple(field.name for field in RECEIVED_FIELDS if field.required)
_OPTIONAL = tuple(field.name for field in RECEIVED_FIELDS if not field.required)

_DIGITS = b"0123456789"
_CARD_LIKE = b"0" * MIN_DIGITS
# All digits become 0, so that amounts have few distinct shapes.
_AMOUNT_SHAPE = bytes(ord("0") if byte in _DIGITS else byte for byte in range(256))
# Of an identifier: digits alike, other printable characters alike, and "!" for what none may hold and for a backslash,
# which may begin an escaped digit. Dashes are deleted.
_IDENTIFIER_SHAPE = bytes(
    ord("0") if byte in _DIGITS else byte if byte == 10 else ord("x") if 33 <= byte <= 126 and byte != 92 else ord("!")
    for byte in range(256)
)
# Of ASCII text: digits alike, others alike, NUL between texts. What may stand inside a card number is deleted.
_TEXT_SHAPE = bytes(ord("0") if byte in _DIGITS else 0 if byte == 0 else ord("x") for byte in range(256))
_TEXT_SEPARATORS = bytes([*range(1, 33), ord("-"), 127])


def decode_records(records: Sequence[bytes]) -> list[Any]:
    """Each record as a ReceivedTransaction, or None if it needs a closer look."""
    decoded: list[Any] = []
    for data in records:
        try:
            decoded.append(_decode(data))
        except Exception:  # of msgspec, or a RecursionError; its text quotes values, so nothing of it is kept
            decoded.append(None)
    return decoded


def columns_of(transactions: Iterable[Any]) -> Columns:
    """The transactions' values by field name."""
    return dict(zip(_NAMES, zip(*map(msgspec.structs.astuple, transactions), strict=True), strict=True))


def uncertain(records: Sequence[bytes], transactions: Sequence[Any], columns: Columns, not_after: datetime) -> set[int]:
    """Which of decoded records need a closer look. columns: the transactions', with event_time in UTC
    or None."""
    found = set(_unlike_their_bytes(records, transactions, columns))
    found.update(_where(columns["schema_version"], lambda version: is_supported_version(version) is not None))
    found.update(_where(columns["merchant_category_code"], lambda code: not code or bool(is_category_code(code))))
    found.update(_where(columns["merchant_country"], lambda country: not country or country in COUNTRIES))
    for name in DATES:
        found.update(_where(columns[name], lambda day: not day or day.year >= EARLIEST_EVENT_TIME.year))
    found.update(_uncertain_amounts(columns))
    found.update(_uncertain_times(columns["event_time"], not_after))
    found.update(_reversals_without_original(columns))
    for name in LONG_IDENTIFIERS:
        found.update(_uncertain_identifiers(columns[name]))
    for name in FREE_TEXTS:
        found.update(_uncertain_texts(columns[name]))
    found.update(_uncertain_cards(columns["card_number"]))
    return found


def _where(column: Sequence[Any], is_certain: Callable[[Any], bool]) -> Iterable[int]:
    """The places of values that are not certain. Each distinct value is checked once."""
    doubtful = {value for value in set(column) if not is_certain(value)}
    return [index for index, value in enumerate(column) if value in doubtful] if doubtful else ()


def _unlike_their_bytes(records: Sequence[bytes], transactions: Sequence[Any], columns: Columns) -> Iterable[int]:
    """Records in which a field occurs twice, or which are very long.

    Every key, and every value of the contract except null, has two quotes. If nothing is escaped, records with four
    quotes per decoded value hold nothing else; otherwise each record is compared with its decoded form.
    """
    joined = b"\n".join(records)
    if b"\\" not in joined:
        fields = sum(len(list(filter(None, columns[name]))) for name in _OPTIONAL) + len(_REQUIRED) * len(records)
        if joined.count(b'"') == 4 * fields and max(map(len, records)) <= MAX_RECORD_BYTES:
            return ()
    return [
        index
        for index, (data, transaction) in enumerate(zip(records, transactions, strict=True))
        # \\u0022 is a quote in other letters.
        if data.count(b'"') != _encode(transaction).count(b'"') or b"\\u0022" in data or len(data) > MAX_RECORD_BYTES
    ]


def _shapes(texts: Sequence[str], table: bytes, deleted: bytes = b"", between: str = "\n") -> list[bytes]:
    """The shape of each text; none at all if a text contains the separator."""
    if not texts:
        return []
    shapes = between.join(texts).encode().translate(table, deleted).split(between.encode())
    return shapes if len(shapes) == len(texts) else [b"?"] * len(texts)


def _uncertain_amounts(columns: Columns) -> Iterable[int]:
    amounts = columns["amount"]
    kinds = list(zip(columns["currency"], _shapes(amounts, _AMOUNT_SHAPE), strict=True))
    doubtful = {kind for kind in set(kinds) if not _is_certain_amount(*kind)}
    if doubtful:
        yield from [index for index, kind in enumerate(kinds) if kind in doubtful]
    # An amount is zero only if nothing is left of it without zeros and points.
    if b"\n\n" in "\n".join(("", *amounts, "")).encode().translate(None, b"0."):
        yield from [index for index, amount in enumerate(amounts) if not amount.strip("0.")]
    balances = columns["balance_after"]
    if "" in balances:
        yield from [index for index, balance in enumerate(balances) if balance == ""]
    shapes = _shapes([balance or "" for balance in balances], _AMOUNT_SHAPE)
    yield from _where(shapes, _is_certain_balance)


@lru_cache(4096)
def _is_certain_amount(currency: str, shape: bytes) -> bool:
    is_amount_of = None if currency in LAST_EVENT_DATES else is_amount.get(currency)
    return is_amount_of is not None and bool(is_amount_of(shape.decode())) and shape.count(b"0") < MIN_DIGITS


@lru_cache(4096)
def _is_certain_balance(shape: bytes) -> bool:
    return not shape or (bool(is_balance(shape.decode())) and shape.count(b"0") < MIN_DIGITS)


def _uncertain_times(times: Sequence[datetime | None], not_after: datetime) -> Iterable[int]:
    latest = min(not_after, LATEST_EVENT_TIME)
    known = [time for time in times if time]
    if len(known) == len(times) and min(known) >= EARLIEST_EVENT_TIME and max(known) <= latest:
        return ()
    return [index for index, time in enumerate(times) if time is None or not EARLIEST_EVENT_TIME <= time <= latest]


def _reversals_without_original(columns: Columns) -> Iterable[int]:
    types = columns["transaction_type"]
    if "REVERSAL" not in types:
        return ()
    pairs = zip(types, columns["original_transaction_id"], strict=True)
    return [index for index, (type_, original) in enumerate(pairs) if type_ == "REVERSAL" and not original]


def _uncertain_identifiers(column: Sequence[Any]) -> Iterable[int]:
    values = list(set(filter(None, column)))
    together = "\n".join(values).encode().translate(_IDENTIFIER_SHAPE, b"-")
    if _CARD_LIKE not in together and b"!" not in together and together.count(b"\n") < max(1, len(values)):
        return ()
    values = without_ibans(values)
    shapes = _shapes(values, _IDENTIFIER_SHAPE, b"-")
    doubtful = {
        value
        for value, shape in zip(values, shapes, strict=True)
        if _CARD_LIKE in shape or b"!" in shape or shape == b"?"
    }
    return [index for index, value in enumerate(column) if value in doubtful] if doubtful else ()


def _uncertain_texts(column: Sequence[Any]) -> Iterator[int]:
    plain: list[str] = []
    places: list[int] = []
    for place, text in enumerate(column):
        if text:
            if text.isascii():
                plain.append(text)
                places.append(place)
            elif "\0" in text or has_candidate(text):
                yield place
    joined = "\0".join(plain).encode("ascii")
    if b"\\" in joined:  # digits may be written as escapes
        yield from (place for place, text in zip(places, plain, strict=True) if "\\" in text)
    shape = joined.translate(_TEXT_SHAPE, _TEXT_SEPARATORS)
    if _CARD_LIKE in shape or shape.count(b"\0") >= max(1, len(plain)):
        shapes = _shapes(plain, _TEXT_SHAPE, _TEXT_SEPARATORS, "\0")
        yield from (place for place, each in zip(places, shapes, strict=True) if _CARD_LIKE in each or each == b"?")


def _uncertain_cards(column: Sequence[Any]) -> Iterator[int]:
    places = [place for place, number in enumerate(column) if number]
    numbers = [column[place] for place in places]
    joined = "".join(numbers)
    if joined.isascii() and joined.isdigit():
        sizes = set(map(len, numbers))
        if min(sizes) >= MIN_DIGITS and max(sizes) <= MAX_DIGITS:
            yield from (places[index] for index in fail_luhn(numbers))
            return
    yield from places
