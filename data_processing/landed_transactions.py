"""Reads raw objects without Spark: what the rules need of each landed row. Pure: bytes in, transactions out.

A row that is not as the landing writes it is counted and passed over: the job quarantines it with its reason, and
reading it again would give the same bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from data_catalog.content_hash import content_hash, micros_of
from data_catalog.transaction_contract import CREDIT_DEBIT_INDICATORS, LANDED_FIELDS, STATUSES, TRANSACTION_TYPES, Type

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HASH_DIGITS = 16  # enough to tell the puts of one transaction apart, and to order them as the whole hash does
_GZIP = zlib.MAX_WBITS | 16
_MOST_BYTES = 256 * 1024 * 1024  # of an object, decompressed: far more than a batch of Lambda's largest payload


class Transaction(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the rules read of a landed row. Its encoding is what the stream remembers of it, as short as may be.

    at: the event time in microseconds since 1970; content_hash: its first digits.
    """

    at: int
    transaction_id: str
    content_hash: str
    account_id: str
    card_token: str | None
    transaction_type: str
    credit_debit_indicator: str
    status: str
    channel: str
    amount: Decimal
    currency: str
    merchant_country: str | None

    @property
    def event_time(self) -> datetime:
        return time_of(self.at)


class Landed(NamedTuple):
    """The transactions of an object with their arrival times (microseconds since 1970), and how many rows were
    unreadable."""

    transactions: list[tuple[Transaction, int]]
    unreadable: int


def time_of(micros: int) -> datetime:
    """Microseconds since 1970 as a UTC time."""
    return _EPOCH + timedelta(microseconds=micros)


def micros(length: timedelta) -> int:
    """A length of time in microseconds."""
    return length // timedelta(microseconds=1)


def read_object(body: bytes) -> Landed:
    """The rows of a raw object (gzip, NDJSON). Raises ValueError if it is no gzip, is cut off, or is far too large."""
    transactions: list[tuple[Transaction, int]] = []
    unreadable = 0
    for line in _lines(body):
        try:
            transactions.append(_transaction(_decode(line)))
        except (ArithmeticError, KeyError, TypeError, ValueError):
            unreadable += 1
    return Landed(transactions, unreadable)


_TEXTS = tuple(field.name for field in LANDED_FIELDS if field.required and field.type is not Type.INTEGER)
_decode = msgspec.json.Decoder(dict[str, str | int | None]).decode


def _lines(body: bytes) -> Iterator[bytes]:
    decompressor = zlib.decompressobj(wbits=_GZIP)
    try:
        text = decompressor.decompress(body, _MOST_BYTES)
    except zlib.error:
        raise ValueError("the object is no gzip") from None
    if not decompressor.eof or decompressor.unused_data:
        raise ValueError("the object is cut off, far larger than a batch, or more than one gzip")
    return (line for line in text.split(b"\n") if line)


def _transaction(row: dict[str, Any]) -> tuple[Transaction, int]:
    if not all(isinstance(row[name], str) for name in _TEXTS):
        raise ValueError("a field is null, or no text")
    found = Transaction(
        at=micros_of(row["event_time"]),
        transaction_id=row["transaction_id"],
        content_hash=content_hash(row)[:_HASH_DIGITS],
        account_id=row["account_id"],
        # Where both are there, a rotation of the key overlaps, and alerts name the card by the token that it had first.
        card_token=row.get("former_card_token") or row.get("card_token"),
        transaction_type=row["transaction_type"],
        credit_debit_indicator=row["credit_debit_indicator"],
        status=row["status"],
        channel=row["channel"],
        amount=Decimal(row["amount"]),
        currency=row["currency"],
        merchant_country=row.get("merchant_country"),
    )
    if (
        found.transaction_type not in TRANSACTION_TYPES
        or found.credit_debit_indicator not in CREDIT_DEBIT_INDICATORS
        or found.status not in STATUSES
        or not found.amount.is_finite()
    ):
        raise ValueError("the row is not as the landing writes it")
    return found, micros_of(row["arrival_time"])
