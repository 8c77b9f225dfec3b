"""What each role sees and may do, proven by logging in as a user of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from data_storage import warehouse_loader
from data_storage.sql_scripts import run_script
from data_storage.warehouse_security import apply_security
from data_storage.warehouse_tables import views_script
from infrastructure.local.redshift.postgresql import Warehouse
from tests.pipeline.curated_runs import BUCKET, alert, link, put_run, totals, transaction
from tests.pipeline.warehouse_bench import Bench, open_bench

USERS = {"analyst": "ana", "fraud_analyst": "frida", "auditor": "audrey", "loader": "IAMR:glue"}
ROWS = [transaction(number, card_token=f"2_token{number}", card_last4=f"{number:04d}") for number in range(14)]
RESTRICTED = ROWS[3]["account_id"]


@pytest.fixture(scope="module")
def secured(warehouse: Warehouse) -> Iterator[Bench]:
    """A loaded warehouse with its security, and a user for each role; one account is restricted. Tests only read."""
    with open_bench(warehouse) as bench:
        _secure(bench)
        yield bench


def _secure(bench: Bench) -> None:
    apply_security(bench.data_api, bench.target)
    run_script(bench.data_api, bench.target, views_script(30))
    for role, user in USERS.items():
        bench.batch(f'CREATE USER "{user}" PASSWORD DISABLE', f'GRANT ROLE {role} TO "{user}"')
    links = [link("2_token1", "1_token1")]
    put_run(bench.s3, "one", ROWS, [alert(1)], links=links)
    loading = replace(bench.target, workgroup=None, cluster="c", db_user=USERS["loader"])
    warehouse_loader.load_pending(bench.data_api, bench.s3, loading, BUCKET)
    bench.batch(f"INSERT INTO banking.restricted_accounts VALUES ('{RESTRICTED}', 'staff')")


def as_user(bench: Bench, role: str, statement: str) -> list[tuple[Any, ...]]:
    """The rows that a login of this role gets."""
    with bench.warehouse.connect(USERS[role]) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def refused(bench: Bench, role: str, statement: str) -> bool:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_user(bench, role, statement)
    return True


def test_the_loader_loads_a_whole_run_with_its_own_privileges(secured: Bench) -> None:
    assert warehouse_loader.loaded_totals(secured.data_api, secured.target) == totals(ROWS)
    assert len(warehouse_loader.ledger(secured.data_api, secured.target)) == 1


def test_the_loader_cannot_change_the_ledger_or_take_facts_away(secured: Bench) -> None:
    assert refused(secured, "loader", "UPDATE banking.load_ledger SET rows_loaded = 0")
    assert refused(secured, "loader", "DELETE FROM banking.load_ledger")
    assert refused(secured, "loader", "DELETE FROM banking.load_control_totals")
    assert refused(secured, "loader", "DELETE FROM banking_stored.fact_transactions")
    assert refused(secured, "loader", "SELECT * FROM banking.restricted_accounts")


def test_an_analyst_sees_masked_cards_and_no_restricted_account(secured: Bench) -> None:
    rows = as_user(secured, "analyst", "SELECT account_id, card_last4 FROM banking.fact_transactions")

    assert len(rows) == len([row for row in ROWS if row["account_id"] != RESTRICTED])
    assert RESTRICTED not in {account for account, _ in rows}
    assert {last4 for _, last4 in rows} == {"****"}
    assert (RESTRICTED,) not in as_user(secured, "analyst", "SELECT account_id FROM banking.dim_account")


@pytest.mark.parametrize("column", ["card_token", "counterparty_account", "description", "sequence_number", "*"])
def test_an_analyst_has_no_privilege_on_other_columns(secured: Bench, column: str) -> None:
    assert refused(secured, "analyst", f"SELECT {column} FROM banking.fact_transactions")


def test_an_analyst_cannot_filter_by_what_is_masked(secured: Bench) -> None:
    found = as_user(secured, "analyst", "SELECT 1 FROM banking.fact_transactions WHERE card_last4 = '0001'")
    assert found == []


@pytest.mark.parametrize("table", ["fraud_alerts", "restricted_accounts", "load_ledger", "load_control_totals"])
def test_an_analyst_does_not_see_other_tables(secured: Bench, table: str) -> None:
    assert refused(secured, "analyst", f"SELECT * FROM banking.{table}")


def test_a_fraud_analyst_sees_cards_alerts_and_every_account(secured: Bench) -> None:
    rows = as_user(
        secured, "fraud_analyst", "SELECT transaction_id, card_token, card_last4 FROM banking.fact_transactions"
    )

    assert sorted(rows) == [(row["transaction_id"], row["card_token"], row["card_last4"]) for row in ROWS]
    assert len(as_user(secured, "fraud_analyst", "SELECT * FROM banking.fraud_alerts")) == 1
    assert refused(secured, "fraud_analyst", "DELETE FROM banking.fraud_alerts")


def test_a_card_is_one_over_a_rotation_for_a_fraud_analyst_and_in_hashes_for_an_auditor(secured: Bench) -> None:
    cards = dict(as_user(secured, "fraud_analyst", "SELECT transaction_id, card FROM banking.card_transactions"))
    assert cards == {row["transaction_id"]: row["card_token"] for row in ROWS} | {ROWS[1]["transaction_id"]: "1_token1"}
    hashed = as_user(
        secured, "auditor", "SELECT card_token, former_card_token, first_card_token FROM banking.token_links"
    )
    first = hashlib.sha256(b"1_token1").hexdigest()
    assert hashed == [(hashlib.sha256(b"2_token1").hexdigest(), first, first)]


def test_an_auditor_sees_every_row_with_cards_masked(secured: Bench) -> None:
    rows = as_user(secured, "auditor", "SELECT card_token, card_last4 FROM banking.fact_transactions")

    assert len(rows) == len(ROWS)
    assert {last4 for _, last4 in rows} == {"****"}
    assert len({token for token, _ in rows}) == len(ROWS), "hashed tokens still tell cards apart"
    assert not {token for token, _ in rows} & {row["card_token"] for row in ROWS}
    assert len(as_user(secured, "auditor", "SELECT * FROM banking.load_ledger")) == 1


@pytest.mark.parametrize("role", ["analyst", "fraud_analyst", "auditor"])
@pytest.mark.parametrize("table", ["fact_transactions", "dim_account", "daily_balances"])
def test_a_reader_cannot_pass_the_policies_by_the_stored_table(secured: Bench, role: str, table: str) -> None:
    """Of the stand-in alone: there is no such table in Redshift."""
    assert refused(secured, role, f"SELECT account_id FROM banking_stored.{table}")


@pytest.mark.parametrize("role", ["analyst", "fraud_analyst", "auditor"])
def test_a_reader_changes_nothing(secured: Bench, role: str) -> None:
    with pytest.raises(psycopg.errors.Error):
        as_user(secured, role, "UPDATE banking.fact_transactions SET amount = 0")
    assert refused(secured, role, "INSERT INTO banking.quarantine_summary VALUES ('r', 'x', 1)")
    assert refused(secured, role, "CREATE TABLE banking.mine (a INTEGER)")


def test_a_user_without_a_role_sees_nothing(secured: Bench) -> None:
    secured.batch('CREATE USER "nina" PASSWORD DISABLE')
    with secured.warehouse.connect("nina") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT 1 FROM banking.fact_transactions")


def test_row_level_security_hides_all_rows_from_a_role_without_a_policy(secured: Bench) -> None:
    secured.batch(
        "CREATE ROLE intern",
        "GRANT USAGE ON SCHEMA banking TO ROLE intern",
        "GRANT SELECT (account_id) ON banking.fact_transactions TO ROLE intern",
        'CREATE USER "ines" PASSWORD DISABLE',
        'GRANT ROLE intern TO "ines"',
    )
    with secured.warehouse.connect("ines") as connection:
        assert connection.execute("SELECT account_id FROM banking.fact_transactions").fetchall() == []


def test_security_is_applied_once(secured: Bench) -> None:
    assert apply_security(secured.data_api, secured.target) == []
