"""The warehouse explains itself: comments on everything, codes in words, and views that people read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from data_catalog.transaction_contract import QUARANTINE_REASONS
from data_storage import warehouse_loader
from data_storage.redshift_setup import contents
from data_storage.warehouse_comments import explain_warehouse
from data_storage.warehouse_dictionary import Relation, comment_statements, relations
from infrastructure.local.redshift.postgresql import Warehouse
from infrastructure.settings import Settings
from tests.pipeline.curated_runs import BUCKET, alert, evidence, put_run, transaction
from tests.pipeline.test_warehouse_quarantine import put, refused
from tests.pipeline.warehouse_bench import Bench, open_bench

DAYS = 30
EVERY = relations(DAYS)
ROWS = [
    transaction(1, amount=Decimal("12.5"), currency="EUR", credit_debit_indicator="DBIT", balance_after=Decimal(5)),
    transaction(2, amount=Decimal("100"), currency="JPY", credit_debit_indicator="CRDT", balance_after=Decimal(900)),
    transaction(3, amount=Decimal("1.234"), currency="BHD", credit_debit_indicator="CRDT"),
    transaction(4, amount=Decimal("2"), currency="EUR", credit_debit_indicator="CRDT", status="PENDING"),
]


@pytest.fixture(scope="module")
def explained(warehouse: Warehouse) -> Iterator[Bench]:
    """A loaded warehouse as `apply` and `local` make it."""
    with open_bench(warehouse) as bench:
        contents(Settings()).make(bench.data_api, bench.target)
        about = alert(1, rule="large_amount", severity="HIGH")
        put_run(bench.s3, "one", ROWS, [about], {"missing_field": 1}, evidence=[evidence(about, ROWS[0])])
        put(bench.s3, "two", [refused(1, "landing"), refused(2, "etl")], datetime(2026, 3, 6, tzinfo=UTC))
        warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)
        yield bench


def comments(bench: Bench) -> dict[tuple[str, str], str]:
    """By relation and column, as psql's \\d+ shows them."""
    with bench.warehouse.connect() as connection:
        rows = connection.execute(
            "SELECT c.relname, COALESCE(a.attname, ''), d.description FROM pg_description d"
            " JOIN pg_class c ON c.oid = d.objoid LEFT JOIN pg_attribute a ON a.attrelid = c.oid"
            " AND a.attnum = d.objsubid AND d.objsubid > 0 WHERE c.relnamespace = 'banking'::regnamespace"
        ).fetchall()
    return {(table, column): text for table, column, text in rows}


@pytest.mark.parametrize("relation", EVERY, ids=lambda relation: relation.name)
def test_every_table_view_and_column_says_what_it_is(relation: Relation, explained: Bench) -> None:
    found = comments(explained)
    assert found[relation.name, ""] == relation.comment != ""
    assert {column.name: found.get((relation.name, column.name)) for column in relation.columns} == {
        column.name: column.comment for column in relation.columns
    }
    assert all(column.comment for column in relation.columns)


def test_the_dictionary_knows_every_column_of_the_warehouse(explained: Bench) -> None:
    with explained.warehouse.connect() as connection:
        rows = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'banking'"
        ).fetchall()
    assert set(rows) == {(relation.name, column.name) for relation in EVERY for column in relation.columns}


def test_nothing_is_commented_twice(explained: Bench) -> None:
    present = comments(explained)
    assert comment_statements("banking", EVERY, present) == []
    explain_warehouse(explained.data_api, explained.target, DAYS)
    assert comments(explained) == present


def test_amounts_have_their_sign_and_their_currencys_own_decimals(explained: Bench) -> None:
    assert explained.query(
        "SELECT currency, signed_amount, amount_text FROM banking.booked_transactions ORDER BY currency"
    ) == [("BHD", "1.2340", "1.234"), ("EUR", "-12.5000", "-12.50"), ("JPY", "100.0000", "100")]
    assert explained.query("SELECT amount_text FROM banking.current_transactions WHERE state <> 'BOOKED'") == [
        ("2.00",)
    ]


def test_a_days_activity_is_summed_by_account_and_currency(explained: Bench) -> None:
    row = ROWS[0]
    assert explained.query(
        "SELECT entries, credits, debits, debited, net_text FROM banking.daily_activity"
        f" WHERE account_id = '{row['account_id']}' AND currency = 'EUR'"
    ) == [(1, 0, 1, "12.5000", "-12.50")]


def test_a_balance_holds_until_the_next_one(explained: Bench) -> None:
    rows: Any = explained.query(
        "SELECT valid_from, valid_until, balance_text FROM banking.balances_as_of WHERE currency = 'JPY'"
    )
    assert rows == [(str(date(2026, 3, 3)), None, "900")]


def test_the_queue_has_open_alerts_by_urgency(explained: Bench) -> None:
    assert explained.query(
        "SELECT priority, rule, subject_type, transactions, accounts FROM banking.fraud_queue ORDER BY priority"
    ) == [(1, "large_amount", "ACCOUNT", 1, 1)]


def test_every_reason_of_quarantine_has_its_meaning(explained: Bench) -> None:
    rows = explained.query("SELECT reason, meaning FROM banking.quarantine_reasons")
    assert dict(rows) == QUARANTINE_REASONS  # type: ignore[arg-type]
    told = "SELECT stage, reason, meaning, amount FROM banking.quarantined_records ORDER BY stage"
    assert explained.query(told) == [
        (stage, "invalid_amount", QUARANTINE_REASONS["invalid_amount"], amount)
        for stage, amount in (("etl", "2.0000"), ("landing", "1.0000"))
    ]
