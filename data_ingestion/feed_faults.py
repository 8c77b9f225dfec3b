"""What happens to a feed between a bank's books and the stream: faults, repeats, delays. For made-up transactions.

Delays keep each account's order, as keys by account do on the stream: only so do balances follow each other.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

Transaction = dict[str, Any]

_CARD_PREFIXES = ("400012", "424242", "510510", "555555", "222300", "601100")
# How often each fault of a real feed occurs.
_FAULT_RATES = {
    "duplicate": 0.010,
    "conflicting_retry": 0.003,
    "out_of_order": 0.020,
    "late": 0.010,
    "truncated_json": 0.002,
    "missing_field": 0.002,
    "wrong_type": 0.001,
    "bad_amount": 0.001,
    "amount_scale": 0.001,
    "unknown_currency": 0.001,
    "bad_card": 0.001,
    "no_offset": 0.001,
    "pan_in_description": 0.003,
    "unknown_field": 0.003,
}
# What quarantine takes: it moves no balance.
SPOILING = frozenset(
    {
        "truncated_json", "missing_field", "wrong_type", "bad_amount", "amount_scale", "unknown_currency", "bad_card",
        "no_offset",
    }
)  # fmt: skip


@dataclass(slots=True)
class Book:
    """The accounts' book of a feed: the closing balance by (account_id, currency, booked date).

    An entry without booking date is booked on the later of its event date (UTC) and the account's last booked date.
    """

    closing: dict[tuple[str, str, date], Decimal] = field(default_factory=dict)
    _last: dict[str, date] = field(default_factory=dict)

    def enter(self, transaction: Transaction, balance: Decimal) -> None:
        """Note a BOOKED transaction, in the order of the feed."""
        account = transaction["account_id"]
        happened = datetime.fromisoformat(transaction["event_time"]).astimezone(UTC).date()
        last = self._last.get(account, date.min)
        booked = max(happened, last)
        if "booking_date" in transaction:
            booked = date.fromisoformat(transaction["booking_date"])
        self._last[account] = max(last, booked)
        self.closing[account, transaction["currency"], booked] = balance


@dataclass(frozen=True, slots=True)
class Entry:
    """A transaction on its way into the feed. balance: what the account's book says after it, if it enters it."""

    account: str
    transaction: Transaction
    fault: str | None
    balance: Decimal | None


def fed(random_: random.Random, entries: Iterator[Entry], book: Book) -> Iterator[bytes]:
    """The feed: the entries with their faults, repeats behind them, and delays that keep each account's order."""
    delayed: dict[str, list[Entry]] = {}  # by account: what waits behind a delayed entry
    waiting: list[tuple[int, Callable[[], Iterator[bytes]]]] = []  # records to wait, and what comes then

    def put(entry: Entry) -> Iterator[bytes]:
        if entry.balance is not None:
            book.enter(entry.transaction, entry.balance)
        yield _spoiled(random_, entry.transaction, entry.fault)

    def send(entry: Entry) -> Iterator[bytes]:
        if entry.account in delayed:
            delayed[entry.account].append(entry)
        else:
            yield from put(entry)

    def release(account: str) -> Iterator[bytes]:
        for entry in delayed.pop(account):
            yield from put(entry)

    for entry in entries:
        account = entry.account
        if entry.fault == "out_of_order" and account not in delayed:
            delayed[account] = [entry]
            waiting.append((random_.randrange(5, 50), partial(release, account)))
        else:
            yield from send(entry)
        if entry.fault in ("duplicate", "conflicting_retry"):
            other = {"description": "Retried with other content"} if entry.fault == "conflicting_retry" else {}
            again = Entry(entry.account, entry.transaction | other, None, None)
            waiting.append((random_.randrange(1, 200), partial(send, again)))
        waiting = [(wait - 1, what) for wait, what in waiting]
        due = [what for wait, what in waiting if wait <= 0]
        waiting = [(wait, what) for wait, what in waiting if wait > 0]
        for what in due:
            yield from what()


def pick_fault(random_: random.Random) -> str | None:
    roll = random_.random()
    for fault, rate in _FAULT_RATES.items():
        if roll < rate:
            return fault
        roll -= rate
    return None


def _spoiled(random_: random.Random, transaction: Transaction, fault: str | None) -> bytes:
    if fault == "truncated_json":
        record = encode(transaction)
        return record[: random_.randrange(1, len(record) - 1)]
    change = _CHANGES.get(fault or "")
    if change is None:
        return encode(transaction)
    changed = transaction | change(random_, transaction)
    return encode({field: value for field, value in changed.items() if value is not _ABSENT})


_ABSENT = object()
_CHANGES: dict[str, Callable[[random.Random, Transaction], Transaction]] = {
    "missing_field": lambda random_, _: {random_.choice(("account_id", "event_time", "currency", "status")): _ABSENT},
    "wrong_type": lambda _, transaction: {"amount": float(transaction["amount"])},
    "bad_amount": lambda random_, _: {"amount": random_.choice(("-12.00", "1,234.50", "NaN", "1e3", "0.00", "12.-"))},
    "amount_scale": lambda _, transaction: {"amount": transaction["amount"].split(".")[0] + ".1234"},
    "unknown_currency": lambda random_, _: {"currency": random_.choice(("XXX", "EURO", "eur", "ZZZ"))},
    "bad_card": lambda _, transaction: {"card_number": "4242424242424241"},
    "no_offset": lambda _, transaction: {"event_time": "2026-03-02T12:00:00"},
    "pan_in_description": lambda random_, _: {"description": f"gave card {made_card_number(random_)} on the phone"},
    "unknown_field": lambda *_: {"terminal_firmware": "7.4.1"},
}


def encode(transaction: Transaction) -> bytes:
    return json.dumps(transaction, ensure_ascii=False, separators=(",", ":")).encode()


def made_card_number(random_: random.Random) -> str:
    partial = random_.choice(_CARD_PREFIXES) + "".join(random_.choices("0123456789", k=9))
    total = sum(sum(divmod(int(d) * 2, 10)) if i % 2 == 0 else int(d) for i, d in enumerate(partial))
    return partial + str(-total % 10)
