"""However a feed arrives and is split into runs, lake and warehouse end with the same states, alerts and balances."""

from __future__ import annotations

import random
import tempfile
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from data_storage import warehouse_loader
from infrastructure.local.redshift.postgresql import Warehouse
from tests.pipeline.etl_lake import BUCKETS, EmulatedLake
from tests.pipeline.etl_rows import row
from tests.pipeline.warehouse_bench import Bench, open_bench

pytestmark = pytest.mark.slow

Row = dict[str, Any]
FIRST = 49600000000000000000
# What an item may go through, with the amount of each put.
LIVES = (
    [("BOOKED", 10)],
    [("PENDING", 10), ("BOOKED", 10)],
    [("PENDING", 150), ("BOOKED", 43)],
    [("PENDING", 10), ("PENDING", 12), ("REJECTED", 12)],
    [("PENDING", 10), ("PENDING", 12)],
    [("BOOKED", 10), ("PENDING", 10)],
    [("REJECTED", 10)],
)
KINDS: tuple[Row, ...] = (
    {},
    {"transaction_type": "DEPOSIT", "channel": "ATM", "credit_debit_indicator": "CRDT"},
    {"transaction_type": "CARD_PURCHASE", "channel": "POS", "card_token": "1_t", "merchant_country": "DE"},
    {"transaction_type": "CARD_PURCHASE", "channel": "POS", "card_token": "1_t", "merchant_country": "JP"},
)


def feed(draw: random.Random) -> list[Row]:
    """Rows of two accounts in the order of the stream: no conflict, every booked one with its booking date."""
    puts: list[tuple[str, Row]] = []
    for item in range(40):
        id_ = f"item-{item}"
        kind = draw.choice(KINDS)
        factor = 500 if kind.get("channel") == "ATM" else 1
        happened = datetime(2026, 3, 1, 20) + timedelta(minutes=draw.randrange(0, 480, 5))
        base = kind | {"account_id": draw.choice("AB"), "event_time": happened.isoformat() + "Z"}
        for status, amount in draw.choice(LIVES):
            puts.append(
                (f"item {item:02}".replace(" ", "-"), base | {"status": status, "amount": str(amount * factor)})
            )
    rows = []
    for number, (id_, fields) in enumerate(puts):
        booked = fields["status"] == "BOOKED"
        more = {
            "transaction_id": id_,
            "balance_after": str(number) if booked else None,
            "booking_date": f"2026-03-0{draw.choice([1, 2])}" if booked else None,
        }
        rows.append(row(number, **(fields | more)))
    return rows


def expected(rows: list[Row]) -> dict[str, Any]:
    balances = {
        (each["account_id"], date.fromisoformat(each["booking_date"])): Decimal(each["balance_after"])
        for each in rows
        if each["status"] == "BOOKED"
    }
    finals = {each["transaction_id"]: each["status"] for each in rows if each["status"] != "PENDING"}
    puts = {(each["transaction_id"], Decimal(each["amount"])) for each in rows if each["status"] == "PENDING"}
    return {"ledger": sorted(finals.items()), "pending": sorted(puts), "balances": sorted(balances.items())}


def land(lake: EmulatedLake, rows: list[Row]) -> None:
    """An object for each row, in the order given: what is landed together is curated by one run."""
    for each in rows:
        number = int(each["sequence_number"])
        lake.land([each], number, number)


def run_and_load(lake: EmulatedLake, bench: Bench) -> None:
    lake.run()
    warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKETS.curated)


def state(lake: EmulatedLake, bench: Bench) -> dict[str, Any]:
    with bench.warehouse.connect() as connection:

        def rows(sql: str) -> list[Any]:
            return sorted(connection.execute(sql.encode()).fetchall())

        return {
            "ledger": rows("SELECT transaction_id, status FROM banking.fact_transactions"),
            "pending": rows("SELECT transaction_id, amount FROM banking.pending_transactions"),
            "balances": [
                ((account, day), balance)
                for account, day, balance in rows(
                    "SELECT account_id, balance_date, closing_balance FROM banking.daily_balances"
                )
            ],
            "alerts": rows("SELECT alert_id, rule, subject, bucket_start, reason FROM banking.fraud_alerts"),
            "evidence": rows("SELECT alert_id, transaction_id, content_hash FROM banking.fraud_alert_evidence"),
            "accounts": rows(
                "SELECT account_id, first_event_time, last_event_time, last_booked_date FROM banking.dim_account"
            ),
            "curated": [lake.curated(), lake.table("pending_transactions")],
        }


def again(rows: list[Row], draw: random.Random) -> list[Row]:
    """The same transactions, sent once more: other positions, later arrivals, another order."""
    rows = [each | {"sequence_number": str(FIRST + 10_000 + number)} for number, each in enumerate(rows)]
    draw.shuffle(rows)
    return rows


# No shrinking: an example takes five runs of the job.
@settings(max_examples=2, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_any_order_of_arrival_and_any_split_into_runs_end_alike(spark: Any, warehouse: Warehouse, seed: int) -> None:
    draw = random.Random(seed)
    rows = feed(draw)
    ends = []
    for runs in (1, 3):
        arrived = draw.sample(rows, len(rows)) if runs > 1 else rows
        with tempfile.TemporaryDirectory() as directory, open_bench(warehouse) as bench:
            lake = EmulatedLake(spark, Path(directory) / "staging")
            for number in range(runs):
                land(lake, arrived[number::runs])
                run_and_load(lake, bench)
            ends.append(state(lake, bench))
            if runs > 1:
                land(lake, again(rows, draw))
                run_and_load(lake, bench)
                assert state(lake, bench) == ends[-1], "sending everything once more changes nothing"
    first, other = ends
    assert first == other
    assert {name: first[name] for name in ("ledger", "pending", "balances")} == expected(rows)
    assert first["alerts"]
