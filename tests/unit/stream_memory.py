"""Landed transactions for the fraud stream, and a memory of them in this process."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from data_processing.landed_transactions import Transaction, micros
from data_processing.stream_detection import SubjectDay

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2026, 3, 2, tzinfo=UTC)


def transaction(number: int | str, event_time: datetime = START, **fields: Any) -> Transaction:
    """A landed transaction; number makes its id and content."""
    made: dict[str, Any] = {
        "at": micros(event_time - EPOCH),
        "transaction_id": f"t{number}",
        "content_hash": f"h{number}",
        "account_id": "A",
        "card_token": None,
        "transaction_type": "PAYMENT",
        "credit_debit_indicator": "DBIT",
        "status": "BOOKED",
        "channel": "WEB",
        "amount": "10.00",
        "currency": "EUR",
        "merchant_country": None,
    }
    made |= fields
    return Transaction(**(made | {"amount": Decimal(made["amount"])}))


def arrived(*transactions: Transaction, after: timedelta = timedelta(seconds=1)) -> list[tuple[Transaction, int]]:
    """The transactions with arrival times, as read_object gives them."""
    return [(each, each.at + micros(after)) for each in transactions]


class InMemory:
    """What is remembered, in this process. calls: how many of each were made."""

    def __init__(self) -> None:
        self.held: dict[SubjectDay, set[Transaction]] = {}
        self.reads: list[SubjectDay] = []

    def add(self, new: Mapping[SubjectDay, Collection[Transaction]]) -> dict[SubjectDay, set[Transaction]]:
        for day, transactions in new.items():
            self.held.setdefault(day, set()).update(transactions)
        return {day: set(self.held[day]) for day in new}

    def read(self, days: Collection[SubjectDay]) -> dict[SubjectDay, set[Transaction]]:
        self.reads += days
        return {day: set(self.held[day]) for day in days if day in self.held}
