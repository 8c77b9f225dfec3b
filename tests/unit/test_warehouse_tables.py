"""The committed .sql agrees with the contract."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from data_catalog.transaction_contract import (
    CURATED_FIELDS,
    FRAUD_ALERT_FIELDS,
    QUARANTINE_FIELDS,
    Field,
    redshift_columns,
)
from data_storage.sql_statements import split_statements

SCRIPT = (Path(__file__).parents[2] / "data_storage" / "create_redshift_tables.sql").read_text()
COLUMN = re.compile(r"^ {4}(\w+) +([A-Z]+(?:\([\d,]+\))?) +(NOT NULL )?ENCODE (\w+)", re.MULTILINE)


def columns_of(table: str) -> list[tuple[str, str, bool]]:
    """(name, type, NOT NULL) as the script declares them."""
    (statement,) = [
        s for s in split_statements(SCRIPT) if s.startswith(f"CREATE TABLE IF NOT EXISTS banking.{table} (")
    ]
    return [(name, type_, bool(required)) for name, type_, required, _ in COLUMN.findall(statement)]


@pytest.mark.parametrize(
    ("table", "fields"),
    [
        ("fact_transactions", CURATED_FIELDS),
        ("fraud_alerts", FRAUD_ALERT_FIELDS),
        ("quarantine", QUARANTINE_FIELDS),
    ],
)
def test_a_table_has_the_contracts_columns_in_its_order(table: str, fields: tuple[Field, ...]) -> None:
    assert columns_of(table) == redshift_columns(fields)


def test_every_column_says_how_it_is_encoded() -> None:
    columns = re.findall(r"^ {4}[a-z0-9_]+ +[A-Z]+\b.*$", SCRIPT, re.MULTILINE)
    assert len(columns) == len(COLUMN.findall(SCRIPT))
