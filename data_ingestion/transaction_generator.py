"""Seeded, realistic transactions with the faults of real feeds. The same seed gives the same bytes.

`python data_ingestion/transaction_generator.py --transactions 1000 --seed 7` prints NDJSON of the contract, which
`orchestrate_pipeline.py local --input -` reads.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from data_catalog.transaction_contract import CURRENCY_MINOR_UNITS, SCHEMA_VERSION

DEFAULT_SEED = 20260302

# A fixed window, so that a seed means the same transactions on every day that it is run.
_FIRST_EVENT = datetime(2026, 3, 2, tzinfo=UTC)
_WINDOW = timedelta(days=4)
_LATE = timedelta(days=2)

_CURRENCY_WEIGHTS = {"EUR": 45, "USD": 15, "GBP": 15, "CZK": 10, "JPY": 10, "BHD": 5}
_IBAN_COUNTRIES = {"EUR": "DE", "GBP": "GB", "CZK": "CZ", "BHD": "BH"}
_CARD_PREFIXES = ("400012", "424242", "510510", "555555", "222300", "601100")
_MERCHANTS = (
    ("Alza.cz", "5732", "CZ"), ("REWE Markt", "5411", "DE"), ("Tesco Express", "5411", "GB"),
    ("Shell Autobahn", "5541", "DE"), ("Lawson 新宿", "5499", "JP"), ("Café Müller", "5814", "DE"),
    ("Delta Air Lines", "4511", "US"), ("Bahrain Pharmacy", "5912", "BH"), ("Billa", "5411", "CZ"),
    ("Steam Games", "5816", "US"), ("Hotel Adria", "7011", "CZ"), ("Trainline", "4112", "GB"),
)  # fmt: skip
_DESCRIPTIONS = ("Rent March", "Invoice 2026-0317", "Groceries", "Salary", "Refund order 88412", "Ticket Praha-Wien")
_ID_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

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


@dataclass(slots=True)
class _Account:
    number: str
    currency: str
    card: str
    balance: Decimal


Transaction = dict[str, Any]


def generate(transactions: int, seed: int = DEFAULT_SEED) -> Iterator[bytes]:
    """Yield exactly that many records, as they would be put on the stream: JSON of the contract, or a fault of it.

    Duplicates and retries count as records: 20,000 records hold somewhat fewer distinct transactions.
    """
    random_ = random.Random(seed)
    accounts = [_account(random_) for _ in range(min(5_000, max(10, transactions // 10)))]
    booked = _bookings(random_, accounts, transactions)
    yield from _take(transactions, _with_faults(random_, booked))


def _take(count: int, records: Iterator[bytes]) -> Iterator[bytes]:
    for _ in range(count):
        yield next(records)


def _bookings(random_: random.Random, accounts: list[_Account], transactions: int) -> Iterator[Transaction]:
    """An endless book in order of event time; the window is filled after the expected number of transactions."""
    step = _WINDOW / max(1, transactions)
    event_time = _FIRST_EVENT
    last: tuple[_Account, Transaction] | None = None
    while True:
        event_time += step * random_.random() * 2
        account = random_.choice(accounts)
        if last is not None and random_.random() < 0.01:
            yield _reversal(random_, *last, event_time)
            last = None
        else:
            transaction = _transaction(random_, account, event_time)
            last = (account, transaction) if transaction["status"] == "BOOKED" else last
            yield transaction


def _account(random_: random.Random) -> _Account:
    currency = random_.choices(list(_CURRENCY_WEIGHTS), list(_CURRENCY_WEIGHTS.values()))[0]
    opening = _money(random_, currency, 500, 20_000)
    return _Account(_account_number(random_, currency), currency, _card_number(random_), opening)


def _account_number(random_: random.Random, currency: str) -> str:
    """An IBAN with valid check digits, or an own account number where the country has no IBAN."""
    country = _IBAN_COUNTRIES.get(currency)
    if country is None:
        return f"{random_.randrange(10**9, 10**10)}"
    bank = {"DE": "10070024", "GB": "MIDL400512", "CZ": "0800000019", "BH": "BBME"}[country]
    length = {"DE": 22, "GB": 22, "CZ": 24, "BH": 22}[country] - 4 - len(bank)
    basic = bank + "".join(random_.choices("0123456789", k=length))
    digits = "".join(str(int(character, 36)) for character in basic + country + "00")
    return f"{country}{98 - int(digits) % 97:02d}{basic}"


def _card_number(random_: random.Random) -> str:
    partial = random_.choice(_CARD_PREFIXES) + "".join(random_.choices("0123456789", k=9))
    total = sum(sum(divmod(int(d) * 2, 10)) if i % 2 == 0 else int(d) for i, d in enumerate(partial))
    return partial + str(-total % 10)


def _money(random_: random.Random, currency: str, low: int, high: int) -> Decimal:
    minor_units = CURRENCY_MINOR_UNITS[currency]
    factor = 150 if currency == "JPY" else 1
    scale = 10**minor_units * factor
    return Decimal(random_.randrange(low * scale, high * scale)).scaleb(-minor_units)


def _text(amount: Decimal, currency: str) -> str:
    return f"{amount:.{CURRENCY_MINOR_UNITS[currency]}f}"


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


def _transaction(random_: random.Random, account: _Account, event_time: datetime) -> Transaction:
    kind, indicator, _ = random_.choices(_KINDS, [weight for *_, weight in _KINDS])[0]
    amount = _money(random_, account.currency, 1, 300)
    if random_.random() < 0.002:
        amount *= 100  # the fraud rules should find something
    status = "BOOKED" if random_.random() < 0.97 else "PENDING"
    transaction: Transaction = {
        "schema_version": SCHEMA_VERSION,
        "transaction_id": _transaction_id(random_),
        "account_id": account.number,
        "transaction_type": kind,
        "credit_debit_indicator": indicator,
        "amount": _text(amount, account.currency),
        "currency": account.currency,
        "event_time": _rfc3339(random_, event_time),
        "status": status,
        "channel": random_.choice(_CHANNELS[kind]),
    }
    if status == "BOOKED":
        transaction["balance_after"] = _book(account, indicator, amount)
    if kind == "CARD_PURCHASE":
        name, category, country = random_.choice(_MERCHANTS)
        transaction |= {
            "card_number": account.card,
            "merchant_name": name,
            "merchant_category_code": category,
            "merchant_country": country,
        }
    elif kind in ("PAYMENT", "TRANSFER"):
        transaction |= {
            "value_date": event_time.date().isoformat(),
            "counterparty_account": _account_number(random_, "EUR"),
            "counterparty_bank": "DEUTDEFF",
            "description": random_.choice(_DESCRIPTIONS),
        }
    return transaction


def _book(account: _Account, indicator: str, amount: Decimal) -> str:
    account.balance += amount if indicator == "CRDT" else -amount
    return _text(account.balance, account.currency)


def _reversal(random_: random.Random, account: _Account, original: Transaction, event_time: datetime) -> Transaction:
    """The other side of a booked transaction."""
    indicator = "DBIT" if original["credit_debit_indicator"] == "CRDT" else "CRDT"
    reversal = {
        field: original[field]
        for field in ("schema_version", "account_id", "amount", "currency", "status", "channel", "card_number")
        if field in original
    }
    return reversal | {
        "transaction_id": _transaction_id(random_),
        "transaction_type": "REVERSAL",
        "credit_debit_indicator": indicator,
        "event_time": _rfc3339(random_, event_time),
        "balance_after": _book(account, indicator, Decimal(original["amount"])),
        "original_transaction_id": original["transaction_id"],
        "description": "Reversal",
    }


def _transaction_id(random_: random.Random) -> str:
    return "".join(random_.choices(_ID_ALPHABET, k=26))


def _rfc3339(random_: random.Random, moment: datetime) -> str:
    """Milliseconds with one of the offsets that a bank's systems send."""
    offset = random_.choice((timedelta(0), timedelta(hours=1), timedelta(hours=-5), timedelta(hours=9)))
    text = (moment + offset).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}"
    if not offset:
        return text + "Z"
    sign = "+" if offset > timedelta(0) else "-"
    return f"{text}{sign}{abs(offset).seconds // 3600:02d}:00"


def _with_faults(random_: random.Random, booked: Iterator[Transaction]) -> Iterator[bytes]:
    """The feed: what was booked, with faults, repeats after it and delays."""
    held: list[tuple[int, bytes]] = []  # (records to wait, record)
    for transaction in booked:
        fault = _pick_fault(random_)
        if fault == "late":
            transaction["event_time"] = _rfc3339(random_, datetime.fromisoformat(transaction["event_time"]) - _LATE)
        record = _spoiled(random_, transaction, fault)
        if fault == "out_of_order":
            held.append((random_.randrange(5, 50), record))
        else:
            yield record
        if fault == "duplicate":
            held.append((random_.randrange(1, 200), record))
        elif fault == "conflicting_retry":
            other = transaction | {"description": "Retried with other content"}
            held.append((random_.randrange(1, 200), _encode(other)))
        held = [(wait - 1, waiting) for wait, waiting in held]
        yield from (waiting for wait, waiting in held if wait <= 0)
        held = [(wait, waiting) for wait, waiting in held if wait > 0]


def _pick_fault(random_: random.Random) -> str | None:
    roll = random_.random()
    for fault, rate in _FAULT_RATES.items():
        if roll < rate:
            return fault
        roll -= rate
    return None


def _spoiled(random_: random.Random, transaction: Transaction, fault: str | None) -> bytes:
    if fault == "truncated_json":
        record = _encode(transaction)
        return record[: random_.randrange(1, len(record) - 1)]
    change = _CHANGES.get(fault or "")
    if change is None:
        return _encode(transaction)
    changed = transaction | change(random_, transaction)
    return _encode({field: value for field, value in changed.items() if value is not _ABSENT})


_ABSENT = object()
_CHANGES: dict[str, Callable[[random.Random, Transaction], Transaction]] = {
    "missing_field": lambda random_, _: {random_.choice(("account_id", "event_time", "currency", "status")): _ABSENT},
    "wrong_type": lambda _, transaction: {"amount": float(transaction["amount"])},
    "bad_amount": lambda random_, _: {"amount": random_.choice(("-12.00", "1,234.50", "NaN", "1e3", "0.00", "12.-"))},
    "amount_scale": lambda _, transaction: {"amount": transaction["amount"].split(".")[0] + ".1234"},
    "unknown_currency": lambda random_, _: {"currency": random_.choice(("XXX", "EURO", "eur", "ZZZ"))},
    "bad_card": lambda _, transaction: {"card_number": "4242424242424241"},
    "no_offset": lambda _, transaction: {"event_time": "2026-03-02T12:00:00"},
    "pan_in_description": lambda random_, _: {"description": f"customer gave card {_card_number(random_)} on phone"},
    "unknown_field": lambda *_: {"terminal_firmware": "7.4.1"},
}


def _encode(transaction: Transaction) -> bytes:
    return json.dumps(transaction, ensure_ascii=False, separators=(",", ":")).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description="Print seeded transactions as NDJSON of the contract.")
    parser.add_argument("--transactions", type=int, default=1000, metavar="N", help="how many records (default 1000)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, metavar="S", help=f"default {DEFAULT_SEED}")
    arguments = parser.parse_args()
    try:
        for record in generate(arguments.transactions, arguments.seed):
            sys.stdout.buffer.write(record + b"\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (head, say) has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
