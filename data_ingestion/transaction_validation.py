"""One record's bytes -> a valid transaction, or the reason why it is none. Pure.

The authority on what is valid. Written for clarity: most records never come here, since transaction_screening.py finds
those that are certainly valid, a batch at a time.

No exception leaves this module and none is kept: json's and msgspec's errors carry values of the document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Set
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Annotated, Any, Literal, NamedTuple, NoReturn

import msgspec
from msgspec import UNSET, UnsetType

from data_catalog.currencies import CURRENCY_MINOR_UNITS, LAST_EVENT_DATES
from data_catalog.transaction_contract import (
    AMOUNT_PRECISION,
    AMOUNT_SCALE,
    COUNTRIES,
    EARLIEST_EVENT_YEAR,
    SCHEMA_MAJOR_VERSION,
    TRANSACTION_FIELDS,
    Field,
    Type,
)
from data_governance.card_numbers import (
    MIN_DIGITS,
    card_digits,
    identifier_holds_card_number,
    mask_card_numbers,
)
from data_governance.control_totals import ControlKey
from data_ingestion.control_entries import control_entry, without_needless_zeros
from data_ingestion.event_times import utc_time
from data_ingestion.kpl_aggregation import MAGIC

# Generous: a transaction whose fields all have their greatest length is below 16 KiB. The rest is room for unknown
# fields.
MAX_RECORD_BYTES = 64 * 1024
# A transaction is flat; unknown fields may nest this deep.
MAX_DEPTH = 16

_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_WHITE_SPACE = b" \t\n\r"
WHOLE_DIGITS = AMOUNT_PRECISION - AMOUNT_SCALE


class Fault(NamedTuple):
    """Why a record is not landed: a key of QUARANTINE_REASONS, and the contract's field at fault, if there is one."""

    reason: str
    field: str | None = None


class Valid(NamedTuple):
    """A transaction: times in UTC, free text masked; its card number's digits; how many fields the contract lacks."""

    transaction: Any
    card_digits: str | None
    unknown_fields: int


def _annotation(field: Field) -> Any:
    """The msgspec type of a contract field, with its bounds."""
    base: Any
    if field.type is Type.TIMESTAMP:
        base = str  # read by event_times: msgspec rounds to microseconds
    elif field.type is Type.DATE:
        base = date
    elif field.values:
        base = Literal[field.values]
    elif field.type is Type.DECIMAL:
        base = str  # checked as text: a float would round, and Decimal would take NaN
    else:
        base = Annotated[str, msgspec.Meta(min_length=1, max_length=field.max_length)]
    return base if field.required else base | None | UnsetType


# Required first, as a struct's positional fields must be, and card_number last: a received transaction without its last
# field is the beginning of a landed row.
RECEIVED_FIELDS = tuple(sorted(TRANSACTION_FIELDS, key=lambda field: (not field.required, field.name == "card_number")))
_ANNOTATIONS = {field.name: _annotation(field) for field in RECEIVED_FIELDS}

ReceivedTransaction = msgspec.defstruct(
    "ReceivedTransaction",
    [(field.name, _ANNOTATIONS[field.name], *(() if field.required else (UNSET,))) for field in RECEIVED_FIELDS],
    omit_defaults=True,
    forbid_unknown_fields=True,
    gc=False,
)

is_supported_version = re.compile(rf"{SCHEMA_MAJOR_VERSION}\.[0-9]{{1,6}}").fullmatch
is_amount = {
    currency: re.compile(rf"[0-9]{{1,{WHOLE_DIGITS}}}" + (rf"(?:\.[0-9]{{1,{units}}})?" if units else "")).fullmatch
    for currency, units in CURRENCY_MINOR_UNITS.items()
}
is_plain_decimal = re.compile(rf"0*[0-9]{{1,{WHOLE_DIGITS}}}(?:\.[0-9]+)?").fullmatch
is_balance = re.compile(rf"-?[0-9]{{1,{WHOLE_DIGITS}}}(?:\.[0-9]{{1,{AMOUNT_SCALE}}})?").fullmatch
is_category_code = re.compile("[0-9]{4}").fullmatch
# The closed fields, all of which are required.
_CLOSED = tuple((field.name, frozenset(field.values)) for field in RECEIVED_FIELDS if field.values)
_holds_surrogate = re.compile("[\ud800-\udfff]").search
EARLIEST_EVENT_TIME = datetime(EARLIEST_EVENT_YEAR, 1, 1, tzinfo=UTC)
LATEST_EVENT_TIME = datetime(9999, 12, 30, tzinfo=UTC)

# Shorter fields cannot hold a card number, and their forms are checked one by one.
LONG_IDENTIFIERS = tuple(field.name for field in RECEIVED_FIELDS if field.ascii and field.max_length >= MIN_DIGITS)
_long_identifiers = attrgetter(*LONG_IDENTIFIERS)
DATES = tuple(field.name for field in RECEIVED_FIELDS if field.type is Type.DATE)
FREE_TEXTS = tuple(field.name for field in RECEIVED_FIELDS if field.free_text)

_REASONS = {
    "schema_version": "unsupported_schema_version",
    "amount": "invalid_amount",
    "currency": "invalid_currency",
    "event_time": "invalid_event_time",
    "card_number": "invalid_card_number",
}


def validate(
    data: bytes,
    not_after: datetime,
    document: dict[str, Any] | None = None,
    cleared: Set[str] = frozenset(),
) -> Valid | Fault:
    """A valid transaction, or why it is none. Never raises.

    not_after: the latest event time that is accepted. document: the record's plain document, if it has one. cleared:
    identifiers that are known to hold no card number.
    """
    found = document or _read(data)
    if isinstance(found, Fault):
        return found
    document = found
    if not all(type(document.get(name)) is str and document[name] in values for name, values in _CLOSED):
        return _fields_fault(document, cleared) or Fault("invalid_value")
    known = {name: value for name, value in document.items() if value is not None and name in _ANNOTATIONS}
    if not set(map(type, known.values())) <= {str}:
        return _fields_fault(document, cleared) or Fault("invalid_value")
    try:
        transaction = msgspec.convert(known, ReceivedTransaction)
    except Exception:
        return _fields_fault(document, cleared) or Fault("invalid_value")
    if any(map(_holds_surrogate, filter(_is_text, known.values()))):
        return _fields_fault(document, cleared) or Fault("invalid_value")
    unknown_fields = len(document) - len(document.keys() & _ANNOTATIONS.keys())
    result = _check(transaction, not_after, unknown_fields, cleared)
    if isinstance(result, Valid) and control_entry(data) != _counts_for(transaction):
        # one reader accepts it and the other does not, e.g. half a surrogate pair in a key
        return Fault("malformed_json")
    return result


def _counts_for(transaction: Any) -> tuple[ControlKey, Decimal]:
    """What its landed row counts for. If the producer counted something else, the record does not land."""
    return ControlKey(transaction.currency, transaction.credit_debit_indicator), Decimal(transaction.amount)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not value.isascii()


def _check(transaction: Any, not_after: datetime, unknown_fields: int, cleared: Set[str]) -> Valid | Fault:
    """What a type can't say. Brings times to UTC and masks card numbers in free text, in place."""
    version = transaction.schema_version
    if is_supported_version(version) is None:
        return Fault("unsupported_schema_version", "schema_version")
    for value in _long_identifiers(transaction):
        if value:
            if not (value.isascii() and value.isprintable()) or " " in value:
                return Fault("invalid_value", _name_of(transaction, value))
            if len(value) >= MIN_DIGITS and _holds_card_number(value, cleared):
                return Fault("card_number_in_identifier", _name_of(transaction, value))
    return (
        _amount_fault(transaction)
        or _time_fault(transaction, not_after)
        or _reference_fault(transaction)
        or _finished(transaction, unknown_fields)
    )


def _name_of(transaction: Any, value: str) -> str:
    return next(name for name in LONG_IDENTIFIERS if getattr(transaction, name) == value)


def _amount_fault(transaction: Any) -> Fault | None:
    """Takes needless zeros out of an amount or balance that is too long with them, in place."""
    units = CURRENCY_MINOR_UNITS.get(transaction.currency)
    if units is None:
        return Fault("invalid_currency", "currency")
    if is_plain_decimal(transaction.amount) is None or not transaction.amount.strip("0."):
        return Fault("invalid_amount", "amount")
    is_amount_of = is_amount[transaction.currency]
    if is_amount_of(transaction.amount) is None:
        transaction.amount = without_needless_zeros(transaction.amount, units)
    amount = transaction.amount
    if is_amount_of(amount) is None:
        return Fault("amount_scale", "amount")
    if len(amount) >= MIN_DIGITS and identifier_holds_card_number(amount):
        return Fault("card_number_in_identifier", "amount")
    if transaction.balance_after is None or transaction.balance_after is UNSET:
        return None
    sign = "-" if transaction.balance_after.startswith("-") else ""
    balance = transaction.balance_after.removeprefix("-")
    if is_plain_decimal(balance) is None:
        return Fault("invalid_value", "balance_after")
    if is_balance(transaction.balance_after) is None:
        transaction.balance_after = sign + without_needless_zeros(balance, units)
    balance = transaction.balance_after
    if is_balance(balance) is None:
        return Fault("invalid_value", "balance_after")
    if len(balance) >= MIN_DIGITS and identifier_holds_card_number(balance):
        return Fault("card_number_in_identifier", "balance_after")
    return None


def _time_fault(transaction: Any, not_after: datetime) -> Fault | None:
    event_time = utc_time(transaction.event_time)
    if event_time is None or not EARLIEST_EVENT_TIME <= event_time <= LATEST_EVENT_TIME:
        return Fault("invalid_event_time", "event_time")
    transaction.event_time = event_time
    if event_time > not_after:
        return Fault("event_time_in_future", "event_time")
    last_date = LAST_EVENT_DATES.get(transaction.currency)
    if last_date is not None and event_time.date() > last_date:
        return Fault("invalid_currency", "currency")
    for name in DATES:
        day = getattr(transaction, name)
        if day and day.year < EARLIEST_EVENT_YEAR:
            return Fault("invalid_value", name)
    return None


def _reference_fault(transaction: Any) -> Fault | None:
    code = transaction.merchant_category_code
    if code and is_category_code(code) is None:
        return Fault("invalid_value", "merchant_category_code")
    country = transaction.merchant_country
    if country and country not in COUNTRIES:
        return Fault("invalid_value", "merchant_country")
    if transaction.transaction_type == "REVERSAL" and not transaction.original_transaction_id:
        return Fault("missing_original_transaction", "original_transaction_id")
    return None


def _finished(transaction: Any, unknown_fields: int) -> Valid | Fault:
    for name in FREE_TEXTS:
        text = getattr(transaction, name)
        if text:
            if "\0" in text:  # PostgreSQL, for one, cannot store such text
                return Fault("invalid_value", name)
            setattr(transaction, name, mask_card_numbers(text))
    card_number = transaction.card_number
    if not card_number:
        return Valid(transaction, None, unknown_fields)
    digits = card_digits(card_number)
    if digits is None:
        return Fault("invalid_card_number", "card_number")
    return Valid(transaction, digits, unknown_fields)


class _DuplicateKeyError(Exception):
    pass


class _Number:
    """Stands for any JSON number. Only its type matters, and parsing a huge one must cost nothing."""


_NUMBER = _Number()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DuplicateKeyError
    return found


def _number(text: str) -> _Number:
    return _NUMBER


def _refuse(constant: str) -> NoReturn:
    raise ValueError


_decode_json = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_refuse, parse_int=_number, parse_float=_number
).decode


_decode_any = msgspec.json.Decoder().decode
_encode_any = msgspec.json.Encoder().encode


def plain_document(data: bytes) -> dict[str, Any] | None:
    """The JSON object, if it is one without escapes, a key that stands twice, or too deep or long; else None.

    A third as long as _read, which tells what is wrong. A key that stands twice is lost in the decoded document: it has
    fewer keys than the text, or at least fewer quotes.
    """
    if b"\\" in data or len(data) > MAX_RECORD_BYTES or data.count(b"{") + data.count(b"[") > MAX_DEPTH:
        return None
    try:
        document = _decode_any(data)
        is_plain = type(document) is dict and (
            data.count(b'":') == len(document) or _encode_any(document).count(b'"') == data.count(b'"')
        )
    except Exception:  # msgspec's errors quote values, so nothing of them is kept
        return None
    return document if is_plain else None


def _read(data: bytes) -> dict[str, Any] | Fault:
    if not data.strip(_WHITE_SPACE):
        return Fault("empty_record")
    if data.startswith(MAGIC):
        return Fault("broken_aggregate")  # a sound aggregate was split before
    if len(data) > MAX_RECORD_BYTES:
        return Fault("record_too_large")
    if data.startswith(_BYTE_ORDER_MARKS):
        return Fault("invalid_encoding")
    try:
        document = _decode_json(data.decode("utf-8"))
    except UnicodeDecodeError:
        return Fault("invalid_encoding")
    except _DuplicateKeyError:
        return Fault("duplicate_key")
    except RecursionError:
        return Fault("too_deep")
    except ValueError:
        return Fault("malformed_json")
    if not isinstance(document, dict):
        return Fault("malformed_json")
    return Fault("too_deep") if _depth(document) > MAX_DEPTH else document


def _depth(document: dict[str, Any]) -> int:
    """How deep objects and arrays are nested."""
    depth = 0
    level: list[Any] = [document]
    while level:
        depth += 1
        inner = [each for value in level for each in (value.values() if type(value) is dict else value)]
        level = [each for each in inner if type(each) is dict or type(each) is list]
    return depth


# Each field of the contract: its name, whether it is required, its closed set, whether it is refused for a card number;
# the most characters of a text without a closed set, 0 of any other field.
_FIELDS = tuple(
    (
        field.name,
        field.required,
        frozenset(field.values),
        field.ascii or bool(field.values),
        field.max_length if field.type is Type.STRING and not field.values else 0,
        field.type,
    )
    for field in TRANSACTION_FIELDS
)


def _fields_fault(document: dict[str, Any], cleared: Set[str]) -> Fault | None:
    """The first contract field, in the contract's order, that is absent, of another type or outside its bounds."""
    for name, required, values, is_identifier, longest, type_ in _FIELDS:
        value = document.get(name)
        if value is None:
            if required:
                return Fault("missing_field", name)
        elif type(value) is not str:
            return Fault("wrong_type", name)
        elif value in values:
            pass
        elif name == "schema_version" and is_supported_version(value) is None:
            return Fault("unsupported_schema_version", name)
        elif is_identifier and len(value) >= MIN_DIGITS and _holds_card_number(value, cleared):
            return Fault("card_number_in_identifier", name)
        elif not (1 <= len(value) <= longest if longest else _is_of_type(value, type_)) or (
            not value.isascii() and _holds_surrogate(value)
        ):
            return Fault(_REASONS.get(name, "invalid_value"), name)
    return None


def _holds_card_number(identifier: str, cleared: Set[str]) -> bool:
    return identifier not in cleared and identifier_holds_card_number(identifier)


def _is_of_type(value: str, type_: Type) -> bool:
    """Whether a text is a time or date. Decimals are looked at later; a text of a closed set was looked up before."""
    if type_ is Type.STRING:
        return False
    if type_ is Type.TIMESTAMP:
        return utc_time(value) is not None
    if type_ is Type.DATE:
        try:
            msgspec.convert(value, date)
        except Exception:
            return False
    return True
