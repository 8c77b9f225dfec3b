"""The fast way: which of a batch's records are certainly valid, found a column at a time. Pure.

Only ever says "certain" or "look closer": what is not certain goes through transaction_validation.validate(), which
alone decides. A mistake towards caution costs microseconds; the tests hold that "certain" is never a mistake.

Checking a record at a time costs some thirty Python calls each. Here every check is a few calls for the whole batch:
distinct values are looked up once, and text is reduced to shapes ("67.54" -> "00.00") by one bytes.translate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from data_catalog.currencies import CURRENCY_MINOR_UNITS, LAST_EVENT_DATES
from data_catalog.transaction_contract import AMOUNT_SCALE, COUNTRIES
from data_governance.card_numbers import MAX_DIGITS, MIN_DIGITS, fail_luhn
from data_governance.card_screening import refused_identifiers, shapes
from data_ingestion.control_entries import without_needless_zeros
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
    is_plain_decimal,
    is_supported_version,
    plain_document,
)

Columns = dict[str, Sequence[Any]]

_decode = msgspec.json.Decoder(ReceivedTransaction).decode
_encode = msgspec.json.Encoder().encode
_NAMES = tuple(field.name for field in RECEIVED_FIELDS)
_REQUIRED = tuple(field.name for field in RECEIVED_FIELDS if field.required)
_KNOWN = frozenset(_NAMES)
_OPTIONAL = tuple(field.name for field in RECEIVED_FIELDS if not field.required)

_DIGITS = b"0123456789"
# All digits become 0, so that amounts have few distinct shapes.
_AMOUNT_SHAPE = bytes(ord("0") if byte in _DIGITS else byte for byte in range(256))


class Decoded(NamedTuple):
    """Records as ReceivedTransactions, None where one needs a closer look; and how many fields the contract lacks."""

    transactions: list[Any]
    unknown_fields: list[int]

    def without(self, places: Sequence[int]) -> Decoded:
        """All but those at these places, which are ascending."""
        kept = Decoded(list(self.transactions), list(self.unknown_fields))
        for column in kept:
            for place in reversed(places):
                del column[place]
        return kept


def decode_records(records: Sequence[bytes]) -> tuple[Decoded, dict[int, dict[str, Any] | None]]:
    """Each record by itself; and by place the plain documents of those that can't be decoded, None if they have none.

    None of the decoders' errors is kept, because their texts quote values.
    """
    decoded = Decoded([], [0] * len(records))
    documents: dict[int, dict[str, Any] | None] = {}
    transactions = decoded.transactions
    left = map(_decode, records)
    while len(transactions) < len(records):
        try:
            for transaction in left:
                transactions.append(transaction)
        except Exception:  # of msgspec, or a RecursionError
            place = len(transactions)
            documents[place] = document = plain_document(records[place])
            found, decoded.unknown_fields[place] = (None, 0) if document is None else _with_unknown_fields(document)
            transactions.append(found)
    return decoded, documents


def _with_unknown_fields(document: dict[str, Any]) -> tuple[Any, int]:
    """The transaction and the number of fields that the contract lacks; (None, 0) if it needs a closer look."""
    if document.keys() <= _KNOWN:
        return None, 0
    known = {name: value for name, value in document.items() if name in _KNOWN}
    try:
        return msgspec.convert(known, ReceivedTransaction), len(document) - len(known)
    except Exception:
        return None, 0


def columns_of(transactions: Iterable[Any]) -> Columns:
    """The transactions' values by field name."""
    return dict(zip(_NAMES, zip(*map(msgspec.structs.astuple, transactions), strict=True), strict=True))


def uncertain(records: Sequence[bytes], decoded: Decoded, columns: Columns, not_after: datetime) -> set[int]:
    """Which of decoded records need a closer look. columns: the transactions', with event_time in UTC
    or None."""
    found = set(_unlike_their_bytes(records, decoded, columns))
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
        found.update(_where(columns[name], lambda text: not text or "\0" not in text))
    found.update(_uncertain_cards(columns["card_number"]))
    return found


def _where(column: Sequence[Any], is_certain: Callable[[Any], bool]) -> Iterable[int]:
    """The places of values that are not certain. Each distinct value is checked once."""
    doubtful = {value for value in set(column) if not is_certain(value)}
    return [index for index, value in enumerate(column) if value in doubtful] if doubtful else ()


def _unlike_their_bytes(records: Sequence[bytes], decoded: Decoded, columns: Columns) -> Iterable[int]:
    """Records in which a field occurs twice, or which are very long.

    Every key, and every value of the contract except null, has two quotes. If nothing is escaped, records with four
    quotes per decoded value hold nothing else; otherwise each record is compared with its decoded form. Where fields
    are unknown, that was done when the record was decoded.
    """
    checked = [place for place, unknown in enumerate(decoded.unknown_fields) if unknown]
    known = list(records)
    for place in reversed(checked):
        del known[place]
    joined = b"\n".join(known)
    if b"\\" not in joined:
        fields = sum(len(list(filter(None, columns[name]))) for name in _OPTIONAL) + len(_REQUIRED) * len(known)
        fields -= sum(bool(columns[name][place]) for name in _OPTIONAL for place in checked)
        if joined.count(b'"') == 4 * fields and max(map(len, records)) <= MAX_RECORD_BYTES:
            return ()
    return [
        index
        for index, (data, transaction, unknown) in enumerate(zip(records, *decoded, strict=True))
        # \\u0022 is a quote in other letters.
        if not unknown
        and (data.count(b'"') != _encode(transaction).count(b'"') or b"\\u0022" in data or len(data) > MAX_RECORD_BYTES)
    ]


def _uncertain_amounts(columns: Columns) -> Iterable[int]:
    """Takes needless zeros out of amounts and balances that are too long with them, as validate() does."""
    amounts = columns["amount"]
    currencies = columns["currency"]
    kinds = list(zip(currencies, shapes(amounts, _AMOUNT_SHAPE), strict=True))
    doubtful = {kind for kind in set(kinds) if not _is_certain_amount(*kind)}
    if doubtful:
        columns["amount"] = amounts = list(amounts)
        for index in [index for index, kind in enumerate(kinds) if kind in doubtful]:
            currency = currencies[index]
            amounts[index] = _trimmed(amounts[index], CURRENCY_MINOR_UNITS.get(currency, 0), is_amount.get(currency))
            if not _is_certain_amount(currency, _amount_shape(amounts[index])):
                yield index
    # An amount is zero only if nothing is left of it without zeros and points.
    if b"\n\n" in "\n".join(("", *amounts, "")).encode().translate(None, b"0."):
        yield from [index for index, amount in enumerate(amounts) if not amount.strip("0.")]
    balances = columns["balance_after"]
    if "" in balances:
        yield from [index for index, balance in enumerate(balances) if balance == ""]
    found = shapes([balance or "" for balance in balances], _AMOUNT_SHAPE)
    uncertain_shapes = {shape for shape in set(found) if not _is_certain_balance(shape)}
    if uncertain_shapes:
        columns["balance_after"] = balances = list(balances)
        for index in [index for index, shape in enumerate(found) if shape in uncertain_shapes and balances[index]]:
            balances[index] = _trimmed(balances[index], AMOUNT_SCALE, is_balance)
            if not _is_certain_balance(_amount_shape(balances[index])):
                yield index


def _trimmed(number: str, decimals: int, fits: Callable[[str], Any] | None) -> str:
    """A decimal without needless zeros, if it is too long with them."""
    digits = number.removeprefix("-")
    if fits is None or fits(number) or is_plain_decimal(digits) is None:
        return number
    return number[: len(number) - len(digits)] + without_needless_zeros(digits, decimals)


def _amount_shape(text: str) -> bytes:
    return text.encode().translate(_AMOUNT_SHAPE)


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


def cleared_identifiers(documents: Iterable[dict[str, Any]]) -> Set[str]:
    """The identifiers in documents that certainly hold no card number."""
    values = {value for document in documents for name in LONG_IDENTIFIERS if type(value := document.get(name)) is str}
    return values - refused_identifiers(values)


def _uncertain_identifiers(column: Sequence[Any]) -> Iterable[int]:
    refused = refused_identifiers(set(filter(None, column)))
    return [index for index, value in enumerate(column) if value in refused] if refused else ()


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
