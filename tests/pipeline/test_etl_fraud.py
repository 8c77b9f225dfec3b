"""Fraud rules look a day back, whichever run curated what happened then; a run raises alerts for its own rows only."""

from __future__ import annotations

import io

import pyarrow.parquet
import pytest

from tests.pipeline.etl_lake import BUCKETS
from tests.pipeline.etl_rows import row

BASE = 49600000000000000000


def deposit(number, event_time, **fields):
    cash = {"transaction_type": "DEPOSIT", "channel": "ATM", "amount": "4000.00", "account_id": "A"}
    return row(number, event_time=event_time, arrival_time="2026-03-04T00:00:00Z", **(cash | fields))


def run(lake, *rows):
    numbers = [int(each["sequence_number"]) for each in rows]
    lake.land(rows, min(numbers), max(numbers))
    (result,) = lake.run()
    return result


def alerts(lake):
    """(rule, transaction, run) of all alerts."""
    tables = [
        pyarrow.parquet.read_table(io.BytesIO(lake.body(BUCKETS.curated, key)), partitioning=None).to_pylist()
        for key in lake.keys(BUCKETS.curated, "curated/fraud_alerts/")
    ]
    return sorted((each["rule"], each["transaction_id"], each["run_id"]) for table in tables for each in table)


def test_deposits_of_three_runs_over_midnight_are_seen_together(lake):
    run(lake, deposit(1, "2026-03-01T23:00:00Z"))
    run(lake, deposit(2, "2026-03-02T09:00:00Z"))
    assert alerts(lake) == []
    last = run(lake, deposit(3, "2026-03-02T22:59:59Z"))
    assert alerts(lake) == [("structured_deposits", "tx-000003", last.run_id)]
    run(lake, deposit(4, "2026-03-02T23:00:00Z", account_id="B"))
    assert len(alerts(lake)) == 1, "an alert is raised once"


@pytest.mark.parametrize(
    "other",
    [{"event_time": "2026-03-01T08:59:59Z"}, {"account_id": "B"}, {"currency": "USD"}, {"channel": "WEB"}],
    ids=["more than a day before", "another account", "another currency", "no cash"],
)
def test_what_does_not_belong_together_raises_nothing(lake, other):
    run(lake, deposit(1, **({"event_time": "2026-03-01T23:00:00Z"} | other)), deposit(2, "2026-03-02T08:00:00Z"))
    run(lake, deposit(3, "2026-03-02T09:00:00Z"))
    assert alerts(lake) == []


def test_a_card_seen_in_two_countries_by_two_runs(lake):
    card = {"transaction_type": "CARD_PURCHASE", "channel": "POS", "card_token": "1_t", "card_last4": "4242"}
    run(lake, row(1, merchant_country="DE", event_time="2026-03-02T08:00:00Z", **card))
    last = run(lake, row(2, merchant_country="JP", event_time="2026-03-02T08:30:00Z", **card))
    assert alerts(lake) == [("implausible_travel", "tx-000002", last.run_id)]
