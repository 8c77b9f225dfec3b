"""What is past the retention goes from the warehouse; balances go on from each account's last one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from data_storage import warehouse_loader
from data_storage.lake_maintenance import drop_from_warehouse
from infrastructure.settings import Settings
from tests.pipeline.curated_runs import BUCKET, link, put_run, transaction
from tests.pipeline.warehouse_bench import open_bench

ACCOUNT = {"account_id": "DE1", "currency": "EUR", "credit_debit_indicator": "CRDT", "amount": Decimal(10)}
OLDEST = date(2026, 3, 3)
SETTINGS = Settings()


def at(number: int, day: int, status: str = "BOOKED"):
    happened = datetime(2026, 3, day, 12, tzinfo=UTC)
    return transaction(number, event_time=happened, status=status, balance_after=Decimal(10 * number), **ACCOUNT)


def test_old_dates_go_and_the_next_balance_is_right(warehouse):
    with open_bench(warehouse) as bench, warehouse.connect() as loaded:
        recent = link("2_b", "1_b") | {"event_date": OLDEST - timedelta(days=SETTINGS.token_key_max_age_days)}
        former = link("2_a", "1_a") | {"event_date": recent["event_date"] - timedelta(days=1)}
        put_run(bench.s3, "one", [at(1, 1), at(2, 2), at(3, 2, "PENDING"), at(4, 4)], links=[former, recent])
        warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)
        for _ in range(2):
            drop_from_warehouse(bench.data_api, bench.target, OLDEST, SETTINGS)
        facts = loaded.execute("SELECT transaction_id FROM banking.fact_transactions").fetchall()
        assert facts == [("tx-00000004",)]
        assert loaded.execute("SELECT COUNT(*) FROM banking.pending_transactions").fetchone() == (0,)
        links = loaded.execute("SELECT card_token FROM banking.token_links").fetchall()
        assert links == [("2_b",)], "a link goes when the last tokens of its key can have gone"
        put_run(bench.s3, "two", [at(5, 5)], created_at=datetime(2026, 3, 6, tzinfo=UTC))
        warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)
        balances = "SELECT balance_date, closing_balance FROM banking.daily_balances ORDER BY 1"
        assert loaded.execute(balances).fetchall() == [
            (date(2026, 3, 2), 20), (date(2026, 3, 4), 40), (date(2026, 3, 5), 50),
        ]  # fmt: skip
