"""Other ways to write the function, for comparison: each takes an event and puts what it lands.

None of these does what the platform's function does: control totals, landing position, a quarantine without card
numbers, KPL aggregates, duplicate keys and the rest of what is tested. Each docstring says what it does.
powertools_peer.py is the one that has the same duties.
"""

from __future__ import annotations

import base64
import gzip
import hmac
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

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
