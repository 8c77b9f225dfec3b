"""The generator is seeded, and its feed has the faults that real feeds have."""

import json
from collections import Counter
from itertools import islice

import pytest

from data_catalog.currencies import CURRENCY_MINOR_UNITS
from data_catalog.transaction_contract import TRANSACTION_FIELDS
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
