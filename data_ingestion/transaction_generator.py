"""Seeded, realistic transactions with the states and the faults of real feeds. The same seed gives the same bytes.

Some accounts are kept by a system that sends contract 1.1 with booking dates, the others by one that sends 1.0. Of a
hundred transactions three are first PENDING; most of these are booked later, some with another amount or under another
id, some are rejected, and of some nothing more is heard. Reversals may come before their originals.

`python data_ingestion/transaction_generator.py --transactions 1000 --seed 7` prints NDJSON of the contract, which
`orchestrate_pipeline.py local --input -` reads.
"""

from __future__ import annotations

import argparse
import heapq
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path

from data_catalog.transaction_contract import FIRST_VERSION, SCHEMA_VERSION
from data_ingestion.feed_faults import SPOILING, Book, Entry, Transaction, encode, fed, pick_fault
from data_ingestion.fraud_scenarios import Scenario, scenarios, write_labels
from data_ingestion.made_accounts import (
    Account,
    account_number,
    amount_text,
    made_account,
    money,
    rfc3339,
    transaction_id,
)
from infrastructure.errors import PlatformError

DEFAULT_SEED = 20260302

# A fixed period, so that a seed gives the same transactions on any day.
_FIRST_EVENT = datetime(2026, 3, 2, tzinfo=UTC)
_WINDOW = timedelta(days=4)
_LATE = timedelta(days=2)

_MERCHANTS = (
    ("Alza.cz", "5732", "CZ"), ("REWE Markt", "5411", "DE"), ("Tesco Express", "5411", "GB"),
    ("Shell Autobahn", "5541", "DE"), ("Lawson 新宿", "5499", "JP"), ("Café Müller", "5814", "DE"),
    ("Delta Air Lines", "4511", "US"), ("Bahrain Pharmacy", "5912", "BH"), ("Billa", "5411", "CZ"),
    ("Steam Games", "5816", "US"), ("Hotel Adria", "7011", "CZ"), ("Trainline", "4112", "GB"),
)  # fmt: skip
# Who is present at a merchant's is at home; abroad is bought in the web. Otherwise most cards would travel too fast.
_HOME_COUNTRIES = {"EUR": "DE", "USD": "US", "GBP": "GB", "CZK": "CZ", "JPY": "JP", "BHD": "BH"}
_DESCRIPTIONS = ("Rent March", "Invoice 2026-0317", "Groceries", "Salary", "Refund order 88412", "Ticket Praha-Wien")

# What becomes of a pending item, and how often (in percent).
_OUTCOMES = {"booked": 60, "other_amount": 15, "other_id": 10, "rejected": 7, "never": 8}


def generate(transactions: int, seed: int = DEFAULT_SEED, book: Book | None = None) -> Iterator[bytes]:
    """Yield exactly that many records, as they would be put on the stream: JSON of the contract, or a fault of it.

    Duplicates, retries and the puts of pending items count as records: 20,000 records hold somewhat fewer distinct
    transactions. book: takes up what the records yielded so far make of the accounts.
    """
    random_ = random.Random(seed)  # nosec B311 # made-up data, the same for a seed
    accounts = [made_account(random_) for _ in range(min(5_000, max(10, transactions // 10)))]
    bank = _Bank(random_, accounts, _WINDOW / max(1, transactions))
    yield from islice(fed(random_, bank.entries(), book if book is not None else Book()), transactions)


class _Bank:
    """Makes transactions, in the order in which the bank books them; an account's balances follow each other so."""

    def __init__(self, random_: random.Random, accounts: list[Account], step: timedelta) -> None:
        self._random = random_
        self._accounts = accounts
        self._step = step
        self._now = _FIRST_EVENT
        self._due: list[tuple[datetime, int, Callable[[], Entry]]] = []  # a heap: when, a tie-breaker, what
        self._planned = 0
        self._last_booked: tuple[Account, Transaction] | None = None

    def entries(self) -> Iterator[Entry]:
        """Without end; the window is filled after the expected number of transactions."""
        while True:
            self._now += self._step * self._random.random() * 2
            while self._due and self._due[0][0] <= self._now:
                yield heapq.heappop(self._due)[2]()
            yield self._next()

    def _later(self, shortest: timedelta, longest: timedelta, what: Callable[[], Entry]) -> None:
        self._planned += 1
        when = self._now + shortest + (longest - shortest) * self._random.random()
        heapq.heappush(self._due, (when, self._planned, what))

    def _next(self) -> Entry:
        account = self._random.choice(self._accounts)
        roll = self._random.random()
        if roll < 0.010 and self._last_booked is not None:
            (account, original), self._last_booked = self._last_booked, None
            return self._entry(account, self._reversal(account, original))
        transaction = _transaction(self._random, account, self._now)
        if roll < 0.012:
            self._later(timedelta(0), timedelta(hours=2), lambda: self._entry(account, transaction))
            return self._entry(account, self._reversal(account, transaction))
        if roll < 0.042:
            return self._pending(account, transaction)
        self._last_booked = account, transaction
        return self._entry(account, transaction)

    def _entry(self, account: Account, transaction: Transaction) -> Entry:
        """The transaction as it is sent, with a fault perhaps; enters the account's balance if it is booked."""
        fault = pick_fault(self._random)
        transaction = dict(transaction)
        balance = None
        if transaction["status"] == "BOOKED":
            amount = Decimal(transaction["amount"])
            balance = account.balance + (amount if transaction["credit_debit_indicator"] == "CRDT" else -amount)
            transaction["balance_after"] = amount_text(balance, account.currency)
            if account.sends_booking_date:
                transaction["booking_date"] = self._now.date().isoformat()
            if fault in SPOILING:
                balance = None
            else:
                account.balance = balance
        if fault == "late":
            happened = datetime.fromisoformat(transaction["event_time"])
            transaction["event_time"] = rfc3339(self._random, happened.astimezone(UTC) - _LATE)
        return Entry(account.number, transaction, fault, balance)

    def _pending(self, account: Account, transaction: Transaction) -> Entry:
        """The first put of a pending item; what becomes of it comes later."""
        pending = transaction | {"status": "PENDING"}
        (outcome,) = self._random.choices(list(_OUTCOMES), list(_OUTCOMES.values()))
        hour, longest = timedelta(hours=1), timedelta(hours=30)
        if self._random.random() < 0.1:
            put = pending | {"amount": self._other_amount(account)}
            self._later(timedelta(0), hour, lambda: self._entry(account, put))
        if outcome == "other_id" and account.sends_booking_date:
            for part in self._parts(account, transaction):
                self._later(hour, longest, partial(self._entry, account, part))
        elif outcome == "rejected":
            self._later(hour, longest, lambda: self._entry(account, transaction | {"status": "REJECTED"}))
        elif outcome != "never":
            other = {"amount": self._other_amount(account)} if outcome == "other_amount" else {}
            self._later(hour, longest, lambda: self._entry(account, transaction | other))
        return self._entry(account, pending)

    def _other_amount(self, account: Account) -> str:
        return amount_text(money(self._random, account.currency, 1, 300), account.currency)

    def _parts(self, account: Account, transaction: Transaction) -> list[Transaction]:
        """The one or two entries under other ids that settle a pending item."""
        amount = Decimal(transaction["amount"])
        first = amount_text(amount / 2, account.currency) if self._random.random() < 0.3 else transaction["amount"]
        amounts = [first, amount_text(amount - Decimal(first), account.currency)]
        return [
            transaction
            | {
                "transaction_id": transaction_id(self._random),
                "amount": part,
                "pending_transaction_id": transaction["transaction_id"],
            }
            for part in amounts
            if Decimal(part)
        ]

    def _reversal(self, account: Account, original: Transaction) -> Transaction:
        """The other side of a booked transaction."""
        reversal = {
            name: original[name]
            for name in ("schema_version", "account_id", "amount", "currency", "status", "channel", "card_number")
            if name in original
        }
        return reversal | {
            "transaction_id": transaction_id(self._random),
            "transaction_type": "REVERSAL",
            "credit_debit_indicator": "DBIT" if original["credit_debit_indicator"] == "CRDT" else "CRDT",
            "event_time": rfc3339(self._random, self._now),
            "original_transaction_id": original["transaction_id"],
            "description": "Reversal",
        }


_KINDS: tuple[tuple[str, str, int], ...] = (
    ("CARD_PURCHASE", "DBIT", 50), ("PAYMENT", "DBIT", 15), ("TRANSFER", "DBIT", 8), ("TRANSFER", "CRDT", 8),
    ("DEPOSIT", "CRDT", 8), ("WITHDRAWAL", "DBIT", 8), ("FEE", "DBIT", 2), ("INTEREST", "CRDT", 1),
)  # fmt: skip
_CHANNELS = {
    "CARD_PURCHASE": ("POS", "WEB", "MOBILE"),
    "PAYMENT": ("MOBILE", "WEB", "API"),
    "TRANSFER": ("MOBILE", "WEB", "API", "BRANCH"),
    "DEPOSIT": ("BRANCH", "ATM"),
    "WITHDRAWAL": ("ATM", "BRANCH"),
    "FEE": ("BATCH",),
    "INTEREST": ("BATCH",),
}


def _transaction(random_: random.Random, account: Account, event_time: datetime) -> Transaction:
    """A transaction of the account as it will be booked, without its balance."""
    kind, indicator, _ = random_.choices(_KINDS, [weight for *_, weight in _KINDS])[0]
    amount = money(random_, account.currency, 1, 300)
    if random_.random() < 0.002:
        amount *= 100  # the fraud rules should find something
    transaction: Transaction = {
        "schema_version": SCHEMA_VERSION if account.sends_booking_date else FIRST_VERSION,
        "transaction_id": transaction_id(random_),
        "account_id": account.number,
        "transaction_type": kind,
        "credit_debit_indicator": indicator,
        "amount": amount_text(amount, account.currency),
        "currency": account.currency,
        "event_time": rfc3339(random_, event_time),
        "status": "BOOKED",
        "channel": random_.choice(_CHANNELS[kind]),
    }
    if kind == "CARD_PURCHASE":
        merchant = random_.choice(_MERCHANTS)
        if transaction["channel"] == "POS":
            home = [each for each in _MERCHANTS if each[2] == _HOME_COUNTRIES[account.currency]]
            merchant = home[_MERCHANTS.index(merchant) % len(home)]
        name, category, country = merchant
        transaction |= {
            "card_number": account.card,
            "merchant_name": name,
            "merchant_category_code": category,
            "merchant_country": country,
        }
    elif kind in ("PAYMENT", "TRANSFER"):
        transaction |= {
            "value_date": event_time.date().isoformat(),
            "counterparty_account": account_number(random_, "EUR"),
            "counterparty_bank": "DEUTDEFF",
            "description": random_.choice(_DESCRIPTIONS),
        }
    return transaction


def generate_with_fraud(transactions: int, seed: int, told: Sequence[Scenario]) -> Iterator[bytes]:
    """Yield generate()'s records, and those of the scenarios between them, each scenario's in its order."""
    of_scenarios = [each for scenario in told for each in scenario.transactions]
    every = max(1, transactions // max(1, len(of_scenarios)))
    rest = iter(of_scenarios)
    for number, record in enumerate(generate(transactions, seed)):
        yield record
        if number % every == 0 and (other := next(rest, None)) is not None:
            yield encode(other)
    yield from map(encode, rest)


def main() -> None:
    parser = argparse.ArgumentParser(description="Print seeded transactions as NDJSON of the contract.")
    parser.add_argument("--transactions", type=int, default=1000, metavar="N", help="how many records (default 1000)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, metavar="S", help=f"default {DEFAULT_SEED}")
    arguments = parser.parse_args()
    write_sample(arguments.transactions, arguments.seed)


def write_sample(transactions: int, seed: int, frauds: int = 0, labels: str = "") -> None:
    """Write generated records to standard output, a line each.

    frauds: add so many of each kind of scenario, and as many honest likenesses; labels: the file that tells which
    transactions are fraud. Raises PlatformError if it cannot be written.
    """
    told = list(scenarios(frauds, seed))
    if labels:
        try:
            with Path(labels).open("w", encoding="utf-8") as file:
                write_labels(told, file)
        except OSError as error:
            raise PlatformError(labels, f"cannot be written ({error.strerror})", "Name another file") from None
    try:
        for record in generate_with_fraud(transactions, seed, told):
            sys.stdout.buffer.write(record + b"\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
