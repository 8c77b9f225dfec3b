"""Lambda events as Kinesis' event source mapping makes them, transactions to fill them with, and card numbers."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import random
from collections.abc import Iterable, Sequence
from typing import Any

from data_governance.tokenization import TokenKeys
from data_ingestion.transaction_batch import BatchResult, process_batch

INCARNATION = "20261123T125500Z"
SHARD = "shardId-000000000006"
FIRST_SEQUENCE = 49590338271490256608559692538361571095921575989136588898
ARRIVAL = 1_780_000_000.25  # 2026-05-28T20:26:40.250Z
KEYS = TokenKeys(1, {1: bytes(range(32))})

TRANSACTION: dict[str, Any] = {
    "schema_version": "1.0",
    "transaction_id": "3CD69FETK18CQ4MTYEGS4YC53M",
    "account_id": "CZ6508000000192000145399",
    "transaction_type": "CARD_PURCHASE",
    "credit_debit_indicator": "DBIT",
    "amount": "67.54",
    "currency": "EUR",
    "event_time": "2026-05-28T20:26:39.507Z",
    "status": "BOOKED",
    "channel": "POS",
}
EVERY_FIELD: dict[str, Any] = TRANSACTION | {
    "value_date": "2026-05-29",
    "card_number": "4111111111111111",
    "counterparty_account": "DE89370400440532013000",
    "counterparty_bank": "DEUTDEFF",
    "merchant_name": "Café Müller",
    "merchant_category_code": "5814",
    "merchant_country": "DE",
    "balance_after": "-120.10",
    "original_transaction_id": "0D9049X8VSF166ZV8TGAFXJS46",
    "description": "Groceries",
    "booking_date": "2026-05-29",
    "pending_transaction_id": "0D9049X8VSF166ZV8TGAFXJS47",
}

# (prefix, lengths) by brand.
BRANDS: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "visa": (("4",), (13, 16, 19)),
    "mastercard": (("51", "55", "2221", "2720"), (16,)),
    "amex": (("34", "37"), (15,)),
    "discover": (("6011", "644", "65"), (16, 19)),
    "diners": (("300", "305", "36", "38"), (14, 16)),
    "jcb": (("3528", "3589"), (16,)),
    "unionpay": (("62", "81"), (16, 17, 18, 19)),
    "maestro": (("5018", "6304", "6759"), (13, 14, 15, 16, 18, 19)),
    "mir": (("2200", "2204"), (16,)),
    "rupay": (("60", "508"), (16,)),
    "uatp": (("1",), (15,)),
}


def card_number(random_: random.Random, brand: str | None = None) -> str:
    """A card number of a brand (of any, if None) that passes the Luhn check."""
    prefixes, lengths = BRANDS[brand or random_.choice(list(BRANDS))]
    length = random_.choice(lengths)
    body = random_.choice(prefixes)
    body += "".join(random_.choices("0123456789", k=length - len(body) - 1))
    return body + luhn_digit(body)


def luhn_digit(body: str) -> str:
    """The check digit, straight from ISO/IEC 7812-1 annex B."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def transaction(**changes: Any) -> bytes:
    """TRANSACTION with changes, as a producer writes it; a field given as ... is left out."""
    return encoded({name: value for name, value in (TRANSACTION | changes).items() if value is not ...})


def encoded(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def event_records(datas: Iterable[bytes], first: int = FIRST_SEQUENCE, arrival: float = ARRIVAL) -> list[Any]:
    """The "Records" of an event, arriving a millisecond apart."""
    return [
        {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "key",
                "sequenceNumber": str(first + index),
                "data": base64.b64encode(data).decode("ascii"),
                "approximateArrivalTimestamp": round(arrival + index / 1000, 3),
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{SHARD}:{first + index}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::123456789012:role/banking-data-dev-lambda",
            "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/banking-data-dev-transactions",
        }
        for index, data in enumerate(datas)
    ]


def process(*datas: bytes, keys: TokenKeys = KEYS) -> BatchResult:
    return process_batch(event_records(datas), INCARNATION, keys)


def landed(result: BatchResult) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.landed.splitlines()]


def quarantined(result: BatchResult) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.quarantined.splitlines()]


def outcome(data: bytes) -> str:
    """ "landed", or the reason for which this one record is quarantined."""
    result = process(data)
    rows = quarantined(result)
    assert result.records == 1
    assert len(landed(result)) + len(rows) == 1
    return rows[0]["reason"] if rows else "landed"


def gunzipped(body: bytes) -> bytes:
    return gzip.decompress(body)


def aggregated(datas: Sequence[bytes], index: int = 0, digest: bytes | None = None) -> bytes:
    """A KPL aggregate with one partition key. index: the index of the key that each record names."""

    def varint(value: int) -> bytes:
        written = b""
        while value > 0x7F:
            written += bytes([value & 0x7F | 0x80])
            value >>= 7
        return written + bytes([value])

    def field(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2]) + varint(len(value)) + value

    message = field(1, b"key")
    for data in datas:
        message += field(3, b"\x08" + varint(index) + field(3, data))
    return b"\xf3\x89\x9a\xc2" + message + (digest or hashlib.md5(message).digest())
