"""Other ways to write the function, for comparison: each takes an event and puts what it lands.

None of them does all that the platform's function does: control totals, landing position, a quarantine without card
numbers, KPL aggregates, duplicate keys and the rest of what is tested. Each docstring says what it does.
"""

from __future__ import annotations

import base64
import gzip
import hmac
import io
import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from isal import igzip

from data_catalog.currencies import CURRENCY_MINOR_UNITS
from data_catalog.transaction_contract import (
    CHANNELS,
    CREDIT_DEBIT_INDICATORS,
    STATUSES,
    TRANSACTION_TYPES,
)

Event = dict[str, Any]
Put = Callable[[str, bytes], None]  # key, body
Handler = Callable[[Event], Any]

_KEY = bytes(range(32))


def floor(put: Put) -> Handler:
    """No handler: base64, join and ISA-L's gzip level 1, the least that landing a batch can cost."""

    def handle(event: Event) -> None:
        lines = [base64.b64decode(record["kinesis"]["data"]) for record in event["Records"]]
        put("raw", igzip.compress(b"\n".join(lines), 1, mtime=0))

    return handle


def _luhn(number: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit)
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def _token(number: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(_KEY, number.encode(), "sha256")).decode()


_CARD_LIKE = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")


def _masked(text: str) -> str:
    def mask(match: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", match[0])
        return "*" * len(digits) if _luhn(digits) else match[0]

    return _CARD_LIKE.sub(mask, text)


def powertools_pydantic(put: Put, same_duties: bool) -> Handler:
    """Powertools' BatchProcessor, a pydantic model, gzip 6.

    same_duties: also Luhn, token, masking of free text, no card number in an identifier, times in UTC, the position on
    every row, control totals, a quarantine, one log line and the metrics, each by the usual means. Else it validates
    and lands, card number and all.
    """
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.metrics import MetricUnit
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
    from pydantic import BaseModel, Field, ValidationError, field_validator

    class Transaction(BaseModel):
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

        if same_duties:

            @field_validator("card_number")
            @classmethod
            def card_number_is_valid(cls, number: str | None) -> str | None:
                if number is not None and not (number.isdigit() and 13 <= len(number) <= 19 and _luhn(number)):
                    raise ValueError("no card number")
                return number

            @field_validator("description", "merchant_name")
            @classmethod
            def text_is_masked(cls, text: str | None) -> str | None:
                return text if text is None else _masked(text)

            @field_validator("transaction_id", "account_id", "counterparty_account", "original_transaction_id")
            @classmethod
            def identifier_is_none_of_a_card(cls, text: str | None) -> str | None:
                if text is not None and _masked(text) != text:
                    raise ValueError("a card number")
                return text

    processor = BatchProcessor(event_type=EventType.KinesisDataStreams, raise_on_entire_batch_failure=False)
    logger = Logger(service="peer", stream=io.TextIOWrapper(io.FileIO(os.devnull, "w")))
    metrics = Metrics(namespace="Benchmark", service="peer")
    rows: list[str] = []
    bad: list[str] = []
    totals: dict[tuple[str, str], list[Decimal]] = {}

    def land(record: Any) -> None:
        rows.append(
            Transaction.model_validate_json(base64.b64decode(record.kinesis.data)).model_dump_json(exclude_none=True)
        )

    def land_with_duties(record: Any) -> None:
        kinesis = record.kinesis
        try:
            transaction = Transaction.model_validate_json(base64.b64decode(kinesis.data))
        except ValidationError:
            bad.append(kinesis.sequence_number)
            return
        transaction.event_time = transaction.event_time.astimezone(UTC)
        row = transaction.model_dump(mode="json", exclude={"card_number"}, exclude_none=True)
        if transaction.card_number is not None:
            row["card_token"] = _token(transaction.card_number)
            row["card_last4"] = transaction.card_number[-4:]
        row["shard_id"] = record.event_id.split(":")[0]
        row["sequence_number"] = kinesis.sequence_number
        row["arrival_time"] = datetime.fromtimestamp(kinesis.approximate_arrival_timestamp, UTC).isoformat()
        rows.append(json.dumps(row, separators=(",", ":")))
        key = transaction.currency, transaction.credit_debit_indicator
        totals.setdefault(key, []).append(transaction.amount)

    def handle(event: Event) -> Any:
        for kept in (rows, bad, totals):
            kept.clear()
        response = process_partial_response(
            event=event, record_handler=land_with_duties if same_duties else land, processor=processor
        )
        if same_duties:
            if bad:
                put("quarantine", json.dumps(bad).encode())
            put("control", json.dumps([[*key, str(sum(amounts))] for key, amounts in totals.items()]).encode())
            logger.info("batch landed", extra={"records": len(rows), "quarantined": len(bad)})
            for name in ("received", "landed", "quarantined"):
                metrics.add_metric(name, MetricUnit.Count, len(rows))
            metrics.flush_metrics()
        put("raw", gzip.compress("\n".join(rows).encode(), 6, mtime=0))
        return response

    return handle


def careful_stdlib(put: Put) -> Handler:
    """Careful code on the standard library: json, checks, Luhn, token, masking, one object a batch, gzip 6."""
    required = ("transaction_id", "account_id", "amount", "currency", "event_time")
    enums = {
        "transaction_type": frozenset(TRANSACTION_TYPES),
        "credit_debit_indicator": frozenset(CREDIT_DEBIT_INDICATORS),
        "status": frozenset(STATUSES),
        "channel": frozenset(CHANNELS),
        "currency": frozenset(CURRENCY_MINOR_UNITS),
    }
    is_amount = re.compile(r"[0-9]{1,14}(\.[0-9]{1,4})?").fullmatch

    def checked(transaction: dict[str, Any]) -> dict[str, Any]:
        if any(not isinstance(transaction.get(name), str) for name in required):
            raise ValueError("a field is missing")
        if any(transaction.get(name) not in values for name, values in enums.items()):
            raise ValueError("a value is unknown")
        if is_amount(transaction["amount"]) is None or Decimal(transaction["amount"]) <= 0:
            raise ValueError("no amount")
        event_time = datetime.fromisoformat(transaction["event_time"])
        if event_time.tzinfo is None:
            raise ValueError("no offset")
        transaction["event_time"] = event_time.astimezone(UTC).isoformat()
        number = transaction.pop("card_number", None)
        if number is not None:
            if not (number.isdigit() and 13 <= len(number) <= 19 and _luhn(number)):
                raise ValueError("no card number")
            transaction["card_token"] = _token(number)
            transaction["card_last4"] = number[-4:]
        for name in ("description", "merchant_name"):
            if name in transaction:
                transaction[name] = _masked(transaction[name])
        return transaction

    def handle(event: Event) -> Any:
        rows, bad = [], []
        for record in event["Records"]:
            kinesis = record["kinesis"]
            data = base64.b64decode(kinesis["data"])
            try:
                row = checked(json.loads(data))
            except (ValueError, TypeError):
                bad.append(kinesis["sequenceNumber"])
                continue
            row["sequence_number"] = kinesis["sequenceNumber"]
            row["arrival_time"] = datetime.fromtimestamp(kinesis["approximateArrivalTimestamp"], UTC).isoformat()
            rows.append(json.dumps(row, separators=(",", ":")))
        if bad:
            put("quarantine", json.dumps(bad).encode())
        put("raw", gzip.compress("\n".join(rows).encode(), 6, mtime=0))
        return {"batchItemFailures": []}

    return handle


def tutorial(put: Put) -> Handler:
    """What tutorials show: decode, print, one object a record. It checks nothing and lands the card number."""

    def handle(event: Event) -> Any:
        for record in event["Records"]:
            try:
                transaction = json.loads(base64.b64decode(record["kinesis"]["data"]))
            except ValueError:
                continue
            print(f"Processing {transaction}")
            put(f"{transaction.get('transaction_id')}.json", json.dumps(transaction).encode())
        return {"statusCode": 200}

    return handle
