"""The warehouse's tables and views: made if they are missing, and brought to the contract's version."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from string import Template

from data_catalog.transaction_contract import (
    CURATED_FIELDS,
    FRAUD_ALERT_EVIDENCE_FIELDS,
    FRAUD_ALERT_FIELDS,
    QUARANTINE_FIELDS,
    TOKEN_LINK_FIELDS,
    Field,
    redshift_columns,
)
from data_storage.sql_scripts import run_script
from data_storage.sql_text import position
from data_storage.warehouse_derived_sql import upgraded
from infrastructure.aws.redshift_data import DataApi, WarehouseTarget, execute, execute_batch, query
from infrastructure.errors import PlatformError

TABLES_SQL = Path(__file__).with_name("create_redshift_tables.sql")
VIEWS_SQL = Path(__file__).with_name("create_warehouse_views.sql")

CONTRACT_TABLES: dict[str, Sequence[Field]] = {
    "fact_transactions": CURATED_FIELDS,
    "pending_transactions": CURATED_FIELDS,
    "fraud_alerts": FRAUD_ALERT_FIELDS,
    "fraud_alert_evidence": FRAUD_ALERT_EVIDENCE_FIELDS,
    "token_links": TOKEN_LINK_FIELDS,
    "quarantine": QUARANTINE_FIELDS,
}
# Columns of the warehouse's own tables that came with contract 1.1.
_LATER_COLUMNS = {
    "dim_account": ("last_booked_date", "DATE"),
    "daily_balances": ("last_position", "VARCHAR(600)"),
    "load_control_totals": ("table_name", "VARCHAR(32)"),
    "load_ledger": ("pending_loaded", "BIGINT"),
}

# An amount with its currency's decimals; nothing longer than 38 digits, sign and point.
_AMOUNT_TEXT = (
    "CASE units.minor_units"
    + "".join(f" WHEN {n} THEN CAST(CAST(signed_amount AS DECIMAL(38,{n})) AS VARCHAR(40))" for n in (0, 2, 3))
    + " ELSE CAST(CAST(signed_amount AS DECIMAL(38,4)) AS VARCHAR(40)) END"
)
# Loads of contract 1.0, which kept no history.
_REMEMBERED = """INSERT INTO {0}.load_history (run_id, loaded_at) SELECT run_id, loaded_at FROM {0}.load_ledger
WHERE run_id NOT IN (SELECT run_id FROM {0}.load_history)"""


def create_tables(data_api: DataApi, target: WarehouseTarget) -> None:
    """Make missing schema, tables and columns. Raises PlatformError that names the failing statement."""
    schema = target.schema
    if "transaction_id" in _columns(data_api, target, "fraud_alerts"):
        # Until contract 1.0 an alert was named by the transaction that tipped it. They stay under another name.
        execute(data_api, target, f"ALTER TABLE {schema}.fraud_alerts RENAME TO fraud_alerts_1_0")
    run_script(data_api, target, TABLES_SQL.read_text())
    for table, fields in CONTRACT_TABLES.items():
        for statement in _missing_columns(data_api, target, table, fields):
            execute(data_api, target, statement)
    for table, (name, type_) in _LATER_COLUMNS.items():
        if name not in _columns(data_api, target, table):
            execute(data_api, target, _added_column(target, table, name, type_))
    execute(data_api, target, _REMEMBERED.format(schema))
    of_former_version = "status = 'PENDING' OR (status = 'BOOKED' AND booked_date IS NULL)"
    if query(data_api, target, f"SELECT 1 FROM {schema}.fact_transactions WHERE {of_former_version} LIMIT 1"):
        execute_batch(data_api, target, upgraded(schema), "upgrade-to-contract-1.1", uuid.uuid4().hex)


def views_script(pending_expiry_days: int) -> str:
    """The script of the views. pending_expiry_days: after which an unsettled authorisation counts as expired."""
    values = {"pending_expiry_days": int(pending_expiry_days), "place": position(), "amount_text": _AMOUNT_TEXT}
    return Template(VIEWS_SQL.read_text(encoding="utf-8")).substitute(values)


def _columns(data_api: DataApi, target: WarehouseTarget, table: str) -> set[str]:
    """The columns of a table; none where there is no such table."""
    sql = f"SELECT column_name FROM svv_columns WHERE table_schema = '{target.schema}' AND table_name = '{table}'"
    return {str(name) for (name,) in query(data_api, target, sql)}


def _added_column(target: WarehouseTarget, table: str, name: str, type_: str) -> str:
    encoding = "ZSTD" if type_.startswith("VARCHAR") else "AZ64"
    return f"ALTER TABLE {target.schema}.{table} ADD COLUMN {name} {type_} ENCODE {encoding}"


def _missing_columns(data_api: DataApi, target: WarehouseTarget, table: str, fields: Sequence[Field]) -> list[str]:
    """ALTER TABLE for optional fields that are newer than the table. Any other difference is incompatible."""
    present = _columns(data_api, target, table)
    statements = []
    for name, type_, required in redshift_columns(fields):
        if name in present:
            continue
        if required:
            raise PlatformError(
                f"{target.name}, table {target.schema}.{table}",
                f"lacks the required column {name}",
                "A new major version of the contract needs a table of its own: rename this one and load it anew",
            )
        statements.append(_added_column(target, table, name, type_))
    return statements
