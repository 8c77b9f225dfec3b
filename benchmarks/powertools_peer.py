"""The function as one would write it with AWS Powertools' BatchProcessor and pydantic, for comparison.

It has the duties of the platform's function, each by the usual means: validators of pydantic, the standard library for
card numbers (peer_card_search.py), HMAC, control totals and gzip. docs/lambda.md lists what it lacks.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import io
import json
import os
import re
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError, to_json

from benchmarks.lambda_peers import Event, Handler, Put
from benchmarks.peer_card_search import REMOVED, holds_card_number, luhn, masked
from data_catalog.currencies import CURRENCY_MINOR_UNITS, LAST_EVENT_DATES
from data_catalog.transaction_contract import (
    CHANNELS,
    COUNTRIES,
    CREDIT_DEBIT_INDICATORS,
    EARLIEST_EVENT_YEAR,
    EVENT_TIME_AHEAD_SECONDS,
    STATUSES,
    TRANSACTION_TYPES,
)

_KEYS = {1: bytes(range(32))}  # two of them in an overlap
_FINGERPRINT_KEY = bytes(range(1, 33))
_AHEAD = timedelta(seconds=EVENT_TIME_AHEAD_SECONDS)
_is_written_card = re.compile("[0-9](?:[ -]?[0-9]){12,18}").fullmatch
_MOST_BYTES = 64 * 1024
_DIGIT = re.compile(r"\d")
_MAY_ENCODE = re.compile(r"[A-Za-z0-9+/%_=-]{16,}")


def _without_card_number(text: str) -> str:
    if holds_card_number(text):
        raise PydanticCustomError("card_number_in_identifier", "a card number")
    return text


def _masked(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("invalid_value", "a NUL")
    return masked(text)


def _day(day: date) -> date:
    if day.year < EARLIEST_EVENT_YEAR:
        raise PydanticCustomError("invalid_value", "too early")
    return day


_Identifier = Annotated[str, Field(pattern=r"^[!-~]+$"), AfterValidator(_without_card_number)]
_Id = Annotated[_Identifier, Field(max_length=64)]
_Account = Annotated[_Identifier, Field(max_length=34)]
_Text = Annotated[str, Field(min_length=1), AfterValidator(_masked)]
_Day = Annotated[date, AfterValidator(_day)]


class _Validated(BaseModel):
    """What the contract says of types and bounds."""

    schema_version: str = Field(pattern=r"^1\.[0-9]{1,6}$")
    transaction_id: str = Field(min_length=1, max_length=64)
    account_id: str = Field(min_length=1, max_length=34)
    transaction_type: Literal[TRANSACTION_TYPES]  # type: ignore[valid-type]
    credit_debit_indicator: Literal[CREDIT_DEBIT_INDICATORS]  # type: ignore[valid-type]
    amount: Decimal = Field(gt=0, max_digits=18, decimal_places=4)
    currency: Literal[tuple(CURRENCY_MINOR_UNITS)]  # type: ignore[valid-type]
    event_time: datetime
    value_date: str | None = None
    status: Literal[STATUSES]  # type: ignore[valid-type]
    channel: Literal[CHANNELS]  # type: ignore[valid-type]
    card_number: str | None = Field(default=None, max_length=32)
    counterparty_account: str | None = Field(default=None, max_length=34)
    counterparty_bank: str | None = Field(default=None, max_length=35)
    merchant_name: str | None = Field(default=None, max_length=140)
    merchant_category_code: str | None = Field(default=None, max_length=4)
    merchant_country: str | None = Field(default=None, max_length=2)
    balance_after: Decimal | None = None
    original_transaction_id: str | None = Field(default=None, max_length=64)
    description: str | None = Field(default=None, max_length=500)


class _Transaction(BaseModel):
    """The contract, and what a type can't say."""

    model_config = ConfigDict(extra="allow")

    schema_version: str = Field(pattern=r"^1\.[0-9]{1,6}$")
    transaction_id: _Id
    account_id: _Account
    transaction_type: Literal[TRANSACTION_TYPES]  # type: ignore[valid-type]
    credit_debit_indicator: Literal[CREDIT_DEBIT_INDICATORS]  # type: ignore[valid-type]
    amount: Decimal = Field(gt=0, max_digits=18)
    currency: Literal[tuple(CURRENCY_MINOR_UNITS)]  # type: ignore[valid-type]
    event_time: AwareDatetime
    value_date: _Day | None = None
    booking_date: _Day | None = None
    status: Literal[STATUSES]  # type: ignore[valid-type]
    channel: Literal[CHANNELS]  # type: ignore[valid-type]
    card_number: str | None = Field(default=None, max_length=32)
    counterparty_account: _Account | None = None
    counterparty_bank: _Identifier | None = Field(default=None, max_length=35)
    merchant_name: _Text | None = Field(default=None, max_length=140)
    merchant_category_code: Annotated[str, Field(pattern="^[0-9]{4}$")] | None = None
    merchant_country: Literal[tuple(COUNTRIES)] | None = None  # type: ignore[valid-type]
    balance_after: Decimal | None = Field(default=None, max_digits=18, decimal_places=4)
    original_transaction_id: _Id | None = None
    pending_transaction_id: _Id | None = None
    description: _Text | None = Field(default=None, max_length=500)

    @field_validator("amount", "balance_after", "event_time", "value_date", "booking_date", mode="before")
    @classmethod
    def is_text(cls, value: Any) -> Any:
        """A number of JSON would be rounded, or taken for seconds."""
        if value is not None and type(value) is not str:
            raise PydanticCustomError("wrong_type", "no text")
        return value

    @field_validator("card_number")
    @classmethod
    def card_number_is_valid(cls, number: str | None) -> str | None:
        if number is None:
            return None
        digits = number.replace(" ", "").replace("-", "")
        if not (_is_written_card(number) and luhn(digits)):
            raise PydanticCustomError("invalid_card_number", "no card number")
        return digits

    @model_validator(mode="after")
    def fields_fit_together(self) -> _Transaction:
        exponent = self.amount.as_tuple().exponent
        if not isinstance(exponent, int) or -exponent > CURRENCY_MINOR_UNITS[self.currency]:
            units = CURRENCY_MINOR_UNITS[self.currency]
            if self.amount != round(self.amount, units):
                raise PydanticCustomError("amount_scale", "too many decimals")
        last_date = LAST_EVENT_DATES.get(self.currency)
        if last_date is not None and self.event_time.astimezone(UTC).date() > last_date:
            raise PydanticCustomError("invalid_currency", "a withdrawn currency")
        if self.transaction_type == "REVERSAL" and not self.original_transaction_id:
            raise PydanticCustomError("missing_original_transaction", "no original")
        return self


_FIELDS = frozenset(_Transaction.model_fields)
Key = tuple[str | None, str | None]


def _token(number: str, version: int) -> str:
    digest = hmac.digest(_KEYS[version], number.encode(), "sha256")
    return f"{version}_{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def _tokens(number: str) -> dict[str, str]:
    """The card's token, in an overlap the former one too, and its last four digits."""
    current, *former = sorted(_KEYS, reverse=True)
    tokens = {"card_token": _token(number, current), "card_last4": number[-4:]}
    if former:
        tokens["former_card_token"] = _token(number, former[0])
    return tokens


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise PydanticCustomError("duplicate_key", "a key stands twice")
    return found


def _counts_for(data: bytes) -> tuple[Key, Decimal]:
    """What a record counts for, valid or not."""
    try:
        found = json.loads(data)
        amount = Decimal(found["amount"]) if type(found["amount"]) is str else None
        key = found["currency"], found["credit_debit_indicator"]
        if amount is not None and key[0] in CURRENCY_MINOR_UNITS and not holds_card_number(found["amount"]):
            return key, amount
    except (ValueError, TypeError, KeyError, ArithmeticError):
        pass
    return (None, None), Decimal(0)


def _payload(data: bytes) -> str:
    """A bad record without card numbers, authentication data and fields that the contract lacks."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return _DIGIT.sub("*", _MAY_ENCODE.sub(REMOVED, data.decode("utf-8", "replace")))
    kept: dict[str, Any] = {}
    for name, value in document.items():
        if name == "card_number" and isinstance(value, str) and value.isdigit() and luhn(value):
            kept |= _tokens(value)
        elif name not in _FIELDS or name == "card_number":
            kept[name if name.isalpha() else REMOVED] = REMOVED
        elif isinstance(value, str):
            kept[name] = masked(value)
        else:
            kept[name] = value if len(json.dumps(value)) < 13 else REMOVED
    return json.dumps(kept, separators=(",", ":"))


def _reason(error: Exception) -> tuple[str, str | None]:
    """Reason and field of the first error; never its text, which quotes the value."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return str(first["type"]), str(first["loc"][0]) if first["loc"] else None
    return "malformed_json", None


class _Totals:
    """Records, and amounts by currency and indicator."""

    def __init__(self) -> None:
        self.amounts: defaultdict[Key, list[Decimal]] = defaultdict(list)

    def add(self, key: Key, amount: Decimal) -> None:
        self.amounts[key].append(amount)

    def rows(self) -> list[list[Any]]:
        return [[*key, len(amounts), str(sum(amounts))] for key, amounts in self.amounts.items()]


class _Batch:
    """What one batch comes to."""

    def __init__(self) -> None:
        self.rows: list[bytes] = []
        self.bad: list[bytes] = []
        self.streamed, self.landed, self.quarantined = _Totals(), _Totals(), _Totals()
        self.reasons: Counter[str] = Counter()
        self.states: set[tuple[str, str]] = set()
        self.unknown_fields = 0
        self.bytes = 0

    def take(self, record: Any) -> None:
        """The record handler."""
        kinesis = record.kinesis
        data = base64.b64decode(kinesis.data)
        self.bytes += len(data)
        arrival = datetime.fromtimestamp(kinesis.approximate_arrival_timestamp, UTC)
        position = {
            "shard_id": record.event_id.split(":")[0],
            "sequence_number": kinesis.sequence_number,
            "arrival_time": arrival,
        }
        try:
            if len(data) > _MOST_BYTES:
                raise PydanticCustomError("record_too_large", "too large")
            transaction = _Transaction.model_validate_json(data)
            if data.count(b'":') != len(transaction.model_fields_set):
                json.loads(data, object_pairs_hook=_unique)
            if transaction.event_time > arrival + _AHEAD:
                raise PydanticCustomError("event_time_in_future", "too late")
        except (ValidationError, PydanticCustomError, ValueError, OverflowError) as error:
            self._quarantine(data, position, error)
            return
        self._land(transaction, position)

    def _land(self, transaction: _Transaction, position: dict[str, Any]) -> None:
        row = {name: value for name, value in transaction.__dict__.items() if value is not None}
        row["event_time"] = transaction.event_time.astimezone(UTC)
        number = row.pop("card_number", None)
        if number is not None:
            row |= _tokens(number)
        self.rows.append(to_json(row | position))
        key = transaction.currency, transaction.credit_debit_indicator
        self.streamed.add(key, transaction.amount)
        self.landed.add(key, transaction.amount)
        self.states.add((transaction.transaction_id, transaction.status))
        self.unknown_fields += len(transaction.__pydantic_extra__ or ())

    def _quarantine(self, data: bytes, position: dict[str, Any], error: Exception) -> None:
        reason, field = (error.type, None) if isinstance(error, PydanticCustomError) else _reason(error)
        key, amount = _counts_for(data)
        self.streamed.add(key, amount)
        self.quarantined.add(key, amount)
        self.reasons[reason] += 1
        row = position | {"reason": reason, "field": field, "payload": _payload(data)}
        row["fingerprint"] = hashlib.blake2b(data, key=_FINGERPRINT_KEY, digest_size=32).hexdigest()
        self.bad.append(to_json(row | {"currency": key[0], "credit_debit_indicator": key[1], "amount": amount}))


def same_duties(put: Put) -> Handler:
    """The duties of the platform's function, gzip 6."""
    processor = BatchProcessor(event_type=EventType.KinesisDataStreams, raise_on_entire_batch_failure=False)
    logger = Logger(service="peer", stream=io.TextIOWrapper(io.FileIO(os.devnull, "w")))
    metrics = Metrics(namespace="Benchmark", service="peer")

    def handle(event: Event) -> Any:
        batch = _Batch()
        response = process_partial_response(event=event, record_handler=batch.take, processor=processor)
        if batch.bad:
            put("quarantine", gzip.compress(b"\n".join(batch.bad), 6, mtime=0))
        if batch.rows:
            put("raw", gzip.compress(b"\n".join(batch.rows), 6, mtime=0))
        totals = {"streamed": batch.streamed, "landed": batch.landed, "quarantined": batch.quarantined}
        put("control", json.dumps({name: each.rows() for name, each in totals.items()}).encode())
        counts = {
            "RecordsReceived": len(batch.rows) + len(batch.bad),
            "RecordsLanded": len(batch.rows),
            "RecordsQuarantined": len(batch.bad),
            "DuplicatesSeen": len(batch.rows) - len(batch.states),
            "UnknownFields": batch.unknown_fields,
            "BytesReceived": batch.bytes,
        }
        for name, count in counts.items():
            metrics.add_metric(name, MetricUnit.Bytes if name.startswith("Bytes") else MetricUnit.Count, count)
        metrics.flush_metrics()
        for reason, count in batch.reasons.items():
            metrics.add_metric("RecordsQuarantinedByReason", MetricUnit.Count, count)
            metrics.add_dimension("reason", reason)
            metrics.flush_metrics()
        logger.info("batch landed", extra=counts)
        return response

    return handle


def validation_only(put: Put) -> Handler:
    """It validates and lands, card number and all, gzip 6."""
    processor = BatchProcessor(event_type=EventType.KinesisDataStreams, raise_on_entire_batch_failure=False)

    def handle(event: Event) -> Any:
        rows: list[str] = []

        def land(record: Any) -> None:
            transaction = _Validated.model_validate_json(base64.b64decode(record.kinesis.data))
            rows.append(transaction.model_dump_json(exclude_none=True))

        response = process_partial_response(event=event, record_handler=land, processor=processor)
        put("raw", gzip.compress("\n".join(rows).encode(), 6, mtime=0))
        return response

    return handle
