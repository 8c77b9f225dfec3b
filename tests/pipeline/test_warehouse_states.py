"""What the warehouse makes of states: balances in the order of booking, views, a load again, the way from 1.0."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from data_catalog.transaction_contract import CURATED_FIELDS, FIRST_VERSION, fields_at
from data_storage import warehouse_loader
from data_storage.sql_scripts import run_script
from data_storage.warehouse_security import apply_security
from data_storage.warehouse_tables import create_tables, views_script
from infrastructure.local.redshift.postgresql import Warehouse
from tests.pipeline.curated_runs import BUCKET, alert, evidence, put_files, put_result, put_run, transaction
from tests.pipeline.warehouse_bench import Bench, open_bench

EXPIRY_DAYS = 30
NOW = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
LONG_AGO = NOW - timedelta(days=EXPIRY_DAYS + 2)
_numbers = itertools.count(1)


@pytest.fixture
def bench(warehouse: Warehouse) -> Iterator[Bench]:
    """An empty warehouse with its masks and views."""
    with open_bench(warehouse) as opened:
        apply_security(opened.data_api, opened.target)
        run_script(opened.data_api, opened.target, views_script(EXPIRY_DAYS))
        yield opened


def put(id_: str = "", **fields: Any) -> dict[str, Any]:
    """A transaction of one account, behind all that were made before it."""
    number = next(_numbers)
    base = {"transaction_id": id_ or f"t{number}", "account_id": "A", "currency": "EUR", "event_time": NOW}
    return transaction(number, **(base | fields))


def load(bench: Bench, name: str, *rows: dict[str, Any], **more: Any) -> None:
    put_run(bench.s3, name, rows, **more)
    warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)


def balances(bench: Bench) -> list[Any]:
    return bench.query("SELECT balance_date, closing_balance FROM banking.daily_balances ORDER BY 1")


def day(number: int, hour: int = 10) -> datetime:
    return datetime(2026, 3, number, hour, tzinfo=UTC)


def three_bookings(**fields: Any) -> list[dict[str, Any]]:
    """Booked on the 9th, on the 10th, and a purchase of the 9th that was presented late."""
    happened = [(day(9), "900"), (day(10), "850"), (day(9, 22), "800")]
    return [put(event_time=at, balance_after=Decimal(balance), **fields) for at, balance in happened]


def test_a_late_presented_purchase_counts_on_the_last_booked_day(bench: Bench) -> None:
    load(bench, "one", *three_bookings())
    assert balances(bench) == [("2026-03-09", "900.0000"), ("2026-03-10", "800.0000")]


def test_it_does_so_across_runs_too(bench: Bench) -> None:
    for number, row in enumerate(three_bookings()):
        load(bench, f"run {number}", row)
    assert balances(bench) == [("2026-03-09", "900.0000"), ("2026-03-10", "800.0000")]


def test_with_booking_dates_each_day_closes_as_the_bank_says(bench: Bench) -> None:
    rows = [
        row | {"booking_date": booked, "booked_date": booked}
        for row, booked in zip(three_bookings(), (date(2026, 3, 9), date(2026, 3, 10), date(2026, 3, 11)), strict=True)
    ]
    load(bench, "one", *reversed(rows))
    assert balances(bench) == [("2026-03-09", "900.0000"), ("2026-03-10", "850.0000"), ("2026-03-11", "800.0000")]


@pytest.mark.parametrize("status", ["PENDING", "REJECTED"])
def test_what_is_not_booked_has_no_booked_date_and_no_balance(bench: Bench, status: str) -> None:
    load(bench, "one", put(event_time=day(9), balance_after=Decimal(5)))
    load(bench, "two", put(event_time=day(10), balance_after=Decimal(7), status=status))
    assert balances(bench) == [("2026-03-09", "5.0000")]
    load(bench, "three", put(event_time=day(8), balance_after=Decimal(6)))
    assert balances(bench) == [("2026-03-09", "6.0000")], "the account's last booked date is still the 9th"


def test_a_replayed_record_keeps_its_place_in_the_days_order(bench: Bench) -> None:
    first, second = put(balance_after=Decimal(100)), put(balance_after=Decimal(95))
    load(bench, "one", second)
    names = ("stream_incarnation", "shard_id", "sequence_number", "sub_sequence_number")
    replaced = {f"replaces_{name.removeprefix('stream_')}": first[name] for name in names}
    own = {"stream_incarnation": "replay-0123456789abcdef", "sequence_number": "1"}
    load(bench, "two", first | own | replaced)
    assert [balance for _, balance in balances(bench)] == ["95.0000"]


def test_the_views_tell_what_became_of_each_pending_item(bench: Bench) -> None:
    load(
        bench,
        "one",
        put("booked", status="PENDING"),
        put("booked", amount=Decimal(7)),
        put("rejected", status="PENDING"),
        put("rejected", status="REJECTED"),
        put("raised", status="PENDING", amount=Decimal(1), content_hash="1"),
        put("raised", status="PENDING", amount=Decimal(2), content_hash="2"),
        put("by others", status="PENDING"),
        put("other 1", pending_transaction_id="by others"),
        put("other 2", pending_transaction_id="by others"),
        put("forgotten", status="PENDING", event_time=LONG_AGO),
        put("late"),
        put("late", status="PENDING"),
        put("late after all", status="PENDING", content_hash="before"),
        put("late after all"),
        put("late after all", status="PENDING", content_hash="behind"),
    )
    found = bench.query("SELECT transaction_id, amount, state FROM banking.pending_items ORDER BY 1, 3")
    found = [row for row in found if row[2] != "SUPERSEDED"]
    assert [state for id_, _, state in found if id_ == "late after all"] == ["LATE", "SETTLED"]
    assert {id_: state for id_, _, state in found if id_ != "late after all"} == {
        "booked": "SETTLED", "by others": "SETTLED", "forgotten": "EXPIRED", "late": "LATE", "raised": "OPEN",
        "rejected": "REJECTED",
    }  # fmt: skip
    assert bench.query("SELECT content_hash FROM banking.pending_items WHERE state = 'SUPERSEDED'") == [("1",)]
    current = bench.query("SELECT transaction_id, state FROM banking.current_transactions ORDER BY 1")
    assert current == [
        ("booked", "BOOKED"), ("by others", "SETTLED"), ("forgotten", "EXPIRED"), ("late", "BOOKED"),
        ("late after all", "BOOKED"),
        ("other 1", "BOOKED"), ("other 2", "BOOKED"), ("raised", "PENDING"), ("rejected", "REJECTED"),
    ]  # fmt: skip


def test_what_bi_sums_is_booked_and_signed(bench: Bench) -> None:
    load(
        bench,
        "one",
        put(amount=Decimal(10), credit_debit_indicator="CRDT"),
        put(amount=Decimal(3), credit_debit_indicator="DBIT"),
        put(amount=Decimal(50), credit_debit_indicator="CRDT", status="REJECTED"),
        put(amount=Decimal(70), credit_debit_indicator="CRDT", status="PENDING"),
    )
    assert bench.query("SELECT SUM(signed_amount) FROM banking.booked_transactions") == [("7.0000",)]


def test_reversals_find_their_originals_whichever_came_first(bench: Bench) -> None:
    reversal = {"transaction_type": "REVERSAL"}
    load(bench, "one", put("r1", original_transaction_id="o1", **reversal), put("o2"))
    load(
        bench,
        "two",
        put("o1"),
        put("r2", original_transaction_id="o2", **reversal),
        put("r3", original_transaction_id="nowhere", **reversal),
        put("r4", original_transaction_id="r1", **reversal),
    )
    assert bench.query("SELECT transaction_id, link FROM banking.reversals ORDER BY 1") == [
        ("r1", "LINKED"), ("r2", "LINKED"), ("r3", "UNKNOWN_ORIGINAL"), ("r4", "REVERSAL_OF_REVERSAL"),
    ]  # fmt: skip


def test_an_alert_is_closed_when_what_it_rests_on_was_rejected_or_reversed(bench: Bench) -> None:
    pending, stands, other = put("a", status="PENDING"), put("b"), put("c")
    alerts = [alert(number, least_evidence=2) for number in (1, 2, 3)]
    rests_on = [evidence(alerts[n], row) for n, rows in enumerate([(pending, stands), (stands, other)]) for row in rows]
    load(bench, "one", pending, stands, other, alerts=alerts[:2], evidence=rests_on)
    states = "SELECT alert_id, state FROM banking.fraud_alert_status"
    first, second = alerts[0]["alert_id"], alerts[1]["alert_id"]
    assert set(bench.query(states)) == {(first, "OPEN"), (second, "OPEN")}
    load(bench, "two", put("a", status="REJECTED"))
    assert set(bench.query(states)) == {(first, "CLOSED"), (second, "OPEN")}
    load(bench, "three", put("r", transaction_type="REVERSAL", original_transaction_id="c"))
    assert set(bench.query(states)) == {(first, "CLOSED"), (second, "CLOSED")}


TAKEN_OUT = (
    "fact_transactions", "pending_transactions", "load_control_totals", "quarantine_summary", "load_ledger",
)  # fmt: skip


def take_out(bench: Bench, run_id: str) -> None:
    """A repair by hand, as docs/warehouse.md says."""
    bench.batch(*(f"DELETE FROM banking.{table} WHERE run_id = '{run_id}'" for table in TAKEN_OUT))


def contents(bench: Bench) -> list[Any]:
    tables = {
        "dim_account": "account_id, identification_scheme, first_event_time, last_event_time, last_booked_date",
        "dim_merchant": "merchant_name, merchant_country, merchant_category_code, valid_from, valid_to",
        "daily_balances": "account_id, currency, balance_date, closing_balance, last_transaction_id",
        "fact_transactions": "transaction_id, booked_date",
    }
    return [bench.query(f"SELECT {columns} FROM banking.{table} ORDER BY 1, 2") for table, columns in tables.items()]


def test_a_run_that_was_taken_out_is_loaded_again_at_once(bench: Bench) -> None:
    first, *later = three_bookings(merchant_name="Shop")
    run_id = put_run(bench.s3, "one", [first, later[0]])
    warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)
    load(bench, "two", later[1])
    before = contents(bench)
    for _ in range(2):
        take_out(bench, run_id)
        (report,) = warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)
        assert report.rows_loaded == 2
        assert contents(bench) == before, "as if it had never been away"


def test_what_has_no_fact_any_more_goes_from_balances_and_dimensions(bench: Bench) -> None:
    stays = put(event_time=day(9), balance_after=Decimal(5), merchant_name="Shop")
    goes = put(event_time=day(10), balance_after=Decimal(4), merchant_name="Gone", account_id="B")
    last = put(event_time=day(11), balance_after=Decimal(3), merchant_name="Shop", merchant_category_code="5411")
    run_id = put_run(bench.s3, "one", [stays, goes, last])
    warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)
    take_out(bench, run_id)
    put_run(bench.s3, "one", [stays])
    warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)
    accounts, merchants, days, facts = contents(bench)
    assert [(account, end) for account, *_, end in accounts] == [("A", "2026-03-09")]
    assert [name for name, *_ in merchants] == ["Shop"]
    assert [when for _, _, when, *_ in days] == ["2026-03-09"]
    assert len(facts) == 1


def test_a_run_of_contract_1_0_is_loaded_with_what_it_has(bench: Bench) -> None:
    former = fields_at(CURATED_FIELDS, FIRST_VERSION)
    rows = [put("x", status="PENDING"), put("y", balance_after=Decimal(1), event_time=day(9))]
    files = put_files(bench.s3, "former", rows, fields=former)
    put_result(bench.s3, "former", files, contract_version=FIRST_VERSION)
    (report,) = warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)
    assert (report.rows_loaded, report.pending_loaded) == (1, 1)
    assert bench.query("SELECT transaction_id, booked_date, account_scheme FROM banking.fact_transactions") == [
        ("y", "2026-03-09", None)
    ]
    assert bench.query("SELECT transaction_id FROM banking.pending_transactions") == [("x",)]


def test_a_warehouse_of_contract_1_0_is_brought_to_1_1(warehouse: Warehouse) -> None:
    """Its pending items stand among the facts, which have no booked date, and its balances are by event date."""
    with open_bench(warehouse) as bench:
        rows = [put("x", status="PENDING"), *three_bookings()]
        load(bench, "one", *rows)
        expected = [balances(bench), bench.query("SELECT transaction_id FROM banking.pending_transactions")]
        names = ", ".join(field.name for field in CURATED_FIELDS)
        bench.batch(
            f"INSERT INTO banking.fact_transactions ({names}) SELECT {names} FROM banking.pending_transactions",
            "DELETE FROM banking.pending_transactions",
            "UPDATE banking.fact_transactions SET booked_date = NULL",
            "DELETE FROM banking.load_history",
            "UPDATE banking.daily_balances SET closing_balance = 1, last_position = NULL",
            "DROP TABLE banking.fraud_alerts",
            "CREATE TABLE banking.fraud_alerts (alert_id VARCHAR(64) NOT NULL, transaction_id VARCHAR(64) NOT NULL)",
            "INSERT INTO banking.fraud_alerts VALUES ('former', 'x')",
        )
        for _ in range(2):  # and what is there already stays
            create_tables(bench.data_api, bench.target)
            found = [balances(bench), bench.query("SELECT transaction_id FROM banking.pending_transactions")]
            assert found == expected
        assert bench.query("SELECT alert_id FROM banking.fraud_alerts_1_0") == [("former",)]
        assert bench.query("SELECT COUNT(*) FROM banking.load_history") == [(1,)]
        load(bench, "two", put("z"), alerts=[alert(1)])
        assert bench.query("SELECT COUNT(*) FROM banking.fraud_alerts") == [(1,)]
