"""The generator is seeded, and its feed has the faults that real feeds have."""

import json
from collections import Counter
from datetime import date
from decimal import Decimal
from itertools import islice

import pytest

from data_catalog.currencies import CURRENCY_MINOR_UNITS
from data_catalog.transaction_contract import TRANSACTION_FIELDS
from data_ingestion.feed_faults import Book
from data_ingestion.transaction_generator import generate


@pytest.fixture(scope="module")
def feed():
    return list(generate(5_000, seed=1))


def parsed(feed):
    for record in feed:
        try:
            yield json.loads(record)
        except ValueError:
            continue


def test_the_same_seed_gives_the_same_bytes(feed):
    assert list(generate(5_000, seed=1)) == feed


def test_another_seed_gives_other_transactions(feed):
    ids = {transaction.get("transaction_id") for transaction in parsed(feed)}
    others = {transaction.get("transaction_id") for transaction in parsed(generate(500, seed=2))}
    assert ids.isdisjoint(others)


def test_exactly_as_many_records_as_asked_for(feed):
    assert len(feed) == 5_000
    assert len(list(islice(generate(3, seed=9), 10))) == 3


def test_the_feed_has_duplicates_and_conflicting_retries(feed):
    contents: dict[str, list[str]] = {}
    for transaction in parsed(feed):
        contents.setdefault(transaction["transaction_id"], []).append(json.dumps(transaction))
    repeated = [versions for versions in contents.values() if len(versions) > 1]
    assert any(len(set(versions)) == 1 for versions in repeated)
    assert any(len(set(versions)) > 1 for versions in repeated)


def test_the_feed_has_malformed_json_and_reversals_and_unknown_fields(feed):
    transactions = list(parsed(feed))
    assert len(transactions) < len(feed)
    assert any(t["transaction_type"] == "REVERSAL" and t["original_transaction_id"] for t in transactions)
    known = {field.name for field in TRANSACTION_FIELDS}
    assert any(t.keys() - known for t in transactions)


def test_currencies_with_0_2_and_3_minor_units_occur(feed):
    currencies = Counter(t.get("currency") for t in parsed(feed))
    assert {CURRENCY_MINOR_UNITS[c] for c in currencies if c in CURRENCY_MINOR_UNITS} >= {0, 2, 3}


def test_events_come_out_of_order_and_late(feed):
    times = [t["event_time"][:10] for t in parsed(feed) if t.get("event_time", "").endswith("Z")]
    assert times != sorted(times)
    assert min(times) < "2026-03-02"


def test_pending_items_are_booked_rejected_settled_under_another_id_or_forgotten(feed):
    states: dict[str, set[str]] = {}
    settled = set()
    for transaction in parsed(feed):
        states.setdefault(transaction["transaction_id"], set()).add(transaction.get("status"))
        settled.add(transaction.get("pending_transaction_id"))
    pending = {id_ for id_, found in states.items() if "PENDING" in found}
    assert 0.02 * len(states) < len(pending) < 0.05 * len(states)
    booked = {id_ for id_ in pending if "BOOKED" in states[id_]}
    rejected = {id_ for id_ in pending if "REJECTED" in states[id_]}
    assert len(booked) > len(pending) / 2
    assert rejected
    assert pending & settled
    assert pending - booked - rejected - settled


def test_reversals_come_before_and_behind_their_originals(feed):
    places: dict[str, int] = {}
    reversals = []
    for place, transaction in enumerate(parsed(feed)):
        places.setdefault(transaction["transaction_id"], place)
        if transaction["transaction_type"] == "REVERSAL":
            reversals.append((place, transaction["original_transaction_id"]))
    assert {place < places[original] for place, original in reversals if original in places} == {True, False}


def test_the_book_closes_each_day_with_the_accounts_last_valid_entry(feed):
    book = Book()
    assert list(generate(5_000, 1, book)) == feed
    last = {}
    for transaction in parsed(feed):
        if transaction.get("booking_date") and transaction.get("status") == "BOOKED":
            last[transaction.get("account_id"), transaction["booking_date"]] = (
                transaction["transaction_id"],
                transaction,
            )
    checked = 0
    for (account, day), (_, transaction) in last.items():
        closing = book.closing.get((account, transaction.get("currency"), date.fromisoformat(day)))
        checked += closing is not None and f"{closing}" == f"{Decimal(transaction['balance_after'])}"
    assert checked > 0.9 * len(last), "but where the day's last one was spoiled"
