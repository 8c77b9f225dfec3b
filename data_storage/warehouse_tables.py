"""The warehouse's tables: made if they are missing, and given the columns that the contract has gained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data_catalog.transaction_contract import CURATED_FIELDS, FRAUD_ALERT_FIELDS, Field, redshift_columns
from data_storage.sql_scripts import run_script
from infrastructure.aws.redshift_data import DataApi, WarehouseTarget, execute, query
from infrastructure.errors import PlatformError

TABLES_SQL = Path(__file__).with_name("create_redshift_tables.sql")

_CONTRACT_TABLES: dict[str, Sequence[Field]] = {
    "fact_transactions": CURATED_FIELDS,
    "fraud_alerts": FRAUD_ALERT_FIELDS,
}


def create_tables(data_api: DataApi, target: WarehouseTarget) -> None:
    """Make missing schema, tables and columns. Raises PlatformError that names the failing statement."""
    run_script(data_api, target, TABLES_SQL.read_text())
    for table, fields in _CONTRACT_TABLES.items():
        for statement in _missing_columns(data_api, target, table, fields):
            execute(data_api, target, statement)


def _missing_columns(data_api: DataApi, target: WarehouseTarget, table: str, fields: Sequence[Field]) -> list[str]:
    """ALTER TABLE for optional fields that are newer than the table. Any other difference is incompatible."""
    sql = f"SELECT column_name FROM svv_columns WHERE table_schema = '{target.schema}' AND table_name = '{table}'"
    present = {name for (name,) in query(data_api, target, sql)}
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
        encoding = "ZSTD" if type_.startswith("VARCHAR") else "AZ64"
        statements.append(f"ALTER TABLE {target.schema}.{table} ADD COLUMN {name} {type_} ENCODE {encoding}")
    return statements
